"""The embedded eye simulator and its stand-in for real photographs, with exact labels."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw
from scipy.ndimage import distance_transform_edt

from simgan_jax.data import histogram_matching
from simgan_jax.data.arrays import Arrays
from simgan_jax.data.procedural import camera
from simgan_jax.data.procedural import eye_geometry as geometry
from simgan_jax.data.procedural.drawn import drawn
from simgan_jax.data.procedural.eye_geometry import Pose, View
from simgan_jax.data.procedural.eye_look import Look
from simgan_jax.data.procedural.eye_render import render
from simgan_jax.data.procedural.eye_scene import DISTRIBUTIONS, draw_people, draw_scene
from simgan_jax.data.procedural.face_geometry import lid_points
from simgan_jax.data.procedural.spread import Spread, changed
from simgan_jax.errors import UserError

# Pictures are made in blocks, each with its own random stream: picture i is the same whatever
# `count` is, and blocks can be made in any order.
BLOCK = 32
PEOPLE = {
    ("simulator", "train"): 200,
    ("simulator", "test"): 50,
    ("camera", "train"): 40,
    ("camera", "test"): 20,
}


# Pixels at a width of 55; an estimator reads gaze from the iris between the lids' edges and corners.
EYE_MARGIN = 2.0


def cast(
    domain: str, split: str, spread: Mapping[str, Spread] = DISTRIBUTIONS
) -> dict[str, np.ndarray]:
    """The fixed cast of a domain and split; no two of them share a stream."""
    which = list(PEOPLE).index((domain, split))
    return draw_people(np.random.default_rng([7919, which]), PEOPLE[domain, split], spread)


def point_labels(pose: Pose, look: Look, view: View) -> dict[str, np.ndarray]:
    """Pixel labels of what the camera sees: `pupil`, `iris_ellipse`, `lid`."""
    lid = lid_points(pose)
    return {
        "pupil": view.project(*geometry.see_circle(look.pupil_radius, pose)).mean(axis=1),
        "iris_ellipse": geometry.ellipse(
            view.project(*geometry.see_circle(look.iris_radius, pose))
        ),
        "lid": view.project(lid[..., 0] / lid[..., 2], lid[..., 1] / lid[..., 2]),
    }


def eye_mask(lid: Float[np.ndarray, "k 2"], height: int, width: int) -> UInt8[np.ndarray, "h w"]:
    """255 between the lids and up to `EYE_MARGIN` beyond their edge, 0 elsewhere.

    Args:
        lid: (x, y) of points along the lids' edge, pixels.
        height: of the image.
        width: of the image.
    """
    picture = Image.new("L", (width, height))
    ImageDraw.Draw(picture).polygon([(float(x), float(y)) for x, y in lid], fill=1)
    away = distance_transform_edt(np.asarray(picture) == 0)
    return 255 * (away <= EYE_MARGIN * width / 55).astype(np.uint8)


def load(
    domain: str = "simulator",
    split: str = "train",
    count: int = 8000,
    seed: int = 0,
    height: int = 35,
    width: int = 55,
    channels: int = 1,
    kappa: tuple[float, float] = (0.0, 0.0),
    travel: tuple[float, float] = (1.0, 1.0),
    equalized: bool = False,
    photographed: bool = False,
    distributions: Mapping[str, Any] | None = None,
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
        travel: (pitch, yaw) turns of the eye as shares of the gaze. 1 is an eyeball; less where labels
            say more than eyes do, as of targets that people followed with their heads, too.
        equalized: whether the simulator's pictures get the histogram equalisation that the camera's
            always have (MPIIGaze's): the least that is done to synthetic images before training.
        photographed: whether the simulator's people and poses are lit and photographed as the camera's
            are: what a refiner that changes looks alone could make of its pictures at best.
        distributions: what to change in `DISTRIBUTIONS` (poses, framing, sizes), such as
            {"pitch": {"mean": 0, "low": -15, "high": 15}, "yaw": {"std": None},
            "head_yaw": {"follow": 0, "mean": (-15, 0, 15), "std": 1}}; `Spread` says what the words
            mean. The rest of a picture stays as it is.

    Returns:
        uint8 images and the labels gaze, head_pose, pupil, iris_ellipse, lid, participant; iris_mask,
        255 on the visible iris, and eye_mask, 255 between the lids and just around them.

    Raises:
        UserError: a value that is out of range.
    """
    arguments = dict(locals())  # whatever there is to set decides what is drawn
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
    view = View.crop(height, width)
    spread = changed(DISTRIBUTIONS, distributions, "procedural_eyes: distributions")
    people = cast(domain, split, spread)
    stream = list(PEOPLE).index((domain, split))
    photo = photographed or domain == "camera"
    look_of = "camera" if photo else domain
    starts = range(0, count, BLOCK)

    def block(start: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        rng = np.random.default_rng([seed, stream, start // BLOCK])
        who = rng.integers(len(people["upper"]), size=BLOCK)
        person = {name: value[who] for name, value in people.items()}
        pose, look, labels = draw_scene(rng, person, look_of, kappa, spread, travel)
        light, mask = render(pose, look, view, channels, rng)
        images = camera.photograph(light, who, rng) if photo else camera.tone_map(light)
        if equalized and not photo:
            images = np.stack([histogram_matching.equalized(image) for image in images])
        labels |= point_labels(pose, look, view) | {"participant": who}
        labels["iris_mask"] = np.round(mask * 255).astype(np.uint8)
        labels["eye_mask"] = np.stack([eye_mask(lid, height, width) for lid in labels["lid"]])
        return images, labels

    def draw() -> Arrays:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            blocks = list(pool.map(block, starts))
        kinds = {"participant": np.int32, "iris_mask": np.uint8, "eye_mask": np.uint8}
        labels = {
            name: np.concatenate([b[1][name] for b in blocks])[:count].astype(
                kinds.get(name, np.float32), copy=False
            )
            for name in blocks[0][1]
        }
        return Arrays(np.concatenate([b[0] for b in blocks])[:count], labels)

    return drawn("eyes", count, arguments | {"distributions": spread}, draw)
