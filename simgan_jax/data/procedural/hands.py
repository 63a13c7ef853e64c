"""The embedded hand: an articulated skeleton in a skin of rounded cones, seen as a depth image.

A right hand (`hand_geometry`) is posed and turned at random (`hand_scene`), set before a pinhole
camera and rendered exactly (`cones`). The "simulator" domain stops there. The "camera" domain has other
people, whole forearms and a structured-light sensor (`depth_camera`). Camera frame: x right, y down, z
away.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from simgan_jax.data.arrays import Arrays
from simgan_jax.data.depth import encode_depth
from simgan_jax.data.procedural import cones, depth_camera
from simgan_jax.data.procedural.drawn import drawn
from simgan_jax.data.procedural.hand_geometry import SCORED, Shape, flesh, skeleton
from simgan_jax.data.procedural.hand_scene import (
    DISTRIBUTIONS,
    DOMAINS,
    people,
    sample_angles,
    sample_views,
)
from simgan_jax.data.procedural.spread import Spread, changed, columns
from simgan_jax.errors import UserError

_DISTANCE_MM = (600, 1000)
_CROP_MM = 300.0

SPLITS = ("train", "test")
_TRAIN_SHARE = 3 / 4
_CHUNK = 32  # images that share one random generator: fewer images are the first of more


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
    arguments = dict(locals())  # whatever there is to set decides what is drawn
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

    def draw() -> Arrays:
        images, labels = [], []
        for chunk in range(-(-count // _CHUNK)):
            rng = np.random.default_rng([seed, DOMAINS.index(domain), SPLITS.index(split), chunk])
            who = rng.choice(known, _CHUNK)
            depth, label = _photograph(
                rng, everybody[who], height, width, domain == "camera", spread
            )
            images.append(encode_depth(depth, label["centre_mm"][:, None, None])[..., None])
            labels.append(label | {"participant": who.astype(np.int32)})
        joined = {name: np.concatenate([x[name] for x in labels])[:count] for name in labels[0]}
        return Arrays(np.concatenate(images)[:count], joined)

    return drawn("hands", count, arguments | {"distributions": spread}, draw)


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
    target = points[:, SCORED].mean(1, keepdims=True)
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
        "joints_uvd": uvd[:, SCORED],
        "skeleton_uvd": uvd,
        "hand_mask": 255 * in_cube.astype(np.uint8),
        "centre_mm": centre.astype(np.float32),
        "px_per_mm": np.full(count, width / _CROP_MM, np.float32),
    }
    return (depth_camera.sense(rng, depth, focal) if camera else depth), labels
