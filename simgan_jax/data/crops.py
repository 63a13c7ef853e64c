"""Random crops of unlabelled images, so that a discriminator learns nothing from where things lie."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError


def load(
    images: Mapping[str, Any], height: int, width: int, copies: int = 1, seed: int = 0
) -> Arrays:
    """Windows of a set's images, each at a place of its own.

    Photographs of one person, or by one camera, show things at nearly the same place. A discriminator
    that sees the border knows places; to please it, a refiner moves what the label describes.

    Args:
        images: a spec as `simgan_jax.data.load` takes it, of larger images.
        height: of a window, pixels.
        width: of a window, pixels.
        copies: windows an image.
        seed: of the places.

    Returns:
        uint8 or uint16 [copies * N, height, width, C], without labels, which a window would make wrong.

    Raises:
        UserError: the window is larger than the images, or what the set says of its files.
    """
    from simgan_jax.data import load as load_one  # which imports this module by name

    whole = load_one(images).images
    room = np.array(whole.shape[1:3]) - (height, width)
    if (room < 0).any():
        raise UserError(
            f"data source crops: {height}x{width} windows of {whole.shape[1]}x{whole.shape[2]} images"
        )
    rng = np.random.default_rng(seed)
    windows = np.lib.stride_tricks.sliding_window_view(whole, (height, width), axis=(1, 2))
    parts = []
    for _ in range(copies):
        top, left = rng.integers(room + 1, size=(len(whole), 2)).T
        parts.append(windows[np.arange(len(whole)), top, left])
    return Arrays(np.moveaxis(np.concatenate(parts), 1, -1), {})
