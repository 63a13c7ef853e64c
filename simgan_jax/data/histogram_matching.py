"""Grey values (or colours) of another set: renderings as bright and contrasty as photographs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError


def load(images: Mapping[str, Any], like: Mapping[str, Any], seed: int = 0) -> Arrays:
    """The rows of one set, each image with the histogram of one of the other's, drawn at random.

    What can be had without a network: brightness and contrast. A run with
    `config.data.histogram_matching` does the same before it refines, and needs no such set.

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
    drawn = np.random.default_rng(seed).integers(len(like), size=len(images))
    return match(images, np.sort(like.reshape(len(like), -1, like.shape[-1]), axis=1), drawn)


def equalized(image: UInt8[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Histogram equalisation of a grey image, the last step of MPIIGaze's normalisation.

    Levels are spread over 0..255 so that each is about equally frequent; an even image becomes black.
    """
    below = np.bincount(image.ravel(), minlength=256).cumsum()
    first = below[image.min()]
    curve = (below - first) * (255 / max(1, image.size - first))
    return np.round(curve).clip(0, 255).astype(np.uint8)[image]


def histograms(
    images: Shaped[np.ndarray, "m h w c"], kept: int, levels: int, seed: int = 0
) -> Shaped[np.ndarray, "{kept} {levels} c"]:
    """What `match` needs of a set: sorted values of images drawn at random, at equal steps of rank.

    Args:
        images: of any number and type.
        kept: how many are drawn; where there are fewer, some twice.
        levels: values of each.
        seed: of the draw.
    """
    drawn = np.resize(np.random.default_rng(seed).permutation(len(images)), kept)
    values = np.sort(images[drawn].reshape(kept, -1, images.shape[-1]), axis=1)
    ranks = (np.arange(levels) + 0.5) / levels * values.shape[1]
    return values[:, ranks.astype(int)]


def match(
    images: Shaped[np.ndarray, "n h w c"],
    histograms: Shaped[np.ndarray, "k v c"],
    drawn: Int[np.ndarray, "n"],
) -> Shaped[np.ndarray, "n h w c"]:
    """Gives every image, channel by channel, the values of a histogram; ranks of pixels stay.

    Args:
        images: of any type.
        histograms: sorted values, of the same type and number of channels.
        drawn: which of them each image gets.
    """
    result = np.empty_like(images)
    for i, k in enumerate(drawn):
        for channel in range(images.shape[-1]):
            result[i, ..., channel] = _match(images[i, ..., channel], histograms[k, :, channel])
    return result


def _match(image: Shaped[np.ndarray, "h w"], wanted: Shaped[np.ndarray, "k"]) -> np.ndarray:
    """The image with the sorted values that are wanted, each value at the middle of its ranks."""
    if image.dtype == np.uint8:  # a table of all values, ten times as fast
        counts, place = np.bincount(image.ravel(), minlength=256), image
    else:
        _, place, counts = np.unique(image, return_inverse=True, return_counts=True)
    share = (np.cumsum(counts) - counts / 2) / image.size
    nearest = np.rint(share * (len(wanted) - 1)).astype(int)
    return wanted[nearest.clip(0, len(wanted) - 1)][place].reshape(image.shape)
