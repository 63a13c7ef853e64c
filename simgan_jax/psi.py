"""The maps psi of the self-regularisation loss (equation 4): what of the image must stay."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "b h w c"]
Psi = Callable[[Images], Float[Array, "b i j k"]]


def identity(images: Images) -> Images:
    """The image itself: the paper's choice for both tasks."""
    return images


def channel_mean(images: Images) -> Float[Array, "b h w 1"]:
    """Mean of the colour channels: colours may change, brightness may not."""
    return images.mean(-1, keepdims=True)


def derivatives(images: Images) -> Float[Array, "b h w c*2"]:
    """Forward differences along x, then y (0 at the far edge): edges stay, smooth light may change."""
    dx = jnp.diff(images, axis=2, append=images[:, :, -1:])
    dy = jnp.diff(images, axis=1, append=images[:, -1:])
    return jnp.concatenate([dx, dy], axis=-1)


# A learned psi is any function from images to a feature map: give it to `make_setup(config, psi=...)`.
PSI: dict[str, Psi] = {
    "identity": identity,
    "channel_mean": channel_mean,
    "derivatives": derivatives,
}
