"""Who is seen, where they look, and in which light: the random part of the embedded eyes.

People and poses are drawn alike for both domains, so that the domains differ in looks and not in the
task. Light and surface differ: the simulator has smooth skin under a lamp from anywhere, photographs
are taken in a handful of `PLACES`.
"""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
from jaxtyping import Float

from simgan_jax.data.procedural import eye_geometry as geometry
from simgan_jax.data.procedural.eye_geometry import DISTANCE, Pose
from simgan_jax.data.procedural.eye_look import Look
from simgan_jax.data.procedural.spread import Spread, columns
from simgan_jax.metrics.angles import from_pitch_yaw, pitch_yaw

_SKIN = np.array([[0.72, 0.48, 0.37], [0.52, 0.31, 0.21], [0.20, 0.115, 0.075]])  # light to dark
_IRIS = np.array(
    [
        [0.04, 0.024, 0.017],  # dark brown
        [0.08, 0.045, 0.025],
        [0.13, 0.085, 0.04],  # hazel
        [0.11, 0.125, 0.08],  # green
        [0.14, 0.15, 0.16],  # grey
        [0.11, 0.155, 0.21],  # blue
    ]
)
_IRIS_SHARE = (0.38, 0.30, 0.12, 0.06, 0.05, 0.09)

# Where photographs are taken. Light comes from `side` (degrees, positive is image right) and
# `height` (degrees above the camera), each with its spread; `key` and `ambient` are strengths.
PLACES = {
    "window on the left": {"side": (-60, 12), "height": (15, 10), "key": 0.9, "ambient": 0.20},
    "window on the right": {"side": (60, 12), "height": (15, 10), "key": 0.9, "ambient": 0.20},
    "ceiling lamps": {"side": (0, 25), "height": (58, 8), "key": 0.8, "ambient": 0.25},
    "dark room": {"side": (0, 12), "height": (-18, 8), "key": 0.25, "ambient": 0.04},
    "daylight": {"side": (0, 45), "height": (35, 15), "key": 0.35, "ambient": 0.55},
}


# How poses, framing and sizes are spread where nobody says otherwise: people at a laptop. The camera
# is above the screen, so they look down, on average by 9 degrees; 95 % of gaze is within 25 degrees
# down to 5 up and 20 to either side. Set once, to the look of unlabelled MPIIGaze pictures; no label
# of that set went into it. Head-pose estimates are imperfect: normalised pictures are rotated, shifted
# and scaled a little, and shifted alike in all pictures of a person, whose face is not the average
# face of the estimate. Sizes are adult anatomy (palpebral fissure 29 x 10 mm, iris as seen 11.7 mm),
# spreads about one standard deviation of it.
_TURN, _SHIFT = (-50, 50), (-10, 10)
DISTRIBUTIONS = {
    # Of gaze and of where the face points, degrees, up and to image left; heads follow the gaze.
    "pitch": Spread(-9, 7.5, -27, 8, _TURN),
    "yaw": Spread(0, 10.5, -24, 24, _TURN),
    "head_pitch": Spread(0, 5, -20, 15, _TURN, follow=0.5),
    "head_yaw": Spread(0, 6, -22, 22, _TURN, follow=0.45),
    "head_roll": Spread(0, 2.5, *_TURN, _TURN),  # clockwise in the picture
    # Of the middle between the corners, mm (1.6 px at a width of 55 px), to the right and down: of
    # each picture and, added to it, of all pictures of a person.
    "shift_x": Spread(0, 0.7, *_SHIFT, _SHIFT),
    "shift_y": Spread(0, 0.7, *_SHIFT, _SHIFT),
    "person_shift_x": Spread(0, 1.1, *_SHIFT, _SHIFT),
    "person_shift_y": Spread(-0.2, 0.8, *_SHIFT, _SHIFT),
    "distance": Spread(DISTANCE, 0.03 * DISTANCE, 400, 900, (400, 900)),  # mm; sets the scale
    # Of people, mm. The iris is seen through the cornea, 5.75 as 6.15. Lids as when looking straight,
    # over and under the line of the corners.
    "iris_radius": Spread(5.75, 0.15, 5.45, 6.05, (4.5, 6.4)),
    "upper_lid": Spread(5.5, 0.6, 4, 7, (1, 10)),
    "lower_lid": Spread(3.4, 0.5, 2.4, 4.6, (1, 8)),
    "half_width": Spread(14.6, 1.1, 12.4, 17, (9, 20)),
    # Of the eyeball's centre over the line of the corners.
    "eyeball_up": Spread(1.9, 0.4, -5, 9, (-5, 9)),
}
_NOWHERE = Spread(0, 0, 0, 0, (0, 0))  # people differ sideways, not in depth


def _cut(rng, mean, std, low, high, size):
    """Normal values clipped to a range."""
    return np.clip(rng.normal(mean, std, size), low, high)


def draw_people(
    rng: np.random.Generator, count: int, spread: Mapping[str, Spread] = DISTRIBUTIONS
) -> dict[str, Float[np.ndarray, "p ..."]]:
    """Draws what does not change from picture to picture of a person; lengths in mm."""
    n = count
    tone = rng.uniform(0, 2, n)
    steps = np.arange(3)
    skin = np.stack([np.interp(tone, steps, column) for column in _SKIN.T], axis=-1)
    colour = rng.choice(len(_IRIS), n, p=_IRIS_SHARE)
    colour = np.where(tone > 1.2, np.minimum(colour, 1), colour)
    return {
        "skin": skin,
        "iris": _IRIS[colour] * rng.uniform(0.8, 1.25, (n, 1)),
        "sclera": rng.uniform(0.17, 0.30, (n, 1)) * np.array([1.0, 0.96, 0.93]),
        "hair": rng.uniform(0.4, 1.6, (n, 1)) * np.array([0.035, 0.025, 0.02]),
        "iris_radius": spread["iris_radius"].values(rng.standard_normal(n)),
        "limbus": rng.uniform(0.3, 0.8, n),
        "iris_waves": rng.uniform(0, 2 * np.pi, (n, 3)),
        "eyeball": _eyeballs(rng, n, spread["eyeball_up"]),
        "upper": spread["upper_lid"].values(rng.standard_normal(n)),
        "lower": spread["lower_lid"].values(rng.standard_normal(n)),
        "half_width": spread["half_width"].values(rng.standard_normal(n)),
        "tilt": rng.normal(0.1, 0.6, n),
        "framing": columns(rng, n, (spread["person_shift_x"], spread["person_shift_y"], _NOWHERE)),
        "round_upper": rng.uniform(0.15, 0.6, n),
        "round_lower": rng.uniform(0.0, 0.45, n),
        "skew_upper": rng.uniform(-0.2, 0.2, n),
        "skew_lower": rng.uniform(-0.05, 0.35, n),
        "crease": rng.uniform(2.0, 4.5, n),
        "crease_depth": np.where(rng.uniform(size=n) < 0.15, 0.1, rng.uniform(0.35, 1.0, n)),
        "bag": rng.uniform(0, 0.8, n),
        "liner": rng.uniform(0.6, 0.95, n),
        "lashes": rng.uniform(0.2, 0.9, n),
        "lash_length": rng.uniform(2.0, 5.0, n),
        "brow_height": _cut(rng, 15.5, 2.2, 11.5, 20, n),
        "brow_width": rng.uniform(1.6, 3.6, n),
        "brow": rng.uniform(0.4, 0.95, n),
    }


def _eyeballs(rng: np.random.Generator, count: int, up: Spread) -> Float[np.ndarray, "n 3"]:
    """Centres of eyeballs in the head frame, mm."""
    normal = rng.standard_normal((count, 3))
    middle = normal * (0.5, 0.4, 0.4) + (0.0, 0.0, 5.0)
    middle[:, 1] = -up.values(-normal[:, 1])
    return middle


def draw_gaze(
    rng: np.random.Generator, count: int, spread: Mapping[str, Spread] = DISTRIBUTIONS
) -> tuple[Float[np.ndarray, "n 2"], Float[np.ndarray, "n 2"]]:
    """(pitch, yaw) of gaze and of head, radians."""
    pitch = spread["pitch"].values(rng.standard_normal(count))
    yaw = spread["yaw"].values(rng.standard_normal(count))
    head_pitch = spread["head_pitch"].values(rng.standard_normal(count), pitch)
    head_yaw = spread["head_yaw"].values(rng.standard_normal(count), yaw)
    return np.radians(np.stack([pitch, yaw], -1)), np.radians(np.stack([head_pitch, head_yaw], -1))


def _studio(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Light and surface of the simulator."""
    return {
        "side": rng.uniform(-80, 80, n),
        "height": rng.uniform(-15, 55, n),
        "key": rng.uniform(0.3, 1.0, n),
        "ambient": rng.uniform(0.06, 0.30, n),
        "falloff": np.full(n, 0.015),
        "mottle": np.full(n, 0.02),
        "pores": np.full(n, 0.015),
        "veins": np.full(n, 0.02),
    }


def _place(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    """Light and surface of photographs."""
    places = list(PLACES.values())
    where = rng.integers(len(places), size=n)
    table = {name: np.array([p[name] for p in places])[where] for name in places[0]}
    return {
        "side": rng.normal(table["side"][:, 0], table["side"][:, 1]),
        "height": rng.normal(table["height"][:, 0], table["height"][:, 1]),
        "key": table["key"] * rng.uniform(0.7, 1.2, n),
        "ambient": table["ambient"] * rng.uniform(0.7, 1.2, n),
        "falloff": rng.uniform(0.0, 0.04, n),
        "mottle": rng.uniform(0.02, 0.07, n),
        "pores": rng.uniform(0.01, 0.04, n),
        "veins": rng.uniform(0.03, 0.10, n),
    }


def draw_scene(
    rng: np.random.Generator,
    person: dict[str, Float[np.ndarray, "n ..."]],
    domain: str,
    kappa: tuple[float, float] = (0.0, 0.0),
    spread: Mapping[str, Spread] = DISTRIBUTIONS,
    travel: tuple[float, float] = (1.0, 1.0),
) -> tuple[Pose, Look, dict[str, np.ndarray]]:
    """Draws one picture of every given person.

    Args:
        rng: random stream.
        person: rows of `draw_people`, one per picture.
        domain: "simulator" or "camera".
        kappa: (pitch, yaw) in degrees from the gaze to the optical axis.
        spread: of gaze, head and framing.
        travel: (pitch, yaw) turns of the eye as shares of the gaze.

    Returns:
        Geometry, look, and the labels that need no rendering: gaze, head_pose.
    """
    n = len(person["upper"])
    gaze, head = draw_gaze(rng, n, spread)
    axis = from_pitch_yaw(gaze * np.asarray(travel) + np.radians(kappa))
    roll = np.radians(spread["head_roll"].values(rng.standard_normal(n)))
    rotation = geometry.head_rotation(head[:, 0], head[:, 1], roll)
    place = [spread[name] for name in ("shift_x", "shift_y", "distance")]
    origin = columns(rng, n, place) + person["framing"]

    # The upper lid follows the eye nearly all the way, the lower a third of it.
    down = np.einsum("nij,ni->nj", rotation, axis)[:, 1]
    squint = _cut(rng, 1.0, 0.13, 0.62, 1.25, n)
    pose = person | {
        "head": rotation,
        "origin": origin,
        "axis": axis,
        "eyeball": np.einsum("nij,nj->ni", rotation, person["eyeball"]) + origin,
        "upper": np.maximum(person["upper"] * squint - 8.5 * down, 0.6),
        "lower": np.maximum(person["lower"] * (0.5 + 0.5 * squint) + 3.0 * down, 2.2),
    }

    surface = _studio(rng, n) if domain == "simulator" else _place(rng, n)
    side, height = np.radians(surface["side"]), np.radians(surface["height"])
    light = from_pitch_yaw(np.stack([height, -side], axis=-1))
    screen = from_pitch_yaw(np.radians(rng.normal((-12, 0), (6, 8), (n, 2))))
    strength = np.stack(
        [surface["key"] * rng.uniform(0, 1, n), rng.choice([0, 0, 0.15, 0.4], n)], 1
    )
    look = (
        person
        | surface
        | {
            "crease": person["crease"] * (1 + 1.6 * np.maximum(down, 0)),
            "pupil_radius": rng.uniform(1.2, 2.4, n),
            "light": light,
            "shade": rng.uniform(0.2, 1, n) * np.abs(np.sin(side)),
            "shade_edge": rng.normal(4, 5, n),
            "glints": np.stack([light, screen], 1),
            "glint": strength,
            "glint_size": rng.uniform((0.03, 0.06), (0.07, 0.12), (n, 2)),
        }
    )
    labels = {
        "gaze": from_pitch_yaw(gaze),
        "head_pose": pitch_yaw(-rotation[:, :, 2]),
    }
    return _floats(Pose, pose), _floats(Look, look), labels


def _floats(kind: type, values: dict[str, np.ndarray]):
    """An instance of a dataclass from the values of its fields, in float32."""
    return kind(**{f.name: np.asarray(values[f.name], np.float32) for f in fields(kind)})
