"""What `simgan doctor` finds in runs and folders of images, and how it ends."""

import json
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
    Image.fromarray(np.zeros(shape, dtype)).save(path)


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
    assert said[0] == f"{run / 'chosen.json'}: is empty"
    assert said[1].startswith(f"{run / 'evaluation.json'}: is damaged")
    assert "checkpoints/0 is damaged" in said[2]
    config = json.loads((run / "config.json").read_text())
    config["watch"]["keep"] = 0
    (run / "config.json").write_text(json.dumps(config))
    assert list(check_run(run)) == ["config.watch.keep is 0, must be a whole number, at least 1"]
    (run / "config.json").write_text("")
    assert "config.json: is empty; restore it" in next(check_run(run))


def test_what_is_wrong_with_a_folder_is_a_line_each(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", 6, 8)
    assert list(check_folder(tmp_path)) == []
    save(tmp_path / "large.png", 60, 80, 3)
    save(tmp_path / "deep.png", 6, 8, dtype=np.uint16)
    pixels = np.full((6, 8, 4), 255, np.uint8)
    pixels[0, 0, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "see_through.png")
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "phone.heic").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    foreign, damaged, sizes, channels, depths = check_folder(tmp_path)
    assert foreign.startswith(f"{tmp_path / 'phone.heic'}: a format that is not read, as 1 files")
    assert damaged.startswith(f"{tmp_path / 'damaged.png'}: ")
    assert damaged.endswith("2 of 7 files are damaged (on_error=skip)")
    assert "images of 2 sizes, 8 x 6 to 80 x 60 pixels; set fit" in sizes
    assert "4 of 1 and 2 of 3; set convert=True" in channels
    assert "5 of uint8 and 1 of uint16; set dtype" in depths


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
