"""Random photometry and small shifts: what an estimator is trained on to see past appearance."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key

# Three standard deviations of the widest blur.
BLUR_RADIUS = 4


class Strength(NamedTuple):
    """Limits of the random changes; one that is 0 (or gamma 1) does nothing.

    Chosen to span what webcams and rooms do to a 35 x 55 eye, before any result was seen.

    Attributes:
        shift: largest move in whole pixels along each axis.
        gamma: tone curve x^g on [0, 1], g from 1/gamma to gamma.
        contrast: gain from 1 - contrast to 1 + contrast around mid-grey.
        brightness: offset, at most, on the [-1, 1] scale.
        gradient: largest difference of light between the centre and a border, on the [-1, 1] scale.
        blur: largest standard deviation of a Gaussian blur in pixels.
        noise: largest standard deviation of white noise on the [-1, 1] scale.
    """

    shift: int = 2
    gamma: float = 1.6
    contrast: float = 0.4
    brightness: float = 0.3
    gradient: float = 0.4
    blur: float = 1.3
    noise: float = 0.12


DEFAULT = Strength()


def augment(
    key: Key[Array, ""], images: Float[Array, "b h w c"], strength: Strength = DEFAULT
) -> tuple[Float[Array, "b h w c"], Int[Array, "b 2"]]:
    """Changes every image in its own way; image i depends on the key and on i alone.

    Args:
        key: of the batch.
        images: [-1, 1].
        strength: static limits.

    Returns:
        Images in [-1, 1], and by how many pixels (x right, y down) the content of each has moved.
    """
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(len(images)))
    return jax.vmap(lambda key, image: _augment_one(key, image, strength))(keys, images)


def blur(image: Float[Array, "h w c"], sigma: Float[Array, ""] | float) -> Float[Array, "h w c"]:
    """Gaussian blur of `sigma` pixels, at most 1.3; borders are repeated. Sums, not convolutions.

    Args:
        image: any range.
        sigma: may be traced and 0.
    """
    taps = jnp.arange(-BLUR_RADIUS, BLUR_RADIUS + 1)
    weights = jax.nn.softmax(-0.5 * (taps / jnp.maximum(sigma, 1e-2)) ** 2)
    for axis in (0, 1):
        pads = [(BLUR_RADIUS, BLUR_RADIUS) if i == axis else (0, 0) for i in range(3)]
        padded = jnp.pad(image, pads, mode="edge")
        size = image.shape[axis]
        image = sum(
            weights[i] * lax.slice_in_dim(padded, i, i + size, axis=axis)
            for i in range(2 * BLUR_RADIUS + 1)
        )
    return image


def light_gradient(slope: Float[Array, "2"], height: int, width: int) -> Float[Array, "h w 1"]:
    """A plane of light, 0 at the centre, slope (x, y) at the right and the lower border."""
    x = jnp.linspace(-1, 1, width)
    y = jnp.linspace(-1, 1, height)
    return (slope[0] * x[None, :] + slope[1] * y[:, None])[..., None]


def _augment_one(key, image, strength):
    names = ("shift", "gamma", "contrast", "brightness", "gradient", "blur", "noise", "grain")
    keys = dict(zip(names, jax.random.split(key, len(names)), strict=True))

    def uniform(name, low, high, shape=()):
        return jax.random.uniform(keys[name], shape, minval=low, maxval=high)

    moved = jax.random.randint(keys["shift"], (2,), -strength.shift, strength.shift + 1)
    image = _move(image, moved, strength.shift)
    gamma = strength.gamma ** uniform("gamma", -1, 1)
    image = 2 * ((image.clip(-1, 1) + 1) / 2 + 1e-6) ** gamma - 1
    image = (1 + uniform("contrast", -strength.contrast, strength.contrast)) * image
    image += uniform("brightness", -strength.brightness, strength.brightness)
    slope = uniform("gradient", -strength.gradient, strength.gradient, (2,))
    image += light_gradient(slope, *image.shape[:2])
    image = blur(image, uniform("blur", 0, strength.blur))
    image += uniform("noise", 0, strength.noise) * jax.random.normal(keys["grain"], image.shape)
    return image.clip(-1, 1), moved


def _move(image, moved, limit):
    """Moves the content by (x, y) pixels, each within the limit; borders are repeated."""
    padded = jnp.pad(image, ((limit, limit), (limit, limit), (0, 0)), mode="edge")
    return lax.dynamic_slice(padded, (limit - moved[1], limit - moved[0], 0), image.shape)
