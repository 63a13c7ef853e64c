"""One small run for all tests of whole runs: where networks, sizes and devices agree, programs do.

Compiling is what such tests take; a program that one of them has compiled, or a process that it has
started, costs the others nothing.
"""

import os
from pathlib import Path

from configs import gaze

ROOT = Path(__file__).parents[1]
VARIANT = "configs/gaze.py:tiny"
# Embedded eyes of 24 x 24 pixels, networks of two features.
NETWORKS = {
    "image.height": 24,
    "image.width": 24,
    "data.synthetic.count": 32,
    "data.real.count": 32,
    "data.test.count": 16,
    "refiner.features": 2,
    "history.size": 16,
    "watch.log_every": 1,
}
SETTINGS = NETWORKS | {
    "train.pretrain_refiner": 2,
    "train.pretrain_discriminator": 1,
    "train.steps": 3,
    "watch.sample_every": 3,
    "watch.checkpoint_every": 3,
}
# The smallest evaluation that there is.
EVALUATION = {
    "evaluate.estimator.batch": 8,
    "evaluate.estimator.width": 0.05,
    "evaluate.quick.discriminator_steps": 2,
    "evaluate.quick.estimator_steps": 2,
    "evaluate.quick.images": 16,
    "evaluate.quick.probe": 16,
}


def config(settings=SETTINGS):
    """The configuration that the settings make of configs/gaze.py:tiny."""
    c = gaze.get_config("tiny")
    c.update_from_flattened_dict(settings)
    return c


def arguments(settings):
    """The same on a command line."""
    return [f"--config.{key}={value}" for key, value in settings.items()]


def environment(**more):
    """Of a process on as many devices as the tests have, that finds the package."""
    return os.environ | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "4"} | more
