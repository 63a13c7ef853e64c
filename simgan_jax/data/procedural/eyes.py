"""The embedded eye simulator and its stand-in for real photographs, with exact labels."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.procedural import camera, eye_geometry as geometry
from simgan_jax.data.procedural.eye_geometry import DISTANCE, Pose
from simgan_jax.data.procedural.eye_render import Look, render
from simgan_jax.errors import UserError

# Pictures are made in blocks, each with its own random stream: picture i is the same whatever
# `count` is, and blocks can be made in any order.
BLOCK = 64
PEOPLE = {
    ("simulator", "train"): 200,
    ("simulator", "test"): 50,
    ("camera", "train"): 40,
    ("camera", "test"): 20,
}

_MELANIN = np.array([[0.78, 0.52, 0.40], [0.55, 0.33, 0.22], [0.20, 0.115, 0.075]], np.float32)
_IRIS = np.array(  # dark brown, brown, hazel, green, grey, blue
    [
        [0.06, 0.035, 0.025],
        [0.13, 0.07, 0.04],
        [0.22, 0.15, 0.07],
        [0.20, 0.23, 0.14],
        [0.28, 0.29, 0.30],
        [0.22, 0.30, 0.40],
    ],
    np.float32,
)
_IRIS_SHARE = [0.34, 0.28, 0.12, 0.07, 0.08, 0.11]


def _cut(rng, mean, std, low, high, size):
    """Normal values clipped to a range."""
    return np.clip(rng.normal(mean, std, size), low, high)


def draw_people(rng: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Draws what does not change from picture to picture of a person; lengths in mm."""
    n = count
    tone = rng.uniform(0, 2, n) ** 1.0
    low, part = np.floor(np.minimum(tone, 1.999)).astype(int), tone % 1
    skin = _MELANIN[low] * (1 - part[:, None]) + _MELANIN[low + 1] * part[:, None]
    dark = np.where(tone > 1.2, 1.0, 0.0)
    kind = rng.choice(6, n, p=_IRIS_SHARE)
    kind = np.where(dark > 0, np.minimum(kind, 1), kind)
    iris = _IRIS[kind] * rng.uniform(0.8, 1.2, (n, 1))
    white = rng.uniform(0.62, 0.78, (n, 1)) * np.array([1.0, 0.96, 0.93])
    hair = np.array([0.035, 0.025, 0.02]) * rng.uniform(0.5, 2.0, (n, 1))
    return {
        "skin": skin,
        "iris": iris,
        "sclera": white,
        "hair": hair,
        "iris_radius": _cut(rng, 5.75, 0.15, 5.45, 6.05, n),
        "limbus": rng.uniform(0.35, 0.8, n),
        "iris_waves": rng.uniform(0, 2 * np.pi, (n, 3)),
        "eyeball": np.stack(
            [rng.normal(0.0, 0.5, n), rng.normal(-0.4, 0.4, n), rng.normal(5.0, 0.4, n)], -1
        ),
        "upper": _cut(rng, 5.2, 0.6, 3.8, 6.6, n),
        "lower": _cut(rng, 4.4, 0.5, 3.3, 5.6, n),
        "half_width": _cut(rng, 14.6, 0.8, 13, 16.5, n),
        "tilt": rng.normal(1.2, 0.6, n),
        "round_upper": rng.uniform(0.15, 0.6, n),
        "round_lower": rng.uniform(0.0, 0.45, n),
        "skew_upper": rng.uniform(-0.3, 0.15, n),
        "skew_lower": rng.uniform(-0.05, 0.35, n),
        "crease": rng.uniform(1.8, 4.5, n),
        "crease_depth": np.where(rng.uniform(size=n) < 0.15, 0.1, rng.uniform(0.35, 1.0, n)),
        "bag": rng.uniform(0, 0.8, n),
        "liner": rng.uniform(0.55, 0.95, n),
        "lashes": rng.uniform(0.2, 0.9, n),
        "lash_length": rng.uniform(2.0, 5.0, n),
        "brow_height": _cut(rng, 15.5, 2.2, 11.5, 20, n),
        "brow_width": rng.uniform(1.6, 3.6, n),
        "brow": rng.uniform(0.4, 0.95, n),
    }


def _people(domain: str, split: str) -> dict[str, np.ndarray]:
    """The fixed cast of a domain and split; no two of them share a stream."""
    which = list(PEOPLE).index((domain, split))
    return draw_people(np.random.default_rng([7919, which]), PEOPLE[domain, split])


def draw_gaze(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(pitch, yaw) in radians of gaze and head of people in front of a laptop.

    The camera is above the screen, so they look down, on average by 10 degrees. Set once, by the look
    of unlabelled MPIIGaze pictures; both domains share it.
    """
    pitch = _cut(rng, -10, 7.5, -27, 7, count)
    yaw = _cut(rng, 0, 10.5, -24, 24, count)
    head_pitch = _cut(rng, 0.35 * pitch, 5, -20, 15, count)
    head_yaw = _cut(rng, 0.45 * yaw, 6, -22, 22, count)
    return np.radians(np.stack([pitch, yaw], -1)), np.radians(np.stack([head_pitch, head_yaw], -1))


def _draw_block(rng, people, domain: str, kappa) -> tuple[Pose, Look, dict[str, np.ndarray]]:
    """One block of pictures of random people: geometry, look, and labels known before rendering."""
    n = BLOCK
    who = rng.integers(len(people["upper"]), size=n)
    person = {name: value[who] for name, value in people.items()}
    gaze, head = draw_gaze(rng, n)
    gaze_vector = geometry.direction(gaze[:, 0], gaze[:, 1])
    axis = geometry.direction(gaze[:, 0] + np.radians(kappa[0]), gaze[:, 1] + np.radians(kappa[1]))
    rotation = geometry.head_rotation(head[:, 0], head[:, 1], np.radians(rng.normal(0, 2.5, n)))
    origin = np.stack(
        [rng.normal(0, 0.7, n), rng.normal(0, 0.7, n), DISTANCE * rng.normal(1, 0.03, n)], -1
    )
    down = np.einsum("nij,ni->nj", rotation, axis)[:, 1]  # sine of looking down in the head
    squint = np.clip(rng.normal(1.0, 0.13, n), 0.62, 1.25)
    person["upper"] = np.maximum(person["upper"] * squint - 8.5 * down, 0.6)
    person["lower"] = np.maximum(person["lower"] * (0.5 + 0.5 * squint) + 3.0 * down, 2.2)
    person["crease"] = person["crease"] * (1.0 + 1.6 * np.maximum(down, 0))
    person["eyeball"] = np.einsum("nij,nj->ni", rotation, person["eyeball"]) + origin

    side = rng.choice([-1, 1], n) * np.radians(rng.uniform(5, 80, n))
    height = np.radians(rng.uniform(-15, 55, n))
    light = -geometry.direction(-height, side)
    light = np.stack([light[:, 0], -np.sin(height), -np.cos(side) * np.cos(height)], -1)
    key = rng.uniform(0.25, 1.0, n)
    screen = geometry.direction(
        np.radians(rng.uniform(-25, 5, n)), np.radians(rng.normal(0, 12, n))
    )
    glints = np.stack([light, screen], 1)
    look = person | {
        "pupil_radius": rng.uniform(1.2, 2.6, n),
        "light": light,
        "key": key,
        "ambient": rng.uniform(0.15, 0.5, n),
        "shade": rng.uniform(0.0, 0.9, n) * np.abs(np.sin(side)),
        "shade_edge": rng.normal(4, 6, n),
        "glints": glints,
        "glint": np.stack([key * rng.uniform(0, 1.2, n), rng.choice([0, 0.15, 0.5], n)], 1),
        "glint_size": np.stack([rng.uniform(0.05, 0.15, n), rng.uniform(0.1, 0.25, n)], 1),
        "mottle": np.full(n, 0.02),
        "pores": np.full(n, 0.01),
        "veins": np.full(n, 0.02),
    }
    pose = person | {"head": rotation, "origin": origin, "axis": axis}
    labels = {
        "gaze": gaze_vector,
        "head_pose": _head_angles(rotation),
        "participant": who,
    }
    return _floats(Pose, pose), _floats(Look, look), labels


def _head_angles(rotation):
    """(pitch, yaw) as MPIIGaze defines them on the third column of the head's rotation."""
    return geometry.angles(-rotation[:, :, 2])


def _floats(kind, values: dict[str, np.ndarray]):
    return kind(**{f.name: np.asarray(values[f.name], np.float32) for f in fields(kind)})


def point_labels(pose: Pose, look: Look, height: int, width: int) -> dict[str, np.ndarray]:
    """Pixel labels of what the camera sees: `pupil`, `iris_ellipse`, `lid`."""
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False, dtype=np.float32)

    def circle(radius):
        ring = radius[:, None] * np.cos(turn), radius[:, None] * np.sin(turn)
        return geometry.to_pixels(*geometry.see_iris_point(*ring, pose), height, width)

    lid, _ = geometry.lid_points(pose)
    return {
        "pupil": circle(look.pupil_radius).mean(axis=1),
        "iris_ellipse": geometry.ellipse(circle(look.iris_radius)),
        "lid": geometry.to_pixels(
            lid[..., 0] / lid[..., 2], lid[..., 1] / lid[..., 2], height, width
        ),
    }


def load(
    domain: str = "simulator",
    split: str = "train",
    count: int = 8000,
    seed: int = 0,
    height: int = 35,
    width: int = 55,
    channels: int = 1,
    kappa: tuple[float, float] = (0.0, 0.0),
) -> Arrays:
    """Renders labelled eyes. Picture i depends on everything here but `count`.

    Args:
        domain: "simulator", clean computer graphics, or "camera", which stands for photographs.
        split: "train" or "test"; no person is in both.
        count: number of pictures.
        seed: of poses and light; the people are always the same.
        height: px.
        width: px; sets the scale, 55 px being MPIIGaze's 1.6 px/mm.
        channels: 1 (grey) or 3 (RGB).
        kappa: (pitch, yaw) in degrees from the gaze to the optical axis of the eye. About
            (-2.5, -5.8) in people; 0 by default, since no refiner that preserves labels can undo it.

    Returns:
        uint8 images and the labels gaze, head_pose, pupil, iris_ellipse, lid, iris_mask, participant.

    Raises:
        UserError: a value that is out of range.
    """
    if (domain, split) not in PEOPLE:
        raise UserError(
            f"procedural_eyes: domain {domain!r}, split {split!r}; there are domains simulator and "
            "camera, splits train and test"
        )
    if channels not in (1, 3):
        raise UserError(f"procedural_eyes: channels is {channels}; 1 (grey) and 3 (RGB) exist")
    if count < 1 or min(height, width) < 8:
        raise UserError(
            f"procedural_eyes: {count} images of {height}x{width}; needs at least 1 of 8x8"
        )
    people = _people(domain, split)
    stream = list(PEOPLE).index((domain, split))
    starts = range(0, count, BLOCK)

    def block(start: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng([seed, stream, start // BLOCK])
        pose, look, labels = _draw_block(rng, people, domain, kappa)
        light, mask = render(pose, look, rng, height, width, channels)
        if domain == "camera":
            images = camera.photograph(light, labels["participant"], rng)
        else:
            images = camera.tone_map(light)
        labels |= point_labels(pose, look, height, width)
        labels["iris_mask"] = np.round(mask * 255).astype(np.uint8)
        return images, labels

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(block, starts))
    kinds = {"participant": np.int32, "iris_mask": np.uint8}
    labels = {
        name: np.concatenate([b[1][name] for b in blocks])[:count].astype(
            kinds.get(name, np.float32), copy=False
        )
        for name in blocks[0][1]
    }
    return Arrays(np.concatenate([b[0] for b in blocks])[:count], labels)
