"""The maps psi of the self-regularisation loss (equation 4): what of the image must stay."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from simgan_jax import losses

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


# A learned psi of your own is any function from images to a feature map: `make_setup(config, psi=...)`.
PSI: dict[str, Psi] = {
    "identity": identity,
    "channel_mean": channel_mean,
    "derivatives": derivatives,
    "estimator": identity,  # beside it, what estimators read: `Reading`
}


@dataclass(frozen=True)
class Reading:
    """What frozen estimators read off an image: the "learned transformation" of section 2.1.

    A refiner that only keeps pixels may still move what an estimator reads, by lids and light, until
    the two domains' labels are distributed alike. Several estimators, so that it cannot fool one.

    Attributes:
        network: linen module of an estimator.
        numbers: its outputs to the numbers that must stay, [b, k], all of about the same size.
        count: estimators; their parameters are stacked along a first axis.
        features: whether the last hidden layer is read instead of the outputs, as `features` has it.
    """

    network: nn.Module
    numbers: Callable[[Array], Float[Array, "b k"]]
    count: int
    features: bool = False

    def __call__(
        self, params: PyTree[Float[Array, "m ..."]], images: Images
    ) -> Float[Array, "b m k"]:
        """The numbers that every estimator reads."""

        def read(one: int) -> Float[Array, "b k"]:
            own = {"params": jax.tree.map(lambda leaf: leaf[one], params)}
            if not self.features:
                return self.numbers(self.network.apply(own, images))
            _, sown = self.network.apply(own, images, mutable="intermediates")
            return features(sown["intermediates"]["hidden"][-1])

        # Not vmapped: that would make grouped convolutions, which are slow.
        return jnp.stack([read(one) for one in range(self.count)], axis=1)


@dataclass(frozen=True)
class Contrast:
    """How well the places of an image are told apart after it was refined: PatchNCE of CUT.

    Park, Efros, Zhang, Zhu, "Contrastive Learning for Unpaired Image-to-Image Translation" (ECCV
    2020): a place of R(x) must be more like the same place of x than like others of x, in maps of the
    refiner's own first blocks, as small networks project them that learn with it. Unlike a difference
    of pixels it lets grey values change that change alike everywhere.

    Attributes:
        projections: linen module, features at some places of every map to unit vectors.
        places: of each map that are looked at, at most; other ones in every update.
        temperature: of the softmax over places.
    """

    projections: nn.Module
    places: int
    temperature: float

    def init(self, key: Key[Array, ""], maps: list[Float[Array, "b _ _ _"]]) -> PyTree:
        """Parameters of projections for maps like these, before their first update."""
        lines = [features[:, 0] for features in maps]
        return self.projections.init(key, lines)["params"]

    def __call__(
        self,
        params: PyTree,
        before: list[Float[Array, "b _ _ _"]],
        after: list[Float[Array, "b _ _ _"]],
        key: Key[Array, ""],
    ) -> Float[Array, "b"]:
        """`losses.patch_contrast`, a mean over maps.

        Args:
            params: of the projections.
            before: the refiner's maps of x, see `models.refiner.refine_with_maps`.
            after: of R(x).
            key: decides the places, the same ones for all images.
        """
        chosen = self.choose(key, before)
        keys = jax.lax.stop_gradient(self._project(params, before, chosen))
        queries = self._project(params, after, chosen)
        found = [
            losses.patch_contrast(own, others, self.temperature)
            for own, others in zip(queries, keys, strict=True)
        ]
        return sum(found) / len(found)

    def choose(
        self, key: Key[Array, ""], maps: list[Float[Array, "b _ _ _"]]
    ) -> list[Int[Array, "p"]]:
        """Places of each map, all different."""
        counts = [features.shape[1] * features.shape[2] for features in maps]
        return [
            jax.random.choice(own, count, (min(self.places, count),), replace=False)
            for own, count in zip(jax.random.split(key, len(maps)), counts, strict=True)
        ]

    def _project(self, params, maps, chosen):
        flat = (features.reshape(len(features), -1, features.shape[-1]) for features in maps)
        lines = [features[:, where] for features, where in zip(flat, chosen, strict=True)]
        return self.projections.apply({"params": params}, lines)


def features(hidden: Float[Array, "b *k"]) -> Float[Array, "b n"]:
    """A hidden layer as a direction: turned by an angle, it counts like gaze turned by that angle.

    So one weight serves both: the mean |difference| over n numbers of a vector of length sqrt(n / 3) is
    as that over the 3 numbers of a unit vector.
    """
    flat = hidden.reshape(len(hidden), -1)
    length = jnp.sqrt(jnp.square(flat).sum(-1, keepdims=True) + 1e-12)
    return flat / length * math.sqrt(flat.shape[-1] / 3)


def direction(outputs: Float[Array, "b 3"]) -> Float[Array, "b 3"]:
    """Gaze as a unit vector."""
    return outputs / jnp.linalg.norm(outputs, axis=-1, keepdims=True)


def point(outputs: Float[Array, "b 2"]) -> Float[Array, "b 2"]:
    """A point as the estimator gives it, in half widths of the image."""
    return outputs


def joints(outputs: Float[Array, "s b h w j"]) -> Float[Array, "b j*2"]:
    """Mean place of each joint by the last stack's heat maps, (x, y) from -1 to 1 over the image."""
    maps = jax.nn.softmax(outputs[-1].reshape(*outputs.shape[1:2], -1, outputs.shape[-1]), axis=1)
    height, width = outputs.shape[2:4]
    y, x = jnp.meshgrid(jnp.linspace(-1, 1, height), jnp.linspace(-1, 1, width), indexing="ij")
    places = jnp.stack([x.ravel(), y.ravel()], axis=-1)
    return jnp.einsum("bpj,pk->bjk", maps, places).reshape(len(maps), -1)
