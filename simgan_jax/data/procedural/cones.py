"""Exact depth of rounded cones under a pinhole camera, in plain NumPy."""

import numpy as np
from jaxtyping import Float, Int


def render_depth(
    start: Float[np.ndarray, "n p 3"],
    end: Float[np.ndarray, "n p 3"],
    start_radius: Float[np.ndarray, "n p"],
    end_radius: Float[np.ndarray, "n p"],
    focal: Float[np.ndarray, "n"],
    height: int,
    width: int,
) -> Float[np.ndarray, "n h w"]:
    """Casts a ray through every pixel's centre and keeps the nearest of the first hits.

    A rounded cone is the union of the spheres whose centre and radius go linearly from `start` to
    `end`. Only the pixels of each cone's bounding box are tested, all cones of all images at once, so
    the cost follows the covered area and not images x cones x pixels.

    Args:
        start: centres of the first end spheres, mm in the camera frame (x right, y down, z away), all
            wholly in front of the camera.
        end: centres of the last end spheres.
        start_radius: mm, positive.
        end_radius: mm, positive.
        focal: focal length, pixels; the optical axis passes through the image's centre.
        height: pixels.
        width: pixels.

    Returns:
        float32 z of the nearest surface in mm, inf where a ray hits nothing.
    """
    count, cones = start_radius.shape
    box = _bounding_boxes(start, end, start_radius, end_radius, focal, height, width)
    cone, column, row = _pixels_of_boxes(*(x.reshape(-1) for x in box))
    image = cone // cones
    scale = (1 / focal).astype(np.float32)[image]
    x = (column - np.float32((width - 1) / 2)) * scale
    y = (row - np.float32((height - 1) / 2)) * scale
    depth = _first_hit(
        x,
        y,
        start.reshape(-1, 3).astype(np.float32),
        (end - start).reshape(-1, 3).astype(np.float32),
        start_radius.reshape(-1).astype(np.float32),
        end_radius.reshape(-1).astype(np.float32),
        cone,
    )
    nearest = np.full(count * height * width, np.inf, np.float32)
    np.minimum.at(nearest, (image * height + row) * width + column, depth)
    return nearest.reshape(count, height, width)


def _bounding_boxes(start, end, start_radius, end_radius, focal, height, width):
    """First column, last column, first row, last row [n, p] of each cone's silhouette, clipped."""
    edges = []
    for axis, size in ((0, width), (1, height)):
        low, high = [], []
        for centre, radius in ((start, start_radius), (end, end_radius)):
            # A sphere lies in its own cube, whose image is widest on the near face for coordinates
            # that point outwards: the near face bounds |x| / z from above, the far one from below.
            near, far = centre[..., 2] - radius, centre[..., 2] + radius
            least, most = centre[..., axis] - radius, centre[..., axis] + radius
            low.append(np.minimum(least / near, least / far))
            high.append(np.maximum(most / near, most / far))
        middle = (size - 1) / 2
        first = np.ceil(np.minimum(*low) * focal[:, None] + middle)
        last = np.floor(np.maximum(*high) * focal[:, None] + middle)
        edges += [np.clip(first, 0, size), np.clip(last, -1, size - 1)]
    return [edge.astype(np.int32) for edge in edges]


def _pixels_of_boxes(
    left: Int[np.ndarray, "p"],
    right: Int[np.ndarray, "p"],
    top: Int[np.ndarray, "p"],
    bottom: Int[np.ndarray, "p"],
) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
    """Box number, column and row of every pixel in every box, one after the other."""
    columns, rows = np.maximum(right - left + 1, 0), np.maximum(bottom - top + 1, 0)
    area = columns * rows
    box = np.repeat(np.arange(len(area), dtype=np.int32), area)
    within = np.arange(len(box), dtype=np.int32) - np.repeat(np.cumsum(area) - area, area)
    row, column = np.divmod(within, columns[box], dtype=np.int32)
    return box, column + left[box], row + top[box]


def _first_hit(x, y, start, axis, start_radius, end_radius, cone):
    """Depth [k] at which the ray t * (x, y, 1) meets rounded cone `cone`, inf where it passes.

    The candidates are the two end spheres and the mantle between them; each lies on or in the solid,
    so the nearest is its surface. The rays are re-based to the depth of a sphere's centre (p = (0, 0,
    z) + t * ray, offset w = centre - base, in the image plane), which keeps float32 free of the
    cancellation of squares of camera distances.

    The mantle is the envelope of the spheres: with q = p - start and s the position along the axis,
    d/ds of |q - s axis|^2 = (r0 - s taper)^2 gives s = (axis.q - taper r0) / m, m = |axis|^2 - taper^2,
    and inserting it gives m (|q|^2 - r0^2) = (axis.q - taper r0)^2, a quadratic in t.
    """
    ray = x * x + y * y + 1  # |ray|^2
    depth = np.minimum(
        _sphere(x, y, ray, start[cone], start_radius[cone]),
        _sphere(x, y, ray, (start + axis)[cone], end_radius[cone]),
    )
    taper = start_radius - end_radius
    m = (axis * axis).sum(-1) - taper * taper
    ax, ay, az = axis[cone].T
    sx, sy, sz = start[cone].T
    m, taper, radius = m[cone], taper[cone], start_radius[cone]
    wx, wy = sx - x * sz, sy - y * sz
    along = x * ax + y * ay + az  # axis . ray
    offset = wx * ax + wy * ay + taper * radius  # axis.q - taper r0 = t along - offset
    a = m * ray - along * along
    b = m * (x * wx + y * wy) - along * offset
    c = m * (wx * wx + wy * wy - radius * radius) - offset * offset
    inside = b * b - a * c
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (
            b - np.sqrt(inside)
        ) / a  # a < 0 is a ray within the cone's own slope: entry is the same
        s = (t * along - offset) / m
        on_mantle = (inside >= 0) & (m > 0) & (s > 0) & (s < 1)
    return np.where(on_mantle, np.minimum(depth, sz + t), depth)


def _sphere(x, y, ray, centre, radius):
    cx, cy, cz = centre.T
    wx, wy = cx - x * cz, cy - y * cz
    b = x * wx + y * wy
    inside = b * b - ray * (wx * wx + wy * wy - radius * radius)
    t = (b - np.sqrt(np.maximum(inside, 0))) / ray
    return np.where(inside >= 0, cz + t, np.float32(np.inf))
