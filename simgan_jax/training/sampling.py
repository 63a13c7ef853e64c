"""Which examples a step sees: an endless, reshuffled walk through each set."""

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key

from simgan_jax.setup import Setup
from simgan_jax.shuffle import batch_indices
from simgan_jax.state import DATA
from simgan_jax.steps import Batch, MiniBatches, newly_refined

# The walks' own parts of the run's key: any two numbers would do, these are what runs began with.
WALKS = {"synthetic": 987, "real": 420}


class Updates(NamedTuple):
    """Updates of each network in one step; each takes a mini-batch."""

    refiner: int
    discriminator: int


def sample(
    key: Key[Array, ""],
    step: Int[Array, ""],
    sizes: Mapping[str, int],
    updates: Updates,
    setup: Setup,
) -> MiniBatches:
    """Indices [devices, K, b / devices] of a step's examples in each set; {} for no updates.

    A function of the key and the step alone; the number of devices decides only who takes which. With a
    history only the synthetic images that are refined are in the discriminator's share.

    Args:
        key: the state's.
        step: of the run.
        sizes: of the sets by name: synthetic, real, and mask if there are masks.
        updates: of the step.
        setup: from `distribute`.
    """
    local = setup.batch // setup.devices

    def walk(name: str, rows: int) -> Int[Array, "devices rows local"]:
        own = jax.random.fold_in(jax.random.fold_in(key, DATA), WALKS[name])
        flat = batch_indices(own, step, rows * setup.batch, sizes[name])
        return flat.reshape(rows, setup.devices, local).swapaxes(0, 1)

    synthetic = walk("synthetic", sum(updates))
    first, rest = jnp.split(synthetic, [updates.refiner], axis=1)
    refiner, discriminator = {}, {}
    if updates.refiner:
        refiner = {name: first for name in ("synthetic", "mask") if name in sizes}
    if updates.discriminator:
        used = rest[:, :, : newly_refined(local, setup)]
        discriminator = {"synthetic": used, "real": walk("real", updates.discriminator)}
    return MiniBatches(refiner, discriminator)


def take(data: Batch, indices: MiniBatches) -> MiniBatches:
    """The examples at the indices."""
    parts = ({name: data[name][index] for name, index in part.items()} for part in indices)
    return MiniBatches(*parts)
