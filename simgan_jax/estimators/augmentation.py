"""Random changes of an estimator's training images: their appearance, and where the camera points."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Key


class Appearance(NamedTuple):
    """Limits of random changes of light and lens; one that is 0 (or gamma 1) does nothing.

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

    def times(self, strength: float) -> "Appearance":
        """The limits of changes that are so many times as strong, 0 to 2."""
        shift, gamma, *others = self
        return Appearance(
            round(strength * shift), gamma**strength, *(strength * limit for limit in others)
        )


class Framing(NamedTuple):
    """Limits of random turns and crops; one that is 0 does nothing.

    Attributes:
        rotation: largest turn in the image plane, degrees (paper: 20).
        zoom: the crop's side is 1 - zoom to 1 + zoom of the image's.
        shift: largest move of the crop along each axis, as a share of the image's side.
    """

    rotation: float = 20.0
    zoom: float = 0.1
    shift: float = 0.05

    def times(self, strength: float) -> "Framing":
        """The limits of changes that are so many times as strong, 0 to 2."""
        return Framing(*(strength * limit for limit in self))


APPEARANCE, FRAMING = Appearance(), Framing()


def vary_appearance(
    key: Key[Array, ""], images: Float[Array, "b h w c"], limits: Appearance = APPEARANCE
) -> tuple[Float[Array, "b h w c"], Int[Array, "b 2"]]:
    """Changes every image in its own way; image i depends on the key and on i alone.

    Args:
        key: of the batch.
        images: [-1, 1].
        limits: static.

    Returns:
        Images in [-1, 1], and by how many pixels (x right, y down) the content of each has moved.
    """
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(len(images)))
    return jax.vmap(lambda key, image: _vary_one(key, image, limits))(keys, images)


def vary_framing(
    key: Key[Array, ""],
    images: Float[Array, "b h w c"],
    joints: Float[Array, "b j d"],
    limits: Framing = FRAMING,
) -> tuple[Float[Array, "b h w c"], Float[Array, "b j d"]]:
    """Turns and crops every image in its own way; image i depends on the key and on i alone.

    Args:
        key: of the batch.
        images: depth in [-1, 1], 1 the background.
        joints: (u, v) in pixels; further columns (depth) pass unchanged.
        limits: static.

    Returns:
        Images and joints in the new crop; joints may fall outside of it.
    """
    low = jnp.array([-limits.rotation, 1 - limits.zoom, -limits.shift, -limits.shift])
    high = jnp.array([limits.rotation, 1 + limits.zoom, limits.shift, limits.shift])

    def draw(i):
        return jax.random.uniform(jax.random.fold_in(key, i), (4,), minval=low, maxval=high)

    angle, zoom, across, down = jax.vmap(draw)(jnp.arange(len(images))).T
    height, width = images.shape[1:3]
    shift = jnp.stack([across * width, down * height], -1)
    return reframe(images, joints, jnp.radians(angle), zoom, shift)


def reframe(
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


def blur(
    image: Float[Array, "h w c"],
    sigma: Float[Array, ""] | float,
    largest: float = APPEARANCE.blur,
) -> Float[Array, "h w c"]:
    """Gaussian blur of `sigma` pixels; borders are repeated. Sums, not convolutions.

    Args:
        image: any range.
        sigma: may be traced and 0.
        largest: static, what sigma is at most.
    """
    radius = math.ceil(3 * largest)
    taps = jnp.arange(-radius, radius + 1)
    weights = jax.nn.softmax(-0.5 * (taps / jnp.maximum(sigma, 1e-2)) ** 2)
    for axis in (0, 1):
        pads = [(radius, radius) if i == axis else (0, 0) for i in range(3)]
        padded = jnp.pad(image, pads, mode="edge")
        size = image.shape[axis]
        image = sum(
            weights[i] * lax.slice_in_dim(padded, i, i + size, axis=axis)
            for i in range(2 * radius + 1)
        )
    return image


def light_gradient(slope: Float[Array, "2"], height: int, width: int) -> Float[Array, "h w 1"]:
    """A plane of light, 0 at the centre, slope (x, y) at the right and the lower border."""
    x = jnp.linspace(-1, 1, width)
    y = jnp.linspace(-1, 1, height)
    return (slope[0] * x[None, :] + slope[1] * y[:, None])[..., None]


def _vary_one(key, image, limits):
    names = ("shift", "gamma", "contrast", "brightness", "gradient", "blur", "noise", "grain")
    keys = dict(zip(names, jax.random.split(key, len(names)), strict=True))

    def uniform(name, low, high, shape=()):
        return jax.random.uniform(keys[name], shape, minval=low, maxval=high)

    moved = jax.random.randint(keys["shift"], (2,), -limits.shift, limits.shift + 1)
    image = _move(image, moved, limits.shift)
    gamma = limits.gamma ** uniform("gamma", -1, 1)
    image = 2 * ((image.clip(-1, 1) + 1) / 2 + 1e-6) ** gamma - 1
    image = (1 + uniform("contrast", -limits.contrast, limits.contrast)) * image
    image += uniform("brightness", -limits.brightness, limits.brightness)
    slope = uniform("gradient", -limits.gradient, limits.gradient, (2,))
    image += light_gradient(slope, *image.shape[:2])
    image = blur(image, uniform("blur", 0, limits.blur), limits.blur)
    image += uniform("noise", 0, limits.noise) * jax.random.normal(keys["grain"], image.shape)
    return image.clip(-1, 1), moved


def _move(image, moved, limit):
    """Moves the content by (x, y) pixels, each within the limit; borders are repeated."""
    padded = jnp.pad(image, ((limit, limit), (limit, limit), (0, 0)), mode="edge")
    return lax.dynamic_slice(padded, (limit - moved[1], limit - moved[0], 0), image.shape)
