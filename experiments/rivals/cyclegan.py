"""CycleGAN (Zhu, Park, Isola, Efros, ICCV 2017): two generators that undo each other.

As in the authors' program: least squares, cycle loss 10, identity loss 5, pools of 50 made images.
Other than there: the refiner's networks; a batch of several images, half of those that a discriminator
sees as made being out of its pool (there each is with probability 1/2).
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Key, PyTree

from experiments.rivals import losses
from experiments.rivals.setup import Batch, Images, Setup, Terms
from simgan_jax import history
from simgan_jax.history import History
from simgan_jax.losses import REAL, self_regularization
from simgan_jax.state import Network

CYCLE, IDENTITY, POOL = 10.0, 5.0, 50
# The other set of each; a network is named by the set whose images it makes or judges.
OTHER = {"real": "synthetic", "synthetic": "real"}


@struct.dataclass
class State:
    """The whole state.

    Attributes:
        key: never changes.
        generators: parameters by the set whose images they make.
        discriminators: by the set whose images they know from made ones.
        pools: of earlier made images, by set.
    """

    key: Key[Array, ""]
    generators: Network
    discriminators: Network
    pools: dict[str, History]


def create(key: Key[Array, ""], setup: Setup) -> State:
    """The state before the first update."""
    images = jnp.zeros((1, *setup.image_shape))

    def fresh(module, key):
        keys = dict(zip(OTHER, jax.random.split(key), strict=True))
        return setup.network({name: module.init(k, images)["params"] for name, k in keys.items()})

    run, generators, discriminators = jax.random.split(key, 3)
    empty = history.init(POOL, setup.image_shape, np.dtype(setup.image_dtype))
    return State(
        key=run,
        generators=fresh(setup.generator, generators),
        discriminators=fresh(setup.discriminator, discriminators),
        pools={name: jax.tree.map(jnp.copy, empty) for name in OTHER},
    )


def step(state: State, batch: Batch, setup: Setup) -> tuple[State, Terms]:
    """One update of both generators, then of both discriminators.

    Args:
        state: before it.
        batch: "synthetic" and "real" images [b, H, W, C] in [-1, 1].
        setup: static under jit.
    """

    def of_generators(params):
        return loss_of_generators(params, state.discriminators.params, batch, setup)

    gradients, (made, terms) = jax.grad(of_generators, has_aux=True)(state.generators.params)
    generators = state.generators.update(gradients, setup.optimizer)

    key = jax.random.fold_in(state.key, state.discriminators.updates)
    shown, pools = {}, {}
    for name, own in zip(OTHER, jax.random.split(key), strict=True):
        shown[name], pools[name] = exchange(state.pools[name], own, made[name])

    def of_discriminators(params):
        return loss_of_discriminators(params, batch, shown, setup)

    gradients, judged = jax.grad(of_discriminators, has_aux=True)(state.discriminators.params)
    discriminators = state.discriminators.update(gradients, setup.optimizer)
    return State(state.key, generators, discriminators, pools), terms | judged


def loss_of_generators(
    params: PyTree, judges: PyTree, batch: Batch, setup: Setup
) -> tuple[Float[Array, ""], tuple[Batch, Terms]]:
    """Adversarial, cycle and identity losses of both directions; the images made, and the terms."""
    total, made, terms = 0.0, {}, {}
    for name, other in OTHER.items():
        inputs, count = batch[other], len(batch[other])
        if setup.identity:
            inputs = jnp.concatenate([inputs, batch[name]])
        outputs = setup.generate(params[name], inputs)
        made[name] = outputs[:count]
        back = setup.generate(params[other], made[name])
        logits = setup.discriminate(judges[name], made[name])
        found = {
            "adversarial": losses.adversarial(logits, REAL).mean(),
            "cycle": self_regularization(back, batch[other]).mean(),
        }
        total += found["adversarial"] + CYCLE * found["cycle"]
        if setup.identity:
            found["identity"] = self_regularization(outputs[count:], batch[name]).mean()
            total += IDENTITY * found["identity"]
        terms |= {f"{name}/{term}": value for term, value in found.items()}
    return total, (made, terms)


def loss_of_discriminators(
    params: PyTree, batch: Batch, shown: Batch, setup: Setup
) -> tuple[Float[Array, ""], Terms]:
    """The sum of both discriminators' losses, and each."""
    terms = {
        f"{name}/discriminator": losses.discriminator(
            *setup.judge(params[name], batch[name], shown[name])
        )
        for name in OTHER
    }
    return sum(terms.values()), terms


def exchange(pool: History, key: Key[Array, ""], made: Images) -> tuple[Images, History]:
    """What a discriminator sees of made images, and the pool after it.

    Half are new ones, half earlier ones out of the pool, into which the other new ones go.

    Args:
        pool: until it is full, all new images are seen.
        key: decides which ones.
        made: new images, an even number.
    """
    half = len(made) // 2
    pick, place = jax.random.split(key)
    past = history.sample(pool, pick, half)
    shown = jnp.where(history.can_sample(pool, len(pool.images)), past, made[half:])
    return jnp.concatenate([made[:half], shown]), history.replace(pool, place, made[half:])


def generator_params(state: State) -> PyTree:
    """Of the generator from synthetic to real images."""
    return state.generators.params["real"]
