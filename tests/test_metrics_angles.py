"""simgan_jax.metrics.angles against hand-computed directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simgan_jax.metrics import angles


def test_directions_of_known_pitch_and_yaw():
    # Straight at the camera; up; to the image's left, which is positive yaw.
    vectors = np.array([[0, 0, -1], [0, -1, -1], [-1, 0, -1], [0, 1, -1]], float)
    expected = np.array([[0, 0], [45, 0], [0, 45], [-45, 0]])
    found = np.degrees(angles.pitch_yaw(vectors))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_errors_of_known_angles_and_any_length():
    a = np.array([[0, 0, -1], [0, 0, -2], [0, 0, -1], [1, 0, 0]], float)
    b = np.array([[0, 0, -5], [0, 3, 0], [0, 0, 1], [1, 1, 0]], float)
    np.testing.assert_allclose(angles.angular_error(a, b), [0, 90, 180, 45], atol=1e-12)


def test_tiny_angles_keep_their_digits():
    found = angles.angular_error(np.array([1e-7, 0, -1]), np.array([0, 0, -1.0]))
    assert found == pytest.approx(np.degrees(1e-7), rel=1e-6)


def test_signed_error_is_prediction_minus_target_and_wraps():
    a = angles.from_pitch_yaw(np.radians([[10.0, 175.0], [5.0, -3.0]]))
    b = angles.from_pitch_yaw(np.radians([[4.0, -175.0], [5.0, 4.0]]))
    np.testing.assert_allclose(angles.signed_error(a, b), [[6, -10], [0, -7]], atol=1e-9)


@given(st.floats(-1.5, 1.5), st.floats(-3.1, 3.1))
def test_vector_and_angles_are_inverse(pitch, yaw):
    vector = angles.from_pitch_yaw(np.array([pitch, yaw]))
    assert np.linalg.norm(vector) == pytest.approx(1)
    np.testing.assert_allclose(angles.pitch_yaw(vector), [pitch, yaw], atol=1e-7)


def test_error_agrees_with_the_arccosine():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 100, 3))
    cosine = (angles.normalize(a) * angles.normalize(b)).sum(-1)
    np.testing.assert_allclose(
        angles.angular_error(a, b), np.degrees(np.arccos(cosine.clip(-1, 1))), atol=1e-6
    )
