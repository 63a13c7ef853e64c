"""The gaze estimator: a plain convolutional network from one eye image to a direction."""

from functools import reduce
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from simgan_jax.models.convolution import UnpaddedConv

# Five 3x3 convolutions without padding and two poolings leave nothing of a smaller image.
MINIMUM_SIDE = 18


class GazeEstimator(nn.Module):
    """Regresses `outputs` numbers from an image (section 3.1 of the paper's supplement).

    Conv3x3-32, Conv3x3-32, Conv3x3-64, MaxPool3x3 s2, Conv3x3-80, Conv3x3-192, MaxPool2x2 s2, flatten,
    FC-1000, FC-`outputs`; ReLU between. Convolutions are not padded: a 35x55 image leaves a map of
    5 x 10 x 192 = 9600, the paper's "FC9600", and the network has 9.8 M parameters.

    Attributes:
        outputs: 3 for a gaze vector, 2 for a point; neither normalised nor bounded.
        width: factor on every hidden width; 1 is the paper's.
        dtype: of the computation; parameters and the output are float32.
    """

    outputs: int = 3
    width: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: Float[Array, "b h w c"]) -> Float[Array, "b o"]:
        """Maps images in [-1, 1] to raw outputs; "hidden" among the intermediates is the last layer's.

        Raises:
            ValueError: the images are smaller than 18 x 18 pixels.
        """
        if min(images.shape[1:3]) < MINIMUM_SIDE:
            raise ValueError(
                f"images of {images.shape[1]} x {images.shape[2]} pixels; the estimator needs"
                f" {MINIMUM_SIDE} x {MINIMUM_SIDE} or more"
            )
        x = images
        for i, features in enumerate((32, 32, 64)):
            x = self._conv(features, i, x)
        x = max_pool(x, 3)
        for i, features in enumerate((80, 192)):
            x = self._conv(features, 3 + i, x)
        x = max_pool(x, 2)
        x = x.reshape(len(x), -1)
        x = nn.relu(nn.Dense(self._scaled(1000), dtype=self.dtype, name="dense_0")(x))
        self.sow("intermediates", "hidden", x)
        x = nn.Dense(self.outputs, dtype=self.dtype, name="dense_1")(x)
        return x.astype(jnp.float32)

    def _conv(self, features: int, index: int, x: Float[Array, "b h w c"]):
        size, name = self._scaled(features), f"conv_{index}"
        return nn.relu(UnpaddedConv(size, (3, 3), dtype=self.dtype, name=name)(x))

    def _scaled(self, features: int) -> int:
        return max(1, round(self.width * features))


def max_pool(x: Float[Array, "b h w f"], window: int) -> Float[Array, "b h2 w2 f"]:
    """Largest value of every square window, each two pixels on from the last, without padding.

    `nn.max_pool` with a gradient that XLA computes in parallel on CPU; a third of a training step.
    """
    height, width = ((size - window) // 2 + 1 for size in x.shape[1:3])
    starts = [(i, j) for i in range(window) for j in range(window)]
    shifted = [x[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2] for i, j in starts]
    return reduce(jnp.maximum, shifted)
