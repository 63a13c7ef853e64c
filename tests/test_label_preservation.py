"""What frozen estimators read before and after refinement."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.data import Arrays
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation.label_preservation import drift_interval, look_drift, reading_drift
from simgan_jax.metrics.angles import from_pitch_yaw


class BrightLooksUp(nn.Module):
    """Pitch is gain * the mean of the image in [-1, 1], yaw 0; in radians, for small ones."""

    @nn.compact
    def __call__(self, images):
        gain = self.param("gain", nn.initializers.ones, ())
        pitch = gain * images.mean((1, 2, 3))
        return jnp.stack([jnp.zeros_like(pitch), -jnp.sin(pitch), -jnp.cos(pitch)], -1)


def grey(levels):
    return np.uint8(levels)[:, None, None, None] * np.ones((1, 20, 24, 1), np.uint8)


def test_drift_is_signed_and_a_mean_over_estimators():
    before, after = grey([100, 120]), grey([110, 150])
    labels = {"gaze": from_pitch_yaw(np.zeros((2, 2)))}
    estimators = [
        Estimator("gaze", BrightLooksUp(), {"gain": jnp.float32(gain)}, ()) for gain in (1, 0.5)
    ]
    found = reading_drift(estimators, Arrays(before, labels), after)
    # 10 and 30 levels of 127.5, read with gains of 1 and 1/2: 15 levels of radians in the mean.
    assert found["axes"]["pitch"]["bias"] == pytest.approx(np.degrees(15 / 127.5), rel=1e-4)
    assert found["axes"]["yaw"]["bias"] == pytest.approx(0, abs=1e-4)
    # The estimators read 20 and 10 levels: Student's t of one degree of freedom, 12.706, times 5.
    low, high = found["axes"]["pitch"]["interval"]
    assert low == pytest.approx(np.degrees((15 - 63.53) / 127.5), rel=1e-3)
    assert high == pytest.approx(np.degrees((15 + 63.53) / 127.5), rel=1e-3)
    # They are wrong by 27.5 and 7.5 levels before, in the mean over both gains 13.125.
    assert found["own_error"] == pytest.approx(np.degrees(13.125 / 127.5), rel=1e-4)
    assert found["largest_share"] == pytest.approx(15 / 13.125, rel=1e-4)
    assert found["largest"] == found["axes"]["pitch"]["bias"]
    assert found["limit"] == 0.5
    # Over images, 10 levels to each side with a gain of 1, and 5 with 1/2.
    assert found["std_share"] == pytest.approx(7.5 / 13.125, rel=1e-4)
    # All labels are the same, so their mean says all.
    assert found["mean_label_error"] == pytest.approx(0, abs=1e-4)
    assert found["estimators"] == 2


def test_grey_values_of_real_images_alone_drift_by_what_they_read():
    before, real = grey([100, 120]), grey([140, 140, 140])
    labels = {"gaze": from_pitch_yaw(np.zeros((2, 2)))}
    estimators = [Estimator("gaze", BrightLooksUp(), {"gain": jnp.float32(1)}, ())]
    found = look_drift(estimators, Arrays(before, labels), real)
    # 40 and 20 levels of 127.5.
    assert found["pitch"] == pytest.approx(np.degrees(30 / 127.5), rel=1e-3)
    assert found["yaw"] == pytest.approx(0, abs=1e-4)


def test_an_interval_of_drift_is_as_wide_as_images_and_estimators_ask():
    over_images = [1.0, 3.0]
    assert drift_interval(np.array([over_images])) == over_images
    assert drift_interval(np.array([over_images] * 3)) == over_images, "they agree"
    # 1 and 3 of either image: 2 +- 12.706.
    apart = drift_interval(np.array([[1.0, 1.0], [3.0, 3.0]]))
    assert apart == pytest.approx([2 - 12.706, 2 + 12.706], abs=1e-3)
