"""An evaluation's lines on the terminal."""

import pytest

from simgan_jax.evaluation.summary import comparison_line, shift_line

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
