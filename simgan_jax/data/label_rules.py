"""What labels of any source must be like; a source that reads files says more of single rows."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError

ROUNDING = 1e-2  # of the length of a gaze vector, which files hold in 4 digits or so


class Rule(NamedTuple):
    """What a label must be like.

    Attributes:
        shape: of one row; None stands for any size.
        words: what is expected, for the message.
        holds: rows [n, ...] to whether each is so.
    """

    shape: tuple[int | None, ...]
    words: str
    holds: Callable[[np.ndarray], Bool[np.ndarray, "n"]]


def _of_rows(holds: np.ndarray) -> Bool[np.ndarray, "n"]:
    return holds.reshape(len(holds), -1).all(1)


RULES = {
    "gaze": Rule(
        (3,),
        "a vector of length 1 towards the camera (z < 0)",
        lambda x: (abs(np.linalg.norm(x, axis=1) - 1) <= ROUNDING) & (x[:, 2] <= 0),
    ),
    "head_pose": Rule(
        (2,),
        "pitch and yaw in radians",
        lambda x: _of_rows(abs(x) <= np.array([np.pi / 2, np.pi]) * (1 + 1e-6)),
    ),
    "pupil": Rule((2,), "x and y in pixels", lambda x: _of_rows(np.isfinite(x))),
    "joints_uvd": Rule((None, 3), "u, v and mm of each joint", lambda x: _of_rows(np.isfinite(x))),
}


def check(arrays: Arrays, source: str) -> None:
    """Looks at the labels of a set.

    Args:
        arrays: the set.
        source: its name, for the message.

    Raises:
        UserError: a mask of another size than the images, a label of another shape, or a value that
            cannot be right (also NaN), with its row.
    """
    for name, values in arrays.labels.items():
        if name.endswith("_mask") and values.shape[1:3] != arrays.images.shape[1:3]:
            sizes = (f"{x.shape[1]} x {x.shape[2]}" for x in (values, arrays.images))
            raise UserError(
                "data source {}: {} is {}, images are {} (height x width)".format(
                    source, name, *sizes
                )
            )
        if name not in RULES:
            continue
        shape, words, holds = RULES[name]
        have = values.shape[1:]
        if len(have) != len(shape) or any(
            w not in (None, h) for w, h in zip(shape, have, strict=True)
        ):
            raise UserError(
                f"data source {source}: {name} of a row has shape {list(have)}, expected {words}"
            )
        wrong = np.flatnonzero(~holds(values))
        if len(wrong):
            found = np.array2string(np.ravel(values[wrong[0]])[:6], precision=4, separator=", ")
            raise UserError(
                f"data source {source}: {name} of row {wrong[0]:,} (from 0) is {found}, expected "
                f"{words}; {len(wrong):,} of {len(values):,} rows are not so"
            )
