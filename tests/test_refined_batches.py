import threading

import numpy as np
import pytest
from refiners import random_images, random_refine

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.io import progress
from simgan_jax.refinement import sets
from simgan_jax.refinement.batches import refined_batches


@pytest.fixture(scope="module")
def refiner():
    return random_refine()


def test_refined_batches_keep_images_and_labels_together(refiner):
    images = random_images(10, 16, 16, 1)
    arrays = Arrays(images, {"number": np.arange(10)})
    expected = refiner(images)
    seen = []
    for batch in refined_batches(refiner, arrays, 4, epochs=2, seed=3):
        np.testing.assert_array_equal(batch["image"], expected[batch["number"]])
        seen += [batch["number"]]
    assert [len(x) for x in seen] == [4, 4, 2, 4, 4, 2]
    assert sorted(np.concatenate(seen[:3])) == list(range(10))
    assert np.concatenate(seen[:3]).tolist() != np.concatenate(seen[3:]).tolist()


def test_refined_batches_keep_the_noise_of_an_image_in_any_order():
    refiner = random_refine(noise_channels=1)
    arrays = Arrays(random_images(6, 16, 16, 1), {"number": np.arange(6)})
    expected = refiner(arrays.images)
    for batch in refined_batches(refiner, arrays, 4, seed=1):
        np.testing.assert_array_equal(batch["image"], expected[batch["number"]])


def test_refined_batches_go_on_for_ever_and_stop_when_left(refiner):
    before = threading.active_count()
    batches = refined_batches(refiner, Arrays(random_images(5, 16, 16, 1)), 4, epochs=None)
    assert [len(next(batches)["image"]) for _ in range(4)] == [4, 1, 4, 1]
    batches.close()
    assert threading.active_count() == before


def test_refined_batches_pass_errors_on(refiner):
    with pytest.raises(UserError, match="3 images make no batch of 4"):
        next(refined_batches(refiner, Arrays(random_images(3, 8, 8, 1)), 4, drop_last=True))
    with pytest.raises(UserError, match="2 channels"):
        next(refined_batches(refiner, Arrays(np.zeros((4, 8, 8, 2), np.uint8)), 4))


def test_a_whole_set_is_refined_as_by_one_call_and_one_sees_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(sets, "PART", 4)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    refiner, images = random_refine(noise_channels=1), random_images(10, 16, 16, 1)
    np.testing.assert_array_equal(sets.refine_set(refiner, images), refiner(images))
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"refining {n}/10" for n in (4, 8, 10)]
