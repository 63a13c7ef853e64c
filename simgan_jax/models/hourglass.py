"""The hand-pose estimator: a stacked hourglass network, and heat maps to train and read it.

Newell, Yang, Deng, "Stacked Hourglass Networks for Human Pose Estimation" (ECCV 2016), with which the
paper scores its depth hands.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simgan_jax.models.pooling import max_pool

# Channels that share a mean and a variance; 32 groups at the original's 256 features.
_GROUP = 8

HeatMaps = Float[Array, "*b h w j"]


class Hourglass(nn.Module):
    """One map per joint from a depth image, by hourglasses that each correct the one before.

    A map holds the logarithm of the joint's heat map, up to a constant: a softmax over its pixels is
    where the joint is believed to be.

    The defaults are the original's except for the normalisation: groups of channels within an image
    instead of a batch, so that `apply` is a pure function of parameters and images, training keeps no
    running statistics, and a synthetic batch's statistics are not carried over to real images.

    Attributes:
        joints: number of heat maps.
        features: width of every map, divisible by 16.
        stacks: number of hourglasses.
        depth: poolings inside an hourglass; 64 -> 4 pixels by 4.
        downsample: side of the image / side of the heat maps: 4 (the original's), 2 or 1.
        resize: side to which square images are first resampled, nearest neighbour: 256 gives the
            paper's 64x64 maps from its 224x224 images; None leaves them as they are.
        dtype: of the computation; parameters and the output are float32.
    """

    joints: int = 14
    features: int = 256
    stacks: int = 2
    depth: int = 4
    downsample: int = 4
    resize: int | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: Float[Array, "b h w c"]) -> Float[Array, "s b h2 w2 j"]:
        """Maps images in [-1, 1] to the log heat maps of every stack, the last being the best.

        "hidden" among the intermediates is what each stack's maps are made of.

        Raises:
            ValueError: `downsample` is not 1, 2 or 4.
        """
        if self.downsample not in (1, 2, 4):
            raise ValueError(f"downsample is {self.downsample}, expected 1, 2 or 4")
        x = images
        if self.resize:
            size = (len(x), self.resize, self.resize, x.shape[-1])
            x = jax.image.resize(x, size, "nearest")
        stem, half, full = self.features // 4, self.features // 2, self.features
        strides = min(self.downsample, 2)
        x = nn.Conv(stem, (7, 7), strides, dtype=self.dtype, name="stem")(x)
        x = Residual(half, self.dtype, name="stem_residual_0")(x)
        if self.downsample == 4:
            x = max_pool(x, 2, 2, "SAME")
        x = Residual(full, self.dtype, name="stem_residual_1")(x)

        outputs = []
        for i in range(self.stacks):
            y = _Hourglass(full, self.depth, self.dtype, name=f"hourglass_{i}")(x)
            y = Residual(full, self.dtype, name=f"residual_{i}")(y)
            y = _normalized_relu(nn.Conv(full, (1, 1), dtype=self.dtype, name=f"linear_{i}")(y))
            self.sow("intermediates", "hidden", y)
            maps = nn.Conv(self.joints, (1, 1), dtype=self.dtype, name=f"maps_{i}")(y)
            outputs.append(maps.astype(jnp.float32))
            if i + 1 < self.stacks:
                x += nn.Conv(full, (1, 1), dtype=self.dtype, name=f"features_in_{i}")(y)
                x += nn.Conv(full, (1, 1), dtype=self.dtype, name=f"maps_in_{i}")(maps)
        return jnp.stack(outputs)


class Residual(nn.Module):
    """Pre-activation bottleneck: 1x1, 3x3, 1x1 convolutions beside an identity or a 1x1."""

    features: int
    dtype: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w f"]) -> Float[Array, "b h w g"]:
        """Maps features to `features` features."""
        y = x
        half = self.features // 2
        for i, (width, kernel) in enumerate(((half, 1), (half, 3), (self.features, 1))):
            y = nn.Conv(width, (kernel, kernel), dtype=self.dtype, name=f"conv_{i}")(
                _normalized_relu(y)
            )
        if x.shape[-1] != self.features:
            x = nn.Conv(self.features, (1, 1), dtype=self.dtype, name="skip")(x)
        return x + y


def hourglass(size: Any, joints: int = 14) -> Hourglass:
    """The network of a configuration's `evaluate.estimator`.

    Args:
        size: has features, stacks, depth, downsample, and resize (0 for none).
        joints: number of heat maps.
    """
    return Hourglass(
        joints=joints,
        features=size.features,
        stacks=size.stacks,
        depth=size.depth,
        downsample=size.downsample,
        resize=size.resize or None,
    )


class _Hourglass(nn.Module):
    """Pools, recurses and comes back up, adding what the resolution on the way down knew."""

    features: int
    depth: int
    dtype: Any

    @nn.compact
    def __call__(self, x):
        beside = Residual(self.features, self.dtype, name="beside")(x)
        y = max_pool(x, 2, 2, "SAME")
        y = Residual(self.features, self.dtype, name="down")(y)
        if self.depth > 1:
            y = _Hourglass(self.features, self.depth - 1, self.dtype, name="inner")(y)
        else:
            y = Residual(self.features, self.dtype, name="inner")(y)
        y = Residual(self.features, self.dtype, name="up")(y)
        y = y.repeat(2, 1).repeat(2, 2)[:, : x.shape[1], : x.shape[2]]  # odd sides were padded
        return beside + y


def _normalized_relu(x):
    group = math.gcd(x.shape[-1], _GROUP)
    return nn.relu(nn.GroupNorm(num_groups=None, group_size=group, dtype=x.dtype)(x))


def heatmaps(
    joints_uv: Float[Array, "*b j 2"],
    size: tuple[int, int],
    image_size: tuple[int, int] | None = None,
    sigma: float = 1.0,
) -> HeatMaps:
    """Draws one Gaussian of height 1 per joint; what of it is outside the map is lost.

    Args:
        joints_uv: (u, v) in pixels of the image, the centre of its top-left pixel being (0, 0).
        size: (height, width) of the maps.
        image_size: (height, width) of the image; None if it has the maps' size.
        sigma: standard deviation in pixels of the maps (1 as in Newell et al.).
    """
    scale = _scale(size, image_size)
    u, v = jnp.moveaxis((joints_uv + 0.5) / scale - 0.5, -1, 0)
    columns = jnp.exp(-0.5 * ((jnp.arange(size[1])[:, None] - u[..., None, :]) / sigma) ** 2)
    rows = jnp.exp(-0.5 * ((jnp.arange(size[0])[:, None] - v[..., None, :]) / sigma) ** 2)
    return rows[..., :, None, :] * columns[..., None, :, :]


def decode(maps: HeatMaps, image_size: tuple[int, int] | None = None) -> Float[Array, "*b j 2"]:
    """Sub-pixel joints from the logarithms of heat maps, as the network gives them.

    About the largest value, a parabola through three neighbours along each axis:
    exact for a Gaussian of any width and height, where the original's quarter-pixel step errs by up to
    a quarter (Zhang et al., "Distribution-Aware Coordinate Representation", CVPR 2020).

    Args:
        maps: log heat maps up to a constant, finite.
        image_size: (height, width) of the image; None if it has the maps' size.

    Returns:
        (u, v) in pixels of the image, at most one pixel of the maps from the largest value.
    """
    height, width, joints = maps.shape[-3:]
    flat = maps.reshape(*maps.shape[:-3], height * width, joints)
    row, column = jnp.divmod(flat.argmax(-2), width)
    # Three neighbours must exist: a peak on the border is read from one pixel further in.
    row, column = row.clip(1, height - 2), column.clip(1, width - 2)

    def at(down, across):
        index = ((row + down) * width + column + across)[..., None, :]
        return jnp.take_along_axis(flat, index, -2)[..., 0, :]

    def offset(before, here, after):
        curvature = before + after - 2 * here
        step = (before - after) / (2 * jnp.where(curvature < 0, curvature, -1.0))
        return jnp.where(curvature < 0, step, 0.0).clip(-1, 1)

    here = at(0, 0)
    u = column + offset(at(0, -1), here, at(0, 1))
    v = row + offset(at(-1, 0), here, at(1, 0))
    return (jnp.stack([u, v], -1) + 0.5) * _scale((height, width), image_size) - 0.5


def heatmap_loss(
    outputs: Float[Array, "s b h w j"], targets: Float[Array, "b h w j"]
) -> Float[Array, "b"]:
    """Cross-entropy of every stack's maps (intermediate supervision), in nats per example.

    The target of a joint is its Gaussian, divided by its sum, as a distribution over pixels. The
    original's squared error spends its first thousands of steps on leaving a map of zeros: after 500
    steps on 6,000 embedded hands it erred by 4.3 pixels of 56, this one after 350 steps by 2.0.

    Args:
        outputs: log heat maps up to a constant.
        targets: `heatmaps` of the joints; a joint too far outside to leave a trace does not count.

    Returns:
        Mean over stacks and joints; at least the targets' entropy, log(2 pi e sigma^2) = 2.84.
    """
    mass = targets.sum((1, 2), keepdims=True)
    targets = targets / jnp.maximum(mass, 1e-6)
    normalizer = jax.nn.logsumexp(outputs, axis=(2, 3), keepdims=True)
    return -(targets * (outputs - normalizer)).sum((2, 3)).mean((0, 2))


def _scale(size, image_size) -> Float[Array, "2"]:
    """Image pixels per map pixel, (u, v)."""
    height, width = image_size or size
    return jnp.array([width / size[1], height / size[0]], jnp.float32)
