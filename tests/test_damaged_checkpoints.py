"""Checkpoints that are damaged, of another step, run or version: said, and never taken for whole."""

import json
import shutil
from pathlib import Path

import pytest
from test_checkpoint import collected, state_at

from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.training import checkpoint, devices
from simgan_jax.training.checkpoint import Checkpoints, DamagedCheckpoint
from simgan_jax.training.digest import digest


@pytest.fixture
def setup(tiny_config):
    return devices.distribute(make_setup(tiny_config), devices=1)


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


@pytest.mark.parametrize("notes", ["[]", "7", '{"format": "2"}', '{"format": null}'])
def test_notes_of_another_form_are_damage(two, setup, notes):
    (newest(two) / "digest" / "metadata").write_text(notes)
    with pytest.raises(DamagedCheckpoint):
        Checkpoints(two).read(setup, 2)
    assert Checkpoints(two).newest(setup).step == 1


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
