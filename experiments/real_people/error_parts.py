"""What errors of estimators of gaze on real people are made of."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.metrics import angles

POSE = "target_head_yaw_deg"


def column(path: str, name: str) -> Shaped[np.ndarray, "n"]:
    """The numbers of a column of a table, that the data source leaves alone.

    Raises:
        UserError: there is no such column.
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or name not in rows[0]:
        raise UserError(f"{path}: no column {name}; give the run of an experiment on these people")
    return np.array([float(row[name]) for row in rows])


def read(estimators: Sequence[Estimator], images: Arrays) -> dict[str, Any]:
    """Mean error of estimators, and their bias on each axis, degrees."""
    signed, targets = errors(estimators, images)
    error = np.mean([angles.angular_error(one(images.images), targets) for one in estimators])
    bias = signed.mean((0, 1))
    return {"error": float(error), "bias": dict(zip(("pitch", "yaw"), bias.tolist(), strict=True))}


def parts_of(
    estimators: Sequence[Estimator], test: Arrays, poses: Shaped[np.ndarray, "n"]
) -> dict[str, dict[str, float]]:
    """`parts` of the errors on each axis, means over estimators, as roots of mean squares.

    "answer" beside them is how much of a change of the label shows in what is read; 1 is all of it.
    """
    signed, targets = errors(estimators, test)
    true = np.degrees(angles.pitch_yaw(targets))
    people = test.labels["participant"]
    found = {}
    for axis, name in enumerate(("pitch", "yaw")):
        squares = [parts(each[:, axis], people, poses, true[:, axis]) for each in signed]
        found[name] = {
            part: math.sqrt(np.mean([square[part] for square in squares])) for part in squares[0]
        }
        found[name]["answer"] = float(
            1 + np.polyfit(true[:, axis], signed[..., axis].T, 1)[0].mean()
        )
    return found


def parts(
    signed: Float[np.ndarray, "n"],
    people: Shaped[np.ndarray, "n"],
    poses: Shaped[np.ndarray, "n"],
    true: Float[np.ndarray, "n"],
) -> dict[str, float]:
    """Mean squares of what errors are made of, each part taken from what those before have left.

    Args:
        signed: errors of images on one axis.
        people: who is in each image.
        poses: how the head is turned.
        true: the label on that axis.

    Returns:
        "bias" of all images, "people", "poses", "slope" against the label, the "rest", whose sum is
        "all".
    """
    line = true - true.mean()
    found, left = {"all": float(np.mean(signed**2))}, signed
    for name, fit in (
        ("bias", lambda x: np.full(len(x), x.mean())),
        ("people", lambda x: means(x, people)),
        ("poses", lambda x: means(x, poses)),
        ("slope", lambda x: line * (line @ x) / (line @ line)),
    ):
        part = fit(left)
        left = left - part
        found[name] = float(np.mean(part**2))
    return found | {"rest": float(np.mean(left**2))}


def means(
    values: Float[np.ndarray, "n"], member: Shaped[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """The mean of each value's group."""
    _, group = np.unique(member, return_inverse=True)
    return (np.bincount(group, values) / np.bincount(group))[group]


def errors(
    estimators: Sequence[Estimator], images: Arrays
) -> tuple[Float[np.ndarray, "seeds n 2"], Float[np.ndarray, "n 3"]]:
    """Signed errors (pitch, yaw) in degrees, and the true directions."""
    targets = tasks.label_of("gaze", images, "the images")
    signed = [angles.signed_error(one(images.images), targets) for one in estimators]
    return np.stack(signed), targets
