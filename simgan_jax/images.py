"""Images: integer files and arrays outside, [-1, 1] floats inside."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from simgan_jax.image_files import write_image

__all__ = ["from_unit", "grid", "match_histograms", "to_unit", "write_image"]

# An image of a grid is enlarged by a whole factor up to about this many pixels in width.
GRID_WIDTH = 192


def to_unit(images: Shaped[Array, "..."]) -> Float[Array, "..."]:
    """Maps the full range of an integer image to [-1, 1]; floats pass unchanged.

    Args:
        images: uint8 (0..255), uint16 (0..65535), or floats that are in [-1, 1] already.

    Returns:
        float32 (or the given floating type) in [-1, 1], by x / half - 1 with half = 127.5 or 32767.5.
    """
    if jnp.issubdtype(images.dtype, jnp.floating):
        return images
    half = np.float32(np.iinfo(images.dtype).max / 2)
    return images.astype(jnp.float32) / half - 1


def from_unit(images: Float[Array, "..."], dtype: np.dtype) -> Shaped[Array, "..."]:
    """Inverse of `to_unit` up to rounding: [-1, 1] to the full range of `dtype`, never stretched.

    Args:
        images: floats; values outside [-1, 1] are clipped.
        dtype: uint8, uint16, or a floating type (then a plain cast).
    """
    if jnp.issubdtype(dtype, jnp.floating):
        return images.astype(dtype)
    half = np.float32(np.iinfo(dtype).max / 2)
    return ((images.clip(-1, 1) + 1) * half).round().astype(dtype)


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


def grid(
    images: Shaped[Array, "rows columns h w c"], gap: int = 2, scale: int | None = None
) -> Shaped[np.ndarray, "height width c"]:
    """One picture of rows and columns of images, their values unchanged, on white.

    Args:
        images: uint8, uint16, or floats in [-1, 1] (which become uint8).
        gap: pixels between images.
        scale: whole factor by which pixels are repeated; by default what suits a screen.
    """
    images = np.asarray(images)
    if not np.issubdtype(images.dtype, np.integer):
        images = from_unit(images, np.uint8)
    rows, columns, height, width, channels = images.shape
    scale = scale or max(1, GRID_WIDTH // width)
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    padded = np.pad(
        images,
        ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)),
        constant_values=np.iinfo(images.dtype).max,
    )
    picture = padded.transpose(0, 2, 1, 3, 4).reshape(
        rows * (height * scale + gap), columns * (width * scale + gap), channels
    )
    return picture[: picture.shape[0] - gap, : picture.shape[1] - gap]
