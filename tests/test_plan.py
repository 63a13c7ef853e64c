"""Rows by name, and plans from the configuration."""

import pytest

from simgan_jax.errors import UserError
from simgan_jax.evaluation.plan import Row, default_settings, make_plan


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("synthetic", Row("synthetic")),
        ("matched_augmented", Row("matched", augmented=True)),
        ("refined_4x", Row("refined", times=4)),
        ("refined_matched_augmented", Row("refined_matched", augmented=True)),
        ("fda_2x", Row("fda", times=2)),
        ("real_12x_augmented", Row("real", times=12, augmented=True)),
    ],
)
def test_a_row_and_its_name_are_inverse(name, row):
    assert Row.parse(name) == row
    assert str(row) == name


@pytest.mark.parametrize(
    "name", ["", "refind", "refined_0x", "refined_1x", "refined_augmented_4x", "mean_predictor"]
)
def test_what_is_no_row_is_named(name):
    with pytest.raises(
        ValueError, match=f"'{name}'; a row is one of synthetic, refined_matched, refined"
    ):
        Row.parse(name)


def test_plans_come_from_the_configuration_and_are_checked():
    config = default_settings()
    assert make_plan(config, "full").seeds == 3
    assert Row("refined", augmented=True) in make_plan(config, "full").rows
    assert make_plan(config, "quick").estimator.steps == config.quick.estimator_steps
    with pytest.raises(UserError, match="--level=slow"):
        make_plan(config, "slow")
    config.quick.rows = ("synthetic", "refined_double")
    with pytest.raises(UserError, match=r"config.evaluate.quick.rows: 'refined_double'"):
        make_plan(config, "quick")
