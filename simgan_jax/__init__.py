"""SimGAN in JAX: labelled synthetic images made real, after Shrivastava et al., CVPR 2017."""

from simgan_jax.refining import load_refiner, refined_batches
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.steps import discriminator_step, refiner_step, train_step

__version__ = "0.1.0"

__all__ = [
    "Setup",
    "TrainState",
    "__version__",
    "create_train_state",
    "discriminator_step",
    "load_refiner",
    "make_setup",
    "refined_batches",
    "refiner_step",
    "train_step",
]
