"""Shading of the embedded eye: from a pose and a look to linear light and masks.

Edges are not supersampled: every border is a distance in mm, turned into the share of the pixel that
it covers. So a picture of 55x35 costs 55x35 evaluations, and one of 640x480 shows the same eye.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from simgan_jax.data.procedural import eye_geometry as geometry
from simgan_jax.data.procedural.eye_geometry import Pose, View

LUMA = np.array([0.299, 0.587, 0.114], np.float32)

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


@dataclass(frozen=True)
class Look:
    """What N eyes look like and how they are lit. Colours are linear RGB, lengths mm.

    Attributes:
        skin, iris, sclera, hair: colours.
        iris_radius, pupil_radius: of the discs behind the cornea.
        limbus: darkness of the ring around the iris, 0..1.
        iris_waves: phases of the pattern of the iris.
        crease: height of the fold over the margin of the upper lid; crease_depth: its strength.
        bag: strength of the fold under the lower lid.
        liner: darkness of the margin of the upper lid; lashes: darkness; lash_length: length.
        brow_height: over the line of the corners; brow_width: half its width; brow: density 0..1.
        light: unit vectors towards the main light; key: its strength; ambient: of all other light.
        shade: strength of the shadow that the face throws on itself; shade_edge: where it begins
            along the direction to the light.
        falloff: relative gain of the main light per mm towards it.
        glints: unit vectors towards what is mirrored on the cornea; glint: strengths; glint_size:
            radius seen from the eye, rad.
        mottle, pores, veins: contrast of skin in patches, of fine grain, of the white of the eye.
    """

    skin: Float[np.ndarray, "n 3"]
    iris: Float[np.ndarray, "n 3"]
    sclera: Float[np.ndarray, "n 3"]
    hair: Float[np.ndarray, "n 3"]
    iris_radius: Float[np.ndarray, "n"]
    pupil_radius: Float[np.ndarray, "n"]
    limbus: Float[np.ndarray, "n"]
    iris_waves: Float[np.ndarray, "n 3"]
    crease: Float[np.ndarray, "n"]
    crease_depth: Float[np.ndarray, "n"]
    bag: Float[np.ndarray, "n"]
    liner: Float[np.ndarray, "n"]
    lashes: Float[np.ndarray, "n"]
    lash_length: Float[np.ndarray, "n"]
    brow_height: Float[np.ndarray, "n"]
    brow_width: Float[np.ndarray, "n"]
    brow: Float[np.ndarray, "n"]
    light: Float[np.ndarray, "n 3"]
    key: Float[np.ndarray, "n"]
    ambient: Float[np.ndarray, "n"]
    shade: Float[np.ndarray, "n"]
    shade_edge: Float[np.ndarray, "n"]
    falloff: Float[np.ndarray, "n"]
    glints: Float[np.ndarray, "n 2 3"]
    glint: Float[np.ndarray, "n 2"]
    glint_size: Float[np.ndarray, "n 2"]
    mottle: Float[np.ndarray, "n"]
    pores: Float[np.ndarray, "n"]
    veins: Float[np.ndarray, "n"]


def _px(x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n 1 1"]:
    return x[:, None, None]


def _ramp(x, low: float, high: float):
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _bell(x, width):
    """1 at 0, falling to 0.37 at `width`."""
    x = x / width
    return np.exp(-x * x)


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


def render(
    pose: Pose, look: Look, view: View, channels: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n h w c"], Float[np.ndarray, "n h w"]]:
    """Renders eyes.

    Args:
        pose: geometry.
        look: colours, light, surface.
        view: camera and size of the images.
        channels: 1 (luma) or 3 (RGB).
        rng: for skin and vein patterns.

    Returns:
        Linear light (1 is diffuse white in full light, highlights exceed it) and the share of every
        pixel that shows iris or pupil.
    """
    count = len(pose.axis)
    rays = view.rays()
    grain = smooth_noise(rng, count, 35, 55, view)
    patches = smooth_noise(rng, count, 6, 9, view)
    face = _face(rays, pose, view.pixel)
    light = _light(face, pose, look)
    eye = _eyeball(rays, face, light, pose, look, view.pixel, grain)
    skin_light = _skin_light(face, light, look, view.pixel)
    skin_light *= np.maximum(1 + _px(look.mottle) * patches + _px(look.pores) * grain, 0.2)
    rim = _bell(face.above_lower + 0.5, 0.6) * _cover(face.end, view.pixel)  # wet, of the lower lid
    lashes = _lashes(face, look, view.pixel)
    brow = _brow(face, look, view.pixel, grain)

    image = np.empty((count, view.height, view.width, channels), np.float32)
    pink = look.skin * np.array([1.0, 0.72, 0.68], np.float32) + 0.03
    for c in range(channels):
        skin, iris, white, hair, wet = (
            _px(v @ LUMA if channels == 1 else v[:, c])
            for v in (look.skin, look.iris, look.sclera, look.hair, pink)
        )
        inner = white * eye.white
        inner += (1.1 * wet - inner) * 0.8 * eye.caruncle
        inner += (iris * eye.iris - inner) * eye.iris_share
        inner = inner * eye.light + eye.gleam
        outer = (skin + (wet - skin) * rim) * skin_light
        outer += (hair * skin_light - outer) * brow
        shown = outer + (inner - outer) * face.aperture
        shown += (0.6 * hair * light.ambient - shown) * lashes
        image[..., c] = np.maximum(shown, 0)
    return image, face.aperture * eye.mask


def _cover(distance, pixel: float):
    """Share of a pixel on the positive side of an edge, `distance` mm from the pixel's centre."""
    return np.clip(distance / pixel + 0.5, 0, 1)


def _face(rays, pose: Pose, pixel: float) -> Face:
    x, y = geometry.meet_face(*rays, pose)
    upper, lower, t = geometry.lid_curves(x, pose)
    below_upper, above_lower = y - upper, lower - y
    end = _px(pose.half_width) - np.abs(x)
    aperture = _cover(below_upper, pixel) * _cover(above_lower, pixel) * _cover(end, pixel)
    return Face(x, y, t, below_upper, above_lower, end, aperture)


def _light(face: Face, pose: Pose, look: Look) -> Light:
    to_light = np.einsum("nij,ni->nj", pose.head, look.light)
    head = tuple(_px(to_light[:, i]) for i in range(3))
    along = face.x * head[0] + 0.5 * face.y * head[1]
    # The face throws a soft shadow over what is away from the light, which is also farther from it.
    shadow = 1 - _px(look.shade) * (1 - _ramp(along + _px(look.shade_edge), -9, 9))
    key = _px(look.key) * shadow * np.maximum(1 + _px(look.falloff) * along, 0.1)
    return Light(key, _px(look.ambient), head, tuple(_px(look.light[:, i]) for i in range(3)))


def _eyeball(rays, face: Face, light: Light, pose: Pose, look: Look, pixel, grain) -> Eyeball:
    (right, down), normal = geometry.trace_to_iris(*rays, pose)
    gleam = np.where(np.isfinite(right), _glints(rays, normal, look, pixel), 0)
    gleam += 0.05 * light.key * _bell(face.above_lower - 0.5, 0.45)  # tears on the lower lid
    # Rays past the cornea are infinitely far from the iris; any large number does as well.
    right, down = np.minimum(right, 20), np.minimum(down, 20)
    radius = np.sqrt(right * right + down * down)
    inside = _px(look.iris_radius) - radius
    relative = radius / _px(look.iris_radius)

    angle = np.arctan2(down, right)
    waves = sum(
        np.cos(k * angle + _px(look.iris_waves[:, i]) + 2 * relative)
        for i, k in enumerate((5, 11, 17))
    )
    # The cornea gathers light from one side on the other side of the iris.
    lean = -(right * light.camera[0] + down * light.camera[1])
    iris = (1 + 0.1 * waves + 0.05 * lean) * (1 + 0.35 * _bell(relative - 0.45, 0.12))
    iris *= 1 - _px(look.limbus) * _ramp(relative, 0.72, 1.0)
    iris = np.maximum(iris, 0.05) * (1 - 0.97 * _cover(_px(look.pupil_radius) - radius, pixel))
    white = 1 - 0.3 * _px(look.limbus) * _bell(relative - 1, 0.12)
    white *= 1 + _px(look.veins) * grain

    point, _ = geometry.hit_sphere(*rays, pose.eyeball, geometry.EYEBALL_RADIUS)
    cosine = sum(p * v for p, v in zip(point, light.camera, strict=True)) / geometry.EYEBALL_RADIUS
    # The upper lid and its lashes shade the eyeball, and the corners are deep.
    lid_shade = 1 - 0.75 * np.exp(-np.maximum(face.below_upper, 0) / 1.8)
    corner = 0.3 + 0.7 * _ramp(np.minimum(face.t, 1 - face.t), -0.05, 0.3)
    return Eyeball(
        white=white,
        iris=iris,
        iris_share=_cover(inside, pixel + 0.5),
        caruncle=_bell(face.x + _px(pose.half_width) - 1.5, 2.4),
        light=(light.ambient + light.key * np.maximum(cosine + 0.15, 0)) * lid_shade * corner,
        gleam=gleam,
        mask=_cover(inside, pixel),
    )


def _glints(rays, normal, look: Look, pixel: float):
    """Light mirrored by the cornea."""
    dx, dy = rays
    nx, ny, nz = normal
    length = np.sqrt(dx * dx + dy * dy + 1)
    double = 2 * (nx * dx + ny * dy + nz)
    mirrored = [(v - double * n) / length for v, n in zip((dx, dy, 1), normal, strict=True)]
    gleam = np.float32(0)
    for i in range(look.glints.shape[1]):
        cosine = sum(m * _px(look.glints[:, i, j]) for j, m in enumerate(mirrored))
        # A pixel blurs the mirrored direction, twice as much as the normal. What is blurred is dimmed.
        size = _px(look.glint_size[:, i])
        seen = np.sqrt(size * size + (pixel / geometry.CORNEA_RADIUS) ** 2)
        lobe = np.exp(2 * (np.minimum(cosine, 1) - 1) / (seen * seen))
        gleam = gleam + _px(look.glint[:, i]) * (size / seen) ** 2 * lobe
    return gleam


def _skin_light(face: Face, light: Light, look: Look, pixel: float):
    """Light that the skin throws back, relative to its colour: relief, folds, hollows."""
    x, y, t = face.x, face.y, face.t
    arch = 4 * t * (1 - t)
    fade = _bell(np.minimum(face.end, 0), 2.5)  # folds end past the corners
    over_crease = -face.below_upper - _px(look.crease) * (0.3 + 0.7 * arch)
    under_bag = -face.above_lower - 4 * arch - 0.8
    crease, bag = _px(look.crease_depth) * fade, _px(look.bag) * fade
    # Over the crease the skin swells at once and then falls back slowly.
    steep = np.clip(1.3 * over_crease, -8, 30)
    fold = np.exp(-0.2 * np.maximum(steep, 0)) / (1 + np.exp(-steep))
    relief = geometry.face_depth(x, y) - 1.3 * crease * fold - 0.8 * bag * _bell(under_bag + 1.5, 2)
    slope_y, slope_x = np.gradient(relief, pixel, axis=(1, 2))
    unit = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    lx, ly, lz = light.head
    lambert = np.maximum((slope_x * lx + slope_y * ly - lz) * unit, 0)
    sky = 1 - 0.4 * slope_y * unit  # there is more light above than below
    hollow = 1 - 0.6 * crease * _bell(over_crease, 0.8)
    hollow *= 1 - 0.25 * bag * _bell(under_bag, 1.2)
    for depth, at_x, at_y, size_x, size_y in HOLLOWS:
        u, v = (x - at_x) / size_x, (y - at_y) / size_y
        hollow *= 1 - depth * np.exp(-(u * u + v * v))
    return (light.ambient * sky + light.key * lambert) * hollow


def _lashes(face: Face, look: Look, pixel: float):
    """Coverage of the lid margins' dark line and of the lashes."""
    t, above = face.t, -face.below_upper
    line = np.exp(np.where(above < 0, above / 0.9, -above / 1.4))
    line = _px(look.liner) * line * (0.6 + 0.4 * t) * _cover(face.end + 0.5, pixel)

    # Strands are rooted at the margin and fan outwards.
    reach = above / _px(look.lash_length)
    fan = t + 0.12 * (t - 0.35) * reach
    phase = 2 * np.pi * 26 * fan + 3 * np.sin(31 * fan)
    # Strands finer than a pixel blend into an even veil.
    contrast = min(max(0.5 / pixel - 0.3, 0.25), 1)
    comb = np.clip(0.45 + 1.6 * contrast * (np.cos(phase) - 0.55), 0, 1)
    comb *= np.clip(1 - reach, 0, 1) * (above > -0.3)
    upper = _px(look.lashes) * comb * (0.35 + 0.65 * t) * _cover(face.end + 1, pixel)
    lower = 0.3 * _px(look.lashes) * t * _bell(face.above_lower + 0.9, 0.8)
    return np.maximum(np.maximum(line, upper), lower * _cover(face.end, pixel))


def _brow(face: Face, look: Look, pixel: float, grain):
    """Coverage of the brow: an arch with slanted hairs."""
    x = face.x
    above = face.y + _px(look.brow_height) - 0.010 * (x - 3) ** 2
    width = _px(look.brow_width) * np.maximum(1.1 - 0.02 * x, 0.4)
    body = np.clip(1.3 - (above / width) ** 2, 0, 1) * _ramp(x, -19, -13) * _ramp(-x, -30, -20)
    # Single hairs show only where a pixel is finer than they are.
    contrast = min(max(0.4 / pixel - 0.8, 0), 0.4)
    hairs = np.cos(5 * (x + 0.8 * above) + grain)
    return _px(look.brow) * np.clip(body * (0.75 + contrast * hairs + 0.15 * grain), 0, 1)
