"""SimGAN in JAX: labelled synthetic images made real, after Shrivastava et al., CVPR 2017.

The public names are loaded when first used, so that `import simgan_jax` costs nothing.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Setup": "simgan_jax.setup",
    "TrainState": "simgan_jax.state",
    "create_train_state": "simgan_jax.state",
    "discriminator_step": "simgan_jax.steps",
    "load_refiner": "simgan_jax.refinement.loading",
    "make_setup": "simgan_jax.setup",
    "refined_batches": "simgan_jax.refinement.batches",
    "refiner_step": "simgan_jax.steps",
    "train_step": "simgan_jax.steps",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
