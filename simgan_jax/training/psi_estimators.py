"""The first phase of a run with `loss.psi = "estimator"`: the estimators whose reading must stay.

They differ in their seed, and in how strongly their training images are changed at random: one that has
seen weak changes alone reads fine cues, one that has seen strong ones coarse cues. What deceives one is
then less likely to deceive the others, and the loss is a mean over all.
"""

from dataclasses import replace
from itertools import cycle, islice

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from ml_collections import ConfigDict

from simgan_jax.data import Arrays
from simgan_jax.estimators.estimator import Estimator, held_back, train
from simgan_jax.estimators.settings import make_settings
from simgan_jax.estimators.tasks import label_of
from simgan_jax.io.progress import progress
from simgan_jax.training import devices

# So that their seeds are none of the evaluation's, which counts from 0 up.
FIRST_SEED = 1_000_000


def train_psi_estimators(config: ConfigDict, synthetic: Arrays) -> PyTree[Float[Array, "m ..."]]:
    """Trains the estimators on synthetic images, each with an augmentation of its own strength.

    The same configuration and images give the same estimators.

    Args:
        config: of the run.
        synthetic: labelled images, of which the first are taken.

    Returns:
        Their parameters, stacked along a first axis.

    Raises:
        UserError: the label is missing, or there are too few images.
    """
    settings = make_settings(config.evaluate.estimator.to_dict())
    settings = replace(settings, steps=config.loss.reading.steps)
    some = synthetic[: config.loss.reading.images]
    augmented = strengths(config)
    first = FIRST_SEED + config.seed * len(augmented)
    images = len(augmented) * settings.steps * settings.batch
    with progress("training the estimators of psi", images) as advance:

        def train_one(i: int) -> Estimator:
            return train(config.task, some, settings, first + i, augmented[i], advance)

        trained = devices.each_on_a_device(train_one, range(len(augmented)))
    # Each lies on a device of its own, unless that is a CPU's.
    host = [jax.device_get(one.params) for one in trained]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *host)


def require_enough(config: ConfigDict, synthetic: Arrays) -> None:
    """Refuses what `train_psi_estimators` would.

    Raises:
        UserError: the label is missing, or there are too few images.
    """
    some = synthetic[: config.loss.reading.images]
    label_of(config.task, some, "config.data.synthetic")
    held_back(len(some), make_settings(config.evaluate.estimator.to_dict()))


def strengths(config: ConfigDict) -> list[float]:
    """How strongly each estimator's images are augmented: `loss.reading.augmentation` in turn."""
    return list(islice(cycle(config.loss.reading.augmentation), config.loss.reading.estimators))
