"""The embedded hand's body: joints, bones of a median adult, and flesh of rounded cones around them.

Hand frame (mm): x towards the thumb, y towards the fingertips, z out of the palm, origin in the wrist.
Angles are in degrees.
"""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int

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
SCORED = np.array([SKELETON.index(name) for name in JOINTS])

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
