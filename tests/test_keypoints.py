"""Errors of joints."""

import numpy as np
import pytest

from simgan_jax.metrics import keypoints


def test_distance_of_a_joint_is_euclidean():
    target = np.array([[[1.0, 1.0], [0.0, 0.0]]])
    predicted = np.array([[[4.0, 5.0], [0.0, -2.0]]])
    np.testing.assert_array_equal(keypoints.distances(predicted, target), [[5, 2]])


def test_pck_counts_the_joints_at_most_as_far_as_the_threshold():
    errors = np.array([[0.0, 1.0], [5.0, 6.0]])
    np.testing.assert_array_equal(
        keypoints.pck_curve(errors, [0, 0.5, 1, 5, 100]), [0.25, 0.25, 0.5, 0.75, 1]
    )


def test_a_joint_that_was_not_found_is_within_no_threshold():
    assert keypoints.pck_curve(np.array([1.0, np.nan]), [1e9]) == 0.5


def test_the_surface_at_a_joint_is_the_nearest_reading_around_it():
    depth = np.full((1, 5, 6), np.inf)
    depth[0, 2, 3], depth[0, 1, 4], depth[0, 4, 0] = 700, 690, 500
    uv = np.array([[[3.2, 1.9], [0.0, 0.0], [-4.0, 9.0]]])
    np.testing.assert_array_equal(keypoints.surface_depth(depth, uv), [[690, np.nan, 500]])
    np.testing.assert_array_equal(keypoints.surface_depth(depth, uv, reach=0), [[700, np.nan, 500]])


def test_lengths_of_curve_and_thresholds_agree_for_unordered_thresholds():
    curve = keypoints.pck_curve(np.arange(10.0), [8, 2])
    assert curve.tolist() == pytest.approx([0.9, 0.3])


def test_surface_shift_counts_joints_under_their_own_surface():
    before = np.full((1, 4, 4), 700.0)
    after = before + 2
    after[0, 0, 0] = np.nan  # refinement has removed this pixel
    after[0, 3, 3] = 704
    before[0, 1, 1] = np.nan
    uvd = np.array([[[0, 0, 710], [1, 1, 710], [2, 2, 710], [3, 3, 705], [3, 0, 750]]], float)
    shift = keypoints.surface_shift(before, after, uvd)
    assert shift["joints"] == 3  # not the unmeasured one, not the one behind another finger
    assert shift["lost"] == pytest.approx(1 / 3)
    assert shift["median"] == pytest.approx(3)
    assert shift["quartiles"] == pytest.approx([2.5, 3.5])


def test_surface_shift_of_no_joint_is_nan():
    before = np.full((1, 4, 4), np.nan)
    shift = keypoints.surface_shift(before, before, np.zeros((1, 2, 3)))
    assert shift["joints"] == 0
    assert np.isnan([shift["median"], *shift["quartiles"], shift["lost"]]).all()
