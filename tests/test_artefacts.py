"""What a refiner paints into images, as evaluation.json has it."""

import json

import numpy as np
import pytest
from test_metrics_eye_whites import LABELS, eyes

from simgan_jax.data import Arrays
from simgan_jax.evaluation.artefacts import measure_artefacts, written
from simgan_jax.metrics.eye_whites import regions

RNG = np.random.default_rng(0)
GREY = RNG.integers(60, 200, (600, 10, 14, 1)).astype(np.uint8)
REAL = RNG.integers(60, 200, (300, 10, 14, 1)).astype(np.uint8)


def test_a_spot_painted_into_every_image_is_found_from_the_corner_without_pupils():
    after = GREY.copy()
    after[:, 3, 9] = 0
    found = measure_artefacts(Arrays(GREY), after, REAL)
    assert (found["darkest"]["x"], found["darkest"]["y"]) == (9, 3)
    assert found["darkest"]["from"] == "upper left"
    # Grey 60 to 199 becomes black: 129.5 of 127.5, of which a level's mean takes a ninth.
    assert found["darkest"]["change"] == pytest.approx(-129.5 / 127.5, rel=0.2)
    rows = [row.split() for row in found["picture"]["thousandths"]]
    assert (len(rows), len(rows[0])) == (10, 14)
    assert float(rows[3][9]) / 1000 == pytest.approx(found["darkest"]["change"], abs=1e-3)
    assert found["picture"]["centre"] is None
    low, high = found["beyond_tone"]["interval"]
    assert 0.5 < low < found["beyond_tone"]["share"] < high
    json.dumps(found, allow_nan=False)


def test_a_spot_beside_every_pupil_is_found_from_the_pupil():
    after, pupil = GREY.copy(), RNG.integers([4, 4], [8, 7], (600, 2))
    after[np.arange(600), pupil[:, 1] - 2, pupil[:, 0] + 3] = 255
    found = measure_artefacts(Arrays(GREY, {"pupil": pupil.astype(np.float32)}), after, REAL)
    spot = found["brightest"]
    assert (spot["x"], spot["y"], spot["from"]) == (3, -2, "pupil")
    x, y = (int(place) for place in found["picture"]["centre"])
    rows = [row.split() for row in found["picture"]["thousandths"]]
    assert float(rows[y - 2][x + 3]) / 1000 == pytest.approx(spot["change"], abs=1e-3)
    assert rows[0][0] == "?", "fewer than half of the images reach there"


def test_a_brighter_image_has_a_constant_share_and_no_pattern():
    after = (GREY.astype(int) + 40).astype(np.uint8)
    found = measure_artefacts(Arrays(GREY), after, REAL)
    assert found["constant_share"]["share"] == pytest.approx(1, abs=1e-3)
    assert found["beyond_tone"]["share"] == pytest.approx(0, abs=1e-3)
    assert found["diversity"]["ratio"] == pytest.approx(1, abs=0.05)


def test_one_picture_for_all_has_no_diversity():
    found = measure_artefacts(Arrays(GREY), np.repeat(GREY[:1], 600, 0), REAL)
    assert found["diversity"]["ratio"] == pytest.approx(0, abs=1e-6)


def test_whites_are_counted_where_the_labels_are():
    before = ((eyes(6) + 1) * 127.5).astype(np.uint8)
    after = before.copy()
    after[::2][:, regions(LABELS, (1, 35, 55))[0, 1]] = 0  # the left white of every second eye
    labels = {name: np.repeat(values, 6, 0) for name, values in LABELS.items()}
    found = measure_artefacts(Arrays(before, labels), after, before)["whites_lost"]
    assert found["share"] == 3 / 12
    assert found["count"] == 12
    assert found["dark"] == {"synthetic": 0, "refined": 3 / 12}
    assert "whites_lost" not in measure_artefacts(Arrays(before), after, before)


def test_a_large_picture_is_reduced_to_its_blocks():
    picture = np.arange(4.0)[:, None, None] * np.ones((4, 130, 1)) / 1000
    picture[0, 6] = np.nan
    found = written(picture, np.array([[30.0, 3.0]]))
    # Blocks of 3 pixels: rows 0 to 2 are 1 thousandth in the mean; the last column is cut off.
    assert found["thousandths"] == ["1 1 ? " + " ".join(["1"] * 40)]
    assert found["centre"] == [10.0, 1.0]
