"""Losses of sections 2.1 and 2.2 of the paper: one value an image, the caller takes the mean.

The discriminator's class 0 is "real", class 1 is "refined". Its logits are a map of patches; the local
adversarial loss of the paper adds the patches' losses, here their mean is taken, which keeps lambda
independent of the image's size.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

REAL, REFINED = 0, 1
LN_2 = math.log(2)

Logits = Float[Array, "b h w 2"]
PerImage = Float[Array, "b"]


def cross_entropy(logits: Logits, label: int) -> PerImage:
    """Mean over patches of the cross-entropy against one label for every patch.

    With label REFINED this is -log D, with REAL it is -log(1 - D), D = P(refined) (equations 1 and 2).

    Args:
        logits: discriminator output, channel 0 "real", channel 1 "refined"; not softmaxed.
        label: REAL or REFINED.

    Returns:
        One non-negative value in nats per image.
    """
    return -jax.nn.log_softmax(logits)[..., label].mean((1, 2))


def least_squares(logits: Logits, label: int) -> PerImage:
    """Mean over patches of (margin - target)^2, target +1 refined, -1 real (LSGAN, Mao 2017)."""
    return jnp.square(_margin(logits) - _sign(label)).mean((1, 2))


def hinge(logits: Logits, label: int) -> PerImage:
    """Mean over patches of max(0, 1 - sign * margin), sign +1 refined, -1 real (Lim, Ye 2017)."""
    return jax.nn.relu(1 - _sign(label) * _margin(logits)).mean((1, 2))


def hinge_refiner(logits: Logits, label: int) -> PerImage:
    """Mean over patches of the margin towards the other class: the refiner's side of `hinge`."""
    return -(_sign(label) * _margin(logits)).mean((1, 2))


class Adversarial(NamedTuple):
    """The two sides of an adversarial loss.

    Attributes:
        discriminator: (logits, label) to the discriminator's loss, one value an image.
        refiner: the same for the refiner.
        undecided: losses of the discriminator and of the refiner while the discriminator tells nothing
            apart, its logits all equal.
    """

    discriminator: Callable[[Logits, int], PerImage]
    refiner: Callable[[Logits, int], PerImage]
    undecided: tuple[float, float]


ADVERSARIAL = {
    "cross_entropy": Adversarial(cross_entropy, cross_entropy, undecided=(LN_2, LN_2)),
    "least_squares": Adversarial(least_squares, least_squares, undecided=(1.0, 1.0)),
    "hinge": Adversarial(hinge, hinge_refiner, undecided=(1.0, 0.0)),
}


def refiner_loss(
    adversarial: PerImage | float,
    self_regularization: PerImage,
    lambda_: Float[Array, ""] | float,
) -> PerImage:
    """Equation 1, what the refiner minimises: adversarial + lambda * self-regularisation.

    Args:
        adversarial: the refiner's side of the adversarial loss; 0 in its pre-training.
        self_regularization: see the function of that name.
        lambda_: weight of the self-regularisation, `TrainState.self_regularization`.
    """
    return adversarial + lambda_ * self_regularization


def self_regularization(
    refined: Float[Array, "b h w c"],
    synthetic: Float[Array, "b h w c"],
    weight: Float[Array, "b #h #w #c"] | float = 1.0,
) -> PerImage:
    """Mean over pixels and channels of weight * |psi(refined) - psi(synthetic)| (equation 4).

    Args:
        refined: psi(R(x)).
        synthetic: psi(x).
        weight: 1 everywhere is the paper's loss; a simulator that knows which pixels carry the label
            gives those more. The mean is over all pixels, not divided by the weights' sum.

    Returns:
        One non-negative value per image, in units of psi (images span 2 units).
    """
    return (weight * jnp.abs(refined - synthetic)).mean((1, 2, 3))


def reading_shift(refined: Float[Array, "b m k"], synthetic: Float[Array, "b m k"]) -> PerImage:
    """Mean over m estimators and k numbers of |g(R(x)) - g(x)|: equation 4 with a learned psi.

    Args:
        refined: `psi.Reading` of R(x).
        synthetic: of x.

    Returns:
        One non-negative value per image; 0.1 is some 6 degrees of gaze on every axis.
    """
    return jnp.abs(refined - synthetic).mean((1, 2))


def patch_contrast(
    queries: Float[Array, "b p k"], keys: Float[Array, "b p k"], temperature: float
) -> PerImage:
    """Mean over patches of the cross-entropy of finding each patch's own key among its image's.

    PatchNCE of CUT (Park, Efros, Zhang, Zhu, ECCV 2020, equation 3); the other patches of the same
    image are the negatives.

    Args:
        queries: unit vectors of an image's translation.
        keys: of the image itself, at the same places.
        temperature: tau.

    Returns:
        One non-negative value in nats per image; ln p if the vectors say nothing.
    """
    similarities = jnp.einsum("bpk,bqk->bpq", queries, keys) / temperature
    own = jnp.diagonal(jax.nn.log_softmax(similarities), axis1=1, axis2=2)
    return -own.mean(1)


def r1_penalty(
    apply: Callable[[Float[Array, "b h w c"]], Logits], real: Float[Array, "b h w c"]
) -> PerImage:
    """Squared gradient norm of the patches' mean margin at real images (R1, Mescheder 2018)."""
    gradient = jax.grad(lambda x: _margin(apply(x)).mean((1, 2)).sum())(real)
    return jnp.square(gradient).sum((1, 2, 3))


def accuracy(logits: Logits, label: int) -> PerImage:
    """Share of the patches whose class is `label`; a tie counts as "real"."""
    refined = logits[..., REFINED] > logits[..., REAL]
    return (refined == (label == REFINED)).astype(jnp.float32).mean((1, 2))


def pool_patches(logits: Logits) -> Float[Array, "b 1 1 2"]:
    """One logit pair per image, the mean of its patches': the global loss of the paper's ablation."""
    return logits.mean((1, 2), keepdims=True)


def _margin(logits: Logits) -> Float[Array, "b h w"]:
    return logits[..., REFINED] - logits[..., REAL]


def _sign(label: int) -> int:
    return 1 if label == REFINED else -1
