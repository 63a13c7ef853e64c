"""Fourier domain adaptation (Yang and Soatto, CVPR 2020): the large-scale light of another set."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data.arrays import Arrays
from simgan_jax.errors import UserError

BETA = 0.05  # the middle one of the paper's 0.01, 0.05, 0.09; a small image has no waves below 0.01


def load(
    images: Mapping[str, Any], like: Mapping[str, Any], beta: float = BETA, seed: int = 0
) -> Arrays:
    """The rows of one set, each with the low frequencies of one of the other's, drawn at random.

    What can be had without a network, like "matched": brightness, contrast and shading at large. A
    refiner that starts from it then refines such images: adapt yours before (`adapt`).

    Args:
        images: a spec as `simgan_jax.data.load` takes it.
        like: another, whose labels are not looked at; of the same size, type and number of channels.
        beta: how fine the waves are whose strength is taken over, cycles per pixel.
        seed: of the draw.

    Raises:
        UserError: images that do not fit together, a beta that does not exist, or what a set says of
            its files.
    """
    from simgan_jax.data import load as load_one  # which imports this module by name

    if isinstance(beta, bool) or not isinstance(beta, (int, float)) or not 0 <= beta <= 0.5:
        raise UserError(f"data source fda: beta is {beta!r}; expected 0 to 0.5 cycles per pixel")
    ours, theirs = load_one(images), load_one(like).images
    kinds = [f"{'x'.join(map(str, x.shape[1:]))} {x.dtype}" for x in (ours.images, theirs)]
    if kinds[0] != kinds[1]:
        raise UserError(
            f"data source fda: images are {kinds[0]}, like is {kinds[1]} (height x width x channels)"
        )
    return Arrays(adapt(ours.images, theirs, beta, seed), ours.labels)


def adapt(
    images: Shaped[np.ndarray, "n h w c"],
    like: Shaped[np.ndarray, "m h w c"],
    beta: float = BETA,
    seed: int = 0,
) -> Shaped[np.ndarray, "n h w c"]:
    """Gives every image, channel by channel, the low-frequency amplitudes of an image of `like`.

    Equation 3 of the paper: inside the window |frequency| <= beta along both axes the amplitude is the
    other image's; phases, which carry shapes and places, and all finer waves stay.

    Args:
        images: uint8 or uint16.
        like: of the same size and type, one drawn at random for every image.
        beta: 0 (the mean alone) to 0.5 (every wave), cycles per pixel.
        seed: of the draw.
    """
    height, width = images.shape[1:3]
    low = (np.abs(np.fft.fftfreq(height))[:, None] <= beta) & (np.fft.rfftfreq(width) <= beta)
    most = np.iinfo(images.dtype).max
    result = np.empty_like(images)
    drawn = np.random.default_rng(seed).integers(len(like), size=len(images))
    for i, k in enumerate(drawn):
        own = np.fft.rfft2(images[i], axes=(0, 1))
        amplitude = np.abs(own)
        wanted = np.abs(np.fft.rfft2(like[k], axes=(0, 1)))
        # A wave that is nothing but rounding errors has no phase to keep.
        known = low[..., None] & (amplitude > 1e-9 * most)
        own *= np.divide(wanted, amplitude, out=np.ones_like(amplitude), where=known)
        own[0, 0] = wanted[0, 0]  # also of a black image
        adapted = np.fft.irfft2(own, s=(height, width), axes=(0, 1))
        result[i] = np.clip(np.rint(adapted), 0, most)
    return result
