"""An evaluation's lines on the terminal."""

import pytest

from simgan_jax.evaluation.summary import (
    artefact_line,
    comparison_line,
    reading_line,
    shift_line,
)

SHIFT = {"mean": 0.1, "std": 0.05, "dx": 0.02, "dy": -0.01, "followed": 1.0}


def test_a_label_shift_of_few_images_is_not_told_as_a_small_one():
    assert shift_line(SHIFT).startswith("label shift 0.10 px (standard deviation over images 0.05)")
    lost = shift_line(SHIFT | {"followed": 0.2})
    assert lost.startswith("label shift unknown: the content of 80% of the images cannot be found")
    nothing = {"mean": float("nan"), "std": float("nan"), "followed": 0.0}
    assert "nan" not in shift_line(nothing)
    few = shift_line(SHIFT | {"followed": 0.95})
    assert few.startswith("label shift 0.10 px")
    assert few.endswith("; 5.0% of the images could not be followed")


@pytest.mark.parametrize(("clear", "verdict"), [(True, "clear"), (False, "may be chance")])
def test_a_difference_is_told_with_what_its_interval_is_over(clear, verdict):
    one = {
        "row": "refined_augmented",
        "against": "synthetic",
        "difference": -0.5,
        "over_images": [-0.6, -0.4],
        "interval": [-0.9, -0.1],
        "clear": clear,
    }
    assert comparison_line(one, "degrees", "20 people") == (
        "refined augmented against synthetic: -0.50 degrees (-0.90 to -0.10 over seeds and 20 "
        f"people): {verdict}"
    )


def test_one_seed_does_not_tell_what_another_training_would_give():
    one = {
        "row": "refined",
        "against": "matched",
        "difference": 0.5,
        "over_images": [0.4, 0.6],
        "interval": None,
        "clear": False,
    }
    line = comparison_line(one, "px", "3 days")
    assert line.startswith(
        "refined against matched: +0.50 px (+0.40 to +0.60 over 3 days; one seed"
    )


@pytest.mark.parametrize(("yaw", "verdict"), [(0.5, "within"), (-2.9, "beyond")])
def test_what_estimators_read_is_told_with_its_limit(yaw, verdict):
    estimate = {
        "estimator": "synthetic_augmented",
        "unit": "degrees",
        "axes": {"pitch": {"bias": 0.1, "interval": [0, 0.2]}, "yaw": {"bias": yaw}},
        "largest": yaw,
        "largest_share": 0.25,
        "limit": 0.5,
    }
    estimate["axes"]["yaw"]["interval"] = [yaw - 0.5, yaw + 0.5]
    line = reading_line(estimate)
    assert line.startswith(
        "reading drift, row synthetic augmented: pitch +0.10 (+0.00 to +0.20), yaw"
    )
    assert line.endswith(f"degrees, 25% of their own error; {verdict} the limit of 0.5")


def test_what_is_painted_is_told_with_its_limits():
    found = {"own_pattern": {"share": 0.014}, "whites_lost": {"share": 0.27}}
    assert artefact_line(found) == (
        "a pattern of its own in every image: 1.4% of the change (up to 3%); "
        "whites of eyes lost: 27% (up to 12%)"
    )
    del found["whites_lost"]
    assert artefact_line(found).endswith("(up to 3%)")
