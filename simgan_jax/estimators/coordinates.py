"""Labels and predictions as numbers on axes that a reader knows, to compare how sets are spread."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.metrics.angles import pitch_yaw


class Coordinates(NamedTuple):
    """How a task's labels are measured, in the unit of `tasks.TASKS`.

    Attributes:
        names: of the axes.
        read: labels or predictions [N, ...] to [N, axes].
        less: by axis, how images are whose value is less.
        more: by axis, how images are whose value is greater.
    """

    names: tuple[str, ...]
    read: Callable[[Shaped[np.ndarray, "n ..."]], Float[np.ndarray, "n k"]]
    less: tuple[str, ...]
    more: tuple[str, ...]


def _place_and_size(joints: Float[np.ndarray, "n j d"]) -> Float[np.ndarray, "n 3"]:
    """Middle of the joints (x, y), and their root mean square distance from it."""
    uv = np.asarray(joints, np.float64)[..., :2]
    middle = uv.mean(1)
    size = np.sqrt(np.square(uv - middle[:, None]).sum(-1).mean(1))
    return np.concatenate([middle, size[:, None]], axis=1)


COORDINATES = {
    "gaze": Coordinates(
        ("pitch", "yaw"),
        lambda gaze: np.degrees(pitch_yaw(gaze)),
        # Positive yaw is towards negative x, see `metrics.angles`.
        less=("look further down", "look further right"),
        more=("look further up", "look further left"),
    ),
    "iris": Coordinates(
        ("x", "y"),
        lambda places: np.asarray(places, np.float64),
        less=("have the iris further left", "have the iris further up"),
        more=("have the iris further right", "have the iris further down"),
    ),
    "hand": Coordinates(
        ("x", "y", "size"),
        _place_and_size,
        less=("lie further left", "lie further up", "are smaller or less open"),
        more=("lie further right", "lie further down", "are larger or more open"),
    ),
}


def slopes(
    task: str, read: Shaped[np.ndarray, "n ..."], labels: Shaped[np.ndarray, "n ..."]
) -> dict[str, float]:
    """How much of a change of the label shows in what is read, by axis: the least squares slope.

    1 is all of it, 0 nothing, less than 0 the opposite; 0 also where the labels do not change.

    Args:
        task: a name of `COORDINATES`.
        read: predictions.
        labels: of the same images.
    """
    kind = COORDINATES[task]
    ours, theirs = (x - x.mean(0) for x in (kind.read(read), kind.read(labels)))
    variance = np.square(theirs).sum(0)
    found = (ours * theirs).sum(0) / np.where(variance > 0, variance, np.inf)
    return dict(zip(kind.names, found.tolist(), strict=True))
