"""What a refiner paints into images that neither label shift nor a judge of patches objects to."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.data import Arrays
from simgan_jax.evaluation.image_split import spread
from simgan_jax.metrics.common_change import common_change, diversity
from simgan_jax.metrics.eye_whites import whites
from simgan_jax.ranges import to_unit

# Images that are measured, of each kind; and values of all of them, which bounds time and memory.
IMAGES, VALUES = 500, 10_000_000
# Pixels a side of a picture in evaluation.json.
SIDE = 64


def measure_artefacts(
    before: Arrays,
    after: Shaped[np.ndarray, "n h w c"],
    real: Shaped[np.ndarray, "m h w c"],
    seed: int = 0,
) -> dict[str, Any]:
    """What is painted alike into all images, whether they differ enough, and whites that got dark.

    Args:
        before: synthetic images, two at least; with the label `pupil`, what is painted beside each
            pupil counts as one picture.
        after: the same refined.
        real: images, two at least.
        seed: of the bootstrap.

    Returns:
        "constant_share", "beyond_tone" and, beyond what real images have in common as well,
        "own_pattern", of `common_change`: "share" and "interval"; "darkest" and "brightest" spots of
        the last one's picture: "x", "y", "change" and "from", which says where x and y begin;
        "picture" itself, as of `written`; "diversity": "ratio" and "interval" of
        `diversity`; and, with the labels `iris_ellipse` and `lid` and a white that shows,
        "whites_lost": "share", "interval", "count" and "dark" of `whites`. Intervals are of 95 %,
        bootstrap over images.
    """
    count = max(2, min(IMAGES, VALUES // math.prod(after.shape[1:])))
    before, after, real = (spread(x, count) for x in (before, Arrays(after), Arrays(real)))
    synthetic, refined = (np.asarray(to_unit(x.images)) for x in (before, after))
    photographed = np.asarray(to_unit(real.images))
    pupil = before.labels.get("pupil")
    every, pattern, own = (
        common_change(synthetic, refined, pupil, beyond_tone, other, seed=seed)
        for beyond_tone, other in ((False, None), (True, None), (True, photographed))
    )
    origin = {"from": "upper left" if pupil is None else "pupil"}
    ratio, interval = diversity(refined, photographed, seed=seed)
    result = {
        "constant_share": {"share": every.share, "interval": every.interval},
        "beyond_tone": {"share": pattern.share, "interval": pattern.interval},
        "own_pattern": {"share": own.share, "interval": own.interval},
        "darkest": own.darkest._asdict() | origin,
        "brightest": own.brightest._asdict() | origin,
        "picture": written(own.picture, pupil),
        "diversity": {"ratio": ratio, "interval": interval},
    }
    if {"iris_ellipse", "lid"} <= set(before.labels):
        found = whites(synthetic, refined, before.labels, seed)
        if math.isfinite(found.lost):
            result["whites_lost"] = {
                "share": found.lost,
                "interval": found.interval,
                "count": found.count,
                "dark": found.dark,
            }
    return result


def written(
    picture: Float[np.ndarray, "h w c"], pupil: Float[np.ndarray, "n 2"] | None
) -> dict[str, Any]:
    """A mean change for JSON, no larger than a reader needs.

    Args:
        picture: where 2 is from black to white; NaN where unknown.
        pupil: that it is around, of every image.

    Returns:
        "thousandths": a text a row of pixels, whole numbers and "?" where unknown; large pictures are
        reduced; and "centre": (x, y) there of the pupils, None without.
    """
    block = -(-max(picture.shape[:2]) // SIDE)
    height, width = (size // block for size in picture.shape[:2])
    grey = picture.mean(-1)[: height * block, : width * block]
    blocks = grey.reshape(height, block, width, block).mean((1, 3))
    rows = [" ".join("?" if np.isnan(x) else f"{1000 * x:.0f}" for x in row) for row in blocks]
    centre = None if pupil is None else np.rint(np.mean(pupil, 0)) / block
    return {"thousandths": rows, "centre": None if centre is None else centre.tolist()}
