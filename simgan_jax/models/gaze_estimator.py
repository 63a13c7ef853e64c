"""The gaze estimator: a plain convolutional network from one eye image to a direction."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from simgan_jax.models.convolution import UnpaddedConv
from simgan_jax.models.pooling import max_pool

# Five 3x3 convolutions without padding and two poolings leave nothing of a smaller image.
MINIMUM_SIDE = 18


class Layer(NamedTuple):
    """A 3x3 convolution to so many features, and the window of the pooling after it, 0 for none."""

    features: int
    window: int


LAYERS = (Layer(32, 0), Layer(32, 0), Layer(64, 3), Layer(80, 0), Layer(192, 2))


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
        for i, (features, window) in enumerate(LAYERS):
            size, name = self._scaled(features), f"conv_{i}"
            x = UnpaddedConv(size, (3, 3), dtype=self.dtype, name=name)(x)
            # The largest of ReLUs is the ReLU of the largest, which takes less time.
            x = nn.relu(max_pool(x, window, 2) if window else x)
        x = x.reshape(len(x), -1)
        x = nn.relu(nn.Dense(self._scaled(1000), dtype=self.dtype, name="dense_0")(x))
        self.sow("intermediates", "hidden", x)
        x = nn.Dense(self.outputs, dtype=self.dtype, name="dense_1")(x)
        return x.astype(jnp.float32)

    def _scaled(self, features: int) -> int:
        return max(1, round(self.width * features))
