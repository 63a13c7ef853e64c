"""MPIIGaze (Zhang et al., CVPR 2015): eyes of 15 people at their laptops, with gaze and head pose.

    python -m simgan_jax.data.prepare mpii_gaze --manual_dir=FOLDER

`MpiiGaze` documents the features.
"""

from collections.abc import Sequence

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.mpii_gaze.builder import MpiiGaze
from simgan_jax.data.prepared import centre_crop, make_builder, open_set
from simgan_jax.errors import UserError

SUBSETS = ("all", "evaluation", "rest")


def load(
    split: str = "train",
    data_dir: str | None = None,
    held_out: Sequence[str] = (),
    subset: str = "",
    days: Sequence[int] = (),
    height: int = 36,
    width: int = 60,
    count: int = 0,
) -> Arrays:
    """The prepared images and labels.

    By default "train" is every image, to be used without its labels, and "test" the Evaluation
    Subset of every person: the paper's protocol, in which the refiner has seen the test images (not
    their labels). `held_out=["p03"]` makes it leave-one-person-out: "train" is everyone else, "test"
    that person.

    Args:
        split: "train", "test", "all", or a person: "p00" to "p14".
        data_dir: where it was prepared; that of TFDS by default.
        held_out: people that are in "test" and not in "train"; a text or a list of them.
        subset: "all", "evaluation" (the Evaluation Subset) or "rest" (what is not in it); by default
            "evaluation" for "test", otherwise "all".
        days: first and last day to take; all by default.
        height: pixels, at most 36; the middle rows.
        width: pixels, at most 60; the middle columns. The paper's networks take 35 x 55.
        count: a random choice of so many images, always the same; 0 takes all.

    Returns:
        images uint8 [N, height, width, 1], memory-mapped if all are taken, and labels gaze, head_pose,
        participant, day, mirrored and evaluation (see `MpiiGaze`).

    Raises:
        UserError: not prepared (and how to), no such split, person, subset or size, no image left.
    """
    prepared = open_set(make_builder(MpiiGaze, data_dir))
    people = tuple(prepared.splits)
    held_out = (held_out,) if isinstance(held_out, str) else tuple(held_out)
    unknown = [p for p in (*held_out, split) if p not in (*people, "train", "test", "all")]
    if unknown or set(held_out) & {"train", "test", "all"}:
        raise UserError(
            f"mpii_gaze has no split or person {(unknown or held_out)[0]!r}; there are train, test, "
            f"all, {', '.join(people)}"
        )
    subset = subset or ("evaluation" if split == "test" else "all")
    if subset not in SUBSETS:
        raise UserError(f"mpii_gaze has no subset {subset!r}; one of {', '.join(SUBSETS)}")
    wanted = {
        "train": [p for p in people if p not in held_out],
        "test": held_out or people,
        "all": people,
    }.get(split, [split])
    kept = np.zeros(len(prepared.features["image"]), bool)
    for person in wanted:
        kept[prepared.splits[person]] = True
    evaluation = prepared.features["evaluation"] == 1
    if subset != "all":
        if not evaluation.any():
            raise UserError(
                "mpii_gaze was prepared without the folder 'Evaluation Subset'; put it beside Data and "
                "prepare again, or set subset to all"
            )
        kept &= evaluation if subset == "evaluation" else ~evaluation
    if days:
        first, last = days
        kept &= (prepared.features["day"] >= first) & (prepared.features["day"] <= last)
    rows = np.flatnonzero(kept)
    if count and count < len(rows):
        rows = np.sort(np.random.default_rng(0).choice(rows, count, replace=False))
    if len(rows) == 0:
        raise UserError(f"mpii_gaze: no image in split {split}, subset {subset}, days {list(days)}")
    if len(rows) == rows[-1] + 1 - rows[0]:
        rows = slice(rows[0], rows[-1] + 1)  # stays memory-mapped
    images = centre_crop(prepared.features["image"], height, width)[0]
    return Arrays(images[rows], prepared.labels(rows))


__all__ = ["MpiiGaze", "load"]
