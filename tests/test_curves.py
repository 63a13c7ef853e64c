"""The report's charts: which lines and levels they have."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from simgan_jax.reporting.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from simgan_jax.reporting.curves import cumulative_charts, training_charts
from simgan_jax.reporting.run_folder import Run
from simgan_jax.reporting.units import TASKS


def row(curve, within):
    return {"thresholds": [0.0, 7.0, 28.0], "curve": curve, "threshold": 7.0, "within": within}


EVALUATION = {
    "estimators": {
        "synthetic": row([0.0, 0.25, 1.0], 0.25),
        "refined": row([0.0, 0.5, 1.0], 0.5),
        "synthetic_augmented": row([0.0, 0.75, 1.0], 0.75),
        "mean_predictor": row([0.0, 0.125, 1.0], 0.125),
    }
}


def paths(chart, kind):
    svg = ElementTree.fromstring(chart)
    return [e.get("d") for e in svg if kind in e.get("class", "").split()]


def test_rows_with_augmentation_have_a_chart_of_their_own_and_the_mean_predictor_is_in_both():
    plain, augmented = cumulative_charts(EVALUATION, TASKS["gaze"])
    assert [line.name for line in plain["lines"]] == ["refined", "synthetic", "mean predictor"]
    assert [line.name for line in augmented["lines"]] == ["synthetic augmented", "mean predictor"]
    assert augmented["title"] == "Cumulative error, trained with augmentation"


def test_refined_images_with_the_grey_values_of_real_ones_are_in_the_chart_of_all_images():
    rows = {name: row([0.0, 0.5, 1.0], 0.5) for name in ("refined", "refined_matched", "matched")}
    rows["refined_matched_4x_augmented"] = rows["refined"]
    plain, large = cumulative_charts({"estimators": rows}, TASKS["gaze"])
    assert [line.name for line in plain["lines"]] == ["refined", "refined matched", "matched"]
    assert len({line.style for line in plain["lines"]}) == 3
    assert large["title"] == "Cumulative error, 4x augmented"


def test_a_curve_is_drawn_through_its_points_and_the_threshold_stands_at_its_error():
    [chart, _] = cumulative_charts(EVALUATION, TASKS["gaze"])
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    # 7 of 28 degrees is a quarter of the width, 0.25 a quarter of the height.
    x, y = LEFT + (right - LEFT) / 4, bottom - (bottom - TOP) / 4
    synthetic = f"M{LEFT}.0,{bottom}.0L{x:.1f},{y:.1f}L{right}.0,{TOP}.0"
    assert synthetic in paths(chart["chart"], "line")
    assert paths(chart["chart"], "mark") == [f"M{x:.1f} {TOP}V{bottom}"]
    assert [level.name for level in chart["levels"]] == ["within 7°"]


def test_a_screen_reader_hears_the_shares_within_the_threshold():
    [chart, _] = cumulative_charts(EVALUATION, TASKS["gaze"])
    label = ElementTree.fromstring(chart["chart"]).get("aria-label")
    said = "share of images within 7°: refined 50%, synthetic 25%, mean predictor 12%"
    assert label == f"Cumulative error; {said}"


def test_rows_without_a_curve_have_no_chart():
    assert cumulative_charts({"estimators": {"synthetic": {"error": 8.0}}}, TASKS["gaze"]) == []
    assert cumulative_charts({}, TASKS["gaze"]) == []


@pytest.mark.parametrize(
    ("adversarial", "levels"),
    [
        ("cross_entropy", [0.6931]),
        ("least_squares", [1.0]),
        ("hinge", [1.0, 0.0]),
        ("unheard-of", []),
    ],
)
def test_the_losses_of_an_undecided_discriminator_are_marked(adversarial, levels):
    rows = [{"step": 10, "phase": "adversarial", "refiner/adversarial": 0.5}]
    run = Run(Path("x"), {"loss": {"adversarial": adversarial}}, {}, rows, {}, [])
    [chart] = training_charts(run)
    assert [level.value for level in chart["levels"]] == pytest.approx(levels, abs=1e-4)
    assert len(paths(chart["chart"], "mark")) == len(levels)
