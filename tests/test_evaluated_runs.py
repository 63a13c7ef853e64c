"""Reports on a run: which checkpoint they are of, by its command line and by name."""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from forks import Process
from test_choice import brighter, same

from configs import gaze
from simgan_jax.evaluation.run import evaluate_and_print, evaluate_run
from simgan_jax.io import progress
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices, provenance
from simgan_jax.training.checkpoint import Checkpoints


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of the embedded eyes: checkpoint 40 changes no image, 50 makes them too bright."""
    workdir = tmp_path_factory.mktemp("made")
    config = gaze.get_config("tiny")
    config.data.synthetic.count = config.data.real.count = 48
    config.data.test.count = 16
    for level in (config.evaluate.quick, config.evaluate.full):
        level.update(images=32, probe=8, discriminator_steps=2, estimator_steps=2)
    config.evaluate.estimator.update(batch=8, looks=1)
    config.refiner.residual = True
    config.train.ema = 0.0
    setup = devices.distribute(make_setup(config))
    provenance.claim(workdir, config)
    state = create_train_state(jax.random.key(0), setup)
    for step, head in ((40, same), (50, brighter)):  # after pre-training
        params = state.refiner.params
        changed = {**params, "head": head(params["head"])}
        at = state.replace(
            step=jnp.asarray(step, state.step.dtype), refiner=state.refiner.replace(params=changed)
        )
        Checkpoints(workdir).save(devices.place(at, setup), setup)
    return workdir


def copied(source, target):
    return Path(shutil.copytree(source, target, dirs_exist_ok=True))


@pytest.fixture
def run(made, tmp_path):
    """A copy of the run, to be evaluated."""
    return copied(made, tmp_path)


@pytest.fixture(scope="module")
def chosen(made, tmp_path_factory):
    """The run with its first report and a choice of its own, and that report."""
    workdir = copied(made, tmp_path_factory.mktemp("chosen"))
    return workdir, evaluate_run(workdir, "quick", rows=())


@pytest.fixture(scope="module")
def by_hand(made, tmp_path_factory):
    """The run with a report of what an earlier version has chosen, 50, and that report."""
    workdir = copied(made, tmp_path_factory.mktemp("by_hand"))
    content = {"step": 50, "rule": "by hand", "candidates": [{"step": 40}, {"step": 50}]}
    (workdir / "chosen.json").write_text(json.dumps(content))
    return workdir, evaluate_run(workdir, "quick", rows=())


def test_a_run_gets_its_report_figures_and_chosen_checkpoint(run, capsys, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    evaluate_and_print(run, "quick", seeds=1)
    found = json.loads((run / "evaluation.json").read_text())
    assert set(found["estimators"]) == {"synthetic", "refined", "real", "mean_predictor"}
    assert found["seeds"] == 1
    assert found["checkpoint"] == json.loads((run / "chosen.json").read_text())["step"]
    assert [c["step"] for c in found["candidates"]] == [40, 50]
    assert found["notes"] == []
    assert (run / "evaluation" / "cumulative.png").stat().st_size > 1000
    printed, shown = capsys.readouterr()
    assert "Error on real test images (degrees), 1 seed(s)" in printed
    for part in (
        *("training estimators", "judging checkpoints", "training fresh discriminators"),
        *("refining 32/32", "testing estimators 48/48", "reading labels"),
    ):
        assert f"\n{part}" in shown
    assert "checkpoint 40 chosen by realism and label shift" in printed
    assert "\x1b" not in printed, "no colours where there is no terminal"


def test_a_later_report_is_of_the_same_checkpoint_unless_asked(chosen, tmp_path, capsys):
    run, first = copied(chosen[0], tmp_path), chosen[1]
    content = json.loads((run / "chosen.json").read_text())
    (run / "chosen.json").write_text(json.dumps(content | {"step": 50, "rule": "by hand"}))
    assert first["checkpoint"] == 40
    evaluate_and_print(run, "full", rows=())
    later = json.loads((run / "evaluation.json").read_text())
    assert later["checkpoint"] == 50
    assert later["realism"]["kid"] > 2 * first["realism"]["kid"], "its own images are measured"
    assert (
        "checkpoint 50 chosen earlier by realism and label shift: by hand"
        in capsys.readouterr().out
    )
    assert evaluate_run(run, "quick", rows=(), choose_anew=True)["checkpoint"] == 40


def test_a_report_of_named_rows_with_more_synthetic_images_chooses_by_the_same_as_one_without(
    run, chosen
):
    # 136 synthetic images; without the row the configuration's own 48.
    report = evaluate_run(run, "quick", rows=("synthetic_4x",))
    assert set(report["estimators"]) == {"synthetic_4x", "mean_predictor"}
    seen = [json.loads((folder / "chosen.json").read_text()) for folder in (run, chosen[0])]
    assert seen[0] == seen[1]
    assert seen[0]["images"]["synthetic"] == 36


def test_a_choice_of_an_earlier_version_stands_and_is_named(by_hand):
    _, found = by_hand
    assert found["checkpoint"] == 50
    assert "--choose" in found["notes"][0]


def test_where_the_chosen_checkpoint_is_damaged_the_one_before_is_measured(
    by_hand, tmp_path, capfd
):
    run, whole = copied(by_hand[0], tmp_path), by_hand[1]
    assert whole["checkpoint"] == 50
    damaged = run / "checkpoints" / "50"
    (damaged / "digest" / "metadata").write_text("{")
    found = evaluate_run(run, "quick", rows=())
    assert found["checkpoint"] == 40
    # Checkpoint 40 changes no image, so the measured ones are as far from real ones as synthetic ones.
    assert found["realism"]["kid"] == pytest.approx(found["realism"]["kid_synthetic"], abs=0.01)
    assert whole["realism"]["kid"] > 2 * found["realism"]["kid"]
    assert f"{damaged} is damaged" in capfd.readouterr().err
    assert damaged.is_dir()


def test_a_folder_that_is_no_run_is_one_clear_line(tmp_path):
    done = Process(["-m", "simgan_jax.evaluate", f"--workdir={tmp_path}"], tmp_path / "said")
    assert done.wait() == 2
    assert done.err.startswith("simgan: ")
    assert "config.json" in done.err
    assert done.err.count("\n") == 1
