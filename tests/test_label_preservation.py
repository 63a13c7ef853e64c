"""What frozen estimators read before and after refinement."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.data import Arrays
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation.label_preservation import look_drift, reading_drift
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
    low, high = found["axes"]["pitch"]["interval"]
    assert low == pytest.approx(np.degrees(7.5 / 127.5), rel=1e-4)
    assert high == pytest.approx(np.degrees(22.5 / 127.5), rel=1e-4)
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
