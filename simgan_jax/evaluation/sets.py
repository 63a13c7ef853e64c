"""The data that a run is measured on."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from simgan_jax import data
from simgan_jax.data.arrays import Arrays, digests
from simgan_jax.estimators import tasks
from simgan_jax.evaluation.plan import Plan


class Sets(NamedTuple):
    """What a refiner is measured on.

    Attributes:
        synthetic: images and labels of the simulator.
        real: images, for realism.
        test: labelled real images, used to test alone; None leaves the estimators out.
        labelled: real images whose labels, if any, the rows "real" alone use; by default `real`. Images
            of `test` among them are left out.
    """

    synthetic: Arrays
    real: Arrays
    test: Arrays | None = None
    labelled: Arrays | None = None


def load_sets(config: ConfigDict, plan: Plan) -> Sets:
    """The data that a run's configuration names.

    Raises:
        UserError: it is not there, or lacks the label of the task.
    """
    synthetic = data.load_mixed(config, enlarged(config.data.synthetic, plan))
    test = None
    if config.data.get("test") and config.task != "none":
        test = data.load_set(config, "test")
        tasks.label_of(config.task, synthetic, "config.data.synthetic")
        tasks.label_of(config.task, test, "config.data.test")
    labelled = data.load_set(config, "labelled") if config.data.get("labelled") else None
    real = data.neighbours_swapped(data.load_set(config, "real"), config.data.real.source)
    return Sets(synthetic, real, test, labelled)


def labelled_of(sets: Sets) -> Arrays:
    """The real images that the row "real" is trained on, none of which is among the test images."""
    return without(sets.real if sets.labelled is None else sets.labelled, sets.test)


def without(images: Arrays, others: Arrays) -> Arrays:
    """The images that are not, pixel by pixel, among the others."""
    known = set(digests(others.images))
    kept = [digest not in known for digest in digests(images.images)]
    return images if all(kept) else images[np.array(kept)]


def enlarged(spec: Mapping[str, Any], plan: Plan) -> int | None:
    """Number of synthetic images, with those that "_4x" needs; None and 0 are all that there are."""
    count, times = spec.get("count"), max((row.times for row in plan.rows), default=1)
    if not count or times == 1:  # 0 takes all that a folder has
        return count
    return max(count, times * min(plan.images, count) + plan.probe)


def own(synthetic: Arrays, spec: Mapping[str, Any]) -> Arrays:
    """The images that training has had, without those of `enlarged`.

    A checkpoint is chosen by these: what a large report leaves to the choice, a smaller one measures.
    """
    return synthetic[: spec.get("count") or None]
