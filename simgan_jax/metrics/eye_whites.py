"""Whether the white of the eye stays brighter than the iris, or a second pupil is painted on it."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from simgan_jax.metrics.intervals import mean_interval
from simgan_jax.metrics.outlines import ellipse_radius, pixel_places, polygon_distance

# Pixels at a width of 55 that are kept away from the edges of lids and iris, which blur mixes; and the
# least area that counts as a white.
MARGIN = 1.0
AREA = 6
# Share of lost whites up to which shadows explain them: see `whites` for what was measured.
MOST_LOST = 0.12


class Whites(NamedTuple):
    """The whites on the left and right of the irises, as far as they show.

    A white is dark if a quarter of it or more is no brighter than the iris (its median).

    Attributes:
        lost: share of those not dark in the synthetic image that are dark in the refined one.
        interval: 95 % of it, bootstrap over images.
        dark: share of dark ones, in "synthetic" and "refined" images.
        count: whites that show.
    """

    lost: float
    interval: list[float]
    dark: dict[str, float]
    count: int


def whites(
    synthetic: Float[np.ndarray, "n h w c"],
    refined: Float[np.ndarray, "n h w c"],
    labels: Mapping[str, np.ndarray],
    seed: int = 0,
) -> Whites:
    """Counts the whites that a refiner paints as dark as an iris.

    Shadows darken some in every set: the camera's own look on scenes of the embedded simulator, the
    best that a refiner could do, loses 9 %; equalised grey values lose 1 %; 500 iterations of
    configs/gaze.py:pixels lost 27 % (one run).

    Args:
        synthetic: of any scale; channels are averaged.
        refined: the same images, refined.
        labels: `iris_ellipse` and `lid` of simgan_jax.data.
        seed: of the bootstrap.

    Returns:
        NaN for shares of nothing.
    """
    parts = regions(labels, synthetic.shape[:3])
    before, after = (contrasts(x, parts) for x in (synthetic, refined))
    shown = np.isfinite(before)
    bright = shown & (before > 0)
    gone = (after <= 0)[bright]
    image = np.nonzero(bright)[0]
    nothing = float("nan")
    return Whites(
        lost=float(gone.mean()) if gone.size else nothing,
        interval=mean_interval(gone, image, seed=seed) if gone.size else [nothing, nothing],
        dark={
            name: float((x[shown] <= 0).mean()) if shown.any() else nothing
            for name, x in (("synthetic", before), ("refined", after))
        },
        count=int(shown.sum()),
    )


def contrasts(
    images: Float[np.ndarray, "n h w c"], parts: Bool[np.ndarray, "n 3 h w"]
) -> Float[np.ndarray, "n 2"]:
    """Lower quartile of each white minus the iris's median; NaN where either hardly shows.

    Its sign does not change with any rising tone curve, nor with a small glint or a lash.

    Args:
        images: of any scale.
        parts: as `regions` gives them.
    """
    values = np.asarray(images, np.float64).mean(-1)
    least = AREA * (images.shape[2] / 55) ** 2
    result = np.full((len(values), 2), np.nan)
    for i, k in np.ndindex(result.shape):
        iris, white = values[i][parts[i, 0]], values[i][parts[i, 1 + k]]
        if min(len(iris), len(white)) >= least:
            result[i, k] = np.quantile(white, 0.25) - np.median(iris)
    return result


def regions(
    labels: Mapping[str, np.ndarray], shape: tuple[int, int, int]
) -> Bool[np.ndarray, "n 3 h w"]:
    """Pixels of each iris with its pupil, of the white on its left, and of that on its right.

    Args:
        labels: `iris_ellipse` and `lid`.
        shape: (number of images, height, width).
    """
    count, height, width = shape
    margin = MARGIN * width / 55
    pixels = pixel_places(height, width)
    parts = np.empty((count, 3, height, width), bool)
    for i, (ellipse, lid) in enumerate(zip(labels["iris_ellipse"], labels["lid"], strict=True)):
        outside = (ellipse_radius(ellipse, pixels) - 1) * min(ellipse[2:4])
        white, side = outside > margin, pixels[..., 0] - ellipse[0]
        opening = polygon_distance(lid, pixels) > margin
        parts[i] = opening & np.stack([outside < -margin, white & (side < 0), white & (side > 0)])
    return parts
