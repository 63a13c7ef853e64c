"""The state that a run begins with."""

import jax
from jaxtyping import Array, Key

from simgan_jax.setup import Setup
from simgan_jax.state import TrainState, create_train_state

# Compiler options of a program that runs once: slower code, there sooner, equal but for rounding.
COMPILED_SOON = {"xla_backend_optimization_level": 1}


def first_state(key: Key[Array, ""], setup: Setup) -> TrainState:
    """`create_train_state` as one program, on the first device.

    Args:
        key: of the run.
        setup: of it.
    """
    options = COMPILED_SOON if jax.default_backend() == "cpu" else None
    create = jax.jit(create_train_state, static_argnames="setup", compiler_options=options)
    return create(key, setup)
