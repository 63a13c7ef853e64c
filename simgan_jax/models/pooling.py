"""Max pooling with a gradient that is fast on a CPU."""

from functools import reduce

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def max_pool(
    x: Float[Array, "b h w f"], window: int, stride: int, padding: str = "VALID"
) -> Float[Array, "b h2 w2 f"]:
    """Largest value of every square window, `flax.linen.max_pool` by rows and then by columns.

    XLA's gradient of its own pooling looks through every window for the largest value, which took more
    time than the convolutions beside it. Where several values are the largest, they share the gradient.

    Args:
        x: maps of features.
        window: side, pixels.
        stride: pixels from a window to the next.
        padding: "VALID", or "SAME": one window for every `stride` pixels, cut off at the border.
    """
    for axis in (1, 2):
        amounts = lax.padtype_to_pads((x.shape[axis],), (window,), (stride,), padding)
        pads = [(0, 0, 0)] * x.ndim
        pads[axis] = (*amounts[0], 0)
        x = lax.pad(x, jnp.array(-jnp.inf, x.dtype), pads)
        last = (x.shape[axis] - window) // stride * stride
        shifted = [lax.slice_in_dim(x, i, i + last + 1, stride, axis) for i in range(window)]
        x = reduce(jnp.maximum, shifted)
    return x
