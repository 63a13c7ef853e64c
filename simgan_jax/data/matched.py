"""A data set with the grey values (or colours) of another, such as renderings like photographs."""

from collections.abc import Mapping
from typing import Any

from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError
from simgan_jax.images import match_histograms


def load(images: Mapping[str, Any], like: Mapping[str, Any], seed: int = 0) -> Arrays:
    """The rows of one set, each image with the histogram of one of the other's, drawn at random.

    What can be had without a network: brightness and contrast. A refiner that starts from it has
    shapes, blur and noise left to learn, and moves labels less. It then refines matched images: match
    yours before (`simgan_jax.images.match_histograms`).

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
