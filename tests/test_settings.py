import math

import pytest
from ml_collections import ConfigDict

from configs import folder, gaze, hand
from simgan_jax import settings
from simgan_jax.errors import UserError
from simgan_jax.estimators.settings import EstimatorSettings
from simgan_jax.estimators.tasks import TASKS
from simgan_jax.settings import SETTINGS
from simgan_jax.setup import OPTIMIZERS

SHIPPED = [
    (gaze, ""),
    (gaze, "tiny"),
    (gaze, "paper"),
    (hand, ""),
    (hand, "tiny"),
    (hand, "paper"),
    (folder, ""),
    (folder, "tiny"),
]


@pytest.mark.parametrize("module, variant", SHIPPED)
def test_every_setting_of_a_shipped_configuration_is_described_and_in_its_range(module, variant):
    config = module.get_config(variant)
    found = dict(settings.leaves(config))
    assert found.keys() == SETTINGS.keys()
    for key, value in found.items():
        assert SETTINGS[key].takes(value), (key, value)
        assert SETTINGS[key].meaning
    settings.check(config)
    settings.require_all(config)


@pytest.mark.parametrize("key", SETTINGS)
def test_no_setting_takes_what_is_no_value(key):
    takes, own = SETTINGS[key].takes, dict(settings.leaves(gaze.get_config()))[key]
    wrong = [math.nan, math.inf, -math.inf, -7, {}, object()]
    wrong += [] if isinstance(own, str) else ["x", ""]
    wrong += [] if isinstance(own, bool) else [True]
    wrong += [] if own is None else [None]
    assert [value for value in wrong if takes(value)] == []


@pytest.mark.parametrize("key", [k for k in SETTINGS if "whole number" in SETTINGS[k].range])
def test_a_number_of_things_is_whole(key):
    assert not SETTINGS[key].takes(1.5)


def test_names_in_the_table_are_those_that_the_program_knows():
    assert {x for x in ("gaze", "iris", "hand", "none") if SETTINGS["task"].takes(x)} == {
        *TASKS,
        "none",
    }
    assert all(SETTINGS["optimizer.refiner.name"].takes(name) for name in OPTIMIZERS)
    fields = {f"evaluate.estimator.{name}" for name in EstimatorSettings.__dataclass_fields__}
    assert {key for key in SETTINGS if key.startswith("evaluate.estimator.")} == fields


def test_a_whole_number_will_do_for_a_number():
    settings.check(ConfigDict({"loss": {"r1": 1}}))


def test_a_misspelt_setting_of_a_configuration_is_named_with_the_nearest():
    config = gaze.get_config("tiny")
    config.train.stepz = 4
    with pytest.raises(
        UserError, match=r"config\.train\.stepz: .*did you mean config\.train\.steps"
    ):
        settings.require_all(config)


def test_a_missing_setting_is_named_with_its_meaning():
    config = gaze.get_config("tiny")
    del config.watch.keep
    with pytest.raises(UserError, match=r"config\.watch\.keep is missing: newest checkpoints kept"):
        settings.require_all(config)


def test_older_configurations_with_fewer_settings_are_checked_for_what_they_have():
    settings.check(ConfigDict({"train": {"batch": 4}, "loss": {}}))
    with pytest.raises(UserError, match=r"config\.train\.batch is 0"):
        settings.check(ConfigDict({"train": {"batch": 0}, "loss": {}}))
