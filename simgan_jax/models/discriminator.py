"""The patch discriminator: a fully convolutional classifier, real or refined, of every patch."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simgan_jax.models.convolution import Conv
from simgan_jax.models.pooling import max_pool


class Layer(NamedTuple):
    """One layer: a convolution with `features` > 0 outputs, or a max-pooling with features 0."""

    features: int
    kernel: int
    stride: int


# Sections 3.1 and 3.2 of the paper; the last 1x1 convolution to two logits is implied.
EYES = (Layer(96, 3, 2), Layer(64, 3, 2), Layer(0, 3, 1), Layer(32, 3, 1), Layer(32, 1, 1))
HANDS = (Layer(96, 7, 4), Layer(64, 5, 2), Layer(0, 3, 2), Layer(32, 3, 2), Layer(32, 1, 1))
# Not the paper's: a patch of 63 px sees the whole of an eye or of an embedded hand, so what is painted
# at one place of every image, and what does not fit together, can be told.
WIDE = (*(Layer(n, 3, 2) for n in (48, 48, 64, 64)), Layer(32, 3, 1), Layer(32, 1, 1))
LAYERS = {"eyes": EYES, "hands": HANDS, "wide": WIDE}


class Discriminator(nn.Module):
    """Two logits for every patch; the eyes' network has 75,906 parameters, 9 x 14 patches at 35 x 55.

    ReLU after every convolution but the last, SAME padding, no normalisation.

    Attributes:
        layers: hidden layers in order.
        dtype: of the computation; parameters and logits are float32.
    """

    layers: tuple[Layer, ...] = EYES
    dtype: Any = jnp.float32

    @property
    def receptive_field(self) -> int:
        """Side in pixels of a patch."""
        side, stride = 1, 1
        for layer in self.layers:
            side += (layer.kernel - 1) * stride
            stride *= layer.stride
        return side

    @nn.compact
    def __call__(self, images: Float[Array, "b h w c"]) -> Float[Array, "b i j 2"]:
        """Classifies patches.

        Args:
            images: [-1, 1].

        Returns:
            float32 logits, channel 0 "real", channel 1 "refined".
        """
        x = images.astype(self.dtype)
        for features, kernel, stride in self.layers:
            if features:
                size, strides = (kernel, kernel), (stride, stride)
                x = nn.relu(Conv(features, size, strides, dtype=self.dtype)(x))
            else:
                x = max_pool(x, kernel, stride, "SAME")
        return Conv(2, (1, 1), dtype=self.dtype)(x).astype(jnp.float32)


def spectral_normalize(params: Any, iterations: int = 8) -> Any:
    """Divides every kernel by its largest singular value (Miyato 2018), biases stay.

    The singular vector is found anew by power iteration from a fixed start, so nothing needs storing
    (no uniform start: the two logits are trained apart, which is at right angles to it);
    the kernels are small enough (at most 864 x 96 in the eyes' network) for that to cost nothing.

    Args:
        params: parameters of a network of convolutions.
        iterations: of the power method; 8 come within 4 % of the norm for random kernels.
    """

    def normalize(leaf):
        if leaf.ndim != 4:
            return leaf
        matrix = leaf.reshape(-1, leaf.shape[-1])
        v = jax.random.normal(jax.random.key(0), matrix.shape[1:])
        fixed = jax.lax.stop_gradient(matrix)
        for _ in range(iterations):
            u = fixed @ v
            u = u / (jnp.linalg.norm(u) + 1e-12)
            v = fixed.T @ u
            v = v / (jnp.linalg.norm(v) + 1e-12)
        return leaf / (u @ matrix @ v + 1e-12)

    return jax.tree.map(normalize, params)
