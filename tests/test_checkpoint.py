"""Checkpoints: what is kept, what a full disk leaves, and what damage is."""

import errno
import json
import os
import resource
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import checkpoint, devices
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.digest import digest


@pytest.fixture
def setup(tiny_config):
    return devices.distribute(make_setup(tiny_config), devices=1)


def state_at(step, setup, seed=0):
    """A state whose arrays depend on the seed, the history not empty."""
    rng = np.random.default_rng(seed)

    def fill(x):
        if x.dtype == np.uint8:
            return rng.integers(0, 256, x.shape, np.uint8)
        return rng.normal(size=x.shape).astype(x.dtype)

    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    filled = jax.tree.map(fill, state.replace(key=None))
    history = filled.history.replace(count=np.int32(16))
    state = filled.replace(key=jax.random.key(seed), step=np.int32(step), history=history)
    return devices.place(state, setup)


def collected(state, setup):
    """The digest of a state that lies on devices."""
    return digest(devices.collect(state, setup))


def leaves(state, setup):
    collected = devices.collect(state, setup)
    return [np.asarray(x) for x in jax.tree.leaves(collected.replace(key=None))]


def test_a_state_comes_back_equal_leaf_by_leaf(tmp_path, setup):
    saved = state_at(7, setup)
    Checkpoints(tmp_path).save(saved, setup)
    restored = Checkpoints(tmp_path).resume(setup)
    for a, b in zip(leaves(saved, setup), leaves(restored, setup), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert jnp.all(jax.random.key_data(saved.key) == jax.random.key_data(restored.key))


def test_a_state_without_a_history_comes_back_too(tmp_path, tiny_config):
    tiny_config.history.size = 0
    setup = devices.distribute(make_setup(tiny_config), devices=1)
    state = create_train_state(jax.random.key(3), setup).replace(step=np.int32(5))
    Checkpoints(tmp_path).save(devices.place(state, setup), setup)
    restored = devices.collect(Checkpoints(tmp_path).resume(setup), setup)
    assert restored.history.images.shape == state.history.images.shape
    assert digest(restored) == digest(Checkpoints(tmp_path).read(setup, 5)) == digest(state)


def test_a_step_saved_before_is_left_alone_and_old_ones_go(tmp_path, setup):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, seed in ((1, 0), (2, 0), (2, 1), (3, 0)):
        checkpoints.save(state_at(step, setup, seed), setup)
    assert checkpoints.steps() == [2, 3]
    assert digest(checkpoints.read(setup, 2)) == collected(state_at(2, setup, seed=0), setup)


def test_an_empty_folder_has_no_state(tmp_path, setup):
    assert Checkpoints(tmp_path).resume(setup) is None
    assert Checkpoints(tmp_path).newest(setup) is None
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_is_not_there_is_named_with_those_that_are(tmp_path, setup):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state_at(4, setup), setup)
    with pytest.raises(UserError, match=r"no checkpoint 3; there are \[4\]"):
        checkpoints.read(setup, 3)


def test_a_digest_tells_every_leaf_apart(setup):
    state = devices.collect(state_at(1, setup), setup)
    flat, tree = jax.tree.flatten(state)
    digests = {digest(state)}
    for i, leaf in enumerate(flat):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            other = jax.random.key(5)
        else:
            other = jnp.asarray(leaf).at[(0,) * leaf.ndim].add(1)
        digests.add(digest(jax.tree.unflatten(tree, [*flat[:i], other, *flat[i + 1 :]])))
    assert len(digests) == 1 + len(flat)


@contextmanager
def full_disk():
    """Within it, no file grows beyond 100 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_writing_that_fails_is_one_line_and_keeps_what_was_saved(tmp_path, setup, capfd):
    checkpoints = Checkpoints(tmp_path, keep=1)
    checkpoints.save(state_at(1, setup), setup)
    state = state_at(2, setup)
    with (
        full_disk(),
        pytest.raises(UserError, match=r"could not save step 2: .*Free space") as caught,
    ):
        checkpoints.save(state, setup)
    assert "\n" not in str(caught.value)
    assert "earlier checkpoints are kept" in str(caught.value)
    assert not capfd.readouterr().err
    again = Checkpoints(tmp_path, keep=1)
    assert again.steps() == [1]
    assert digest(again.newest(setup)) == collected(state_at(1, setup), setup)
    again.save(state, setup)
    assert again.steps() == [2]


def test_no_space_left_is_named(tmp_path, setup, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint.ocp.CheckpointManager, "save", full)
    with pytest.raises(UserError, match=r"could not save step 2: .*No space left.*Free space"):
        Checkpoints(tmp_path).save(state_at(2, setup), setup)


def test_fields_of_later_versions_are_written_only_where_they_are_used(tmp_path, tiny_config):
    fields = {}
    for psi, contrast in (("identity", 0.0), ("estimator", 0.0), ("channel_mean", 1.0)):
        tiny_config.loss.psi, tiny_config.loss.contrast.weight = psi, contrast
        tiny_config.data.histogram_matching = psi == "channel_mean"
        tiny_config.evaluate.estimator.width = 0.01
        setup = devices.distribute(make_setup(tiny_config), devices=1)
        Checkpoints(tmp_path / psi).save(state_at(1, setup), setup)
        metadata = json.loads((tmp_path / psi / "checkpoints/1/state/_METADATA").read_text())
        fields[psi] = {key.split("'")[1] for key in metadata["tree_metadata"]}
    first = {"key", "step", "refiner", "discriminator", "history", "ema", "self_regularization"}
    assert fields == {
        "identity": first,
        "estimator": first | {"estimators"},
        "channel_mean": first | {"projections", "histograms"},
    }
