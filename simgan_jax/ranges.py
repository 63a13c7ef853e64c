"""Images: integer files and arrays outside, [-1, 1] floats inside."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped


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
