"""The history of refined images (section 2.3 of the paper): pure functions over one array."""

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int, Key, Shaped

from simgan_jax.ranges import from_unit, to_unit
from simgan_jax.shuffle import permute


@struct.dataclass
class History:
    """A buffer of earlier refined images.

    Attributes:
        images: [B, H, W, C], stored in the dtype of the data (uint8 or uint16), full range: as precise
            as a refined image that is written to disk, at a quarter or half of float32's memory.
        count: int32 [], filled entries; entries from `count` on are zero and never drawn.
    """

    images: Shaped[Array, "B h w c"]
    count: Int[Array, ""]


def init(size: int, shape: tuple[int, int, int], dtype: np.dtype) -> History:
    """An empty history of `size` images of the given [H, W, C] shape."""
    return History(images=jnp.zeros((size, *shape), dtype), count=jnp.zeros((), jnp.int32))


def can_sample(history: History, number: int) -> Bool[Array, ""]:
    """Whether `number` distinct entries are there to be drawn."""
    return history.count >= number


def sample(history: History, key: Key[Array, ""], number: int) -> Float[Array, "number h w c"]:
    """Draws distinct entries, each filled entry equally likely.

    Costs the same for any buffer size. Meaningful only where `can_sample`; before, entries repeat or
    are empty.

    Args:
        history: the buffer.
        key: decides the draw.
        number: entries to draw, at most the buffer's size.

    Returns:
        Images in [-1, 1].
    """
    drawn = permute(key, _positions(history, number), jnp.maximum(history.count, 1))
    return to_unit(history.images[drawn])


def replace(history: History, key: Key[Array, ""], images: Float[Array, "n h w c"]) -> History:
    """Puts new refined images in: appended while the buffer fills, then over distinct random entries.

    When the free entries are fewer than the images, the rest goes over the oldest entries.

    Args:
        history: the buffer, at least as large as the number of images.
        key: decides which entries of a full buffer go.
        images: [-1, 1].
    """
    size, number = len(history.images), len(images)
    appended = (history.count + jnp.arange(number, dtype=jnp.int32)) % size
    random = permute(key, jnp.arange(number, dtype=jnp.int32), size)
    slots = jnp.where(history.count < size, appended, random)
    stored = from_unit(images, history.images.dtype)
    return History(
        images=history.images.at[slots].set(stored, unique_indices=True),
        count=jnp.minimum(history.count + number, size),
    )


def _positions(history: History, number: int) -> Int[Array, "number"]:
    """0..number-1, wrapped into the filled part so that every position is valid for `permute`."""
    return jnp.arange(number, dtype=jnp.int32) % jnp.maximum(history.count, 1)
