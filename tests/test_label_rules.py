"""Labels of any source that cannot be right are one line with the row."""

import numpy as np
import pytest

from simgan_jax.data import label_rules, load
from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError

GOOD = {
    "gaze": np.tile(np.float32([0, 0.6, -0.8]), (3, 1)),
    "head_pose": np.tile(np.float32([1.5, -3.1]), (3, 1)),
    "pupil": np.float32([[-3, 5], [2, 9], [4, 4]]),
    "joints_uvd": np.zeros((3, 14, 3), np.float32),
    "iris_mask": np.zeros((3, 6, 8), np.uint8),
    "weather": np.array([np.nan] * 3),
}


def arrays(**labels):
    return Arrays(np.zeros((3, 6, 8, 1), np.uint8), GOOD | labels)


def with_row(name, row, value):
    values = GOOD[name].copy()
    values[row] = value
    return {name: values}


def test_labels_that_can_be_right_pass():
    label_rules.check(arrays(), "mine")


@pytest.mark.parametrize(
    "labels, message",
    [
        (
            with_row("gaze", 1, [0, 3, -4]),
            r"gaze of row 1 .* is \[ 0.,  3., -4.\], expected a vector",
        ),
        (with_row("gaze", 2, [0, 0.6, 0.8]), "gaze of row 2 .* 1 of 3 rows are not so"),
        (with_row("gaze", 0, np.nan), "gaze of row 0 "),
        ({"gaze": GOOD["gaze"][:, :2]}, r"gaze of a row has shape \[2\]"),
        (with_row("head_pose", 1, [12, 0]), "head_pose of row 1 .* pitch and yaw in radians"),
        (with_row("head_pose", 1, [0, np.nan]), "head_pose of row 1 "),
        (with_row("pupil", 2, np.inf), "pupil of row 2 "),
        (with_row("joints_uvd", 1, np.nan), "joints_uvd of row 1 "),
        ({"joints_uvd": np.zeros((3, 14, 2))}, r"joints_uvd of a row has shape \[14, 2\]"),
        ({"iris_mask": np.zeros((3, 8, 6))}, "iris_mask is 8 x 6, images are 6 x 8"),
    ],
)
def test_labels_that_cannot_be_right_are_named_with_their_row(labels, message):
    with pytest.raises(UserError, match=f"data source mine: {message}"):
        label_rules.check(arrays(**labels), "mine")


@pytest.mark.parametrize(
    "source, more",
    [("procedural_eyes", {}), ("procedural_hands", {"domain": "simulator", "split": "train"})],
)
def test_the_embedded_simulators_keep_the_rules(source, more):
    assert len(load({"source": source, "count": 4, "height": 35, "width": 35} | more)) == 4
