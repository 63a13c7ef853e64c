"""Geometry of the face around the embedded eye: one surface for everybody, and two lids on it.

Frames, lengths and rays are those of `eye_geometry`.
"""

import numpy as np
from jaxtyping import Float

from simgan_jax.data.procedural.eye_geometry import Pose, per_eye

LID_POINTS = 16


def face_depth(x: Float[np.ndarray, "*n"], y: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Depth z of the smooth face surface at (x, y) of the head frame, mm; negative is nearer.

    The lids bulge over the eyeball, brow and nose stand out, the temple recedes. One surface for
    everybody: who differs, differs in lids, folds and eyeball.
    """
    lids = 8 * np.exp(-(x * x + 1.2 * y * y) / 180)
    brow = 6 * np.exp(-((y + 19) ** 2) / 70)
    nose = 9 / (1 + np.exp((x + 20) * 0.35))
    temple = 9 * (1 - np.exp(-(np.maximum(x, 0) ** 2) / 700))
    return temple - (lids + brow + nose)


def meet_face(
    dx: np.ndarray, dy: np.ndarray, pose: Pose
) -> tuple[Float[np.ndarray, "n ..."], Float[np.ndarray, "n ..."]]:
    """Head-frame coordinates (x, y) where rays meet the face surface, mm.

    Args:
        dx: of rays (dx, dy, 1) in the camera frame, for all eyes alike or for each.
        dy: the same.
        pose: of n eyes.
    """
    rotation = pose.head
    start = np.stack(
        np.broadcast_arrays(
            dx * per_eye(pose.origin[:, 2], dx) - per_eye(pose.origin[:, 0], dx),
            dy * per_eye(pose.origin[:, 2], dy) - per_eye(pose.origin[:, 1], dy),
        )
    )

    def to_head(vx, vy, vz, column):
        r0, r1, r2 = (per_eye(rotation[:, i, column], start[0]) for i in range(3))
        return vx * r0 + vy * r1 + vz * r2

    px, py, pz = (to_head(start[0], start[1], 0, i) for i in range(3))
    vx, vy, vz = (to_head(dx, dy, 1, i) for i in range(3))
    vx, vy = vx / vz, vy / vz
    px, py = px - pz * vx, py - pz * vy
    x, y = px, py
    for _ in range(3):
        z = face_depth(x, y)
        x, y = px + z * vx, py + z * vy
    return x, y


def lid_curves(x: Float[np.ndarray, "n ..."], pose: Pose) -> tuple[Float[np.ndarray, "n ..."], ...]:
    """Heights of the upper and lower lid's margins at x.

    Args:
        x: in the head frame, mm.
        pose: of n eyes.

    Returns:
        y of the upper and of the lower margin, mm; and the position of x between the inner (0) and the
        outer (1) corner.
    """
    half, tilt = per_eye(pose.half_width, x), per_eye(pose.tilt, x)
    t = np.clip(x / (2 * half) + 0.5, 0, 1)
    line = tilt * (1 - 2 * t)
    hump = 4 * t * (1 - t)
    # The lids run close together towards the inner corner, around the caruncle.
    pointed = 1 - 0.55 * ((1 - t) ** 2) ** 4

    def curve(peak, roundness, skew):
        peak, roundness, skew = (per_eye(v, x) for v in (peak, roundness, skew))
        return peak * hump * pointed * (1 + roundness * (1 - hump)) * (1 + skew * (2 * t - 1))

    upper = line - curve(pose.upper, pose.round_upper, pose.skew_upper)
    lower = line + curve(pose.lower, pose.round_lower, pose.skew_lower)
    return upper, lower, t


def lid_points(pose: Pose) -> Float[np.ndarray, "n 16 3"]:
    """Camera-frame points on the lid margins, mm.

    Point 0 is the inner corner, 1 to 7 the upper lid, 8 the outer corner, 9 to 15 the lower lid on
    the way back: the order of UnityEyes' interior margin.
    """
    t = np.concatenate([np.arange(0, 9), np.arange(7, 0, -1)]).astype(np.float32) / 8
    x = pose.half_width[:, None] * (2 * t - 1)
    upper, lower, _ = lid_curves(x, pose)
    return face_to_camera(x, np.where(np.arange(LID_POINTS) <= 8, upper, lower), pose)


def face_to_camera(
    x: Float[np.ndarray, "n k"], y: Float[np.ndarray, "n k"], pose: Pose
) -> Float[np.ndarray, "n k 3"]:
    """Camera-frame points of the face surface at head-frame (x, y), mm."""
    points = np.stack([x, y, face_depth(x, y)], axis=-1)
    return points @ pose.head.transpose(0, 2, 1) + pose.origin[:, None]
