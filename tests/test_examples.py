"""Pictures of the report: cut from the samples, drawn on, coloured, small enough."""

import base64
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from simgan_jax.io import image_files
from simgan_jax.reporting.examples import (
    BUDGET,
    Samples,
    data_uri,
    draw_labels,
    heat_uri,
    show_examples,
    ungrid,
)


@given(
    st.integers(1, 4),
    st.integers(3, 9),
    st.integers(3, 9),
    st.sampled_from([1, 3]),
    st.integers(1, 3),
)
def test_cutting_a_grid_undoes_it(rows, height, width, channels, scale):
    shape = (rows, 3, height, width, channels)
    pictures = np.random.default_rng(0).integers(0, 2**16, shape, dtype=np.uint16)
    grid = image_files.grid(pictures, scale=scale)
    np.testing.assert_array_equal(ungrid(grid, shape[2:]), pictures)


def test_heat_maps_are_blue_for_real_clear_for_undecided_orange_for_refined():
    uri = heat_uri(np.array([[0.0, 0.5, 1.0]]))
    pixels = decode(uri)
    assert pixels[0, 0].tolist() == [26, 133, 255, 255]
    assert pixels[0, 1, 3] == 0
    assert pixels[0, 2].tolist() == [230, 97, 0, 255]


def decode(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1]))))


def test_16_bit_images_are_shown_by_their_high_bytes():
    picture = np.array([[[0], [256], [65535]]], np.uint16)
    assert decode(data_uri(picture)).tolist() == [[0, 1, 255]]


def test_large_images_stay_within_the_budget():
    noise = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 3), dtype=np.uint8)
    samples = Samples(list(range(9)), noise, np.stack([noise] * 9), noise)
    shown = show_examples(samples, [])
    assert len(json.dumps(shown, default=str)) < BUDGET
    assert shown["steps"][shown["opened"]] == 8
    shown = show_examples(samples, [], chosen=5)
    assert shown["steps"][shown["opened"]] == 5


def test_examples_come_the_most_changed_first():
    synthetic = np.full((3, 4, 4, 1), 100, np.uint8)
    refined = np.stack([synthetic, synthetic.copy()])
    refined[1, 1], refined[1, 2] = 151, 49  # by 51 levels of 127.5, at the moment that opens
    refined[0, 0] = 255
    samples = Samples([10, 20], synthetic, refined, synthetic)
    shown = show_examples(samples, [])
    assert shown["changes"] == pytest.approx([0.4, 0.4, 0.0])
    assert [decode(row["refined"][1])[0, 0] for row in shown["rows"]] == [151, 49, 100]


def test_a_label_is_drawn_where_it_is():
    labels = {"pupil": np.array([10.0, 20]), "gaze": np.array([0.5, -0.25, -0.8])}
    assert 'x1="10.00" y1="20.00" x2="20.00" y2="15.00"' in draw_labels(labels)
    labels = {"iris_ellipse": np.array([1.0, 2, 3, 4, np.pi / 2])}
    assert 'rx="3.00" ry="4.00" transform="rotate(90.0 1.00 2.00)"' in draw_labels(labels)
