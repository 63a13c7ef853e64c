"""Renderings that lie in the order of a sweep are mixed before they are told apart."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from ml_collections import ConfigDict

from simgan_jax import data
from simgan_jax.evaluation.sets import load_sets, own
from simgan_jax.io.image_files import write_image
from simgan_jax.metrics.angles import pitch_yaw

COUNT = 64


@pytest.fixture
def config(tmp_path):
    """Of a simulator that has turned the eye from one side to the other, an image a step."""
    with (tmp_path / "sweep.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "gaze_pitch_deg", "gaze_yaw_deg"])
        for i in range(COUNT):
            write_image(tmp_path / f"{i}.png", np.full((8, 8, 1), i, np.uint8))
            writer.writerow([f"{i}.png", 0, i / 2])
    table = {"source": "table", "path": str(tmp_path / "sweep.csv"), "channels": 1}
    table |= {"height": 8, "width": 8}
    return ConfigDict({"task": "gaze", "data": {"synthetic": table, "real": table}})


def steps(arrays):
    """Of the sweep, by the labels."""
    return np.round(2 * np.abs(np.rad2deg(pitch_yaw(arrays.labels["gaze"]))[:, 1])).astype(int)


def test_every_part_of_a_sweep_is_like_the_whole(config):
    mixed = data.load_mixed(config)
    assert sorted(steps(mixed)) == list(range(COUNT))
    assert (steps(mixed) == mixed.images[:, 0, 0, 0]).all(), "an image has lost its label"
    for part in np.split(steps(mixed), 4):
        assert part.min() < COUNT / 4
        assert part.max() > 3 * COUNT / 4


def test_the_order_is_always_the_same(config):
    assert (data.load_mixed(config).images == data.load_mixed(config).images).all()


def test_a_larger_report_begins_with_the_images_of_training(config):
    config.data.synthetic.count = 16
    plan = SimpleNamespace(rows=[SimpleNamespace(times=3)], images=16, probe=8)
    training, sets = data.load_mixed(config), load_sets(config, plan)
    assert len(sets.synthetic) == 56
    ours = own(sets.synthetic, config.data.synthetic)
    np.testing.assert_array_equal(ours.images, training.images)
    assert set(steps(ours)) == set(range(16))


def test_generated_images_stay_as_they_were_drawn(tiny_config):
    spec = tiny_config.data.synthetic
    np.testing.assert_array_equal(data.load_mixed(tiny_config).images, data.load(spec).images)
