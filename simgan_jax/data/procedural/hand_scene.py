"""Whose hand is seen, in which pose and from where: the random part of the embedded hands.

A pose lies between two postures of a small table. Both domains draw poses and views alike, so that
they differ in looks and not in the task; the "camera" has other people, with whole forearms.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from simgan_jax.data.procedural.hand_geometry import ANGLES, LIMITS, Shape
from simgan_jax.data.procedural.spread import Spread, columns

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
_PARALLEL = np.array([1, 0, -2, -5])  # abduction of fingers that lie side by side
_FAN = np.array([14, 1, -10, -20])  # added to it by a full spread
_DIP_PER_PIP = 0.6  # the two share a tendon
_FLEXIONS = [
    i for i, name in enumerate(ANGLES) if name[-3:] in ("mcp", "pip") and "thumb" not in name
]

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

DOMAINS = ("simulator", "camera")
_PEOPLE = {"simulator": 400, "camera": 24}


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
