"""What an evaluation would refuse after the training, found before it."""

from functools import partial

import jax
import numpy as np
from ml_collections import ConfigDict

from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import held_back
from simgan_jax.estimators.settings import EstimatorSettings
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.plan import make_plan
from simgan_jax.evaluation.sets import without
from simgan_jax.setup import make_setup
from simgan_jax.training.loop import check_images

LEVELS = ("quick", "full")


def require_ready(config: ConfigDict, synthetic: Arrays, real: Arrays) -> None:
    """Checks that a run of these sets can be evaluated at every level.

    Args:
        config: of the run, its settings checked.
        synthetic: images and labels of the simulator.
        real: images.

    Raises:
        UserError: a row or a label that there is not, too few images, or images of another size than
            the configuration says.
    """
    plans = [make_plan(config.evaluate, level) for level in LEVELS]
    image_split.require_enough(synthetic, real)
    if config.task == "none" or not config.data.get("test"):
        return
    setup = make_setup(config)
    test = check_images("data.test", data.load_set(config, "test"), setup)
    labelled = real
    if config.data.get("labelled"):
        labelled = check_images("data.labelled", data.load_set(config, "labelled"), setup)
    for name, images in (("synthetic", synthetic), ("test", test)):
        _require_labels(config.task, images, f"config.data.{name}")
    if tasks.has_label(config.task, labelled):
        _require_labels(config.task, labelled, "the labelled real images")
    else:
        labelled = labelled[:0]
    _require_network(config.task, synthetic, plans[0].estimator)
    labelled = without(labelled, test)
    for plan in plans:
        trained, _, _ = image_split.to_report(synthetic, real, plan.probe)
        held_back(min(plan.images, len(trained)), plan.estimator)
        if len(labelled) and "real" in {row.base for row in plan.rows}:
            held_back(min(plan.images, len(labelled)), plan.estimator)


def _require_labels(task: str, images: Arrays, where: str) -> None:
    found = tasks.label_of(task, images, where)
    bad = np.flatnonzero(~np.isfinite(found).reshape(len(found), -1).all(axis=1))
    if bad.size:
        raise UserError(
            f"{where}: the label {tasks.TASKS[task].label!r} of image {bad[0]} (counted "
            f"from 0) is not finite, and so are {bad.size - 1:,} more; leave these images out"
        )


def _require_network(task: str, images: Arrays, settings: EstimatorSettings) -> None:
    """Passes shapes through the estimator and its loss; computes nothing."""
    targets = np.asarray(images.labels[tasks.TASKS[task].label][:1], np.float32)
    size = images.images.shape[1:3]
    unit = jax.ShapeDtypeStruct((1, *images.images.shape[1:]), np.float32)
    try:
        network = tasks.TASKS[task].network(settings, targets)
        outputs, _ = jax.eval_shape(network.init_with_output, jax.random.key(0), unit)
        jax.eval_shape(partial(tasks.TASKS[task].loss, size=size), outputs, targets)
    except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(
            f"config.evaluate.estimator: no estimator of task {task!r} can be made for images of "
            f"{size[0]} x {size[1]} and labels {tasks.TASKS[task].label} {targets.shape[1:]} ({said})"
        ) from error
