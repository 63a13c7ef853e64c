"""Random rotations and crops of depth images, their joints moving along."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


class Strength(NamedTuple):
    """Limits of the random changes; one that is 0 does nothing.

    Attributes:
        rotation: largest turn in the image plane, degrees (paper: 20).
        zoom: the crop's side is 1 - zoom to 1 + zoom of the image's.
        shift: largest move of the crop along each axis, as a share of the image's side.
    """

    rotation: float = 20.0
    zoom: float = 0.1
    shift: float = 0.05


PAPER = Strength()


def augment(
    key: Key[Array, ""],
    images: Float[Array, "b h w c"],
    joints: Float[Array, "b j d"],
    strength: Strength = PAPER,
) -> tuple[Float[Array, "b h w c"], Float[Array, "b j d"]]:
    """Turns and crops every image in its own way; image i depends on the key and on i alone.

    Args:
        key: of the batch.
        images: depth in [-1, 1], 1 the background.
        joints: (u, v) in pixels; further columns (depth) pass unchanged.
        strength: static limits.

    Returns:
        Images and joints in the new crop; joints may fall outside of it.
    """
    low = jnp.array([-strength.rotation, 1 - strength.zoom, -strength.shift, -strength.shift])
    high = jnp.array([strength.rotation, 1 + strength.zoom, strength.shift, strength.shift])

    def draw(i):
        return jax.random.uniform(jax.random.fold_in(key, i), (4,), minval=low, maxval=high)

    angle, zoom, across, down = jax.vmap(draw)(jnp.arange(len(images))).T
    height, width = images.shape[1:3]
    shift = jnp.stack([across * width, down * height], -1)
    return transform(images, joints, jnp.radians(angle), zoom, shift)


def transform(
    images: Float[Array, "b h w c"],
    joints: Float[Array, "b j d"],
    angle: Float[Array, "b"],
    zoom: Float[Array, "b"],
    shift: Float[Array, "b 2"],
) -> tuple[Float[Array, "b h w c"], Float[Array, "b j d"]]:
    """Cuts a turned, scaled and moved crop out of every image and resamples it to the same size.

    A pixel takes the nearest pixel's value: between a finger and the background there is no depth to
    interpolate. Depth itself does not change, as if the camera had been turned about its own axis.

    Args:
        images: depth in [-1, 1], 1 the background, which also fills what was outside the image.
        joints: (u, v, ...) in pixels.
        angle: radians by which the content turns, from the x axis to the y axis (clockwise).
        zoom: side of the crop relative to the image's; above 1 the content shrinks.
        shift: (x, y) of the crop's centre from the image's centre, pixels.
    """
    height, width = images.shape[1:3]
    middle = jnp.array([(width - 1) / 2, (height - 1) / 2])
    cos, sin = jnp.cos(angle)[:, None], jnp.sin(angle)[:, None]

    # Elementwise instead of matrix products, which accelerators round to few digits.
    v, u = jnp.divmod(jnp.arange(height * width), width)
    x, y = u - middle[0], v - middle[1]
    source_u = zoom[:, None] * (cos * x + sin * y) + shift[:, :1] + middle[0]
    source_v = zoom[:, None] * (cos * y - sin * x) + shift[:, 1:] + middle[1]

    column, row = jnp.rint(source_u).astype(int), jnp.rint(source_v).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    pixels = images.reshape(len(images), height * width, -1)
    taken = jnp.take_along_axis(pixels, jnp.where(inside, row * width + column, 0)[..., None], 1)
    moved = jnp.where(inside[..., None], taken, 1.0).reshape(images.shape)

    x, y = jnp.moveaxis((joints[..., :2] - middle - shift[:, None]) / zoom[:, None, None], -1, 0)
    turned = jnp.stack([cos * x - sin * y, sin * x + cos * y], -1) + middle
    return moved, jnp.concatenate([turned, joints[..., 2:]], -1)
