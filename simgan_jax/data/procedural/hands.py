"""The embedded hand: an articulated skeleton in a skin of rounded cones, seen as a depth image.

A right hand of 22 joint angles (`ANGLES`, within anatomical `LIMITS`) is posed between two postures of
a small table, turned, set before a pinhole camera and rendered exactly (`cones.py`). The "simulator"
domain stops there. The "camera" domain has other people, whole forearms and a structured-light sensor
(`depth_camera.py`). Both draw poses and views alike, so what differs is the look and not the task.

Hand frame (mm): x towards the thumb, y towards the fingertips, z out of the palm, origin in the wrist.
Camera frame: x right, y down, z away. Angles are in degrees.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.depth import encode_depth
from simgan_jax.data.procedural import cones, depth_camera
from simgan_jax.data.procedural.spread import Spread, changed, columns
from simgan_jax.errors import UserError

FINGERS = ("index", "middle", "ring", "pinky")
ANGLES = (
    *("thumb_radial", "thumb_palmar", "thumb_mcp", "thumb_ip"),
    *(f"{finger}_{joint}" for finger in FINGERS for joint in ("abduction", "mcp", "pip", "dip")),
    *("wrist_flexion", "wrist_deviation"),
)
# Active range of motion of a healthy hand, rounded from clinical goniometry. Abduction is towards the
# thumb, deviation towards the little finger, flexion towards the palm.
_FINGER_LIMITS = ((-25, 25), (-20, 90), (0, 105), (0, 80))
LIMITS = np.array(
    [(0, 70), (0, 60), (-5, 60), (-15, 80), *_FINGER_LIMITS * 4, (-60, 60), (-20, 30)], np.float64
)

SKELETON = (
    *(f"thumb_{joint}" for joint in ("cmc", "mcp", "ip", "tip")),
    *(f"{finger}_{joint}" for finger in FINGERS for joint in ("mcp", "pip", "dip", "tip")),
    *("wrist", "wrist_ulnar", "wrist_radial", "palm"),
)
# The 14 joints on which the literature scores the NYU set, in its order.
JOINTS = (
    *(f"{finger}_{joint}" for finger in reversed(FINGERS) for joint in ("tip", "pip")),
    *("thumb_tip", "thumb_ip", "thumb_mcp", "wrist_ulnar", "wrist_radial", "palm"),
)
_SCORED = np.array([SKELETON.index(name) for name in JOINTS])

# A hand 190 mm long, about the median of adult men: bones and radii of flesh, mm, index to pinky.
_KNUCKLES = np.array([(28, 88, 0), (5, 92, -3), (-17, 86, -2), (-36, 75, 1)], np.float64)
_PHALANGES = np.array([(43, 26, 20), (47, 30, 21), (43, 29, 21), (34, 21, 19)], np.float64)
_FINGER_RADII = np.array(
    [(11, 10, 9.1, 7.8), (11, 10, 9.1, 7.8), (10.6, 9.5, 8.6, 7.5), (9.6, 8.4, 7.6, 6.8)]
)
_THUMB_BASE = np.array([20, 15, 6], np.float64)
_THUMB_BONES = np.array([43, 32, 25], np.float64)
_THUMB_RADII = np.array([15, 12, 10.8, 9], np.float64)
_THUMB_INWARD = np.array([-1, 0.35, 0.3])  # where flexion takes it
_WRIST = np.array([(0, 0, 0), (-17, -2, 0), (17, -2, 0), (-2, 58, 0)], np.float64)
_PARALLEL = np.array([1, 0, -2, -5])  # abduction of fingers that lie side by side
_FAN = np.array([14, 1, -10, -20])  # added to it by a full spread

# Thumb (radial, palmar, MCP, IP), MCP flexion and PIP flexion of the four fingers, spread 0..1.
_POSTURES = {
    "flat": ((45, 15, 5, 5), (0, 0, 0, 0), (3, 3, 3, 3), 0.3),
    "spread": ((65, 15, 0, 0), (-5, -5, -5, -5), (0, 0, 0, 0), 1.0),
    "relaxed": ((40, 35, 15, 15), (20, 25, 28, 30), (25, 30, 32, 32), 0.3),
    "grasp": ((35, 55, 20, 25), (45, 45, 45, 45), (50, 52, 50, 48), 0.4),
    "fist": ((25, 50, 45, 50), (80, 82, 84, 85), (95, 98, 98, 95), 0.0),
    "point": ((28, 50, 45, 45), (0, 75, 80, 82), (3, 95, 98, 95), 0.1),
    "victory": ((28, 50, 50, 50), (0, 0, 80, 82), (3, 3, 95, 92), 0.8),
    "three": ((28, 55, 50, 45), (0, 0, 0, 75), (3, 3, 3, 90), 0.6),
    "pinch": ((40, 55, 15, 20), (50, 20, 15, 10), (55, 20, 15, 12), 0.5),
    "hook": ((35, 25, 20, 20), (5, 5, 5, 5), (80, 85, 85, 80), 0.2),
    "thumb up": ((65, 5, 0, -10), (75, 78, 80, 80), (95, 98, 98, 95), 0.0),
    "horns": ((30, 50, 45, 45), (0, 75, 78, 0), (3, 95, 95, 5), 0.5),
}
_DIP_PER_PIP = 0.6  # the two share a tendon

# How views and poses are spread where nobody says otherwise.
DISTRIBUTIONS = {
    # The palm faces the camera more or less, as in the NYU set. Positive degrees turn the hand
    # clockwise in the picture, bring the fingertips nearer, bring the thumb nearer.
    "roll": Spread(0, 28, -2.2 * 28, 2.2 * 28, (-180, 180)),
    "pitch": Spread(0, 20, -2.2 * 20, 2.2 * 20, (-80, 80)),
    "yaw": Spread(0, 25, -2.2 * 25, 2.2 * 25, (-80, 80)),
    # Added to all flexions of the fingers, degrees: fingers close together before they close apart.
    "flexion": Spread(0, 7, -90, 90, (-90, 90)),
    # Error of the detector that centres the crop, mm to the right, down and away.
    "shift_x": Spread(0, 5, -60, 60, (-60, 60)),
    "shift_y": Spread(0, 5, -60, 60, (-60, 60)),
    "shift_z": Spread(0, 6, -60, 60, (-60, 60)),
}
_DISTANCE_MM = (600, 1000)
_CROP_MM = 300.0

DOMAINS = ("simulator", "camera")
SPLITS = ("train", "test")
_PEOPLE = {"simulator": 400, "camera": 24}
_TRAIN_SHARE = 3 / 4
_CHUNK = 32  # images that share one random generator: fewer images are the first of more


@dataclass(frozen=True)
class Shape:
    """Bodies, one a row; factors are relative to the median hand of this module.

    Attributes:
        size: factor of every length and radius.
        bones: factor of the lengths of thumb, index, middle, ring, pinky.
        flesh: factor of the radii.
        breadth: factor of the palm's width.
        forearm: visible length, mm.
    """

    size: Float[np.ndarray, "n"]
    bones: Float[np.ndarray, "n 5"]
    flesh: Float[np.ndarray, "n"]
    breadth: Float[np.ndarray, "n"]
    forearm: Float[np.ndarray, "n"]

    def __getitem__(self, rows: Int[np.ndarray, "m"]) -> "Shape":
        return Shape(*(getattr(self, field.name)[rows] for field in fields(self)))


def load(
    domain: str,
    split: str,
    count: int,
    seed: int = 0,
    height: int = 56,
    width: int = 56,
    distributions: Mapping[str, Any] | None = None,
) -> Arrays:
    """Draws labelled depth images of hands, always the same for the same arguments.

    The crop is a cube of 300 mm around the hand, as users of the NYU set cut it: the focal length is
    width / 300 mm * centre_mm pixels, the optical axis passes through the image's centre.

    Args:
        domain: "simulator" (clean) or "camera" (other people, forearms, a depth sensor's faults).
        split: "train" or "test"; nobody is in both.
        count: number of images; fewer are the first of more.
        seed: draws other poses, views and noise of the same people.
        height: pixels.
        width: pixels.
        distributions: what to change in `DISTRIBUTIONS` (views, poses, framing), such as
            {"yaw": {"mean": 10}, "roll": {"std": None}}; `Spread` says what the words mean.

    Returns:
        images uint16 [N, H, W, 1] (`encode_depth` about centre_mm, background 65535) and labels
        joints_uvd float32 [N, 14, 3] (px, px, mm; `JOINTS`), skeleton_uvd [N, 24, 3] (`SKELETON`),
        hand_mask uint8 [N, H, W] (255 on hand and forearm as the sensor should see them), centre_mm
        float32 [N], px_per_mm float32 [N] (at centre_mm), participant int32 [N].

    Raises:
        UserError: a domain, split, count, size or distribution that does not exist.
    """
    if domain not in DOMAINS or split not in SPLITS:
        raise UserError(
            f"procedural hands: no domain {domain!r} with split {split!r}. "
            f"Domains: {', '.join(DOMAINS)}; splits: {', '.join(SPLITS)}"
        )
    if count < 1 or min(height, width) < 16:
        raise UserError(
            f"procedural hands: {count} images of {height}x{width}; at least 1 image of 16x16 is needed"
        )
    spread = changed(DISTRIBUTIONS, distributions, "procedural hands: distributions")
    everybody = people(domain)
    first_test = int(_TRAIN_SHARE * len(everybody.size))
    known = np.arange(len(everybody.size))
    known = known[:first_test] if split == "train" else known[first_test:]
    images, labels = [], []
    for chunk in range(-(-count // _CHUNK)):
        rng = np.random.default_rng([seed, DOMAINS.index(domain), SPLITS.index(split), chunk])
        who = rng.choice(known, _CHUNK)
        depth, label = _photograph(rng, everybody[who], height, width, domain == "camera", spread)
        images.append(encode_depth(depth, label["centre_mm"][:, None, None])[..., None])
        labels.append(label | {"participant": who.astype(np.int32)})
    joined = {name: np.concatenate([x[name] for x in labels])[:count] for name in labels[0]}
    return Arrays(np.concatenate(images)[:count], joined)


def people(domain: str) -> Shape:
    """Everybody of a domain; always the same people, train first and test last."""
    rng = np.random.default_rng([DOMAINS.index(domain), 190])
    count = _PEOPLE[domain]
    camera = domain == "camera"
    return Shape(
        size=rng.normal(0.96, 0.06, count).clip(0.8, 1.12),
        bones=rng.normal(1, 0.04, (count, 5)).clip(0.88, 1.12),
        flesh=rng.normal(1.05 if camera else 1.0, 0.07, count).clip(0.85, 1.25),
        breadth=rng.normal(1, 0.05, count).clip(0.88, 1.12),
        forearm=rng.uniform(180, 250, count) if camera else rng.uniform(40, 140, count),
    )


def sample_angles(
    rng: np.random.Generator, count: int, spread: Mapping[str, Spread] = DISTRIBUTIONS
) -> Float[np.ndarray, "n 22"]:
    """Poses between two postures, with noise of their own, inside `LIMITS`; degrees."""
    first, second = rng.integers(len(_POSTURES), size=(2, count))
    mix = rng.beta(0.6, 0.6, (count, 1))
    table = _posture_angles()
    angles = mix * table[first] + (1 - mix) * table[second]
    angles += rng.normal(0, _own_noise(), angles.shape)
    angles[:, _FLEXIONS] += columns(rng, count, [spread["flexion"]])
    return angles.clip(LIMITS[:, 0], LIMITS[:, 1])


def sample_views(
    rng: np.random.Generator, count: int, spread: Mapping[str, Spread] = DISTRIBUTIONS
) -> Float[np.ndarray, "n 3 3"]:
    """Rotations from the hand's frame to the camera's, palm towards the camera."""
    turns = columns(rng, count, [spread[name] for name in ("roll", "pitch", "yaw")])
    return Rotation.from_euler("ZXY", turns, degrees=True).as_matrix() * (1, -1, -1)


def skeleton(angles: Float[np.ndarray, "n 22"], shape: Shape) -> Float[np.ndarray, "n 24 3"]:
    """Joint centres (`SKELETON`) in the hand's frame, mm: forward kinematics.

    A finger bends in the plane that its abduction sets, so its bones need only summed flexions. The
    thumb's metacarpal has two angles; the other two bones bend from it across the palm.
    """
    count = len(angles)
    radians = np.radians(angles)
    across = np.stack([shape.breadth, np.ones(count), np.ones(count)], -1)[:, None]

    fingers = radians[:, 4:20].reshape(count, 4, 4)
    abduction, bend = fingers[..., :1], np.cumsum(fingers[..., 1:], -1)
    direction = np.stack(
        [np.sin(abduction) * np.cos(bend), np.cos(abduction) * np.cos(bend), np.sin(bend)], -1
    )
    bones = (_PHALANGES * shape.bones[:, 1:, None])[..., None] * direction
    knuckles = np.broadcast_to(_KNUCKLES * across, (count, 4, 3))[:, :, None]
    fingers = np.concatenate([knuckles, knuckles + np.cumsum(bones, 2)], 2)

    radial, palmar, *flexions = radians[:, :4].T
    metacarpal = np.stack(
        [np.sin(radial) * np.cos(palmar), np.cos(radial) * np.cos(palmar), np.sin(palmar)], -1
    )
    inward = _THUMB_INWARD - (_THUMB_INWARD * metacarpal).sum(-1, keepdims=True) * metacarpal
    inward /= np.linalg.norm(inward, axis=-1, keepdims=True)
    bend = np.cumsum([np.zeros(count), *flexions], 0).T[..., None]
    direction = np.cos(bend) * metacarpal[:, None] + np.sin(bend) * inward[:, None]
    bones = (_THUMB_BONES * shape.bones[:, :1])[..., None] * direction
    base = _THUMB_BASE * across
    thumb = np.concatenate([base, base + np.cumsum(bones, 1)], 1)

    points = np.concatenate([thumb, fingers.reshape(count, 16, 3), _WRIST * across], 1)
    return points * shape.size[:, None, None]


def flesh(
    points: Float[np.ndarray, "n 24 3"], angles: Float[np.ndarray, "n 22"], shape: Shape
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rounded cones around a skeleton: starts, ends [n, p, 3], their radii [n, p]; hand frame, mm."""
    parts = []  # (start, end, start radius, end radius), in lengths of the median hand

    def add(start, end, start_radius, end_radius):
        start, end = np.broadcast_arrays(start, end)
        radii = (np.broadcast_to(radius, start.shape[:2]) for radius in (start_radius, end_radius))
        parts.append((start, end, *radii))

    size = shape.size[:, None, None]
    joints = points / size
    thumb, fingers = joints[:, :4], joints[:, 4:20].reshape(-1, 4, 4, 3)
    ulnar, radial = joints[:, 21, None], joints[:, 22, None]

    knuckles = fingers[:, :, 0]
    # Palm: ten rays from wrist to knuckles lie close enough to make one even surface.
    share = np.linspace(0, 1, 10)[:, None]
    gap = np.minimum(np.arange(10) // 3, 2)
    rays = knuckles[:, gap] + (3 * share - gap[:, None]) * (knuckles[:, gap + 1] - knuckles[:, gap])
    add(radial + share * (ulnar - radial), rays, 13.5, np.linspace(11.5, 10, 10))
    heel = np.array([(-6, 12, 4), (3, -22, 4)])  # the muscle below the little finger
    add(ulnar + heel[0], knuckles[:, 3:] + heel[1], 11, 10)
    for finger in range(4):
        radii = _FINGER_RADII[finger]
        add(fingers[:, finger, :-1], fingers[:, finger, 1:], radii[:-1], radii[1:])
    add(thumb[:, :-1], thumb[:, 1:], _THUMB_RADII[:-1], _THUMB_RADII[1:])
    # Webs: between the fingers' roots, and from the thumb's metacarpal to the index's.
    roots = fingers[:, :, 0] + 0.3 * (fingers[:, :, 1] - fingers[:, :, 0])
    add(roots[:, :-1], roots[:, 1:], 7.5, 7.5)
    share = np.array([0.25, 0.5, 0.75])[:, None]
    metacarpal = thumb[:, :1] + share * (thumb[:, 1:2] - thumb[:, :1])
    index = radial + (0.35 + 0.45 * share) * (knuckles[:, :1] - radial)
    add(metacarpal, index, [13, 10, 7.5], [11, 9, 7])
    # Forearm: three cones side by side, wider than thick.
    flexion, deviation = np.radians(angles[:, 20:]).T
    away = np.stack(
        [
            -np.sin(deviation) * np.cos(flexion),
            -np.cos(deviation) * np.cos(flexion),
            np.sin(flexion),
        ],
        -1,
    )
    length = (shape.forearm / shape.size)[:, None, None]
    start = np.array([(-10, -4, 0), (0, -4, 0), (10, -4, 0)])
    end = start * [(1.6, 1, 1)] + length * away[:, None]
    add(start, end, [17, 18, 17], [17, 18, 17] + 0.05 * length[:, 0])

    start, end, start_radius, end_radius = (
        np.concatenate(part, 1) for part in zip(*parts, strict=True)
    )
    thickness = (shape.size * shape.flesh)[:, None]
    return start * size, end * size, start_radius * thickness, end_radius * thickness


def _photograph(
    rng: np.random.Generator,
    shape: Shape,
    height: int,
    width: int,
    camera: bool,
    spread: Mapping[str, Spread],
) -> tuple[Float[np.ndarray, "n h w"], dict[str, np.ndarray]]:
    """Depth (mm, background inf) and labels of one image of every given body."""
    count = len(shape.size)
    angles = sample_angles(rng, count, spread)
    view = sample_views(rng, count, spread)
    points = skeleton(angles, shape)
    start, end, start_radius, end_radius = flesh(points, angles, shape)
    target = points[:, _SCORED].mean(1, keepdims=True)
    centre = rng.uniform(*_DISTANCE_MM, count)
    shift = [spread[name] for name in ("shift_x", "shift_y", "shift_z")]
    place = columns(rng, count, shift)[:, None]
    place[:, 0, 2] += centre

    def to_camera(x):
        return (x - target) @ view.transpose(0, 2, 1) + place

    focal = width / _CROP_MM * centre
    start, end, points = to_camera(start), to_camera(end), to_camera(points)
    depth = cones.render_depth(start, end, start_radius, end_radius, focal, height, width)
    in_cube = np.abs(depth - centre[:, None, None]) < _CROP_MM / 2
    depth = np.where(in_cube, depth, np.float32(np.inf))
    uvd = np.concatenate(
        [
            focal[:, None, None] * points[..., :2] / points[..., 2:]
            + [(width - 1) / 2, (height - 1) / 2],
            points[..., 2:],
        ],
        -1,
    ).astype(np.float32)
    labels = {
        "joints_uvd": uvd[:, _SCORED],
        "skeleton_uvd": uvd,
        "hand_mask": 255 * in_cube.astype(np.uint8),
        "centre_mm": centre.astype(np.float32),
        "px_per_mm": np.full(count, width / _CROP_MM, np.float32),
    }
    return (depth_camera.sense(rng, depth, focal) if camera else depth), labels


_FLEXIONS = [
    i for i, name in enumerate(ANGLES) if name[-3:] in ("mcp", "pip") and "thumb" not in name
]


def _posture_angles() -> Float[np.ndarray, "k 22"]:
    rows = []
    for thumb, mcp, pip, spread in _POSTURES.values():
        mcp, pip = np.array(mcp), np.array(pip)
        # Bent fingers cannot spread: their ligaments tighten.
        abduction = _PARALLEL + spread * _FAN * np.cos(np.radians(mcp))
        fingers = np.stack([abduction, mcp, pip, _DIP_PER_PIP * pip], -1)
        rows.append([*thumb, *fingers.ravel(), 0, 0])
    return np.array(rows)


def _own_noise() -> Float[np.ndarray, "22"]:
    """Standard deviation of each angle about its posture."""
    return np.array([8, 8, 6, 8, *(3, 6, 6, 5) * 4, 15, 8], np.float64)
