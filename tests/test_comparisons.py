"""Differences of rows, seed by seed and image by image, with hand-made errors."""

import numpy as np
import pytest

from simgan_jax.evaluation.comparisons import compare, gains, pairs


def by_seed(*means, images=8):
    """Errors [seeds, images] that are the same for all images of a seed."""
    return np.repeat(np.array(means)[:, None], images, 1)


def found(comparisons, row, against):
    (one,) = [c for c in comparisons if (c["row"], c["against"]) == (row, against)]
    return one


def test_a_difference_that_every_seed_shows_is_clear_though_rows_overlap():
    # Means 6 +- 1 and 5.5 +- 1 overlap by far; seed by seed the second is better by 0.4, 0.5, 0.6.
    errors = {"synthetic": by_seed(5.0, 6.0, 7.0), "refined": by_seed(4.6, 5.5, 6.4)}
    one = found(compare(errors), "refined", "synthetic")
    assert one["difference"] == pytest.approx(-0.5)
    # t for 2 degrees of freedom 4.3027, standard deviation 0.1: 0.2484.
    assert one["over_seeds"] == pytest.approx([-0.7484, -0.2516], abs=1e-4)
    assert one["over_images"] == pytest.approx([-0.5, -0.5])
    assert one["interval"] == one["over_seeds"]
    assert one["clear"]


def test_the_wider_of_the_two_intervals_decides():
    images = np.array([0.0, 0.0, -2.0, 0.0])
    errors = {"synthetic": by_seed(5.0, 5.0, images=4), "refined": 5.0 + images + np.zeros((2, 1))}
    one = found(compare(errors), "refined", "synthetic")
    assert one["over_seeds"] == pytest.approx([-0.5, -0.5])
    assert one["over_images"][1] == 0
    assert one["interval"] == one["over_images"]
    assert not one["clear"]


def test_one_seed_makes_nothing_clear():
    errors = {"synthetic": by_seed(9.0), "refined": by_seed(1.0)}
    one = found(compare(errors), "refined", "synthetic")
    assert (one["over_seeds"], one["interval"], one["clear"]) == (None, None, False)
    assert one["over_images"] == [-8, -8]


def test_images_of_one_day_are_drawn_together():
    days = np.repeat([1, 2], 50)
    errors = {"synthetic": np.full((2, 100), 5.0), "refined": 5.0 - np.tile(days, (2, 1))}
    one = found(compare(errors, days), "refined", "synthetic")
    assert one["over_images"] == [-2, -1]


def test_rows_are_compared_with_their_like_and_refined_ones_with_the_best_cheap_row():
    errors = {
        "synthetic": 8.0,
        "refined": 6.0,
        "matched": 7.0,
        "real": 2.0,
        "synthetic_augmented": 5.0,
        "refined_augmented": 5.5,
        "real_augmented": 1.0,
        "refined_4x": 5.0,
        "fda": 7.5,
        "refined_matched": 6.5,
    }
    assert set(pairs(errors)) == {
        ("refined", "synthetic"),
        ("matched", "synthetic"),
        ("refined", "matched"),
        ("refined_augmented", "synthetic_augmented"),
        ("refined", "synthetic_augmented"),
        ("refined_4x", "synthetic_augmented"),
        ("fda", "synthetic"),
        ("refined_matched", "matched"),
        ("refined_matched", "synthetic_augmented"),
    }
    assert len(pairs(errors)) == 9
    assert pairs({"refined": 1.0, "real": 2.0}) == []


def test_gain_and_gap_are_ratios_of_means():
    errors = {
        "synthetic": by_seed(10.0, 4.0),
        "refined": by_seed(7.0, 4.0),
        "real": by_seed(4.0, 3.0),
    }
    shares = gains(errors)
    assert shares["gain"] == pytest.approx(3 / 14)
    # The mean of the seeds' own shares, 1/2 and 0, would be 1/4.
    assert shares["gap_closed"] == pytest.approx(3 / 7)


def test_a_share_is_clear_exactly_where_the_difference_is():
    three = {
        "synthetic": by_seed(5.0, 6.0, 7.0),
        "refined": by_seed(4.6, 5.5, 6.4),
        "real": by_seed(2.0, 2.1, 2.0),
    }
    shares = gains(three)
    assert shares["gain_interval"][0] > 0
    assert shares["gap_closed_interval"][0] > 0
    unclear = gains(three | {"refined": by_seed(4.6, 5.5, 7.4)})
    assert not found(compare(three | {"refined": by_seed(4.6, 5.5, 7.4)}), "refined", "synthetic")[
        "clear"
    ]
    assert unclear["gain_interval"][0] < 0 < unclear["gain_interval"][1]
    assert unclear["gap_closed_interval"][0] < 0 < unclear["gap_closed_interval"][1]


def test_without_a_gap_nothing_is_closed():
    errors = {"synthetic": by_seed(8.0, 8.2), "refined": by_seed(7.0, 7.0)}
    assert gains(errors)["gap_closed"] is None
    assert gains(errors | {"real": by_seed(9.0, 9.0)})["gap_closed"] is None
    shares = gains(errors | {"real": by_seed(5.0, 8.3)})
    assert shares["gap_closed"] > 0
    assert "gap_closed_interval" not in shares, "the gap may be none"
    assert gains({"synthetic": by_seed(8.0)}) == {"gain": None, "gap_closed": None}


def test_shares_of_augmented_and_larger_rows_have_their_suffix():
    errors = {
        "synthetic_augmented": by_seed(8.0),
        "refined_augmented": by_seed(6.0),
        "real_augmented": by_seed(4.0),
        "synthetic_4x": by_seed(5.0),
        "refined_4x": by_seed(4.0),
    }
    shares = gains(errors)
    assert shares["gain"] is None
    assert shares["gain_augmented"] == pytest.approx(0.25)
    assert shares["gap_closed_augmented"] == pytest.approx(0.5)
    assert shares["gain_4x"] == pytest.approx(0.2)
