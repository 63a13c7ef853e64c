"""Errors of estimators on a labelled test set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from simgan_jax.data import Arrays
from simgan_jax.evaluation.tasks import TASKS, label_of
from simgan_jax.metrics import angles, keypoints
from simgan_jax.metrics.intervals import mean_interval

CURVE_POINTS = 61


def score(task: str, predictions: Sequence[np.ndarray], test: Arrays) -> dict[str, Any]:
    """Errors of the predictions of several seeds on one test set.

    Args:
        task: a name of `TASKS`.
        predictions: one array [N, ...] a seed.
        test: with the task's label; with a label `participant`, intervals and a table go by person.

    Returns:
        "error" (mean over images and seeds), "std" over seeds, "median", "interval" (95 %, bootstrap
        over persons or images), "within" and its "threshold", "axes" with mean size and bias of each
        signed component, "curve" (share of errors below each of "thresholds"), "participants",
        "per_seed", "unit".
    """
    kind, size = TASKS[task], test.images.shape[1:3]
    targets = label_of(task, test, "the test set")
    errors = np.stack([kind.errors(p, targets) for p in predictions])
    per_image = per_image_errors(task, predictions, test)
    per_seed = errors.reshape(len(errors), -1).mean(1)
    signed = np.stack([kind.signed(p, targets) for p in predictions])
    who = people(test)
    threshold = kind.within(size)
    good = (errors <= threshold).reshape(*errors.shape[:2], -1).mean((0, 2))
    thresholds = np.linspace(0, kind.range(size), CURVE_POINTS)
    result = {
        "error": float(per_seed.mean()),
        "std": float(per_seed.std(ddof=1)) if len(errors) > 1 else None,
        "median": float(np.median(errors)),
        "interval": mean_interval(per_image, who),
        "within": float(good.mean()),
        "within_interval": mean_interval(good, who),
        "threshold": threshold,
        "unit": kind.unit,
        "axes": {
            name: {
                "error": float(np.abs(signed[..., i]).mean()),
                "bias": float(signed[..., i].mean()),
            }
            for i, name in enumerate(kind.axes)
        },
        "per_seed": per_seed.tolist(),
        "thresholds": thresholds.tolist(),
        "curve": keypoints.pck_curve(errors, thresholds).tolist(),
    }
    if who is not None:
        result["participants"] = {
            str(person): float(per_image[who == person].mean()) for person in np.unique(who)
        }
    return result


def per_image_errors(
    task: str, predictions: Sequence[np.ndarray], test: Arrays
) -> Float[np.ndarray, "n"]:
    """Error of every test image, the mean over seeds (and joints)."""
    targets = label_of(task, test, "the test set")
    errors = np.stack([TASKS[task].errors(p, targets) for p in predictions])
    return errors.reshape(*errors.shape[:2], -1).mean((0, 2))


def people(test: Arrays) -> Int[np.ndarray, "n"] | None:
    """The label `participant`, None if there is none or one person only."""
    who = test.labels.get("participant")
    return who if who is not None and len(np.unique(who)) > 1 else None


def mean_prediction(task: str, labelled: Arrays, count: int) -> np.ndarray:
    """The mean label of a set, `count` times: what can be predicted without looking."""
    mean = label_of(task, labelled, "the set").mean(0)
    if task == "gaze":
        mean = angles.normalize(mean)
    return np.broadcast_to(mean, (count, *mean.shape))
