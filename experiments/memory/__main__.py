"""Memory of a training step with the paper's hand networks: 224 x 224 pixels, batch 512.

    python -m experiments.memory

Compiles `train_step` with and without rematerialisation (`config.refiner.remat`) and gradient
accumulation (`config.train.micro_batch`), and asks the compiler what each program needs; nothing runs,
so that any machine can tell. Compilers differ: XLA for CPU merges what rematerialisation does twice,
and so shows no gain from it. What the gradient of the refiner keeps of its forward pass, most of the
memory, is counted by JAX too, whatever the compiler. Writes result.json beside this file.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import jax
from jaxtyping import PyTree
from rich.console import Console
from rich.table import Table

from configs.hand import get_config
from experiments.results import origin
from simgan_jax import command
from simgan_jax.io.atomic import write_json
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import create_train_state
from simgan_jax.steps import train_step

HERE = Path(__file__).parent
# (remat, micro_batch)
SETTINGS = ((False, 0), (True, 0), (False, 16), (True, 16))


def main(argv: Sequence[str]) -> None:
    """Compiles every setting and writes what it needs."""
    del argv
    rows = []
    for remat, micro_batch in SETTINGS:
        start = time.perf_counter()
        row = {"remat": remat, "micro_batch": micro_batch} | measure(remat, micro_batch)
        rows.append(row | {"compile_seconds": round(time.perf_counter() - start, 1)})
        print(rows[-1], flush=True)
    write_json(HERE / "result.json", origin("memory") | {"batch": 512, "rows": rows})
    table = Table(title="train_step of configs/hand.py:paper, batch 512, GiB")
    for heading in ("remat", "micro-batch", "kept", "working memory", "state and batch", "history"):
        table.add_column(heading, justify="right")
    for row in rows:
        sizes = (
            row["kept_gib"],
            row["working_gib"],
            row["state_and_batch_gib"],
            row["history_gib"],
        )
        table.add_row(str(row["remat"]), str(row["micro_batch"]), *(f"{x:.2f}" for x in sizes))
    Console(highlight=False).print(table)


def measure(remat: bool, micro_batch: int) -> dict[str, float]:
    """What one compiled step needs, in GiB."""
    config = get_config("paper")
    config.refiner.remat = remat
    config.train.micro_batch = micro_batch
    setup = make_setup(config)
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    image = (config.image.height, config.image.width, config.image.channels)
    size = (setup.batch, *image)
    updates = setup.refiner_updates + setup.discriminator_updates
    batch = {
        "synthetic": jax.ShapeDtypeStruct((updates, *size), config.image.dtype),
        "real": jax.ShapeDtypeStruct((setup.discriminator_updates, *size), config.image.dtype),
        "mask": jax.ShapeDtypeStruct((updates, *size[:-1]), "uint8"),
    }
    step = jax.jit(train_step, static_argnames="setup", donate_argnums=0)
    needed = step.lower(state, batch, setup=setup).compile().memory_analysis()
    history = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state.history))
    gib = 2**30
    images = jax.ShapeDtypeStruct((micro_batch or setup.batch, *image), "float32")
    return {
        "kept_gib": kept_bytes(setup, state.refiner.params, images) / gib,
        "working_gib": needed.temp_size_in_bytes / gib,
        "state_and_batch_gib": (needed.argument_size_in_bytes - history) / gib,
        "history_gib": history / gib,
    }


def kept_bytes(setup: Setup, params: PyTree, images: jax.ShapeDtypeStruct) -> int:
    """Bytes of all that the gradient of the refiner keeps of its forward pass, parameters aside."""

    def pull_back(params, images):
        return jax.vjp(lambda params: setup.refiner.apply({"params": params}, images), params)[1]

    kept = jax.tree.leaves(jax.eval_shape(pull_back, params, images))
    own = [(x.shape, x.dtype) for x in jax.tree.leaves(params)]
    return sum(x.size * x.dtype.itemsize for x in kept if (x.shape, x.dtype) not in own)


if __name__ == "__main__":
    command.run(main)
