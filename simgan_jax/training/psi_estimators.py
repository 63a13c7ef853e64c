"""The first phase of a run with `loss.psi = "estimator"`: the estimators whose reading must stay."""

from dataclasses import replace

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree
from ml_collections import ConfigDict

from simgan_jax.data import Arrays
from simgan_jax.estimators.estimator import train
from simgan_jax.estimators.settings import make_settings

# So that their seeds are none of the evaluation's, which counts from 0 up.
FIRST_SEED = 1_000_000


def train_psi_estimators(config: ConfigDict, synthetic: Arrays) -> PyTree[Float[Array, "m ..."]]:
    """Trains the estimators on augmented synthetic images; a function of the configuration alone.

    Args:
        config: of the run.
        synthetic: labelled images.

    Returns:
        Their parameters, stacked along a first axis.

    Raises:
        UserError: the label is missing, or there are too few images.
    """
    settings = make_settings(config.evaluate.estimator.to_dict())
    settings = replace(settings, steps=config.loss.reading.steps)
    some = synthetic[: config.loss.reading.images]
    seeds = range(config.loss.reading.estimators)
    first = FIRST_SEED + config.seed * len(seeds)
    trained = [train(config.task, some, settings, first + i, augmented=True) for i in seeds]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(one.params for one in trained))
