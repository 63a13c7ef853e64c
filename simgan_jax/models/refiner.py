"""The refiner: a fully convolutional residual network without strides or pooling."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from simgan_jax.models.convolution import Conv


class ResidualBlock(nn.Module):
    """conv, ReLU, conv, add, ReLU; attributes as in `Refiner`."""

    features: int
    kernel: int
    padding: str
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w f"]) -> Float[Array, "b h w f"]:
        """Maps features to features."""
        size = (self.kernel, self.kernel)
        y = Conv(self.features, size, padding=self.padding, dtype=self.dtype)(x)
        y = Conv(self.features, size, padding=self.padding, dtype=self.dtype)(nn.relu(y))
        return nn.relu(x + y)


class Refiner(nn.Module):
    """Makes a synthetic image look real (section 3.1 of the paper).

    Conv-ReLU; `blocks` ResNet blocks (conv, ReLU, conv, add, ReLU); 1x1 conv; tanh. The defaults are
    the eyes' network, 296,129 parameters; hands take kernel 7 and 10 blocks.

    Attributes:
        features: width of every hidden map.
        blocks: number of ResNet blocks.
        kernel: side of the square filters, odd.
        channels: of the input and the output image.
        padding: "SAME" (zeros, the paper's) or "REFLECT", which leaves no frame at the border.
        background: input pixels of this value pass unchanged; None for images without one.
        noise_channels: maps of N(0, 1) noise beside the image; 0 is the paper's deterministic refiner.
        dtype: of the computation; parameters and the output are float32.
        residual: the network's output is added to the image, and 0 at the start: R(x) = x needs no
            pre-training, and values stay exact where nothing need change. The paper's: tanh.
        remat: recompute each block in the backward pass: less memory, more time.
    """

    features: int = 64
    blocks: int = 4
    kernel: int = 3
    channels: int = 1
    padding: str = "SAME"
    background: float | None = None
    noise_channels: int = 0
    dtype: Any = jnp.float32
    residual: bool = False
    remat: bool = False

    @property
    def receptive_field(self) -> int:
        """Side in pixels of the square that an output pixel depends on."""
        return 1 + (1 + 2 * self.blocks) * (self.kernel - 1)

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], noise: Float[Array, "b h w n"] | None = None
    ) -> Float[Array, "b h w c"]:
        """Refines images.

        Args:
            images: [-1, 1].
            noise: N(0, 1), needed if `noise_channels` is not 0; see `sample_noise`.

        Returns:
            float32 in [-1, 1], of the images' shape.
        """
        block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
        x = images if noise is None else jnp.concatenate([images, noise], axis=-1)
        size = (self.kernel, self.kernel)
        x = Conv(self.features, size, padding=self.padding, dtype=self.dtype, name="stem")(x)
        x = nn.relu(x)
        for i in range(self.blocks):
            x = block(self.features, self.kernel, self.padding, self.dtype, name=f"block_{i}")(x)
        start = {"kernel_init": nn.initializers.zeros_init()} if self.residual else {}
        x = Conv(self.channels, (1, 1), dtype=self.dtype, name="head", **start)(x)
        x = x.astype(jnp.float32)
        refined = (images + x).clip(-1, 1) if self.residual else jnp.tanh(x)
        if self.background is None:
            return refined
        # Compiled code may divide by 255 / 2 a rounding step off; grey values are 3e-5 apart or more.
        is_background = jnp.abs(images - self.background) < 1e-6
        return jnp.where(is_background, images, refined)

    def sample_noise(
        self, key: Key[Array, ""], images: Float[Array, "b h w c"]
    ) -> Float[Array, "b h w n"] | None:
        """Noise for a batch of images; None for a deterministic refiner."""
        if not self.noise_channels:
            return None
        return jax.random.normal(key, (*images.shape[:3], self.noise_channels))


def refine_with_maps(
    refiner: Refiner,
    params: PyTree[Float[Array, "..."]],
    images: Float[Array, "b h w c"],
    noise: Float[Array, "b h w n"] | None = None,
) -> tuple[Float[Array, "b h w c"], list[Float[Array, "b h w f"]]]:
    """Refined images, and the images' maps after each of the first half of the ResNet blocks.

    That half is to a refiner what the encoder is to a network that has one.

    Args:
        refiner: with one block or more.
        params: of it.
        images: [-1, 1].
        noise: where the refiner takes noise.
    """
    names = [f"block_{i}" for i in range((refiner.blocks + 1) // 2)]
    refined, state = refiner.apply(
        {"params": params},
        *((images,) if noise is None else (images, noise)),
        capture_intermediates=lambda module, _: module.name in names,
        mutable=["intermediates"],
    )
    return refined, [state["intermediates"][name]["__call__"][0] for name in names]
