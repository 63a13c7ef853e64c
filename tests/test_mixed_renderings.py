"""Images that lie in an order are mixed before they are divided."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
from ml_collections import ConfigDict

from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.evaluation.sets import load_sets, own
from simgan_jax.io.image_files import write_image
from simgan_jax.metrics.angles import pitch_yaw
from simgan_jax.training import loop

COUNT, SIDE = 64, 24


@pytest.fixture
def config(tmp_path):
    """Of a simulator that has turned the eye from one side to the other, an image a step."""
    with (tmp_path / "sweep.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "gaze_pitch_deg", "gaze_yaw_deg"])
        for i in range(COUNT):
            write_image(tmp_path / f"{i}.png", np.full((SIDE, SIDE, 1), i, np.uint8))
            writer.writerow([f"{i}.png", 0, i / 2])
    table = {"source": "table", "path": str(tmp_path / "sweep.csv"), "channels": 1}
    table |= {"height": SIDE, "width": SIDE}
    return ConfigDict({"task": "gaze", "data": {"synthetic": table, "real": table}})


def steps(arrays):
    """Of the sweep, by the labels."""
    return np.round(2 * np.abs(np.rad2deg(pitch_yaw(arrays.labels["gaze"]))[:, 1])).astype(int)


def test_every_part_of_a_sweep_is_like_the_whole(config):
    mixed = data.load_mixed(config)
    assert sorted(steps(mixed)) == list(range(COUNT))
    assert (steps(mixed) == mixed.images[:, 0, 0, 0]).all(), "an image has lost its label"
    for part in np.split(steps(mixed), 2):
        assert part.min() < COUNT / 8
        assert part.max() > 7 * COUNT / 8


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


def test_psi_and_the_probe_see_a_sweep_mixed(config, tiny_config, tmp_path, monkeypatch):
    seen = {}
    tiny_config.data.synthetic = config.data.synthetic
    tiny_config.image.height = tiny_config.image.width = SIDE
    tiny_config.data.real.update(height=SIDE, width=SIDE)
    tiny_config.loss.weight.label = ""
    tiny_config.loss.psi = "estimator"
    tiny_config.loss.reading.images = 40

    def keep(name, result):
        def kept(*given):
            seen[name] = next(x for x in given if isinstance(x, Arrays))
            return result(*given)

        return kept

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "train_psi_estimators", keep("psi", lambda *given: {}))
    monkeypatch.setattr(loop.devices, "place", lambda state, setup: state)
    monkeypatch.setattr(loop.Checkpoints, "save", lambda *given: None)
    monkeypatch.setattr(loop, "Probe", keep("probe", stop))
    with pytest.raises(KeyboardInterrupt):
        loop.train(tiny_config, tmp_path / "run")
    for images in seen.values():
        assert steps(images)[:40].min() < 8
        assert steps(images)[:40].max() > COUNT - 8


def test_copies_of_a_rendering_stay_side_by_side():
    images = (
        np.repeat(np.arange(20, dtype=np.uint8), 3).reshape(3, 20, 1, 1, 1).reshape(-1, 1, 1, 1)
    )
    found = data.mixed(Arrays(images), "resampled").images.ravel()
    assert len(set(found[:30])) == 10
    assert sorted(found) == sorted(images.ravel())
    assert (found[:-1] > found[1:]).any()


def test_eyes_that_take_turns_are_in_both_halves_and_people_too():
    people, sides = np.repeat(np.arange(10), 20), np.resize([0, 1], 200)
    images = np.zeros((200, 1, 1, 1), np.uint8)
    real = Arrays(images, {"participant": people, "side": sides})
    found = data.neighbours_swapped(real, "folder")
    for half in (found[::2], found[1::2]):
        assert np.bincount(half.labels["participant"]).tolist() == 10 * [10]
        assert 30 < half.labels["side"].sum() < 70
    assert data.neighbours_swapped(real, "mpii_gaze") is real


def test_other_grey_values_leave_the_order_as_it_is():
    images = np.arange(40, dtype=np.uint8).reshape(-1, 1, 1, 1)
    rows = {"row": np.arange(40)}
    orders = [data.mixed(Arrays(x, rows), "table").labels["row"] for x in (images, 255 - images)]
    np.testing.assert_array_equal(*orders)
