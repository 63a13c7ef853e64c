"""Where pixels lie to the outlines that labels describe: ellipses and polygons."""

import numpy as np
from jaxtyping import Float


def pixel_places(height: int, width: int) -> Float[np.ndarray, "{height} {width} 2"]:
    """(x, y) of every pixel of an image, float32; the centre of the first is (0, 0)."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)


def ellipse_radius(
    ellipse: Float[np.ndarray, "5"], points: Float[np.ndarray, "*n 2"]
) -> Float[np.ndarray, "*n"]:
    """Distance of points from an ellipse's centre over that of its edge in their direction.

    Args:
        ellipse: centre (x, y), semi-axes a and b, angle of a in radians, as `iris_ellipse`.
        points: (x, y) in the same pixels.
    """
    x, y, a, b, angle = ellipse
    cosine, sine = np.cos(angle), np.sin(angle)
    u, v = points[..., 0] - x, points[..., 1] - y
    return np.hypot((u * cosine + v * sine) / a, (v * cosine - u * sine) / b)


def polygon_distance(
    polygon: Float[np.ndarray, "k 2"], points: Float[np.ndarray, "*n 2"]
) -> Float[np.ndarray, "*n"]:
    """Distance of points from a closed polygon's outline, positive inside."""
    points = np.asarray(points)
    # Edges first: what is summed over them lies in rows.
    corner = np.asarray(polygon, np.float32).T.reshape(2, -1, *(1 for _ in points.shape[:-1]))
    (x0, y0), (edge_x, edge_y) = corner, np.roll(corner, -1, 1) - corner
    x, y = points[..., 0] - x0, points[..., 1] - y0
    along = (x * edge_x + y * edge_y) / np.maximum(edge_x**2 + edge_y**2, 1e-12)
    along = along.clip(0, 1)
    nearest = np.sqrt(((x - along * edge_x) ** 2 + (y - along * edge_y) ** 2).min(0))
    crosses = (y0 > points[..., 1]) != (y0 + edge_y > points[..., 1])
    slope = np.divide(edge_x, edge_y, out=np.zeros_like(edge_x), where=edge_y != 0)
    left = points[..., 0] < x0 + slope * y
    inside = np.logical_xor.reduce(crosses & left)
    return np.where(inside, nearest, -nearest)
