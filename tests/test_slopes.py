import numpy as np
import pytest

from simgan_jax.estimators.coordinates import slopes
from simgan_jax.metrics.angles import from_pitch_yaw


def test_slopes_tell_how_much_of_a_change_is_read_and_which_way():
    labels = np.radians([[0, -10], [4, 0], [8, 10], [2, 3]])
    read = labels * [-1, 0.5] + np.radians([3, 1])
    found = slopes("gaze", from_pitch_yaw(read), from_pitch_yaw(labels))
    assert found == pytest.approx({"pitch": -1, "yaw": 0.5})


def test_labels_that_do_not_change_have_no_slope():
    read = np.array([[1.0, 2.0], [3.0, 5.0]])
    assert slopes("iris", read, np.ones((2, 2))) == {"x": 0.0, "y": 0.0}
