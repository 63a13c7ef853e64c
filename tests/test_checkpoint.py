"""Checkpoints: what is kept, what a full disk leaves, and what is refined with."""

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
from simgan_jax.training import checkpoint, devices, provenance
from simgan_jax.training.checkpoint import Checkpoints, digest, read_config, restore_refiner


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


def leaves(state, setup):
    collected = devices.collect(state, setup)
    return [np.asarray(x) for x in jax.tree.leaves(collected.replace(key=None))]


def test_a_state_comes_back_equal_leaf_by_leaf(tmp_path, setup):
    saved = state_at(7, setup)
    Checkpoints(tmp_path).save(saved, setup)
    restored = Checkpoints(tmp_path).restore(setup)
    for a, b in zip(leaves(saved, setup), leaves(restored, setup), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert jnp.all(jax.random.key_data(saved.key) == jax.random.key_data(restored.key))


def test_a_state_without_a_history_comes_back_too(tmp_path, tiny_config):
    tiny_config.history.size = 0
    setup = devices.distribute(make_setup(tiny_config), devices=1)
    state = create_train_state(jax.random.key(3), setup).replace(step=np.int32(5))
    Checkpoints(tmp_path).save(devices.place(state, setup), setup)
    restored = Checkpoints(tmp_path).restore(setup)
    assert devices.collect(restored, setup).history.images.shape == state.history.images.shape
    assert digest(devices.collect(restored, setup)) == digest(state)
    provenance.claim(tmp_path, tiny_config)
    assert restore_refiner(tmp_path)[2] == 5


def test_a_step_saved_before_is_left_alone_and_old_ones_go(tmp_path, setup):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, seed in ((1, 0), (2, 0), (2, 1), (3, 0)):
        checkpoints.save(state_at(step, setup, seed), setup)
    assert checkpoints.steps() == [2, 3]
    assert digest(checkpoints.restore(setup, 2)) == digest(state_at(2, setup, seed=0))


def test_an_empty_folder_has_no_state(tmp_path, setup):
    assert Checkpoints(tmp_path).restore(setup) is None


def test_a_step_that_is_not_there_is_named_with_those_that_are(tmp_path, setup):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(state_at(4, setup), setup)
    with pytest.raises(UserError, match=r"no checkpoint 3; there are \[4\]"):
        checkpoints.restore(setup, 3)


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


def test_writing_that_fails_is_one_line_and_keeps_what_was_saved(tmp_path, setup):
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
    again = Checkpoints(tmp_path, keep=1)
    assert again.steps() == [1]
    assert digest(again.restore(setup)) == digest(state_at(1, setup))
    again.save(state, setup)
    assert again.steps() == [2]


def test_no_space_left_is_named(tmp_path, setup, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint.ocp.CheckpointManager, "save", full)
    with pytest.raises(UserError, match=r"could not save step 2: .*No space left.*Free space"):
        Checkpoints(tmp_path).save(state_at(2, setup), setup)


def run_of(config, workdir, steps):
    """A run's folder with checkpoints of these steps, each with its own seed; their states."""
    setup = devices.distribute(make_setup(config), devices=1)
    provenance.claim(workdir, config)
    states = {step: state_at(step, setup, seed=step) for step in steps}
    for state in states.values():
        Checkpoints(workdir).save(state, setup)
    return states


def test_the_chosen_checkpoint_is_refined_with_else_the_newest(tmp_path, tiny_config):
    states = run_of(tiny_config, tmp_path, [1, 2])
    assert restore_refiner(tmp_path)[2] == 2
    (tmp_path / "chosen.json").write_text('{"step": 1}')
    config, params, step = restore_refiner(tmp_path)
    assert step == 1
    assert config.to_dict() == read_config(tmp_path).to_dict()
    # The average is kept, and preferred.
    jax.tree.map(np.testing.assert_array_equal, params, states[1].ema)
    assert restore_refiner(tmp_path, step=2)[2] == 2


def test_without_an_average_the_trained_parameters_are_refined_with(tmp_path, tiny_config):
    tiny_config.train.ema = 0.0
    states = run_of(tiny_config, tmp_path, [3])
    assert states[3].ema is None
    params = restore_refiner(tmp_path)[1]
    jax.tree.map(np.testing.assert_array_equal, params, states[3].refiner.params)


def test_a_chosen_checkpoint_that_is_gone_gives_way_to_the_newest(tmp_path, tiny_config):
    run_of(tiny_config, tmp_path, [2])
    (tmp_path / "chosen.json").write_text('{"step": 1}')
    assert restore_refiner(tmp_path)[2] == 2


def test_a_run_without_checkpoint_says_how_to_get_one(tmp_path, tiny_config):
    provenance.claim(tmp_path, tiny_config)
    with pytest.raises(UserError, match="no checkpoint yet; train first"):
        restore_refiner(tmp_path)


def test_a_folder_that_is_no_run_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"config.json: no such file; --workdir"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_config(tmp_path)


def test_a_folder_belongs_to_one_configuration(tmp_path, tiny_config):
    tiny_config.train.batch = 2
    provenance.claim(tmp_path, tiny_config)
    tiny_config.train.batch = 8  # nothing has been saved: the first one may have been a mistake
    provenance.claim(tmp_path, tiny_config)
    assert json.loads((tmp_path / "config.json").read_text())["train"]["batch"] == 8
    setup = devices.distribute(make_setup(tiny_config))
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    Checkpoints(tmp_path).save(state, setup)
    provenance.claim(tmp_path, tiny_config)
    tiny_config.train.batch = 4
    tiny_config.seed = 1
    with pytest.raises(
        UserError, match=r"config\.seed is 0 there, 1 here, and 1 more differ; give another"
    ):
        provenance.claim(tmp_path, tiny_config)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path, tiny_config):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write there .*give another --workdir"):
        provenance.claim(tmp_path / "file" / "run", tiny_config)
