"""UnityEyes (Wood et al., ETRA 2016): synthetic eyes with gaze, head pose and landmarks.

    python -m simgan_jax.data.prepare unity_eyes --manual_dir=FOLDER

`UnityEyes` documents the features; `decode` the conventions.
"""

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.prepared import centre_crop, make_builder, open_set
from simgan_jax.data.unity_eyes.builder import UnityEyes, UnityEyesConfig
from simgan_jax.data.unity_eyes.decode import Framing
from simgan_jax.errors import UserError

POINTS = ("pupil", "lid", "caruncle", "iris")


def load(
    split: str = "train",
    data_dir: str | None = None,
    config: str = "grey",
    height: int = 36,
    width: int = 60,
    max_head_pitch: float = 90,
    max_head_yaw: float = 90,
    count: int = 0,
) -> Arrays:
    """The prepared images and labels.

    Args:
        split: "train", the only one; UnityEyes has no test set.
        data_dir: where it was prepared; that of TFDS by default.
        config: "grey" (equalised), "grey_plain" or "colour".
        height: pixels, at most 36; the middle rows.
        width: pixels, at most 60; the middle columns. The paper's networks take 35 x 55.
        max_head_pitch: degrees; images with a head turned further up or down are left out.
        max_head_yaw: degrees, to either side.
        count: the first so many images (their order is random); 0 takes all.

    Returns:
        images uint8 [N, height, width, 1 or 3], memory-mapped if all are taken, and the labels that
        `UnityEyes` lists.

    Raises:
        UserError: not prepared (and how to), no such split, configuration or size, no image left.
    """
    if config not in UnityEyes.builder_configs:
        names = ", ".join(UnityEyes.builder_configs)
        raise UserError(f"unity_eyes has no configuration {config!r}; one of {names}")
    prepared = open_set(make_builder(UnityEyes, data_dir, config))
    if split not in prepared.splits:
        raise UserError(f"unity_eyes has no split {split!r}, only {', '.join(prepared.splits)}")
    rows = prepared.splits[split]
    limits = np.radians([max_head_pitch, max_head_yaw])
    kept = (abs(prepared.features["head_pose"][rows]) <= limits).all(1)
    if not kept.all():
        rows = rows.start + np.flatnonzero(kept)[: count or None]
        if len(rows) == 0:
            raise UserError(
                f"unity_eyes: no head within {max_head_pitch} degrees of pitch, {max_head_yaw} of yaw"
            )
    elif count:
        rows = slice(rows.start, min(rows.stop, rows.start + count))
    images, top, left = centre_crop(prepared.features["image"], height, width)
    labels = prepared.labels(rows)
    labels["iris_mask"] = centre_crop(labels["iris_mask"], height, width)[0]
    for name in POINTS:
        labels[name] = labels[name] - np.float32([left, top])
    labels["iris_ellipse"] = labels["iris_ellipse"] - np.float32([left, top, 0, 0, 0])
    return Arrays(images[rows], labels)


__all__ = ["Framing", "UnityEyes", "UnityEyesConfig", "load"]
