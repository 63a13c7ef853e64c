"""What an iteration's time depends on, and what it does not: history, images, batch, seeds.

    python -m experiments.growth [--quick]

Both sides of a ratio take turns in one process, so that what else the machine does meets both alike;
given are the median and the quartiles of the ratios of pairs. Small networks, beside which all else
shows most. Writes result.json beside this file.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from configs.gaze import get_config
from experiments.benchmark.timing import seconds, spread
from experiments.flags import QUICK, results_folder
from experiments.results import origin
from simgan_jax import command
from simgan_jax.io.atomic import write_json
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.steps import Batch, iteration, train_step
from simgan_jax.training import devices
from simgan_jax.training.sampling import Updates

HERE = Path(__file__).parent

HISTORIES = (512, 51_200)
IMAGES = (1_000, 1_200_000)
BATCHES = (32, 64)
SEEDS = 4
Task = Callable[[], None]


def settings() -> ConfigDict:
    """Eyes of the paper's size, a refiner of one block of 8 features."""
    config = get_config("pixels")
    config.refiner.features, config.refiner.blocks = 8, 1
    config.loss.weight.label = ""
    config.train.ema = 0.0
    devices.cores_as_devices(make_setup(config))
    return config


def measure(config: ConfigDict, rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """The ratios, each of the larger side to the smaller one.

    Args:
        config: networks and sizes; of the run on the smaller side.
        rounds: pairs of each ratio.
        folder: for a file of `IMAGES[1]` images, which are zeros and take no space.
    """
    setup = devices.distribute(make_setup(config))
    some = images(IMAGES[0], setup)

    def resident(setup: Setup) -> Task:
        program = devices.resident_program(iteration, setup, updates(setup))
        return steps(program, placed(setup), devices.replicate(some, setup))

    pairs = {
        "history": [resident(setup.replace(history_size=size)) for size in HISTORIES],
        "images": [streamed(some, setup), streamed(images(IMAGES[1], setup, folder), setup)],
        "batch": [resident(setup.replace(batch=size)) for size in BATCHES],
        "seeds": [in_turn(setup), at_once(setup)],
    }
    return {name: ratio(*pair, rounds) for name, pair in pairs.items()}


def ratio(smaller: Task, larger: Task, rounds: int) -> dict[str, float]:
    """How many times as long the larger takes: `spread` over pairs."""
    for task in (smaller, larger):
        task()  # compiles
    return spread([seconds(larger) / seconds(smaller) for _ in range(rounds)])


def updates(setup: Setup) -> Updates:
    """Of an iteration."""
    return Updates(setup.refiner_updates, setup.discriminator_updates)


def images(number: int, setup: Setup, folder: Path | None = None) -> Batch:
    """Two sets of random images; of zeros, memory-mapped, if there is a folder."""
    shape = (number, *setup.image_shape)
    if folder:
        return {
            name: np.memmap(folder / name, np.uint8, "w+", shape=shape)
            for name in ("synthetic", "real")
        }
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 256, shape, np.uint8) for name in ("synthetic", "real")}


def full(seed: int, setup: Setup) -> TrainState:
    """A state whose history is drawn from."""
    state = create_train_state(jax.random.key(seed), setup)
    history = state.history.replace(count=jnp.int32(setup.history_size))
    return state.replace(history=history)


def placed(setup: Setup) -> TrainState:
    """`full`, on the devices."""
    return devices.place(full(0, setup), setup)


def steps(program: Callable, state: TrainState, batch: Batch) -> Task:
    """Takes a step from the state that the last one left, and waits for it."""

    def task() -> None:
        nonlocal state
        state, metrics = program(state, batch)
        jax.block_until_ready(metrics)

    return task


def streamed(sets: Batch, setup: Setup) -> Task:
    """A step on a batch that a thread has gathered meanwhile."""
    program = devices.streaming_program(iteration, setup)
    state = placed(setup)
    batches = devices.stream(jax.random.key(0), count(), sets, updates(setup), setup)

    def task() -> None:
        nonlocal state
        state, metrics = program(state, next(batches))
        jax.block_until_ready(metrics)

    return task


def in_turn(setup: Setup) -> Task:
    """A step of each of `SEEDS` runs on one device, one after the other."""
    setup = setup.replace(axis_name=None, devices=1)
    program = jax.jit(lambda state, batch: train_step(state, batch, setup), donate_argnums=0)
    tasks = [steps(program, full(seed, setup), fixed(setup)) for seed in range(SEEDS)]
    return lambda: [task() for task in tasks]


def at_once(setup: Setup) -> Task:
    """The same as one program."""
    setup = setup.replace(axis_name=None, devices=1)
    states = [full(seed, setup) for seed in range(SEEDS)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    one = jax.vmap(lambda state, batch: train_step(state, batch, setup), in_axes=(0, None))
    return steps(jax.jit(one, donate_argnums=0), stacked, fixed(setup))


def fixed(setup: Setup) -> Batch:
    """A batch of `train_step`."""
    rows = {"synthetic": sum(updates(setup)), "real": setup.discriminator_updates}
    sets = images(setup.batch, setup)
    return {name: jnp.stack(number * [sets[name]]) for name, number in rows.items()}


def main(argv: Sequence[str]) -> None:
    """Measures, shows and saves."""
    del argv
    start = time.perf_counter()
    rounds = 5 if QUICK.value else 31
    with tempfile.TemporaryDirectory() as folder:
        ratios = measure(settings(), rounds, Path(folder))
    sides = {
        "history": f"history of {HISTORIES[1]:,} images against {HISTORIES[0]:,}",
        "images": f"{IMAGES[1]:,} images in a file against {IMAGES[0]:,} in memory",
        "batch": f"batch {BATCHES[1]} against {BATCHES[0]}",
        "seeds": f"{SEEDS} seeds in one program against one after the other, on one device",
    }
    table = Table("time of an iteration", "ratio (quartiles)")
    for name, found in ratios.items():
        table.add_row(
            sides[name], f"{found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        )
    Console(highlight=False).print(table)
    result = origin("growth") | {
        "rounds": rounds,
        "ratios": ratios,
        "sides": sides,
        "seconds": round(time.perf_counter() - start, 1),
    }
    write_json(results_folder(HERE) / "result.json", result)


if __name__ == "__main__":
    command.run(main)
