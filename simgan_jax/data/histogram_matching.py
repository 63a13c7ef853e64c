"""Grey values (or colours) of another set: renderings as bright and contrasty as photographs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError


def load(images: Mapping[str, Any], like: Mapping[str, Any], seed: int = 0) -> Arrays:
    """The rows of one set, each image with the histogram of one of the other's, drawn at random.

    What can be had without a network: brightness and contrast. A refiner that starts from it has
    shapes, blur and noise left to learn, and moves labels less. It then refines matched images: match
    yours before (`match_histograms`).

    Args:
        images: a spec as `simgan_jax.data.load` takes it.
        like: another, whose labels are not looked at; of the same type and number of channels.
        seed: of the draw.

    Raises:
        UserError: types or channels differ, or what a set says of its files.
    """
    from simgan_jax.data import load as load_one  # which imports this module by name

    ours, theirs = load_one(images), load_one(like).images
    kinds = [(x.dtype, x.shape[-1]) for x in (ours.images, theirs)]
    if kinds[0] != kinds[1]:
        texts = [f"{channels} channel(s) of {dtype}" for dtype, channels in kinds]
        raise UserError(f"data source matched: images have {texts[0]}, like has {texts[1]}")
    return Arrays(match_histograms(ours.images, theirs, seed), ours.labels)


def match_histograms(
    images: Shaped[np.ndarray, "n h w c"], like: Shaped[np.ndarray, "m h2 w2 c"], seed: int = 0
) -> Shaped[np.ndarray, "n h w c"]:
    """Gives every image, channel by channel, the values of an image of `like` drawn at random.

    Ranks of pixels stay: the darkest pixel gets the darkest value, and so on. Where all of `like` have
    been equalised, this is histogram equalisation.

    Args:
        images: of any type.
        like: of the same type and number of channels.
        seed: of the draw.
    """
    result = np.empty_like(images)
    drawn = np.random.default_rng(seed).integers(len(like), size=len(images))
    for i, k in enumerate(drawn):
        for c in range(images.shape[-1]):
            _, place, counts = np.unique(images[i, ..., c], return_inverse=True, return_counts=True)
            share = (np.cumsum(counts) - counts / 2) / counts.sum()
            values = np.quantile(like[k, ..., c], share, method="nearest")
            result[i, ..., c] = values[place].reshape(images.shape[1:3])
    return result
