"""What `simgan doctor` finds in runs and folders of images, and how it ends."""

import json
import os
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from simgan_jax import doctor
from simgan_jax.data.checkup import check_folder
from simgan_jax.io.locks import alone
from simgan_jax.reporting.findings import check_images
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.checkup import check_run
from simgan_jax.training.loop import LOCK
from simgan_jax.training.provenance import read_config


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run with one checkpoint, of its first step."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def save(path, *shape, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(path.name.encode())
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype)
    Image.fromarray(pixels).save(path)


def test_a_run_that_stopped_and_one_that_trains_are_told_apart(run):
    assert list(check_run(run)) == [
        f"{run}: stopped, 0 of 35 steps are saved; the same command goes on"
    ]
    with alone(run / LOCK, "trained"):
        (said,) = check_run(run)
    assert f"{run}: is being trained by process " in said


def test_a_run_that_is_over_has_nothing_or_no_evaluation(run):
    config = json.loads((run / "config.json").read_text())
    config["train"] |= {"pretrain_refiner": 0, "pretrain_discriminator": 0, "steps": 1}
    (run / "config.json").write_text(json.dumps(config))
    setup = devices.distribute(make_setup(read_config(run)), devices=1)
    state = create_train_state(jax.random.key(0), setup).replace(step=jnp.int32(1))
    Checkpoints(run).save(devices.place(state, setup), setup)
    assert list(check_run(run)) == []
    (run / "evaluation.json").unlink()
    (said,) = check_run(run)
    assert "trained, not evaluated; simgan evaluate --workdir=" in said


def test_what_the_evaluation_objects_to_is_said_with_its_remedy(run, bare):
    assert list(check_images(run)) == [], "not measured is no complaint"
    found = json.loads((run / "evaluation.json").read_text())
    found["label_shift"]["estimate"] = {"axes": {"pitch": {"bias": 0.1}, "yaw": {"bias": 2.9}}}
    found["artefacts"]["whites_lost"] = {"share": 0.27, "interval": [0.24, 0.29]}
    (run / "evaluation.json").write_text(json.dumps(found))
    assert list(check_images(run)) == [
        "Are the labels still true? No: what estimators read moved by +2.90° in yaw. Estimators read "
        "other labels off refined images: keep what they read in training. --config.loss.psi=estimator",
        "Has it painted something of its own? Yes: 27% of the whites of eyes became as dark as the "
        "iris. Something is painted into the images: weigh the whole eye, not the iris alone. "
        "--config.loss.weight.label=eye_mask",
    ]
    assert list(check_images(bare)) == []
    (bare / "config.json").write_text("")
    assert list(check_images(bare)) == [], "the check of its files has said that"


def test_damaged_files_and_settings_of_a_run_are_named(run):
    (run / "chosen.json").write_text("")
    (run / "evaluation.json").write_text("{")
    digest = run / "checkpoints" / "0" / "digest" / "metadata"
    digest.unlink()
    said = list(check_run(run))
    assert said[0] == f"{run / 'chosen.json'}: is damaged (empty)"
    assert said[1].startswith(f"{run / 'evaluation.json'}: is damaged")
    assert "checkpoints/0 is damaged" in said[2]
    config = json.loads((run / "config.json").read_text())
    config["watch"]["keep"] = 0
    (run / "config.json").write_text(json.dumps(config))
    assert list(check_run(run)) == ["config.watch.keep is 0, must be a whole number, at least 1"]
    (run / "config.json").write_text("")
    assert "config.json: is damaged (empty); restore it" in next(check_run(run))


def test_what_is_wrong_with_a_folder_is_a_line_each(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", 6, 8)
    assert list(check_folder(tmp_path)) == []
    save(tmp_path / "large.png", 60, 80, 3)
    save(tmp_path / "deep.png", 6, 8, dtype=np.uint16)
    pixels = np.full((6, 8, 4), 255, np.uint8)
    pixels[0, 0, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "see_through.png")
    pixels[..., 3] = 128
    Image.fromarray(pixels).save(tmp_path / "veiled.png")
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "none.png").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "phone.heic").write_bytes(b"")
    shutil.copy(tmp_path / "0.png", tmp_path / "no_suffix")
    (tmp_path / "notes.txt").write_text("")
    foreign, *damaged, count, sizes, channels, depths = check_folder(tmp_path)
    assert foreign == (
        f"{tmp_path}: 2 pictures of formats that are not read, or without a suffix, first "
        f"{tmp_path}/no_suffix; save them as PNG"
    )
    names = ("damaged", "none", "pipe", "see_through", "veiled")
    for name, said in zip(names, damaged, strict=True):
        assert said.startswith(f"{tmp_path}/{name}.png: ")
    assert "the file is empty" in damaged[1]
    assert count.startswith(f"{tmp_path}: 5 of 10 files cannot be used; mend them, or set on_error")
    assert "images of 2 sizes, 8 x 6 to 80 x 60 pixels; set fit" in sizes
    assert "4 of 1 and 1 of 3; set convert=True" in channels
    assert "4 of uint8 and 1 of uint16; set dtype" in depths


def test_files_that_cannot_be_used_are_named_one_by_one_up_to_twenty(tmp_path):
    for i in range(21):
        (tmp_path / f"{i:02}.png").write_bytes(b"")
    said = list(check_folder(tmp_path))
    assert [line.partition(".png: not readable")[0] for line in said[:-1]] == [
        f"{tmp_path}/{i:02}" for i in range(20)
    ]
    assert said[-1].startswith(f"{tmp_path}: 21 of 21 files cannot be used, 20 of which are named")


def test_pictures_that_show_nothing_and_copies_are_told(tmp_path):
    for i in range(4):
        save(tmp_path / f"{i}.png", 6, 8)
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "black.png")
    shutil.copy(tmp_path / "1.png", tmp_path / "again.png")
    black, copies = check_folder(tmp_path)
    assert black == (
        f"{tmp_path}/black.png: shows nothing, all values are 0, as in 1 of 6 pictures; remove such "
        "files"
    )
    assert copies == (
        f"{tmp_path}/again.png: is a copy of 1.png, as 1 of 6 pictures are of others, and counts "
        "again; remove such copies"
    )


@pytest.mark.parametrize(
    "name, status, said",
    [
        ("good", 0, "nothing to complain of"),
        ("empty", 1, "no images there"),
        ("none", 2, "no such"),
    ],
)
def test_the_status_says_whether_there_are_complaints(
    tmp_path, capsys, monkeypatch, name, status, said
):
    save(tmp_path / "good" / "a.png", 6, 8)
    (tmp_path / "empty").mkdir()
    (tmp_path / "labels.csv").write_text("")
    monkeypatch.setattr(sys, "argv", ["simgan doctor", str(tmp_path / name)])
    with pytest.raises(SystemExit) as ended:
        doctor.run()
    assert (ended.value.code or 0) == status
    output = capsys.readouterr()
    assert said in output.out + output.err
