"""Rows by name, and plans from the configuration."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.evaluation.plan import Row, default_settings, make_plan
from simgan_jax.evaluation.run import plan_of
from simgan_jax.evaluation.sets import enlarged, own


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


def test_a_plan_of_other_rows_leaves_the_configuration_as_it_is():
    config = ConfigDict({"evaluate": default_settings()})
    assert plan_of(config, "quick", seeds=2, rows=["refined"]).rows == (Row("refined"),)
    assert config.evaluate.quick == default_settings().quick


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


def test_four_times_the_images_are_asked_of_a_generator_and_not_of_a_folder_that_gives_all():
    plan = make_plan(default_settings(), "full")
    assert enlarged({"source": "procedural_eyes", "count": 500}, plan) == 4 * 500 + 1000
    assert enlarged({"source": "folder", "count": 0}, plan) == 0
    assert enlarged({"source": "unity_eyes"}, plan) is None


def test_a_checkpoint_is_chosen_by_the_images_that_training_has_had():
    images = Arrays(np.zeros((9, 2, 2, 1), np.uint8))
    assert len(own(images, {"count": 4})) == 4
    assert len(own(images, {"count": 0})) == len(own(images, {})) == 9
