"""NYU Hand Pose (Tompson et al., SIGGRAPH 2014): depth images of hands and their joints.

    python -m simgan_jax.data.prepare nyu_hand --manual_dir=FOLDER

prepares camera 1, real and synthetic; nyu_hand/real_2 and the like the other cameras. `NyuHand`
documents the features.
"""

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.depth import HALF_RANGE_MM
from simgan_jax.data.nyu_hand.builder import (
    JOINT_NAMES,
    JOINTS,
    KINDS,
    SIZE,
    VIEWS,
    NyuHand,
    NyuHandConfig,
)
from simgan_jax.data.prepared import make_builder, open_set
from simgan_jax.errors import UserError


def load(
    split: str = "train",
    kind: str = "real",
    view: int = 1,
    data_dir: str | None = None,
    height: int = SIZE,
    width: int = SIZE,
    count: int = 0,
) -> Arrays:
    """The prepared images and labels.

    Args:
        split: "train" (72,757 frames) or "test" (8,252).
        kind: "real" (the sensor's) or "synthetic" (rendered).
        view: camera, 1 to 3.
        data_dir: where it was prepared; that of TFDS by default.
        height: 224, 112, 56 or another whole part of 224: every second, fourth, ... pixel.
        width: as height.
        count: the first so many images (their order is random); 0 takes all.

    Returns:
        images uint16 [N, height, width, 1], memory-mapped, and the labels that `NyuHand` lists, and
        centre_mm float32 [N], px_per_mm float32 [N] (at centre_mm).

    Raises:
        UserError: not prepared (and how to), no such split, kind, view or size.
    """
    if kind not in KINDS or view not in VIEWS:
        raise UserError(
            f"nyu_hand has no kind {kind!r}, view {view}; kind is one of {', '.join(KINDS)}, view of "
            f"{', '.join(map(str, VIEWS))}"
        )
    if height != width or height < 1 or SIZE % height:
        raise UserError(
            f"nyu_hand: {height} x {width} asked for; height and width must be equal and a whole part "
            f"of {SIZE}, such as {SIZE}, {SIZE // 2} or {SIZE // 4}"
        )
    prepared = open_set(make_builder(NyuHand, data_dir, f"{kind}_{view}"))
    if split not in prepared.splits:
        raise UserError(
            f"nyu_hand has no split {split!r}; prepared are {', '.join(prepared.splits)}"
        )
    rows = prepared.splits[split]
    if count:
        rows = slice(rows.start, min(rows.stop, rows.start + count))
    step = SIZE // height
    first = (step - 1) // 2
    thinned = (slice(None), slice(first, None, step), slice(first, None, step))
    labels = prepared.labels(rows)
    labels["hand_mask"] = labels["hand_mask"][thinned]
    labels["joints_uvd"] = (labels["joints_uvd"] - np.float32([first, first, 0])) / np.float32(
        [step, step, 1]
    )
    labels["centre_mm"] = labels["centre_uvd"][:, 2]
    labels["px_per_mm"] = np.full_like(labels["centre_mm"], height / (2 * HALF_RANGE_MM))
    return Arrays(prepared.features["image"][rows][thinned], labels)


__all__ = ["JOINTS", "JOINT_NAMES", "NyuHand", "NyuHandConfig", "load"]
