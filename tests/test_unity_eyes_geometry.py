"""What is computed from UnityEyes' outlines and pictures, by hand and on a genuine picture's labels."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simgan_jax.data.unity_eyes import Framing
from simgan_jax.data.unity_eyes.decode import (
    decode,
    ellipse,
    gaze_and_head,
    visible_iris,
)
from simgan_jax.metrics.angles import pitch_yaw

REAL = Path(os.environ.get("SIMGAN_TEST_DATA", "/nowhere")) / "unityeyes"
needs_real = pytest.mark.skipif(
    not REAL.is_dir(), reason="SIMGAN_TEST_DATA has no folder unityeyes"
)


def test_ellipse_of_a_turned_circle():
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    along, across = 5 * np.cos(angles), 3 * np.sin(angles)
    turn = 0.4
    points = np.stack(
        [
            20 + along * np.cos(turn) - across * np.sin(turn),
            10 + along * np.sin(turn) + across * np.cos(turn),
        ],
        1,
    )
    np.testing.assert_allclose(ellipse(points), [20, 10, 5, 3, 0.4], atol=1e-5)


def test_visible_iris_is_what_lies_between_the_lids():
    square = np.array([[1.5, 1.5], [5.5, 1.5], [5.5, 5.5], [1.5, 5.5]])
    lower = np.array([[-9, 3.5], [19, 3.5], [19, 19], [-9, 19]])
    mask = visible_iris(square, lower, 8, 8)
    assert (mask[4:6, 2:6] == 255).all()
    mask[4:6, 2:6] = 0
    # Outlines are drawn whole: up to a quarter of a pixel outside.
    assert mask.max() <= 64
    mask[3:7, 1:7] = 0
    assert (mask == 0).all()


@needs_real
def test_genuine_labels_have_the_signs_that_their_depths_show(tmp_path):
    details = json.loads((REAL / "1.json").read_text())
    gaze, head = gaze_and_head(details, REAL / "1.json")
    np.testing.assert_allclose(gaze, [0.3404, -0.3879, -0.8566], atol=1e-4)
    # By hand: face along (0.4044, 0.0785, -0.9113), x right, y up.
    np.testing.assert_allclose(np.degrees(head), [4.50, -23.93], atol=0.02)
    # The third coordinate is the distance: the outer corner (right) is farther, so the face points to
    # the right, yaw < 0; the upper lid is farther than the lower, so it points up, pitch > 0.
    lid = np.array([text[1:-1].split(",") for text in details["interior_margin_2d"]], float)
    assert lid[8, 2] > lid[0, 2] + 0.5
    assert lid[4, 2] > lid[12, 2]
    # Eye and head look to the same side here, and the eye looks higher.
    assert np.degrees(pitch_yaw(gaze)) == pytest.approx([22.8, -21.7], abs=0.1)

    Image.new("RGB", (640, 480), (90, 80, 70)).save(tmp_path / "1.jpg")
    example = decode(tmp_path / "1.jpg", REAL / "1.json", Framing(), False, True)
    assert 2 * example["iris_ellipse"][2] == pytest.approx(22, abs=0.2)
    np.testing.assert_allclose((example["lid"].min(0) + example["lid"].max(0)) / 2, [29.5, 17.5])
    assert example["caruncle"][:, 0].max() < example["iris"][:, 0].min()
    # Looking up: the iris is above the middle of the lids.
    assert example["pupil"][1] < 17.5
    for name in ("lid", "iris", "caruncle"):
        assert (example[name] >= 0).all()
        assert (example[name] <= [59, 35]).all()
