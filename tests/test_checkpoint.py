"""Checkpoints: what is kept, what a full disk leaves, and what damage is."""

import errno
import json
import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import checkpoint, devices
from simgan_jax.training.checkpoint import Checkpoints, DamagedCheckpoint
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


@pytest.fixture
def two(tmp_path, setup):
    """The folder of a run with checkpoints 1 and 2."""
    for step in (1, 2):
        Checkpoints(tmp_path).save(state_at(step, setup, seed=step), setup)
    return tmp_path


def newest(workdir):
    return workdir / checkpoint.FOLDER / "2"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def contents(folder):
    """Every file and folder with what tells a change."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}


@pytest.mark.parametrize("damage", [flip, cut_short, Path.unlink])
def test_whatever_file_is_damaged_the_state_is_whole_or_said_not_to_be(two, setup, damage):
    saved = collected(state_at(2, setup, seed=2), setup)
    files = [path for path in newest(two).rglob("*") if path.is_file()]
    harmless = []
    for i, path in enumerate(files):
        copy = two / str(i)
        shutil.copytree(two / checkpoint.FOLDER, copy / checkpoint.FOLDER)
        damage(copy / path.relative_to(two))
        try:
            found = Checkpoints(copy).read(setup, 2)
        except DamagedCheckpoint:
            continue
        assert digest(found) == saved
        harmless.append(path.name)
    largest = max(files, key=lambda path: path.stat().st_size)
    assert not {"metadata", "_METADATA", largest.name} & set(harmless)


@pytest.mark.parametrize("damage", [flip, cut_short, Path.unlink])
def test_a_reader_names_the_damage_takes_the_one_before_and_changes_nothing(
    two, setup, damage, capfd
):
    damage(max(newest(two).rglob("*"), key=lambda path: path.stat().st_size))
    for path in (two, *two.rglob("*")):
        path.chmod(0o555)
    before = contents(two)
    assert Checkpoints(two).newest(setup).step == 1
    assert contents(two) == before
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"simgan: warning: {newest(two)} is damaged (")
    assert line.endswith("; taking the one before")


@pytest.mark.parametrize("item", ["", "state", "digest"])
def test_what_is_taken_from_another_step_is_noticed(two, setup, item):
    shutil.rmtree(newest(two) / item)
    shutil.copytree(two / checkpoint.FOLDER / "1" / item, newest(two) / item)
    with pytest.raises(DamagedCheckpoint, match="holds step 1" if not item else "checksum"):
        Checkpoints(two).read(setup, 2)


def test_a_step_of_another_run_is_noticed_where_the_runs_have_identities(setup, tmp_path):
    folders = {name: tmp_path / name for name in ("ours", "theirs")}
    for seed, (name, folder) in enumerate(folders.items()):
        folder.mkdir()
        (folder / "environment.json").write_text(f'{{"run": "{name}"}}')
        Checkpoints(folder).save(state_at(1, setup, seed), setup)
    brought = folders["ours"] / checkpoint.FOLDER / "2"
    Checkpoints(folders["theirs"]).save(state_at(2, setup), setup)
    shutil.copytree(folders["theirs"] / checkpoint.FOLDER / "2", brought)
    with pytest.raises(DamagedCheckpoint, match="another run's"):
        Checkpoints(folders["ours"]).read(setup, 2)
    assert Checkpoints(folders["ours"]).newest(setup).step == 1
    (folders["ours"] / "environment.json").unlink()
    assert Checkpoints(folders["ours"]).read(setup, 2).step == 2


def test_a_checkpoint_of_a_newer_version_is_refused_with_the_versions_named(two, setup):
    path = newest(two) / "digest" / "metadata"
    note = json.loads(path.read_text()) | {"format": 2, "version": "9.8"}
    path.write_text(json.dumps(note))
    with pytest.raises(UserError, match=r"/2: saved by simgan_jax 9\.8 in format 2; this is "):
        Checkpoints(two).resume(setup)
    assert newest(two).exists()


def test_training_moves_a_damaged_checkpoint_out_of_the_way_of_the_next(two, setup, capfd):
    flip(newest(two) / "digest" / "metadata")
    checkpoints = Checkpoints(two)
    assert checkpoints.resume(setup).step == 1
    assert f"moved to {two / checkpoint.DAMAGED / '2'}" in capfd.readouterr().err
    assert (two / checkpoint.DAMAGED / "2").is_dir()
    again = state_at(2, setup, seed=3)
    checkpoints.save(again, setup)
    assert digest(checkpoints.newest(setup)) == collected(again, setup)


def test_a_description_that_is_damaged_is_told_from_another_version(two, setup):
    path = newest(two) / "state" / "_METADATA"
    path.write_text(path.read_text().replace('"key_type"', '"kez_type"'))
    assert Checkpoints(two).resume(setup).step == 1
    assert (two / checkpoint.DAMAGED / "2").is_dir()


def test_without_a_whole_checkpoint_nothing_is_moved_and_the_error_stands(two, setup):
    for step in ("1", "2"):
        flip(two / checkpoint.FOLDER / step / "digest" / "metadata")
    before = contents(two)
    for _ in range(2):
        with pytest.raises(UserError, match=r"no whole checkpoint \(.*/2 is damaged .*--workdir$"):
            Checkpoints(two).resume(setup)
        assert contents(two) == before


def test_nothing_is_moved_where_the_one_before_cannot_be_read(two, tiny_config):
    flip(newest(two) / "digest" / "metadata")
    tiny_config.refiner.features = 3
    before = contents(two)
    with pytest.raises(UserError, match="/1: cannot be read"):
        Checkpoints(two).resume(devices.distribute(make_setup(tiny_config), devices=1))
    assert contents(two) == before


def test_a_checkpoint_that_was_set_aside_before_is_kept_beside_the_next(two, setup, capfd):
    for seed in (3, 4):
        flip(newest(two) / "digest" / "metadata")
        assert Checkpoints(two).resume(setup).step == 1
        Checkpoints(two).save(state_at(2, setup, seed), setup)
    assert f"moved to {two / checkpoint.DAMAGED / '2-2'}" in capfd.readouterr().err
    assert {path.name for path in (two / checkpoint.DAMAGED).iterdir()} == {"2", "2-2"}


def rename_a_key(workdir, config):
    """As another version of Orbax may."""
    note = newest(workdir) / "digest" / "metadata"
    note.write_text(note.read_text().replace('"orbax-checkpoint": "', '"orbax-checkpoint": "9.'))
    path = newest(workdir) / "state" / "_METADATA"
    path.write_text(path.read_text().replace('"key_type"', '"kind"'))
    return "key_type"


def other_fields(workdir, config):
    config.train.ema = 0.0
    return "ema"


def other_shapes(workdir, config):
    config.refiner.features = 3
    return r"float32 \(2,\) there, float32 \(3,\) by config.json"


@pytest.mark.parametrize("change", [rename_a_key, other_fields, other_shapes])
def test_what_another_version_or_configuration_wrote_is_an_error_and_stays(
    two, tiny_config, change
):
    said = change(two, tiny_config)
    setup = devices.distribute(make_setup(tiny_config), devices=1)
    before = contents(two)
    for ask in (Checkpoints(two).resume, Checkpoints(two).newest):
        with pytest.raises(
            UserError, match=rf"/2: cannot be read: .*{said}.*environment.json"
        ) as e:
            ask(setup)
        assert not isinstance(e.value, DamagedCheckpoint)
        assert "\n" not in str(e.value)
    assert contents(two) == before


def test_a_checkpoint_stays_where_memory_ends(two, setup, monkeypatch):
    def full(*_, **__):
        raise MemoryError

    monkeypatch.setattr(checkpoint.ocp.PyTreeCheckpointHandler, "restore", full)
    before = contents(two)
    for ask in (Checkpoints(two).resume, Checkpoints(two).newest):
        with pytest.raises(MemoryError):
            ask(setup)
    assert contents(two) == before


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
