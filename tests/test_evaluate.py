"""Reports: on plain arrays, on hand-made errors, and on a run by its command line."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_choice import brighter, same
from test_estimators import SETTINGS, blobs

from configs import gaze
from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.evaluation import figures, image_split
from simgan_jax.evaluation.label_preservation import measure_corners
from simgan_jax.evaluation.plan import Plan, Row
from simgan_jax.evaluation.run import evaluate, evaluate_and_print, evaluate_run
from simgan_jax.evaluation.sets import Sets
from simgan_jax.evaluation.summary import summary, table
from simgan_jax.io import progress
from simgan_jax.metrics.intervals import t_interval
from simgan_jax.models import Discriminator
from simgan_jax.models.discriminator import Layer
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices, provenance
from simgan_jax.training.checkpoint import Checkpoints

NETWORK = Discriminator(layers=(Layer(4, 3, 2),))
PLAN = Plan(
    rows=tuple(
        map(Row.parse, ("synthetic", "refined", "real", "synthetic_augmented", "refined_4x"))
    ),
    seeds=2,
    images=60,
    probe=24,
    discriminator_steps=4,
    whole_image=True,
    estimator=replace(SETTINGS, steps=8, looks=2),
)


def darker(images):
    return (images * 0.6).astype(np.uint8)


def report(refine=darker, **changed):
    sets = Sets(blobs(100, 0), blobs(90, 1), blobs(40, 2))._replace(**changed)
    return evaluate(PLAN, "gaze", sets, refine, NETWORK)


@pytest.fixture(scope="module")
def full():
    return report()


def test_the_report_has_every_row_and_figure_of_its_contract(full):
    assert set(full["estimators"]) == {
        *("synthetic", "refined", "real", "synthetic_augmented", "mean_predictor")
    }
    for row in full["estimators"].values():
        assert row["interval"][0] <= row["error"] <= row["interval"][1]
        assert 0 <= row["within"] <= 1
    synthetic = full["estimators"]["synthetic"]
    assert synthetic["std"] == pytest.approx(np.std(synthetic["per_seed"], ddof=1)) != 0
    assert full["skipped"] == {"refined_4x": "76 images, 240 would be needed"}
    assert full["seeds"] == 2
    assert {"mean", "std", "dx", "dy", "interval"} <= full["label_shift"].keys()
    assert full["label_shift"]["estimate"]["estimator"] == "synthetic_augmented"
    assert set(full["realism"]["discriminator_accuracy"]) == {"synthetic", "refined"}
    assert set(full["realism"]["whole_image_accuracy"]) == {"synthetic", "refined"}
    assert isinstance(full["realism"]["kid"], float)
    json.dumps(full)


def test_every_figure_is_explained(full):
    explained = (Path(__file__).parents[1] / "docs" / "evaluation.md").read_text()
    row = full["estimators"]["synthetic"]
    both_sides = full["label_distributions"]
    groups = (full, row, full["label_shift"], full["realism"], full["artefacts"])
    for group in (*groups, both_sides, both_sides["axes"]["pitch"]):
        for name in group:
            assert f"`{name.removesuffix('_interval')}`" in explained, name


def test_a_darker_image_has_not_moved_and_is_less_real(full):
    assert full["label_shift"]["mean"] < 0.1
    realism = full["realism"]
    assert realism["kid"] > realism["kid_synthetic"]
    assert abs(realism["kid_real"]) < realism["kid"]
    assert realism["sliced_wasserstein"]["refined"] > realism["sliced_wasserstein"]["synthetic"]


def test_what_matching_grey_values_does_is_not_held_against_the_network(full):
    sets = Sets(blobs(100, 0), blobs(90, 1), blobs(40, 2))
    rows = tuple(map(Row.parse, ("synthetic", "refined", "matched", "synthetic_augmented")))
    plan = replace(PLAN, rows=rows, seeds=1)
    found = evaluate(plan, "gaze", sets, darker, NETWORK, match=darker)
    assert found["label_shift"]["estimate"]["estimator"] == "matched"
    assert {axis["bias"] for axis in found["label_shift"]["estimate"]["axes"].values()} == {0}
    assert found["label_shift"]["mean"] < 1e-4 < full["label_shift"]["mean"]
    assert found["realism"]["kid"] == full["realism"]["kid"]
    assert found["realism"]["kid_synthetic"] == full["realism"]["kid_synthetic"]


def test_a_refiner_that_moves_the_iris_is_caught():
    moved = report(refine=lambda images: np.roll(images, 1, axis=2), test=None)
    assert moved["label_shift"]["dx"] == pytest.approx(1, abs=0.1)
    assert moved["label_shift"]["dy"] == pytest.approx(0, abs=0.1)
    assert moved["estimators"] == {}


def test_real_labels_are_not_needed(full):
    found = report(real=Arrays(blobs(90, 1).images))
    assert "real" not in found["estimators"]
    assert found["skipped"]["real"] == "the real images have no label 'gaze'"
    assert found["gap_closed"] is None
    synthetic = found["estimators"]["synthetic"]["error"]
    assert synthetic == full["estimators"]["synthetic"]["error"]
    assert found["label_distributions"] == full["label_distributions"]


def test_images_of_the_test_set_never_train_the_ceiling(full):
    real, test = blobs(90, 1), blobs(40, 2)
    images = np.concatenate([real.images, test.images])
    both = {name: np.concatenate([real.labels[name], test.labels[name]]) for name in real.labels}
    found = report(real=real, labelled=Arrays(images, both))["estimators"]
    assert found["real"]["error"] == full["estimators"]["real"]["error"]
    assert found["mean_predictor"] == full["estimators"]["mean_predictor"]
    found = report(real=real, labelled=test)
    assert found["skipped"]["real"] == "all labelled real images are in the test set"


def test_labels_of_the_test_set_change_errors_and_no_estimator(full):
    test = blobs(40, 2)
    turned = Arrays(test.images, {**test.labels, "gaze": test.labels["gaze"][::-1]})
    found = report(test=turned)
    for name in ("synthetic", "refined", "real", "synthetic_augmented"):
        row, before = found["estimators"][name], full["estimators"][name]
        assert row["error"] != before["error"]
        # On its own domain, and on synthetic images below: the same estimator, bit for bit.
        assert row["own_error"] == before["own_error"]
    assert found["label_shift"] == full["label_shift"]
    assert found["realism"] == full["realism"]


def test_what_chooses_a_checkpoint_is_not_measured(full):
    synthetic, real = blobs(100, 0), blobs(90, 1)
    images = real.images.copy()
    images[1::2] = 255 - images[1::2]
    found = report(real=Arrays(images), test=None)
    assert found["realism"] == full["realism"]
    images = synthetic.images.copy()
    images[:75] = 255 - images[:75]
    found = report(synthetic=Arrays(images, synthetic.labels), test=None)
    assert found["artefacts"] == full["artefacts"]
    without_estimators = {k: x for k, x in full["label_shift"].items() if k != "estimate"}
    assert found["label_shift"] == without_estimators
    assert found["realism"] == full["realism"]


def test_rows_are_compared_over_seeds_and_people(full):
    errors = {name: row["per_seed"] for name, row in full["estimators"].items()}
    (one,) = [
        c for c in full["comparisons"] if (c["row"], c["against"]) == ("refined", "synthetic")
    ]
    differences = np.subtract(errors["refined"], errors["synthetic"])
    assert one["difference"] == pytest.approx(differences.mean())
    assert one["over_seeds"] == pytest.approx(t_interval(differences))
    assert one["clear"] == (one["interval"][0] > 0 or one["interval"][1] < 0)
    assert full["test_groups"] == "3 people"
    assert full["estimators"]["refined"]["uncertainty"] == {
        "std": "2 seeds",
        "interval": "3 people",
        "within_interval": "3 people",
    }


@pytest.mark.parametrize("count", range(6))
def test_very_few_images_are_one_clear_line(count):
    with pytest.raises(UserError, match=f"config.data.synthetic: {count} images"):
        report(synthetic=blobs(count, 0))
    with pytest.raises(UserError, match=f"config.data.real: {count} images"):
        report(real=blobs(count, 1))


def test_the_fewest_images_that_are_allowed_can_be_measured():
    found = report(
        synthetic=blobs(image_split.LEAST_SYNTHETIC, 0),
        real=blobs(image_split.LEAST_REAL, 1),
        test=None,
    )
    assert 0 <= found["realism"]["discriminator_accuracy"]["refined"] <= 1
    assert np.isfinite(found["realism"]["kid"])
    assert found["label_shift"]["images"] == 4


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
    command = [sys.executable, "-m", "simgan_jax.evaluate", f"--workdir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("simgan: ")
    assert "config.json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_figures_and_table_are_made(full, tmp_path):
    names = {path.name for path in figures.draw(full, tmp_path)}
    assert names == {"cumulative.png", "errors.png", "spectrum.png"}
    assert table(full).row_count == 5
    lines = summary(full | {"notes": ["mind the gap"]})
    assert lines[0].startswith("refined against synthetic: ")
    assert lines[-1] == "note: mind the gap"
    assert set(full["label_distributions"]["sentences"]) < set(lines)


def test_corners_that_move_apart_are_measured_on_both_sides():
    eyes = data.load({"source": "procedural_eyes", "count": 48})
    columns = np.arange(55)
    wider = np.empty_like(eyes.images)
    for i, (image, pupil) in enumerate(zip(eyes.images, eyes.labels["pupil"], strict=True)):
        # Everything right of the iris goes 0.8 px to the right, left of it to the left.
        offset = np.clip((columns - pupil[0]) / 5, -1, 1)
        source = columns - 0.8 * offset
        for row in range(35):
            wider[i, row, :, 0] = np.interp(source, columns, image[row, :, 0].astype(float))
    corners = measure_corners(eyes, wider)
    assert corners["left"] == pytest.approx([-0.8, 0], abs=0.2)
    assert corners["right"] == pytest.approx([0.8, 0], abs=0.2)
    still = measure_corners(eyes, eyes.images)
    np.testing.assert_allclose([still["left"], still["right"]], 0, atol=0.01)
