"""The frozen estimators that a run with `loss.psi = "estimator"` keeps in its state, made callable."""

import jax
import numpy as np
from jaxtyping import Array, Float, PyTree

from simgan_jax.estimators.estimator import Estimator
from simgan_jax.setup import Setup


def frozen_estimators(
    task: str, setup: Setup, params: PyTree[Float[Array, "m ..."]] | None
) -> list[Estimator]:
    """One `Estimator` for each that the parameters hold; [] for a run without.

    Args:
        task: of the run.
        setup: of the run.
        params: `TrainState.estimators`.
    """
    if not setup.reading:
        return []

    def one(i: int) -> Estimator:
        own = jax.tree.map(lambda leaf: np.asarray(leaf)[i], params)
        return Estimator(task, setup.reading.network, own, ())

    return [one(i) for i in range(setup.reading.count)]
