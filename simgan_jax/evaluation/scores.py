"""Errors of estimators on a labelled test set."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.data import Arrays
from simgan_jax.estimators.coordinates import slopes
from simgan_jax.estimators.tasks import TASKS, label_of
from simgan_jax.metrics import angles, keypoints
from simgan_jax.metrics.intervals import mean_interval

CURVE_POINTS = 61


def score(task: str, predictions: Sequence[np.ndarray], test: Arrays) -> dict[str, Any]:
    """Errors of the predictions of several seeds on one test set.

    Args:
        task: a name of `TASKS`.
        predictions: one array [N, ...] a seed.
        test: with the task's label; where `test_groups` finds groups, intervals are over these.

    Returns:
        "error" (mean over images and seeds), "std" (sample standard deviation over seeds), "median",
        "interval" (95 %, bootstrap), "within" and its "threshold", "axes" with mean size and bias of
        each signed component and the "slope" of predictions over labels, "curve" (share of errors below
        each of "thresholds"), "per_seed", "unit", and "uncertainty": what each of "std", "interval" and
        "within_interval" is over. Where people
        are known, "participants" and "calibrated" (the error left without each person's bias).
    """
    kind, size = TASKS[task], test.images.shape[1:3]
    targets = label_of(task, test, "the test set")
    errors = np.stack([kind.errors(p, targets) for p in predictions])
    per_image = image_errors(task, predictions, test)
    per_seed = per_image.mean(1)
    signed = np.stack([kind.signed(p, targets) for p in predictions])
    groups = test_groups(test)
    threshold = kind.within(size)
    slope = [slopes(task, p, targets) for p in predictions]
    good = (errors <= threshold).reshape(*errors.shape[:2], -1).mean((0, 2))
    thresholds = np.linspace(0, kind.range(size), CURVE_POINTS)
    result = {
        "error": float(per_seed.mean()),
        "std": float(per_seed.std(ddof=1)) if len(per_seed) > 1 else None,
        "median": float(np.median(errors)),
        "interval": mean_interval(per_image.mean(0), groups.member),
        "within": float(good.mean()),
        "within_interval": mean_interval(good, groups.member),
        "threshold": threshold,
        "unit": kind.unit,
        "axes": {
            name: {
                "error": float(np.abs(signed[..., i]).mean()),
                "bias": float(signed[..., i].mean()),
                "slope": float(np.mean([one[name] for one in slope])),
            }
            for i, name in enumerate(kind.axes)
        },
        "per_seed": per_seed.tolist(),
        "uncertainty": {
            "std": f"{len(per_seed)} seeds" if len(per_seed) > 1 else None,
            "interval": str(groups),
            "within_interval": str(groups),
        },
        "thresholds": thresholds.tolist(),
        "curve": keypoints.pck_curve(errors, thresholds).tolist(),
    }
    if groups.kind == "people":
        result["participants"] = {
            str(person): float(per_image.mean(0)[groups.member == person].mean())
            for person in np.unique(groups.member)
        }
        calibrated = [calibrate(task, p, targets, groups.member) for p in predictions]
        result["calibrated"] = float(image_errors(task, calibrated, test).mean())
    return result


def calibrate(
    task: str,
    predictions: Float[np.ndarray, "n ..."],
    targets: Float[np.ndarray, "n ..."],
    people: Shaped[np.ndarray, "n"],
) -> Float[np.ndarray, "n ..."]:
    """Predictions without each person's mean signed error: what a calibration of one point leaves."""
    kind = TASKS[task]
    bias = kind.signed(predictions, targets)
    order = [np.flatnonzero(people == person) for person in np.unique(people)]
    result = [kind.moved(predictions[rows], -bias[rows].mean(0)) for rows in order]
    return np.concatenate(result)[np.argsort(np.concatenate(order))]


def image_errors(
    task: str, predictions: Sequence[np.ndarray], test: Arrays
) -> Float[np.ndarray, "seeds n"]:
    """Error of every test image, of hands the mean over joints, by each seed's predictions."""
    targets = label_of(task, test, "the test set")
    errors = np.stack([TASKS[task].errors(p, targets) for p in predictions])
    return errors.reshape(*errors.shape[:2], -1).mean(2)


class Groups(NamedTuple):
    """Which test images belong together; images of one group are not independent.

    Attributes:
        kind: "people", "days", "groups" or "images".
        member: the group of each image.
    """

    kind: str
    member: Shaped[np.ndarray, "n"]

    @property
    def count(self) -> int:
        """Groups there are."""
        return len(np.unique(self.member))

    def __str__(self) -> str:
        return f"{self.count} {self.kind}"


def test_groups(test: Arrays) -> Groups:
    """By the first of the labels `participant`, `day` and `group` that tells images apart.

    Without one, every image is a group of its own.
    """
    for label, kind in (("participant", "people"), ("day", "days"), ("group", "groups")):
        member = test.labels.get(label)
        if member is not None and len(np.unique(member)) > 1:
            return Groups(kind, np.asarray(member))
    return Groups("images", np.arange(len(test)))


def mean_prediction(task: str, labelled: Arrays, count: int) -> np.ndarray:
    """The mean label of a set, `count` times: what can be predicted without looking."""
    mean = label_of(task, labelled, "the set").mean(0)
    if task == "gaze":
        mean = angles.normalize(mean)
    return np.broadcast_to(mean, (count, *mean.shape))
