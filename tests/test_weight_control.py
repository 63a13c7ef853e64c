"""Lambda follows the label shift, the weight of the reading its drift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from test_label_preservation import BrightLooksUp, grey

from simgan_jax.estimators.estimator import Estimator
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.probe import drift
from simgan_jax.training.weight_control import hold_reading_drift, label_shift_factor


@pytest.mark.parametrize(
    ("followed", "shift", "factor"),
    [
        (1.0, 0.33, 1.1),
        (1.0, 0.27, 0.9),
        (1.0, 3.0, 1.5),
        (1.0, 0.03, 1 / 1.5),
        (0.9, 0.27, 0.9),
        # The few that are found again hardly move; the others have moved too far.
        (0.89, 0.03, 1.5),
        (0.2, 0.27, 1.5),
    ],
)
def test_lambda_follows_the_label_shift_and_the_share_that_is_found_again(followed, shift, factor):
    row = {"samples/followed": followed, "samples/label_shift": shift}
    assert label_shift_factor(row, target=0.3) == pytest.approx(factor)


def test_lambda_rises_where_nothing_is_found_again():
    assert label_shift_factor({"samples/followed": 0.0}, target=0.3) == 1.5


def test_the_weight_of_the_reading_follows_its_drift_and_nothing_else_changes(tiny_config):
    tiny_config.loss.psi = "estimator"
    tiny_config.loss.reading.update(weight=40.0, target=2.0)
    tiny_config.evaluate.estimator.width = 0.01
    setup = devices.distribute(make_setup(tiny_config))
    state = create_train_state(jax.random.key(0), setup)
    for drifted, weight in ((2.4, 48), (1.8, 36), (9.0, 60), (0.0, 80 / 3)):
        held = hold_reading_drift(state, {"samples/reading_drift": drifted}, 2.0, setup)
        assert float(held.reading_weight) == pytest.approx(weight)
        assert float(held.self_regularization) == float(state.self_regularization)


def test_drift_is_signed_over_images_and_not_over_estimators():
    levels = np.array([100, 120])
    up, down = (
        Estimator("gaze", BrightLooksUp(), {"gain": jnp.float32(gain)}, ()) for gain in (1, -1)
    )
    degree = np.degrees(1 / 127.5)
    # 10 levels brighter in the mean; one reads that as up, the other as down: both are deceived.
    assert drift([up, down], grey(levels), grey([105, 135])) == pytest.approx(10 * degree, rel=1e-4)
    # To and fro by 10 levels.
    assert drift([up], grey(levels), grey([110, 110])) == pytest.approx(0, abs=1e-4)
