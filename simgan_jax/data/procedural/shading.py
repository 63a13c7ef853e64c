"""Soft edges, bumps and noise, of which pictures of eyes are shaded.

Edges are not supersampled: every border is a distance in mm, turned into the share of the pixel that
it covers. So a picture of 55x35 costs 55x35 evaluations, and one of 640x480 shows the same eye.
"""

import numpy as np
from jaxtyping import Float

from simgan_jax.data.procedural.eye_geometry import View


def per_image(x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n 1 1"]:
    """A value per image, shaped to meet its pixels."""
    return x[:, None, None]


def ramp(x, low: float, high: float):
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def bell(x, width):
    """1 at 0, falling to 0.37 at `width`."""
    x = x / width
    return np.exp(-x * x)


def cover(distance, pixel: float):
    """Share of a pixel on the positive side of an edge, `distance` mm from the pixel's centre."""
    return np.clip(distance / pixel + 0.5, 0, 1)


def smooth_noise(
    rng: np.random.Generator, count: int, rows: int, cols: int, view: View
) -> Float[np.ndarray, "n h w"]:
    """Noise of about unit variance on a coarse grid, interpolated to the image size."""

    def interpolate(size: int, cells: int) -> np.ndarray:
        at = (np.arange(size) + 0.5) / size * (cells - 1)
        near = np.abs(at[:, None] - np.arange(cells))
        weight = np.where(near < 1, 0.5 + 0.5 * np.cos(np.pi * near), 0)
        return (weight / np.linalg.norm(weight, axis=1, keepdims=True)).astype(np.float32)

    grid = rng.standard_normal((count, rows, cols), dtype=np.float32)
    return interpolate(view.height, rows) @ grid @ interpolate(view.width, cols).T
