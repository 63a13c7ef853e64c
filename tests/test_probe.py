"""What a run looks at of a few images: what is painted."""

import numpy as np
import pytest
from test_metrics_eye_whites import LABELS, eyes

from simgan_jax.metrics.eye_whites import regions
from simgan_jax.training.probe import painted

FOUR = {name: np.repeat(values, 4, 0) for name, values in LABELS.items()}


def test_a_brighter_image_has_no_pattern_and_loses_no_white():
    found = painted(eyes(4), eyes(4) + 0.1, eyes(3), FOUR)
    assert found == pytest.approx({"samples/pattern": 0, "samples/whites_lost": 0}, abs=1e-3)


def test_a_dark_white_in_every_image_is_a_pattern():
    after = eyes(4)
    after[:, regions(LABELS, (1, 35, 55))[0, 1]] = -1
    found = painted(eyes(4), after, eyes(3), FOUR)
    assert found["samples/whites_lost"] == 0.5
    assert found["samples/pattern"] > 0.3


def test_what_cannot_be_measured_is_left_out():
    assert list(painted(eyes(4), eyes(4) / 2, eyes(2), {})) == ["samples/pattern"]
    assert painted(eyes(1), eyes(1), eyes(1), {}) == {}
    assert painted(eyes(2), eyes(2), eyes(2), {"pupil": np.array([[-300.0, 5], [300, 5]])}) == {}
