"""Trains a rival: as many images as the refiner has seen, one compiled call for many updates."""

import math
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree, Shaped
from ml_collections import ConfigDict

from experiments.rivals import cut, cyclegan
from experiments.rivals.setup import Batch, Setup, Terms, make_setup
from simgan_jax.errors import UserError
from simgan_jax.gradients import scan_mean
from simgan_jax.ranges import to_unit
from simgan_jax.shuffle import batch_indices
from simgan_jax.state import DATA

# Each has `create(key, setup) -> state`, `step(state, batch, setup) -> (state, terms)` and
# `generator_params(state)`.
RIVALS: dict[str, ModuleType] = {"cyclegan": cyclegan, "cut": cut}
# As many as the refiner takes at a time on a CPU. Both papers take 1, and far more updates.
BATCH = 4
# Calls of a training, after each of which it says how it goes.
CALLS = 20

Sets = dict[str, Shaped[Array, "n h w c"]]


def images_seen(config: ConfigDict) -> int:
    """Synthetic images that the refiner of a run is trained on, those seen twice counting twice."""
    t = config.train
    return (t.pretrain_refiner + t.refiner_updates * t.steps) * t.batch


def train(
    rival: ModuleType,
    config: ConfigDict,
    sets: Sets,
    images: int,
    identity: bool = True,
    say: Callable[[str], None] = lambda line: None,
) -> PyTree[Float[Array, "..."]]:
    """Trains a rival with the networks and the seed of a run's configuration.

    Args:
        rival: of `RIVALS`.
        config: of the run that it is compared with.
        sets: integer images, "synthetic" and "real".
        images: of each set that it sees.
        identity: whether real images must pass unchanged.
        say: gets a line now and then.

    Returns:
        Parameters of the generator from synthetic to real images, after the last update.

    Raises:
        UserError: a loss that is not finite.
    """
    length = max(1, images // (BATCH * CALLS))
    setup = make_setup(config, BATCH, length * CALLS, identity)
    create = jax.jit(rival.create, static_argnames="setup")
    state = create(jax.random.key(config.seed), setup)
    sets = jax.tree.map(jnp.asarray, sets)
    for call in range(CALLS):
        state, terms = advance(state, sets, call * length, rival.step, setup, length)
        found = {name: float(value) for name, value in terms.items()}
        say(f"{(call + 1) / CALLS:.0%}  " + "  ".join(f"{k} {x:.3g}" for k, x in found.items()))
        if broken := [name for name, value in found.items() if not math.isfinite(value)]:
            raise UserError(f"{broken[0]} is not finite after {(call + 1) * length} updates")
    return rival.generator_params(state)


@partial(jax.jit, static_argnames=("step", "setup", "length"), donate_argnums=0)
def advance(
    state: Any, sets: Sets, first: int, step: Callable, setup: Setup, length: int
) -> tuple[Any, Terms]:
    """So many updates, the batches being those of a walk through both sets.

    Args:
        state: of a rival.
        sets: whole, on the device.
        first: updates done.
        step: of the rival.
        setup: of it.
        length: updates to do.
    """

    def one(state, number):
        return step(state, batch_of(state.key, sets, number, setup), setup)

    return scan_mean(one, state, first + jnp.arange(length))


def batch_of(key: Array, sets: Sets, number: Array, setup: Setup) -> Batch:
    """Images of an update in [-1, 1]; each set is walked through in an order of its own."""
    batch = {}
    for i, name in enumerate(("synthetic", "real")):
        own = jax.random.fold_in(jax.random.fold_in(key, DATA), i)
        rows = batch_indices(own, number, setup.batch, len(sets[name]))
        batch[name] = to_unit(sets[name][rows])
    return batch
