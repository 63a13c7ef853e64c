"""Networks as Flax linen modules; `module.apply({"params": params}, images)` is a pure function."""

from simgan_jax.models.discriminator import Discriminator
from simgan_jax.models.refiner import Refiner

__all__ = ["Discriminator", "Refiner"]
