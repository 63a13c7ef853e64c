"""Geometry of the embedded eye: the camera's rays, two spheres and refraction.

Lengths are millimetres, frames are right-handed with x to the right, y down and z away from the
camera. The head frame equals the camera frame when the head looks into the camera; its origin is the
middle of the two eye corners. The eye is the subject's left one, its inner corner at image left.

A ray is a pair (dx, dy): the direction (dx, dy, 1) from the camera's centre. Functions take rays of
shape [N, ...], one leading row per eye.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simgan_jax.metrics.angles import from_pitch_yaw

EYEBALL_RADIUS = 12.0
CORNEA_RADIUS = 7.8
CORNEA_CENTRE = 5.58  # in front of the eyeball's centre
IRIS_PLANE = 9.4  # in front of the eyeball's centre, 4 behind the corneal apex
CORNEAL_INDEX = 1.3375  # keratometric index of the cornea and the aqueous humour together

FOCAL = 960.0  # px, MPIIGaze's normalised camera at 60 px width ...
DISTANCE = 600.0  # mm ... from the eye: 1.6 px/mm
CROP_WIDTH = 55.0  # px, the paper crops 60x36 to 55x35


@dataclass(frozen=True)
class View:
    """A pinhole camera that looks along z through the middle of its picture.

    Attributes:
        height: px.
        width: px.
        focal: focal length, px.
    """

    height: int
    width: int
    focal: float

    @classmethod
    def crop(cls, height: int, width: int) -> "View":
        """The view of MPIIGaze's normalised camera, cropped to 55 px, then scaled to a width."""
        return cls(height, width, FOCAL * width / CROP_WIDTH)

    @property
    def pixel(self) -> float:
        """Size of a pixel at the distance of the eye, mm."""
        return DISTANCE / self.focal

    def rays(self) -> tuple[Float[np.ndarray, "1 h w"], Float[np.ndarray, "1 h w"]]:
        """Rays through the pixel centres."""
        dx = (np.arange(self.width) - (self.width - 1) / 2) / self.focal
        dy = (np.arange(self.height) - (self.height - 1) / 2) / self.focal
        dx, dy = np.broadcast_arrays(dx[None, None, :], dy[None, :, None])
        return dx.astype(np.float32), dy.astype(np.float32)

    def project(
        self, dx: Float[np.ndarray, "*n"], dy: Float[np.ndarray, "*n"]
    ) -> Float[np.ndarray, "*n 2"]:
        """Pixel coordinates (x, y) of rays; (0, 0) is the centre of the top-left pixel."""
        x = dx * self.focal + (self.width - 1) / 2
        y = dy * self.focal + (self.height - 1) / 2
        return np.stack([x, y], axis=-1)


@dataclass(frozen=True)
class Pose:
    """Where N eyes are and what they look at.

    Attributes:
        head: rotation from the head frame to the camera frame.
        origin: middle of the eye corners in the camera frame, mm.
        eyeball: centre of the eyeball in the camera frame, mm.
        axis: optical axis of the eye, a unit vector in the camera frame, towards what is seen.
        upper, lower: heights of the lids' peaks over and under the line of the corners, mm.
        half_width: half of the distance between the corners, mm.
        tilt: how much higher the outer corner is than the middle, mm.
        round_upper, round_lower: 0 for a parabola, towards 1 for a box.
        skew_upper, skew_lower: towards the outer (positive) or inner corner.
    """

    head: Float[np.ndarray, "n 3 3"]
    origin: Float[np.ndarray, "n 3"]
    eyeball: Float[np.ndarray, "n 3"]
    axis: Float[np.ndarray, "n 3"]
    upper: Float[np.ndarray, "n"]
    lower: Float[np.ndarray, "n"]
    half_width: Float[np.ndarray, "n"]
    tilt: Float[np.ndarray, "n"]
    round_upper: Float[np.ndarray, "n"]
    round_lower: Float[np.ndarray, "n"]
    skew_upper: Float[np.ndarray, "n"]
    skew_lower: Float[np.ndarray, "n"]


def head_rotation(
    pitch: Float[np.ndarray, "n"], yaw: Float[np.ndarray, "n"], roll: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 3 3"]:
    """Head-to-camera rotations, the roll about the camera's axis coming last.

    Without roll the third column is (sin yaw cos pitch, sin pitch, cos yaw cos pitch).
    """
    back = -from_pitch_yaw(np.stack([pitch, yaw], axis=-1))
    right = np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], axis=-1)
    upright = np.stack([right, np.cross(back, right), back], axis=-1)
    c, s, zero, one = np.cos(roll), np.sin(roll), np.zeros_like(roll), np.ones_like(roll)
    return np.stack([c, -s, zero, s, c, zero, zero, zero, one], axis=-1).reshape(-1, 3, 3) @ upright


def per_eye(x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """A value per eye, shaped to meet rays of shape [N, ...]."""
    return x.reshape(x.shape[:1] + (1,) * (like.ndim - 1))


def hit_sphere(dx, dy, centre: Float[np.ndarray, "n 3"], radius: float):
    """Nearest intersections of rays with a sphere per eye.

    Returns:
        The point (x, y, z) relative to the centre, mm, and how far inside the silhouette the ray
        passes (negative: it misses, and the point lies on the silhouette's side of the sphere).
    """
    cx, cy, cz = (per_eye(centre[:, i], dx) for i in range(3))
    # Starting in the plane of the centre keeps the numbers small: float32 is exact enough.
    x, y = dx * cz - cx, dy * cz - cy
    a = dx * dx + dy * dy + 1
    b = x * dx + y * dy
    inside = b * b - a * (x * x + y * y - radius * radius)
    s = -(b + np.sqrt(np.maximum(inside, 0))) / a
    return (x + s * dx, y + s * dy, s), inside


def iris_frame(axis: Float[np.ndarray, "n 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors [n, 3] to the right and down in the plane of the iris, as the camera sees it."""
    right = np.cross(axis, np.array([0, 1, 0], axis.dtype))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return right, np.cross(right, axis)


def trace_to_iris(dx, dy, pose: Pose):
    """Follows rays through the cornea, refracted by Snell's law, to the plane of the iris.

    Returns:
        Position (right, down) in that plane, mm from the optical axis; infinite where a ray misses
        the cornea's sphere; and the cornea's outward normal (x, y, z) in the camera frame.
    """
    centre = pose.eyeball + CORNEA_CENTRE * pose.axis
    (x, y, z), inside = hit_sphere(dx, dy, centre, CORNEA_RADIUS)
    nx, ny, nz = (v / CORNEA_RADIUS for v in (x, y, z))
    length = np.sqrt(dx * dx + dy * dy + 1)
    eta = 1 / CORNEAL_INDEX
    cosine = -(nx * dx + ny * dy + nz) / length
    bend = eta * cosine - np.sqrt(1 - eta * eta * (1 - cosine * cosine))
    eta = eta / length
    tx, ty, tz = eta * dx + bend * nx, eta * dy + bend * ny, eta + bend * nz
    gx, gy, gz = (per_eye(pose.axis[:, i], dx) for i in range(3))
    # A ray along the plane meets it far away.
    towards = np.minimum(tx * gx + ty * gy + tz * gz, np.float32(-1e-3))
    along = ((IRIS_PLANE - CORNEA_CENTRE) - (x * gx + y * gy + z * gz)) / towards
    x, y, z = x + along * tx, y + along * ty, z + along * tz
    planar = []
    for frame in iris_frame(pose.axis):
        i, j, k = (per_eye(frame[:, n], dx) for n in range(3))
        planar.append(np.where(inside > 0, x * i + y * j + z * k, np.float32(np.inf)))
    return planar, (nx, ny, nz)


def see_circle(
    radius: Float[np.ndarray, "n"], pose: Pose, points: int = 32
) -> tuple[Float[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Rays on which a circle around the optical axis in the iris plane appears behind the cornea.

    Inverts `trace_to_iris` by fixed-point iteration: the cornea magnifies by some 10 %, so every
    round leaves a tenth of the error. The points begin at image right and go down and around.
    """
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False, dtype=np.float32)
    right, down = radius[:, None] * np.cos(turn), radius[:, None] * np.sin(turn)
    base_right, base_down = iris_frame(pose.axis)
    centre = pose.eyeball + IRIS_PLANE * pose.axis

    def straight(r, d):
        p = centre[:, None] + r[..., None] * base_right[:, None] + d[..., None] * base_down[:, None]
        return p[..., 0] / p[..., 2], p[..., 1] / p[..., 2]

    goal_x, goal_y = straight(right, down)
    dx, dy = goal_x, goal_y
    for _ in range(6):
        (r, d), _ = trace_to_iris(dx, dy, pose)
        # A point behind the edge of the cornea keeps its last estimate.
        r, d = np.where(np.isfinite(r), r, right), np.where(np.isfinite(d), d, down)
        seen_x, seen_y = straight(r, d)
        dx, dy = dx + goal_x - seen_x, dy + goal_y - seen_y
    return dx, dy


def ellipse(points: Float[np.ndarray, "n k 2"]) -> Float[np.ndarray, "n 5"]:
    """Ellipses (cx, cy, a, b, angle) through the images of k evenly spaced points of a circle.

    A circle seen from afar is an affine image of itself: centre plus one cosine and one sine term,
    whose singular values are the half axes, a >= b. The angle of the long axis is in (-pi/2, pi/2].
    """
    k = points.shape[1]
    turn = 2 * np.pi * np.arange(k) / k
    waves = np.stack([np.cos(turn), np.sin(turn)], axis=-1).astype(points.dtype)
    centre = points.mean(axis=1)
    u, s, _ = np.linalg.svd(np.einsum("nkc,kw->ncw", points, waves) * (2 / k))
    angle = np.arctan2(u[:, 1, 0], u[:, 0, 0])
    angle = np.where(angle > np.pi / 2, angle - np.pi, angle)
    angle = np.where(angle <= -np.pi / 2, angle + np.pi, angle)
    return np.concatenate([centre, s, angle[:, None]], axis=-1)
