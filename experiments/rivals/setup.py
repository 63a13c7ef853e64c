"""What a rival's training must know: the networks of a run's configuration, optimiser, batch."""

from dataclasses import dataclass

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree
from ml_collections import ConfigDict

from simgan_jax import setup as package
from simgan_jax.errors import UserError
from simgan_jax.losses import Logits
from simgan_jax.models import Discriminator, Refiner
from simgan_jax.state import Network

Images = Float[Array, "b h w c"]
# By set, "synthetic" and "real".
Batch = dict[str, Images]
# What a step tells of itself, by name.
Terms = dict[str, Float[Array, ""]]

# Of both papers: Adam with b1 = 0.5; constant for the first half of the training, then linearly to 0.
LEARNING_RATE, B1 = 2e-4, 0.5


@dataclass(frozen=True)
class Setup:
    """Static under jit.

    Attributes:
        generator: of the refiner's size, images in [-1, 1] to images in [-1, 1].
        discriminator: of patches.
        optimizer: of every network.
        image_shape: (height, width, channels).
        image_dtype: of the data and of pools, "uint8" or "uint16".
        batch: images of each set in an update; even.
        identity: whether real images must pass the generator unchanged.
    """

    generator: Refiner
    discriminator: Discriminator
    optimizer: optax.GradientTransformation
    image_shape: tuple[int, int, int]
    image_dtype: str
    batch: int
    identity: bool = True

    def generate(self, params: PyTree, images: Images) -> Images:
        """Images in [-1, 1] to images of the other set."""
        return self.generator.apply({"params": params}, images)

    def discriminate(self, params: PyTree, images: Images) -> Logits:
        """Logits of every patch."""
        return self.discriminator.apply({"params": params}, images)

    def judge(self, params: PyTree, genuine: Images, made: Images) -> tuple[Logits, Logits]:
        """Logits of genuine and of made images."""
        both = self.discriminate(params, jnp.concatenate([genuine, made]))
        return both[: len(genuine)], both[len(genuine) :]

    def network(self, params: PyTree) -> Network:
        """Parameters before their first update."""
        return Network(params, self.optimizer.init(params), jnp.zeros((), jnp.int32))


def make_setup(config: ConfigDict, batch: int, updates: int, identity: bool = True) -> Setup:
    """The setup for the networks and images of a run's configuration.

    Args:
        config: of the run that the rivals are compared with.
        batch: images of each set in an update.
        updates: of the whole training, over which the learning rate falls.
        identity: of `Setup`.

    Raises:
        UserError: a value that cannot work.
    """
    setup = package.make_setup(config)
    if config.refiner.noise_channels:
        raise UserError(
            "config.refiner.noise_channels: the rivals' generators take no noise; set it to 0"
        )
    if batch < 2 or batch % 2:
        raise UserError(
            f"a batch of {batch}: half of it is drawn from the pool, give an even number"
        )
    rate = optax.linear_schedule(LEARNING_RATE, 0.0, updates - updates // 2, updates // 2)
    return Setup(
        generator=setup.refiner,
        discriminator=setup.discriminator,
        optimizer=optax.adam(rate, b1=B1),
        image_shape=setup.image_shape,
        image_dtype=setup.image_dtype,
        batch=batch,
        identity=identity,
    )
