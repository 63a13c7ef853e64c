"""The frozen description of a training problem: networks, optimisers, losses and their constants."""

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from simgan_jax import losses, settings
from simgan_jax.errors import UserError
from simgan_jax.models.discriminator import LAYERS, Discriminator, spectral_normalize
from simgan_jax.models.gaze_estimator import GazeEstimator
from simgan_jax.models.hourglass import hourglass
from simgan_jax.models.projections import Projections
from simgan_jax.models.refiner import Refiner, refine_with_maps
from simgan_jax.psi import PSI, Contrast, Psi, Reading, direction, identity, joints, point

# Real images whose grey values a run keeps, and values of each: 256 KiB a channel of uint8.
HISTOGRAMS = (512, 512)
OPTIMIZERS = {
    "sgd": lambda rate, momentum: optax.sgd(rate, momentum or None),
    "adam": lambda rate, momentum: optax.adam(rate, b1=momentum, b2=0.999),
}


@dataclass(frozen=True)
class Setup:
    """All that `train_step` must know beside the state and the batch; hashable, so static under jit.

    Attributes:
        refiner: linen module, images in [-1, 1] to images of the same shape in [-1, 1].
        discriminator: linen module, images to patch logits [b, h, w, 2].
        second_discriminator: another one beside it, of larger patches, whose losses are added; None for
            the paper's one.
        refiner_optimizer: optax transformation of the refiner's gradients.
        discriminator_optimizer: the same for the discriminator.
        image_shape: (height, width, channels).
        image_dtype: of the data and the history, "uint8" or "uint16".
        batch: images in a mini-batch over all devices (b of Algorithm 1).
        refiner_updates: K_g.
        discriminator_updates: K_d.
        history_size: B over all devices; 0 trains the discriminator on new refined images alone.
        adversarial: a name of `losses.ADVERSARIAL`.
        local: one loss a patch (the paper) or one an image (its ablation).
        self_regularization: lambda at the start, for losses that are means: lambda of the paper's sums
            times pixels / patches (15.3 times at 35 x 55 with 126 patches).
        psi: feature map of the self-regularisation.
        reading: what frozen estimators read, kept beside psi; None without them.
        reading_weight: of their part, in units of psi; at the start if it is moved.
        hold_reading: whether that weight is moved during training, `TrainState.reading_weight`.
        contrast: how well places are told apart, kept beside psi; None without.
        contrast_weight: of its part, in units of psi.
        mask_weights: weights of the self-regularisation (outside, inside) the batch's "mask".
        r1: weight of the gradient penalty on real images; 0 is none.
        spectral_norm: whether the discriminator's kernels are divided by their spectral norms.
        ema: decay of the averaged copy of the refiner's parameters per update; 0 keeps none.
        micro_batch: images whose gradients are computed at a time on a device; 0 is all at once.
        histograms: how many real images' grey values, and how many values of each, synthetic images
            get before they are refined; None where they come as they are.
        axis_name: of the mapped axis that the devices lie on; None when there is none.
        devices: shards along that axis.
    """

    refiner: nn.Module
    discriminator: nn.Module
    refiner_optimizer: optax.GradientTransformation
    discriminator_optimizer: optax.GradientTransformation
    image_shape: tuple[int, int, int]
    second_discriminator: nn.Module | None = None
    image_dtype: str = "uint8"
    batch: int = 512
    refiner_updates: int = 2
    discriminator_updates: int = 1
    history_size: int = 51200
    adversarial: str = "cross_entropy"
    local: bool = True
    self_regularization: float = 1.0
    psi: Psi = identity
    reading: Reading | None = None
    reading_weight: float = 0.0
    hold_reading: bool = False
    contrast: Contrast | None = None
    contrast_weight: float = 0.0
    mask_weights: tuple[float, float] = (1.0, 1.0)
    r1: float = 0.0
    spectral_norm: bool = False
    ema: float = 0.0
    micro_batch: int = 0
    histograms: tuple[int, int] | None = None
    axis_name: str | None = None
    devices: int = 1

    def refine(
        self,
        params: Any,
        images: Float[Array, "b h w c"],
        noise: Float[Array, "b h w n"] | None = None,
    ) -> Float[Array, "b h w c"]:
        """R(x): images in [-1, 1] to refined images in [-1, 1]."""
        inputs = (images,) if noise is None else (images, noise)
        return self.refiner.apply({"params": params}, *inputs)

    def refine_with_maps(
        self,
        params: Any,
        images: Float[Array, "b h w c"],
        noise: Float[Array, "b h w n"] | None = None,
    ) -> tuple[Float[Array, "b h w c"], list[Float[Array, "b h w f"]]]:
        """R(x), and the maps of x that `contrast` compares, none without it."""
        if not self.contrast:
            return self.refine(params, images, noise), []
        return refine_with_maps(self.refiner, params, images, noise)

    def discriminate(self, params: Any, images: Float[Array, "b h w c"]) -> losses.Logits:
        """Logits of every patch, or with the global loss of the whole image, [b, 1, 1, 2].

        Args:
            params: of the discriminator, as `TrainState.discriminator` has them.
            images: [-1, 1].
        """
        own = params if self.second_discriminator is None else params["first"]
        return self._logits(self.discriminator, own, images)

    def discriminate_each(
        self, params: Any, images: Float[Array, "b h w c"]
    ) -> dict[str, losses.Logits]:
        """`discriminate`, and what a second discriminator says.

        Returns:
            By what names of metrics end with: "" for the discriminator, "_second" for a second one.
        """
        logits = {"": self.discriminate(params, images)}
        if self.second_discriminator is not None:
            own = params["second"]
            logits["_second"] = self._logits(self.second_discriminator, own, images)
        return logits

    def _logits(
        self, network: nn.Module, params: Any, images: Float[Array, "b h w c"]
    ) -> losses.Logits:
        if self.spectral_norm:
            params = spectral_normalize(params)
        logits = network.apply({"params": params}, images)
        return logits if self.local else losses.pool_patches(logits)

    def replace(self, **changes: Any) -> "Setup":
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def make_setup(config: ConfigDict, psi: Psi | None = None) -> Setup:
    """Reads the networks, optimisers and losses of a configuration; needs no data on disk.

    Args:
        config: what `get_config` of a file in configs/ returns.
        psi: a learned feature map for the self-regularisation, instead of the one named in the config.

    Raises:
        UserError: a value that cannot work, with its key and what would.
    """
    image, train, loss = config.image, config.train, config.loss
    settings.check(config)
    if not train.pretrain_refiner + train.pretrain_discriminator + train.steps:
        raise UserError("config.train.steps is 0 like those of pre-training; set one to 1 or more")
    shape = (image.height, image.width, image.channels)
    refiner = Refiner(
        features=config.refiner.features,
        blocks=config.refiner.blocks,
        kernel=config.refiner.kernel,
        channels=image.channels,
        padding=config.refiner.padding,
        background=config.refiner.background,
        noise_channels=config.refiner.noise_channels,
        dtype=jnp.dtype(config.refiner.dtype),
        residual=config.refiner.get("residual", False),
        remat=config.refiner.remat,
    )
    dtype = jnp.dtype(config.discriminator.dtype)
    second = config.discriminator.get("second", "none")
    discriminator = Discriminator(LAYERS[config.discriminator.layers], dtype)
    if min(shape[:2]) < discriminator.receptive_field:
        raise UserError(
            f"config.image is {shape[0]} x {shape[1]}, smaller than the discriminator's patch of "
            f"{discriminator.receptive_field} px; use larger images"
        )
    if config.history.size and (train.batch % 2 or config.history.size < train.batch // 2):
        raise UserError(
            f"config.history.size is {config.history.size} at config.train.batch {train.batch}: with a "
            "history the batch must be even and the history hold at least half of it; 0 turns it off"
        )
    return Setup(
        refiner=refiner,
        discriminator=discriminator,
        second_discriminator=None if second == "none" else Discriminator(LAYERS[second], dtype),
        refiner_optimizer=_optimizer("refiner", config),
        discriminator_optimizer=_optimizer("discriminator", config),
        image_shape=shape,
        image_dtype=image.dtype,
        batch=train.batch,
        refiner_updates=train.refiner_updates,
        discriminator_updates=train.discriminator_updates,
        history_size=config.history.size,
        adversarial=loss.adversarial,
        local=loss.local,
        self_regularization=loss.self_regularization,
        psi=psi or PSI[loss.psi],
        **(_reading(config) if loss.psi == "estimator" else {}),
        **_contrast(config),
        mask_weights=(loss.weight.outside, loss.weight.inside),
        r1=loss.r1,
        spectral_norm=config.discriminator.spectral_norm,
        ema=train.ema,
        micro_batch=train.micro_batch,
        histograms=_histograms(config),
    )


def _reading(config: ConfigDict) -> dict[str, Any]:
    """What a setup has of `config.loss.psi = "estimator"`: estimators like those of the evaluation."""
    size, chosen = config.evaluate.estimator, config.loss.reading
    kinds = {
        "gaze": (GazeEstimator(3, size.width), direction),
        "iris": (GazeEstimator(2, size.width), point),
        "hand": (hourglass(size), joints),
    }
    if config.task not in kinds:
        raise UserError(
            f"config.loss.psi is 'estimator', but config.task is {config.task!r}: there is no label to "
            f"train estimators with; set config.task to one of {', '.join(kinds)}"
        )
    hold = chosen.get("target", 0) > 0
    if hold and not chosen.weight:
        raise UserError(
            "config.loss.reading.weight is 0, and config.loss.reading.target multiplies it; give a "
            "weight to begin with"
        )
    network, numbers = kinds[config.task]
    features = chosen.get("of", "predictions") == "features"
    reading = Reading(network, numbers, chosen.estimators, features)
    return {"reading": reading, "reading_weight": chosen.weight, "hold_reading": hold}


def _contrast(config: ConfigDict) -> dict[str, Any]:
    """What a setup has of `config.loss.contrast`, if that weighs anything."""
    chosen = config.loss.get("contrast")
    if not chosen or not chosen.weight:
        return {}
    if not config.refiner.blocks:
        raise UserError(
            "config.refiner.blocks is 0, and config.loss.contrast compares what blocks make; set "
            "config.loss.contrast.weight to 0"
        )
    contrast = Contrast(Projections(), chosen.places, chosen.temperature)
    return {"contrast": contrast, "contrast_weight": chosen.weight}


def _histograms(config: ConfigDict) -> tuple[int, int] | None:
    if not config.data.get("histogram_matching"):
        return None
    if config.refiner.background is not None:
        raise UserError(
            "config.data.histogram_matching would move the background, which config.refiner.background "
            "keeps; turn one of them off"
        )
    return HISTOGRAMS


@cache
def make_optimizer(
    name: str, learning_rate: float, momentum: float
) -> optax.GradientTransformation:
    """An optimiser with a constant learning rate; the same one for the same arguments.

    Optax's transformations are closures, which equal themselves alone: without the cache no two setups
    of one configuration would be equal, and jit would compile for each.

    Args:
        name: of `OPTIMIZERS`.
        learning_rate: of every step.
        momentum: of SGD, b1 of Adam.
    """
    return OPTIMIZERS[name](learning_rate, momentum)


def _optimizer(role: str, config: ConfigDict) -> optax.GradientTransformation:
    chosen = config.optimizer[role]
    return make_optimizer(chosen.name, chosen.learning_rate, chosen.momentum)
