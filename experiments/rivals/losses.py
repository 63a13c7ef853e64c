"""Losses of the rivals that the package's refiner has no use for: one value an image."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simgan_jax import losses
from simgan_jax.losses import REAL, REFINED, Logits, PerImage


def adversarial(logits: Logits, label: int) -> PerImage:
    """Mean over patches of (output - target)^2, target 1 real, 0 not (LSGAN with the usual targets).

    The package's targets are +1 and -1, twice as far apart: a quarter of its loss, so that the rivals'
    other weights mean what they mean in their papers.

    Args:
        logits: of the package's discriminator; the output is (1 + real - refined) / 2.
        label: REAL or REFINED.
    """
    return losses.least_squares(logits, label) / 4


def discriminator(genuine: Logits, made: Logits) -> Float[Array, ""]:
    """What a discriminator minimises: half the sum of `adversarial` on genuine and on made images."""
    on_genuine, on_made = adversarial(genuine, REAL), adversarial(made, REFINED)
    return (on_genuine.mean() + on_made.mean()) / 2


def patch_nce(
    queries: Float[Array, "b p k"], keys: Float[Array, "b p k"], temperature: float
) -> PerImage:
    """Mean over patches of the cross-entropy of finding each patch's own key among an image's.

    Park et al., "Contrastive Learning for Unpaired Image-to-Image Translation" (ECCV 2020), equation 3;
    the other patches of the same image are the negatives.

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
