"""Errors of joints: pixels and the share of joints within a distance; and the surface above them."""

from typing import Any

import numpy as np
from jaxtyping import Float

# The NYU protocol counts joints within 5 pixels of a 224 pixel crop.
PAPER_THRESHOLD_PX = 5.0
PAPER_SIDE_PX = 224


def distances(
    predicted: Float[np.ndarray, "n j d"], target: Float[np.ndarray, "n j d"]
) -> Float[np.ndarray, "n j"]:
    """Euclidean distance of every joint, in the unit of the coordinates."""
    return np.linalg.norm(np.asarray(predicted, np.float64) - target, axis=-1)


def pck_curve(
    errors: Float[np.ndarray, "*n"], thresholds: Float[np.ndarray, "t"]
) -> Float[np.ndarray, "t"]:
    """Share of joints whose error is at most each threshold (percentage of correct keypoints), 0 to 1.

    Args:
        errors: of any shape, not empty; NaN (a joint not found) is within no threshold.
        thresholds: any order, the unit of the errors.
    """
    errors = np.sort(np.asarray(errors, np.float64), axis=None)  # NaN last
    return np.searchsorted(errors, thresholds, side="right") / errors.size


def surface_depth(
    depth_mm: Float[np.ndarray, "n h w"], uv: Float[np.ndarray, "n j 2"], reach: int = 1
) -> Float[np.ndarray, "n j"]:
    """Depth of the nearest surface around each joint, mm; NaN where nothing was measured.

    A joint lies some millimetres below it, which a caller adds from training data.

    Args:
        depth_mm: inf or NaN where nothing was measured.
        uv: (u, v) in pixels; outside the image the nearest border pixel counts.
        reach: pixels to each side that are searched.
    """
    count, height, width = depth_mm.shape
    column = np.rint(uv[..., 0]).astype(int)[..., None]
    row = np.rint(uv[..., 1]).astype(int)[..., None]
    down, across = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    around = depth_mm[
        np.arange(count)[:, None, None],
        (row + down).clip(0, height - 1),
        (column + across).clip(0, width - 1),
    ]
    nearest = np.where(np.isfinite(around), around, np.inf).min(-1)
    return np.where(np.isfinite(nearest), nearest, np.nan)


def surface_shift(
    before_mm: Float[np.ndarray, "n h w"],
    after_mm: Float[np.ndarray, "n h w"],
    uvd: Float[np.ndarray, "n j 3"],
    thickness_mm: float = 20.0,
) -> dict[str, Any]:
    """How far refinement moves the surface above joints, in depth.

    Joints count whose pixel shows, before, a surface at most `thickness_mm` from them: not another
    finger that hides them.

    Args:
        before_mm: depth; inf or NaN where nothing was measured.
        after_mm: the same scenes afterwards.
        uvd: (px, px, mm) of joints, before.
        thickness_mm: most distance of a joint from its surface.

    Returns:
        "median" and "quartiles" of the shift in mm (positive is away from the camera), over joints that
        show a surface before and after: a few that end beside an edge move by centimetres; "lost":
        share of those before that show none afterwards; "joints": their number before.
    """
    before, after = (surface_depth(x, uvd[..., :2], reach=0) for x in (before_mm, after_mm))
    shown = np.abs(before - uvd[..., 2]) <= thickness_mm
    shift = (after - before)[shown]
    kept = shift[np.isfinite(shift)]
    low, median, high = np.quantile(kept, (0.25, 0.5, 0.75)) if len(kept) else [float("nan")] * 3
    return {
        "median": float(median),
        "quartiles": [float(low), float(high)],
        "lost": float(np.isnan(shift).mean()) if len(shift) else float("nan"),
        "joints": int(shown.sum()),
    }
