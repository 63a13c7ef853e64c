"""Shading of what is seen between the lids: white, iris, pupil, and what the cornea mirrors."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from simgan_jax.data.procedural import eye_geometry as geometry
from simgan_jax.data.procedural.eye_geometry import Pose
from simgan_jax.data.procedural.eye_look import Look
from simgan_jax.data.procedural.face_render import Face, Light
from simgan_jax.data.procedural.shading import bell, cover, per_image, ramp


class Eyeball(NamedTuple):
    """What is seen between the lids; each field [n, h, w], factors of colours unless said.

    Attributes:
        white, iris: patterns of the white and of the iris with the pupil.
        iris_share: how much of the iris shows through the blurred limbus, 0..1.
        caruncle: how much the caruncle covers, 0..1.
        light: of all of it.
        gleam: mirrored light, added to it.
        mask: share of the pixel that iris or pupil cover, lids aside.
    """

    white: np.ndarray
    iris: np.ndarray
    iris_share: np.ndarray
    caruncle: np.ndarray
    light: np.ndarray
    gleam: np.ndarray
    mask: np.ndarray


def shade_eyeball(
    rays: tuple[np.ndarray, np.ndarray],
    face: Face,
    light: Light,
    pose: Pose,
    look: Look,
    pixel: float,
    grain: Float[np.ndarray, "n h w"],
) -> Eyeball:
    """The eyeball along rays.

    Args:
        rays: (dx, dy) of `View.rays`.
        face: where they meet the face.
        light: that reaches it.
        pose: of n eyes.
        look: of the same.
        pixel: size of a pixel in mm.
        grain: noise of unit variance for the veins.
    """
    (right, down), normal = geometry.trace_to_iris(*rays, pose)
    gleam = np.where(np.isfinite(right), _glints(rays, normal, look, pixel), 0)
    gleam += 0.05 * light.key * bell(face.above_lower - 0.5, 0.45)  # tears on the lower lid
    # Rays past the cornea are infinitely far from the iris; any large number does as well.
    right, down = np.minimum(right, 20), np.minimum(down, 20)
    radius = np.sqrt(right * right + down * down)
    inside = per_image(look.iris_radius) - radius
    relative = radius / per_image(look.iris_radius)

    angle = np.arctan2(down, right)
    waves = sum(
        np.cos(k * angle + per_image(look.iris_waves[:, i]) + 2 * relative)
        for i, k in enumerate((5, 11, 17))
    )
    # The cornea gathers light from one side on the other side of the iris.
    lean = -(right * light.camera[0] + down * light.camera[1])
    iris = (1 + 0.1 * waves + 0.05 * lean) * (1 + 0.35 * bell(relative - 0.45, 0.12))
    iris *= 1 - per_image(look.limbus) * ramp(relative, 0.72, 1.0)
    iris = np.maximum(iris, 0.05) * (1 - 0.97 * cover(per_image(look.pupil_radius) - radius, pixel))
    white = 1 - 0.3 * per_image(look.limbus) * bell(relative - 1, 0.12)
    white *= 1 + per_image(look.veins) * grain

    point, _ = geometry.hit_sphere(*rays, pose.eyeball, geometry.EYEBALL_RADIUS)
    cosine = sum(p * v for p, v in zip(point, light.camera, strict=True)) / geometry.EYEBALL_RADIUS
    # The upper lid and its lashes shade the eyeball, and the corners are deep.
    lid_shade = 1 - 0.75 * np.exp(-np.maximum(face.below_upper, 0) / 1.8)
    corner = 0.3 + 0.7 * ramp(np.minimum(face.t, 1 - face.t), -0.05, 0.3)
    return Eyeball(
        white=white,
        iris=iris,
        iris_share=cover(inside, pixel + 0.5),
        caruncle=bell(face.x + per_image(pose.half_width) - 1.5, 2.4),
        light=(light.ambient + light.key * np.maximum(cosine + 0.15, 0)) * lid_shade * corner,
        gleam=gleam,
        mask=cover(inside, pixel),
    )


def _glints(
    rays: tuple[np.ndarray, np.ndarray],
    normal: tuple[np.ndarray, np.ndarray, np.ndarray],
    look: Look,
    pixel: float,
) -> Float[np.ndarray, "n h w"]:
    """Light mirrored by the cornea."""
    dx, dy = rays
    nx, ny, nz = normal
    length = np.sqrt(dx * dx + dy * dy + 1)
    double = 2 * (nx * dx + ny * dy + nz)
    mirrored = [(v - double * n) / length for v, n in zip((dx, dy, 1), normal, strict=True)]
    gleam = np.float32(0)
    for i in range(look.glints.shape[1]):
        cosine = sum(m * per_image(look.glints[:, i, j]) for j, m in enumerate(mirrored))
        # A pixel blurs the mirrored direction, twice as much as the normal. What is blurred is dimmed.
        size = per_image(look.glint_size[:, i])
        seen = np.sqrt(size * size + (pixel / geometry.CORNEA_RADIUS) ** 2)
        lobe = np.exp(2 * (np.minimum(cosine, 1) - 1) / (seen * seen))
        gleam = gleam + per_image(look.glint[:, i]) * (size / seen) ** 2 * lobe
    return gleam
