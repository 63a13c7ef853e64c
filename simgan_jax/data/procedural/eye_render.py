"""Shading of the embedded eye: from a pose and a look to linear light and masks.

Edges are not supersampled: every border is a distance in mm, turned into the share of the pixel that
it covers. So a picture of 55x35 costs 55x35 evaluations, and one of 640x480 shows the same eye.
"""

from dataclasses import dataclass

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
    t = np.clip((x - low) * np.float32(1 / (high - low)), 0, 1)
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
    pixel = np.float32(view.pixel)
    dx, dy = view.rays()

    def cover(distance):
        """Share of a pixel on the positive side of an edge `distance` mm away."""
        return np.clip(distance / pixel + np.float32(0.5), 0, 1)

    x, y = geometry.meet_face(dx, dy, pose)
    upper, lower, t = geometry.lid_curves(x, pose)
    inside_upper, inside_lower = y - upper, lower - y
    end = _px(pose.half_width) - np.abs(x)
    aperture = cover(inside_upper) * cover(inside_lower) * cover(end)
    grain = smooth_noise(rng, count, 35, 55, view)
    patches = smooth_noise(rng, count, 6, 9, view)

    light = np.einsum("nij,ni->nj", pose.head, look.light)  # in the head frame
    lx, ly, lz = (_px(light[:, i]) for i in range(3))
    # The face shades itself on the side away from the light.
    along = x * lx + y * ly * np.float32(0.5)
    shadow = 1 - _px(look.shade) * (1 - _ramp(along + _px(look.shade_edge), -9, 9))
    key = _px(look.key) * shadow * np.maximum(1 + _px(look.falloff) * along, 0.1)
    ambient = _px(look.ambient)

    # --- the eye behind the lids
    (right, down), (nx, ny, nz) = geometry.trace_to_iris(dx, dy, pose)
    radius = np.sqrt(right * right + down * down)
    iris_cover = cover(_px(look.iris_radius) - radius)
    pupil_cover = cover(_px(look.pupil_radius) - radius)
    (qx, qy, qz), _ = geometry.hit_sphere(dx, dy, pose.eyeball, geometry.EYEBALL_RADIUS)
    camera_light = [_px(look.light[:, i]) for i in range(3)]
    cosine = sum(q * v for q, v in zip((qx, qy, qz), camera_light, strict=True))
    facing = np.maximum(cosine * np.float32(1 / geometry.EYEBALL_RADIUS) + np.float32(0.15), 0)
    # The upper lid and its lashes shade the eyeball, the corners are deep.
    lid_shade = 1 - np.float32(0.75) * np.exp(-np.maximum(inside_upper, 0) / np.float32(1.8))
    corner = _ramp(np.minimum(t, 1 - t), -0.05, 0.3) * np.float32(0.7) + np.float32(0.3)
    eye_light = (ambient + key * facing) * lid_shade * corner
    finite = np.minimum(radius, 20)
    relative = finite / _px(look.iris_radius)
    angle = np.arctan2(np.minimum(down, 20), np.minimum(right, 20))
    waves = sum(
        np.cos(k * angle + _px(look.iris_waves[:, i]) + 2 * relative)
        for i, k in enumerate((5, 11, 17))
    )
    # Light entering from one side brightens the far side of the iris.
    lean = -(np.minimum(right, 8) * camera_light[0] + np.minimum(down, 8) * camera_light[1])
    iris_tone = (1 + np.float32(0.10) * waves + np.float32(0.05) * lean) * (
        1 + np.float32(0.35) * _bell(relative - np.float32(0.45), np.float32(0.12))
    )
    iris_tone *= 1 - _px(look.limbus) * _ramp(relative, 0.72, 1.0)
    iris_tone = np.maximum(iris_tone, np.float32(0.05)) * (1 - np.float32(0.97) * pupil_cover)
    soft_iris = np.clip((_px(look.iris_radius) - radius) / (pixel + np.float32(0.5)) + 0.5, 0, 1)
    white = (1 - np.float32(0.3) * _px(look.limbus) * _bell(relative - 1, np.float32(0.12))) * (
        1 + _px(look.veins) * grain
    )
    caruncle = _bell(x + _px(pose.half_width) - np.float32(1.5), np.float32(2.4))
    gleam = np.float32(0)
    length = np.sqrt(dx * dx + dy * dy + 1)
    normal_view = (nx * dx + ny * dy + nz) * 2
    on_cornea = np.isfinite(radius) & (radius < 8)
    for i in range(2):
        ax, ay, az = (_px(look.glints[:, i, j]) for j in range(3))
        mirrored = (dx - normal_view * nx) * ax + (dy - normal_view * ny) * ay
        mirrored = (mirrored + (1 - normal_view * nz) * az) / length
        # The cornea turns the mirrored ray twice as fast as itself; small lights keep their sum.
        size = _px(look.glint_size[:, i])
        seen = np.sqrt(size * size + np.float32((pixel / geometry.CORNEA_RADIUS) ** 2))
        gleam = gleam + _px(look.glint[:, i]) * (size / seen) ** 2 * np.exp(
            (np.minimum(mirrored, 1) - 1) * 2 / (seen * seen)
        )
    gleam = np.where(on_cornea, gleam, 0)
    tear = np.float32(0.05) * key * _bell(inside_lower - np.float32(0.5), np.float32(0.45))

    # --- skin: relief, folds and what darkens them
    arch = 4 * t * (1 - t)
    fade = _bell(np.minimum(end, 0), np.float32(2.5))  # folds end past the corners
    crease_y = upper - _px(look.crease) * (np.float32(0.3) + np.float32(0.7) * arch)
    above = np.clip((crease_y - y) * np.float32(1.3), -8, 30)
    fold = np.exp(np.minimum(-above, 0) * np.float32(0.2)) / (1 + np.exp(-above)) * fade
    bag_y = lower + np.float32(4.0) * arch + np.float32(0.8)
    relief = geometry.face_depth(x, y)
    relief -= _px(look.crease_depth) * np.float32(1.3) * fold
    relief -= (
        _px(look.bag) * np.float32(0.8) * fade * _bell(y - bag_y + np.float32(1.5), np.float32(2.0))
    )
    slope_x, slope_y = np.gradient(relief, pixel, axis=(2, 1))
    unit = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    lambert = np.maximum((slope_x * lx + slope_y * ly - lz) * unit, 0)
    # Light from above reaches a brow better than the underside of a fold.
    sky = 1 - np.float32(0.4) * slope_y * unit
    hollow = 1 - _px(look.crease_depth) * np.float32(0.6) * fade * _bell(y - crease_y, 0.8)
    hollow *= 1 - _px(look.bag) * np.float32(0.25) * fade * _bell(y - bag_y, 1.2)
    for depth, at_x, at_y, size_x, size_y in HOLLOWS:
        hollow *= 1 - np.float32(depth) * _bell(x - at_x, size_x) * _bell(y - at_y, size_y)
    skin_light = (ambient * sky + key * lambert) * hollow
    skin_light *= np.maximum(1 + _px(look.mottle) * patches + _px(look.pores) * grain, 0.2)

    # The wet rim of the lower lid, then the darker margin of the upper.
    rim = _bell(inside_lower + np.float32(0.5), np.float32(0.6)) * cover(end)
    margin = _px(look.liner) * np.exp(
        -np.where(inside_upper > 0, inside_upper / np.float32(0.9), -inside_upper / np.float32(1.4))
    )
    margin = margin * cover(end + np.float32(0.5)) * (np.float32(0.6) + np.float32(0.4) * t)
    strands = _strands(t, -inside_upper, look, pixel)
    margin = np.maximum(margin, strands * cover(end + 1))
    under = _bell(inside_lower + np.float32(0.9), np.float32(0.8)) * _px(look.lashes)
    margin = np.maximum(margin, np.float32(0.3) * under * t * cover(end))
    brow = _brow(x, y, grain, look, pixel)

    image = np.empty((count, view.height, view.width, channels), np.float32)
    pink = look.skin * np.array([1.0, 0.72, 0.68], np.float32) + np.float32(0.03)
    for c in range(channels):
        skin, iris, sclera, hair, wet = (
            _px(v @ LUMA if channels == 1 else v[:, c])
            for v in (look.skin, look.iris, look.sclera, look.hair, pink)
        )
        eye = sclera * white
        eye += (wet * np.float32(1.1) - eye) * np.float32(0.8) * caruncle
        eye += (iris * iris_tone - eye) * soft_iris
        eye = eye * eye_light + gleam + tear
        face = (skin + (wet - skin) * rim) * skin_light
        face += (hair * skin_light - face) * brow
        shown = face + (eye - face) * aperture
        shown += (hair * ambient * np.float32(0.6) - shown) * margin
        image[..., c] = np.maximum(shown, 0)
    return image, aperture * iris_cover


def _strands(t, above, look: Look, pixel: float):
    """Coverage of the upper lashes, rooted at the lid's margin and fanning outwards."""
    reach = above / _px(look.lash_length)
    fan = t + np.float32(0.12) * (t - np.float32(0.35)) * reach
    phase = 2 * np.pi * np.float32(26) * fan + 3 * np.sin(np.float32(31) * fan)
    # Strands finer than a pixel blend into an even veil.
    contrast = np.float32(np.clip(0.5 / pixel - 0.3, 0.25, 1))
    comb = np.clip(np.float32(0.45) + contrast * np.float32(1.6) * (np.cos(phase) - 0.55), 0, 1)
    fade = np.clip(1 - reach, 0, 1) * (above > -0.3)
    return _px(look.lashes) * comb * fade * (np.float32(0.35) + np.float32(0.65) * t)


def _brow(x, y, grain, look: Look, pixel: float):
    """Coverage of the brow: an arch with slanted hairs."""
    middle = -_px(look.brow_height) + np.float32(0.010) * (x - 3) ** 2
    width = _px(look.brow_width) * (np.float32(1.1) - np.float32(0.02) * x)
    ends = _ramp(x, -19, -13) * _ramp(-x, -30, -20)
    body = ends * np.clip(np.float32(1.3) - ((y - middle) / np.maximum(width, 0.8)) ** 2, 0, 1)
    # Single hairs show only where a pixel is finer than they are.
    hairs = np.cos(np.float32(5.0) * (x + np.float32(0.8) * (y - middle)) + grain)
    contrast = np.float32(np.clip(0.4 / pixel - 0.8, 0, 0.4))
    texture = np.float32(0.75) + contrast * hairs + np.float32(0.15) * grain
    return _px(look.brow) * np.clip(body * texture, 0, 1)
