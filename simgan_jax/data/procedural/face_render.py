"""Shading of the face around the embedded eye: light, skin with its folds, lashes and brow."""

from typing import NamedTuple

import numpy as np

from simgan_jax.data.procedural import face_geometry
from simgan_jax.data.procedural.eye_geometry import Pose
from simgan_jax.data.procedural.eye_look import Look
from simgan_jax.data.procedural.shading import bell, cover, per_image, ramp

# Where little light comes into the face: (darkness, x, y, half widths), mm from the middle of the eye.
HOLLOWS = (
    (0.5, -17, -7, 7, 7),  # between the nose and the upper lid
    (0.35, -17, 5, 5, 4),  # the tear trough
    (0.3, 18, 0, 5, 6),  # the outer corner
)


class Face(NamedTuple):
    """Where the rays of a picture meet the face; each field [n, h, w].

    Attributes:
        x, y: in the head frame, mm.
        t: 0 at the inner, 1 at the outer corner of the eye.
        below_upper: distance under the margin of the upper lid, mm.
        above_lower: distance over the margin of the lower lid, mm.
        end: distance inside the nearer corner of the eye, along x, mm.
        aperture: share of the pixel between the lids.
    """

    x: np.ndarray
    y: np.ndarray
    t: np.ndarray
    below_upper: np.ndarray
    above_lower: np.ndarray
    end: np.ndarray
    aperture: np.ndarray


class Light(NamedTuple):
    """Strength of the main light, after the face's own shadow, and of the rest.

    Attributes:
        key: [n, h, w].
        ambient: [n, 1, 1].
        head, camera: direction to the main light in either frame, x, y, z of [n, 1, 1].
    """

    key: np.ndarray
    ambient: np.ndarray
    head: tuple[np.ndarray, ...]
    camera: tuple[np.ndarray, ...]


def see_face(rays, pose: Pose, pixel: float) -> Face:
    """Where rays meet the face; `pixel` is the size of one in mm."""
    x, y = face_geometry.meet_face(*rays, pose)
    upper, lower, t = face_geometry.lid_curves(x, pose)
    below_upper, above_lower = y - upper, lower - y
    end = per_image(pose.half_width) - np.abs(x)
    aperture = cover(below_upper, pixel) * cover(above_lower, pixel) * cover(end, pixel)
    return Face(x, y, t, below_upper, above_lower, end, aperture)


def light_face(face: Face, pose: Pose, look: Look) -> Light:
    """The light that reaches the face, where it is not in its own shadow."""
    to_light = np.einsum("nij,ni->nj", pose.head, look.light)
    head = tuple(per_image(to_light[:, i]) for i in range(3))
    along = face.x * head[0] + 0.5 * face.y * head[1]
    # The face throws a soft shadow over what is away from the light, which is also farther from it.
    shadow = 1 - per_image(look.shade) * (1 - ramp(along + per_image(look.shade_edge), -9, 9))
    key = per_image(look.key) * shadow * np.maximum(1 + per_image(look.falloff) * along, 0.1)
    return Light(
        key, per_image(look.ambient), head, tuple(per_image(look.light[:, i]) for i in range(3))
    )


def light_skin(face: Face, light: Light, look: Look, pixel: float):
    """Light that the skin throws back, relative to its colour: relief, folds, hollows."""
    x, y, t = face.x, face.y, face.t
    arch = 4 * t * (1 - t)
    fade = bell(np.minimum(face.end, 0), 2.5)  # folds end past the corners
    over_crease = -face.below_upper - per_image(look.crease) * (0.3 + 0.7 * arch)
    under_bag = -face.above_lower - 4 * arch - 0.8
    crease, bag = per_image(look.crease_depth) * fade, per_image(look.bag) * fade
    # Over the crease the skin swells at once and then falls back slowly.
    steep = np.clip(1.3 * over_crease, -8, 30)
    fold = np.exp(-0.2 * np.maximum(steep, 0)) / (1 + np.exp(-steep))
    relief = (
        face_geometry.face_depth(x, y) - 1.3 * crease * fold - 0.8 * bag * bell(under_bag + 1.5, 2)
    )
    slope_y, slope_x = np.gradient(relief, pixel, axis=(1, 2))
    unit = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    lx, ly, lz = light.head
    lambert = np.maximum((slope_x * lx + slope_y * ly - lz) * unit, 0)
    sky = 1 - 0.4 * slope_y * unit  # there is more light above than below
    hollow = 1 - 0.6 * crease * bell(over_crease, 0.8)
    hollow *= 1 - 0.25 * bag * bell(under_bag, 1.2)
    for depth, at_x, at_y, size_x, size_y in HOLLOWS:
        u, v = (x - at_x) / size_x, (y - at_y) / size_y
        hollow *= 1 - depth * np.exp(-(u * u + v * v))
    return (light.ambient * sky + light.key * lambert) * hollow


def cover_by_lashes(face: Face, look: Look, pixel: float):
    """Coverage of the lid margins' dark line and of the lashes."""
    t, above = face.t, -face.below_upper
    line = np.exp(np.where(above < 0, above / 0.9, -above / 1.4))
    line = per_image(look.liner) * line * (0.6 + 0.4 * t) * cover(face.end + 0.5, pixel)

    # Strands are rooted at the margin and fan outwards.
    reach = above / per_image(look.lash_length)
    fan = t + 0.12 * (t - 0.35) * reach
    phase = 2 * np.pi * 26 * fan + 3 * np.sin(31 * fan)
    # Strands finer than a pixel blend into an even veil.
    contrast = min(max(0.5 / pixel - 0.3, 0.25), 1)
    comb = np.clip(0.45 + 1.6 * contrast * (np.cos(phase) - 0.55), 0, 1)
    comb *= np.clip(1 - reach, 0, 1) * (above > -0.3)
    upper = per_image(look.lashes) * comb * (0.35 + 0.65 * t) * cover(face.end + 1, pixel)
    lower = 0.3 * per_image(look.lashes) * t * bell(face.above_lower + 0.9, 0.8)
    return np.maximum(np.maximum(line, upper), lower * cover(face.end, pixel))


def cover_by_brow(face: Face, look: Look, pixel: float, grain):
    """Coverage of the brow: an arch with slanted hairs."""
    x = face.x
    above = face.y + per_image(look.brow_height) - 0.010 * (x - 3) ** 2
    width = per_image(look.brow_width) * np.maximum(1.1 - 0.02 * x, 0.4)
    body = np.clip(1.3 - (above / width) ** 2, 0, 1) * ramp(x, -19, -13) * ramp(-x, -30, -20)
    # Single hairs show only where a pixel is finer than they are.
    contrast = min(max(0.4 / pixel - 0.8, 0), 0.4)
    hairs = np.cos(5 * (x + 0.8 * above) + grain)
    return per_image(look.brow) * np.clip(body * (0.75 + contrast * hairs + 0.15 * grain), 0, 1)
