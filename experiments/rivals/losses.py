"""Losses of the rivals that the package's refiner has no use for: one value an image."""

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
