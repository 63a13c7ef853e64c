"""Which of two rows errs less: as evaluation.json lists it, and from the rows of older files."""

import pytest

from simgan_jax.reporting.comparisons import find, read_comparisons


def rows(synthetic, refined, **others):
    """An evaluation of two rows by the errors of their seeds."""
    estimators = {
        name: {"error": sum(errors) / len(errors), "per_seed": errors}
        for name, errors in (("synthetic", synthetic), ("refined", refined))
    }
    return {"estimators": estimators} | others


def test_rows_are_compared_seed_by_seed():
    [found] = read_comparisons(rows([8.0, 8.5, 9.0], [7.8, 8.2, 8.8]))
    # Differences -0.2, -0.3, -0.2: mean -0.2333, standard deviation 0.05774, 3 seeds; Student's t for
    # 2 degrees of freedom is 4.3027, so that half the interval is 4.3027 * 0.05774 / 1.7321 = 0.1434.
    assert found.difference == pytest.approx(-0.2333, abs=1e-4)
    assert found.over_seeds == pytest.approx((-0.3768, -0.0899), abs=1e-4)
    assert found.over_images is None
    assert found.clear


def test_the_interval_over_images_is_the_gains_in_the_unit_of_errors():
    evaluation = rows([8.0, 8.0], [7.0, 7.0], gain_interval=[0.05, 0.2])
    [found] = read_comparisons(evaluation)
    assert found.over_images == pytest.approx((-1.6, -0.4))
    assert found.clear


@pytest.mark.parametrize("gain_interval", [[-0.01, 0.2], [-0.3, -0.1]])
def test_a_difference_is_not_clear_while_either_interval_holds_zero_or_they_disagree(gain_interval):
    evaluation = rows([8.0, 8.0, 8.0], [7.0, 7.1, 6.9], gain_interval=gain_interval)
    [found] = read_comparisons(evaluation)
    assert found.over_seeds[1] < 0
    assert not found.clear


def test_one_seed_is_never_clear():
    [found] = read_comparisons(rows([8.0], [4.0], gain_interval=[0.45, 0.55]))
    assert found.over_seeds is None
    assert not found.clear


def test_rows_of_different_seeds_are_not_paired():
    [found] = read_comparisons(rows([8.0, 8.1, 8.2], [4.0, 4.1]))
    assert found.over_seeds is None


def test_augmented_rows_are_compared_with_each_other():
    evaluation = rows([8.0], [7.0])
    evaluation["estimators"] |= {
        "synthetic_augmented": {"error": 6.0},
        "refined_augmented": {"error": 6.5},
    }
    found = find(read_comparisons(evaluation), "refined_augmented", "synthetic_augmented")
    assert found.difference == 0.5


def test_listed_comparisons_come_before_what_the_rows_say():
    listed = {
        "row": "refined",
        "against": "synthetic",
        "difference": -1.0,
        "over_seeds": [-1.5, -0.5],
        "over_images": [-2.1, 0.1],
        "interval": [-2.1, 0.1],
        "clear": False,
    }
    evaluation = rows([8.0, 8.0], [7.0, 7.0], comparisons=[listed, {"row": "damaged"}, 7])
    [found] = read_comparisons(evaluation)
    assert found == ("refined", "synthetic", -1.0, (-1.5, -0.5), (-2.1, 0.1), False)


def test_a_listed_comparison_without_an_interval_over_seeds_is_not_clear():
    listed = {"row": "a", "against": "b", "difference": -1.0, "over_seeds": None, "clear": True}
    [found] = read_comparisons({"comparisons": [listed]})
    assert not found.clear
