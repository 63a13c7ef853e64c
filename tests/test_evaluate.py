"""Reports: on plain arrays, on hand-made errors, and on a run by its command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_estimators import SETTINGS, blobs

from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.evaluation import figures, image_split
from simgan_jax.evaluation.label_preservation import measure_corners
from simgan_jax.evaluation.plan import Plan, Row
from simgan_jax.evaluation.run import evaluate
from simgan_jax.evaluation.sets import Sets
from simgan_jax.evaluation.summary import summary, table
from simgan_jax.metrics.intervals import t_interval
from simgan_jax.models import Discriminator
from simgan_jax.models.discriminator import Layer

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
    real = blobs(90, 1)
    found = report(real=Arrays(real.images, {"participant": real.labels["participant"]}))
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
    with pytest.raises(UserError, match=f"config.data.synthetic: {count} images?;"):
        report(synthetic=blobs(count, 0))
    with pytest.raises(UserError, match=f"config.data.real: {count} images?;"):
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
