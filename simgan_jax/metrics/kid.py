"""Kernel inception distance (Binkowski 2018) on the features of a small network that ships with it.

The network, 67,000 parameters in `kid.safetensors`, was trained on embedded eyes to read gaze, iris and
lids of the simulator's, domain and recording conditions of all (`python -m experiments.kid_features`):
it knows no label of a camera's image, so that choices by KID know none. Inception features would need a
download and photographs of 299 pixels.
"""

from functools import cache, partial
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jaxtyping import Array, Float, PyTree, Shaped
from safetensors.numpy import load_file

from simgan_jax import ranges
from simgan_jax.metrics.intervals import resampled_counts
from simgan_jax.metrics.small_networks import in_chunks

WEIGHTS = Path(__file__).with_name("kid.safetensors")
# Images of any size and depth are brought to the network's: grey, and the size of the paper's eyes.
SIZE = (35, 55)
# Standard deviations. A unit that was silent in training may read hundreds on other images (444 on one
# of 1,000 near-infrared eyes), and cubed decide the distance alone; embedded eyes stay below 8.
LARGEST = 10.0


class FeatureNetwork(nn.Module):
    """Four convolutions; features are every layer's spatial mean and a dense summary of the last."""

    @nn.compact
    def __call__(self, grey: Float[Array, "b 35 55 1"]) -> Float[Array, "b d"]:
        """Maps images in [-1, 1] to features."""
        x, means = grey, []
        for i, (features, stride) in enumerate(((16, 1), (32, 2), (48, 2), (48, 1))):
            x = nn.Conv(features, (3, 3), (stride, stride), name=f"conv_{i}")(x)
            x = nn.relu(x)
            means.append(x.mean((1, 2)))
        x = nn.avg_pool(x, (3, 3), strides=(3, 3)).reshape(len(x), -1)
        return jnp.concatenate([*means, nn.relu(nn.Dense(48, name="summary")(x))], axis=-1)


def features(sample: Shaped[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n d"]:
    """Features of images, scaled to unit variance over the network's training images and clipped.

    Args:
        sample: integer images, or floats in [-1, 1]; any size, channels are averaged.
    """
    return in_chunks(partial(_features, shipped_weights()), sample)


def kid(
    a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"], resamples: int = 200, seed: int = 0
) -> dict:
    """Unbiased squared maximum mean discrepancy with the kernel (x . y / d + 1)^3.

    Args:
        a: features of one set, at least two rows.
        b: features of the other.
        resamples: bootstrap samples for the interval.
        seed: of the bootstrap.

    Returns:
        "value" (0 for equal distributions, may be slightly negative) and "interval" (95 %).
    """
    within_a, within_b, between = _kernel(a, a), _kernel(b, b), _kernel(a, b)
    one_a, one_b = np.ones((1, len(a))), np.ones((1, len(b)))
    value = _mmd(within_a, within_b, between, one_a, one_b)[0]
    rng = np.random.default_rng(seed)
    counts = [resampled_counts(rng, len(x), resamples).astype(float) for x in (a, b)]
    low, high = np.quantile(_mmd(within_a, within_b, between, *counts), [0.025, 0.975])
    return {"value": float(value), "interval": [float(low), float(high)]}


@cache
def shipped_weights() -> dict[str, PyTree[Array]]:
    """The weights in `kid.safetensors`, widened from half precision."""
    flat = {name: x.astype(np.float32) for name, x in load_file(WEIGHTS).items()}
    return traverse_util.unflatten_dict(flat, sep="/")


def to_network(sample: Shaped[Array, "b h w c"]) -> Float[Array, "b 35 55 1"]:
    """Grey images of the network's size in [-1, 1]."""
    grey = ranges.to_unit(sample).mean(-1, keepdims=True)
    return jax.image.resize(grey, (len(grey), *SIZE, 1), "linear", antialias=True)


@jax.jit
def _features(weights, sample):
    raw = FeatureNetwork().apply({"params": weights["params"]}, to_network(sample))
    return jnp.clip((raw - weights["mean"]) / weights["std"], -LARGEST, LARGEST)


def _kernel(a, b):
    return (a.astype(np.float64) @ b.T.astype(np.float64) / a.shape[1] + 1) ** 3


def _mmd(within_a, within_b, between, count_a, count_b):
    """Squared discrepancy of weighted samples [r, n], [r, m]; no image is compared with itself."""

    def off_diagonal(kernel, count):
        total = ((count @ kernel) * count).sum(1) - (count**2) @ np.diag(kernel)
        pairs = count.sum(1) ** 2 - (count**2).sum(1)
        # No pair: a bootstrap sample of one image only, which happens where there are very few.
        return total / np.maximum(pairs, 1)

    cross = ((count_a @ between) * count_b).sum(1) / (count_a.sum(1) * count_b.sum(1))
    return off_diagonal(within_a, count_a) + off_diagonal(within_b, count_b) - 2 * cross
