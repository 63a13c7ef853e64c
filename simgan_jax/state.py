"""Every array that a run owns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped

from simgan_jax import history
from simgan_jax.history import History
from simgan_jax.models.refiner import refine_with_maps
from simgan_jax.setup import Setup

# The uses of a run's key. Each folds in its own number first, so that no two share random numbers:
# initial networks, updates of the refiner and of the discriminator, the walk through the data, initial
# estimators, an initial second discriminator, initial projections and the places they compare.
INITIAL, REFINER, DISCRIMINATOR, DATA, ESTIMATORS, SECOND, PROJECTIONS, PLACES = range(8)


@struct.dataclass
class Network:
    """A network in training.

    Attributes:
        params: parameters, as its linen module's `init` makes them.
        optimizer: state of its optax optimiser.
        updates: int32 [], gradient steps taken.
    """

    params: PyTree[Float[Array, "..."]]
    optimizer: Any
    updates: Int[Array, ""]

    def update(self, gradients: PyTree, optimizer: optax.GradientTransformation) -> "Network":
        """The network after one gradient step."""
        changes, state = optimizer.update(gradients, self.optimizer, self.params)
        return Network(optax.apply_updates(self.params, changes), state, self.updates + 1)


@struct.dataclass
class TrainState:
    """The whole state of Algorithm 1.

    Attributes:
        key: typed key; never changes, every random number is a function of it and of counters.
        step: int32 [], steps of the run: pre-training updates, then outer iterations.
        refiner: R.
        discriminator: D; a second one beside it lies in the same parameters, `Setup.discriminate`.
        history: buffer of refined images, on several devices each device's own part.
        ema: refiner parameters averaged over all updates, later ones weighing more; None when the
            setup keeps none.
        self_regularization: float32 [], lambda; a leaf, so that runs of several lambdas vmap.
        estimators: parameters of `setup.reading`'s frozen estimators, stacked; None without it.
        reading_weight: float32 [], weight of what they read; None where it stays the setup's.
        projections: of `setup.contrast`, which learn with the refiner; None without it.
        histograms: sorted values of real images, which synthetic ones get before they are refined;
            None where they come as they are. No step looks at it: what refines with a run does.
    """

    key: Key[Array, ""]
    step: Int[Array, ""]
    refiner: Network
    discriminator: Network
    history: History
    ema: PyTree[Float[Array, "..."]] | None
    self_regularization: Float[Array, ""]
    estimators: PyTree[Float[Array, "m ..."]] | None = None
    reading_weight: Float[Array, ""] | None = None
    projections: Network | None = None
    histograms: Shaped[Array, "k levels c"] | None = None


def create_train_state(key: Key[Array, ""], setup: Setup) -> TrainState:
    """A state before its first step: random networks, estimators too, empty history and histograms.

    Args:
        key: typed key (`jax.random.key(seed)`); decides everything random in the run.
        setup: from `make_setup`.
    """
    refiner_key, discriminator_key, noise_key = jax.random.split(
        jax.random.fold_in(key, INITIAL), 3
    )
    images = jnp.zeros((1, *setup.image_shape))
    noise = sample_noise(setup, noise_key, images)
    inputs = (images,) if noise is None else (images, noise)
    refiner = setup.refiner.init(refiner_key, *inputs)["params"]
    discriminator = setup.discriminator.init(discriminator_key, images)["params"]
    if setup.second_discriminator:
        second = setup.second_discriminator.init(jax.random.fold_in(key, SECOND), images)["params"]
        discriminator = {"first": discriminator, "second": second}
    return TrainState(
        key=key,
        step=jnp.zeros((), jnp.int32),
        refiner=_network(refiner, setup.refiner_optimizer),
        discriminator=_network(discriminator, setup.discriminator_optimizer),
        history=history.init(setup.history_size, setup.image_shape, np.dtype(setup.image_dtype)),
        ema=jax.tree.map(jnp.copy, refiner) if setup.ema else None,
        self_regularization=jnp.float32(setup.self_regularization),
        estimators=_estimators(jax.random.fold_in(key, ESTIMATORS), images, setup),
        reading_weight=jnp.float32(setup.reading_weight) if setup.hold_reading else None,
        projections=_projections(jax.random.fold_in(key, PROJECTIONS), refiner, inputs, setup),
        histograms=_histograms(setup),
    )


def sample_noise(
    setup: Setup, key: Key[Array, ""], images: Float[Array, "b h w c"]
) -> Float[Array, "b h w n"] | None:
    """The refiner's noise input for a batch; None for refiners without one."""
    draw = getattr(setup.refiner, "sample_noise", None)
    return draw(key, images) if draw else None


def refiner_params(state: TrainState) -> PyTree[Float[Array, "..."]]:
    """The parameters to refine with: the averaged ones where they are kept."""
    return state.refiner.params if state.ema is None else state.ema


def _network(params: PyTree, optimizer: optax.GradientTransformation) -> Network:
    return Network(params, optimizer.init(params), jnp.zeros((), jnp.int32))


def _estimators(key: Key[Array, ""], images: Array, setup: Setup) -> PyTree | None:
    if not setup.reading:
        return None
    keys = jax.random.split(key, setup.reading.count)
    return jax.vmap(lambda key: setup.reading.network.init(key, images)["params"])(keys)


def _projections(
    key: Key[Array, ""], refiner: PyTree, inputs: tuple[Array, ...], setup: Setup
) -> Network | None:
    if not setup.contrast:
        return None
    maps = refine_with_maps(setup.refiner, refiner, *inputs)[1]
    return _network(setup.contrast.init(key, maps), setup.refiner_optimizer)


def _histograms(setup: Setup) -> Array | None:
    if not setup.histograms:
        return None
    return jnp.zeros((*setup.histograms, setup.image_shape[2]), setup.image_dtype)
