"""The estimators of psi: each sees its images changed by its own strength."""

import jax
import numpy as np
import pytest

from configs import gaze
from simgan_jax.data import Arrays
from simgan_jax.estimators.estimator import train
from simgan_jax.estimators.settings import make_settings
from simgan_jax.training.psi_estimators import FIRST_SEED, strengths, train_psi_estimators


@pytest.fixture
def config():
    c = gaze.get_config("tiny")
    c.evaluate.estimator.update(width=0.03, batch=4, micro_batch=4, steps=2, looks=1)
    c.loss.reading.update(estimators=2, images=12, steps=2)
    return c


def test_strengths_are_taken_in_turn(config):
    config.loss.reading.update(estimators=5, augmentation=(1.0, 0.5))
    assert strengths(config) == [1, 0.5, 1, 0.5, 1]
    config.loss.reading.estimators = 1
    assert strengths(config) == [1]


def test_each_is_trained_with_its_own_seed_and_strength(config):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (16, 20, 20, 1)).astype(np.uint8)
    gaze_label = rng.standard_normal((16, 3)).astype(np.float32)
    synthetic = Arrays(images, {"gaze": gaze_label})
    config.loss.reading.augmentation = (0.0, 1.5)
    config.seed = 3
    stacked = train_psi_estimators(config, synthetic)
    settings = make_settings(config.evaluate.estimator.to_dict())
    for i, strength in enumerate((0.0, 1.5)):
        alone = train("gaze", synthetic[:12], settings, FIRST_SEED + 6 + i, augmented=strength)
        jax.tree.map(
            lambda both, one, i=i: np.testing.assert_array_equal(both[i], one),
            stacked,
            alone.params,
        )
