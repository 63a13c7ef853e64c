"""Time and memory with the paper's networks at batch 64, beside PyTorch.

python -m experiments.benchmark [--quick]

Both frameworks take turns, so that what else the machine does meets both alike; a figure is the median
of its rounds. PyTorch comes with `pip install -e '.[benchmark]'`; without it our own times alone are
measured.
"""

import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

# PyTorch needs its share of an accelerator's memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from configs.gaze import get_config
from experiments.benchmark.memory import peak_bytes
from experiments.benchmark.pytorch import PyTorch
from experiments.benchmark.timing import seconds, spread
from experiments.flags import QUICK
from experiments.machine import machine
from simgan_jax import command
from simgan_jax.io.atomic import write_json
from simgan_jax.refinement.refiner import Refine
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import create_train_state
from simgan_jax.steps import discriminator_step, iteration, refiner_step, train_step
from simgan_jax.training import devices
from simgan_jax.training.sampling import Updates

OUTPUT = flags.DEFINE_string(
    "output", str(Path(__file__).parent / "result.json"), "The file to write."
)

TASKS = {
    "refiner_update": "refiner update",
    "discriminator_update": "discriminator update",
    "iteration_step_only": "iteration (K_g 2, K_d 1), step only",
    "iteration": "iteration with data sampling",
    "refine": "refine 64 images",
}
# Images in each of the two sets that mini-batches are drawn from.
IMAGES = 8192


def settings() -> ConfigDict:
    """The paper's networks for eyes with Adam, batch 64 and a history of 6,400 images."""
    config = get_config("pixels")
    config.refiner.features = 64
    config.refiner.padding = "SAME"
    config.loss.weight.label = ""
    config.history.size = 6400
    config.train.batch = 64
    config.train.ema = 0.0
    devices.cores_as_devices(make_setup(config))
    if jax.default_backend() != "cpu":
        config.train.micro_batch = 0
    return config


class Ours:
    """simgan_jax as `train` and `refine` run it: on all cores of a CPU, on one accelerator.

    Attributes:
        tasks: what can be timed, by name; each call waits for its result.
        compile_seconds: of each task.
        memory_bytes: that the compiled iteration needs, without the data sets.
    """

    def __init__(self, config: ConfigDict):
        on_cpu = jax.default_backend() == "cpu"
        setup = devices.distribute(make_setup(config), devices=None if on_cpu else 1)
        rng = np.random.default_rng(0)
        data = {
            name: rng.integers(0, 256, (IMAGES, *setup.image_shape), np.uint8)
            for name in ("synthetic", "real")
        }
        batch = {name: images[: setup.batch] for name, images in data.items()}
        updates = Updates(setup.refiner_updates, setup.discriminator_updates)
        rows = {"synthetic": sum(updates), "real": updates.discriminator}
        batches = {
            name: np.broadcast_to(batch[name], (count, *batch[name].shape))
            for name, count in rows.items()
        }
        # A streamed batch has a leading axis of devices.
        cut = lambda x, rows: x.reshape(rows, setup.devices, -1, *setup.image_shape).swapaxes(0, 1)  # noqa: E731
        batch = jax.tree.map(lambda x: cut(x, 1)[:, 0], batch)
        batches = {name: cut(x, rows[name]) for name, x in batches.items()}
        sets = devices.replicate(data, setup)
        self.compile_seconds: dict[str, float] = {}
        whole = devices.resident_program(iteration, setup, updates)
        self.tasks = {
            "refiner_update": self._step(
                "refiner_update",
                devices.streaming_program(refiner_step, setup),
                {"synthetic": batch["synthetic"]},
                setup,
            ),
            "discriminator_update": self._step(
                "discriminator_update",
                devices.streaming_program(discriminator_step, setup),
                batch,
                setup,
            ),
            "iteration_step_only": self._step(
                "iteration_step_only", devices.streaming_program(train_step, setup), batches, setup
            ),
            "iteration": self._step("iteration", whole, sets, setup),
        }
        memory = whole.lower(new_state(setup), sets).compile().memory_analysis()
        data_bytes = sum(x.nbytes for x in data.values())
        self.memory_bytes = memory.temp_size_in_bytes + memory.argument_size_in_bytes - data_bytes
        params = new_state(setup).refiner.params
        refine = Refine(setup.refiner, params)
        images = data["synthetic"][: setup.batch]
        self.compile_seconds["refine"] = seconds(lambda: refine(images))
        self.tasks["refine"] = lambda: refine(images)

    def _step(
        self, name: str, program: devices.Program, batch: dict, setup: Setup
    ) -> Callable[[], None]:
        """A task that takes a step from the state the last one left; compiles it."""
        state = new_state(setup)

        def task():
            nonlocal state
            state, metrics = program(state, batch)
            jax.block_until_ready((state, metrics))

        self.compile_seconds[name] = seconds(task)
        return task


def new_state(setup: Setup):
    """A state on the device."""
    return devices.place(create_train_state(jax.random.key(0), setup), setup)


def measure(config: ConfigDict, rounds: int) -> dict:
    """Times every task of both frameworks in turn.

    Args:
        config: networks and sizes.
        rounds: of every task.

    Returns:
        As in result.json.
    """
    ours = Ours(config)
    process_bytes = peak_bytes()
    theirs = PyTorch(config, IMAGES) if find_spec("torch") else None
    times: dict[str, dict[str, list[float]]] = {name: {"jax": [], "pytorch": []} for name in TASKS}
    for name in TASKS:
        if theirs:
            theirs.seconds(name)
    for _ in range(rounds):
        for name, each in times.items():
            each["jax"].append(seconds(ours.tasks[name]))
            if theirs:
                each["pytorch"].append(theirs.seconds(name))
    if theirs:
        theirs.close()

    summary = {
        name: {framework: spread(values) for framework, values in each.items() if values}
        for name, each in times.items()
    }
    t = config.train
    images = t.batch * (t.refiner_updates + 2 * t.discriminator_updates)
    result = {
        "ratio_to_pytorch": {
            name: round(summary[name]["pytorch"]["median"] / summary[name]["jax"]["median"], 3)
            for name in TASKS
            if theirs
        },
        "seconds": summary,
        "images_per_second": images / summary["iteration"]["jax"]["median"],
        "compile_seconds": ours.compile_seconds,
        "memory_bytes": {"iteration": ours.memory_bytes, "process": process_bytes},
        "rounds": rounds,
        "batch": t.batch,
        "micro_batch": t.micro_batch,
        "history": config.history.size,
        "dtype": config.refiner.dtype,
        "machine": machine(),
    }
    if theirs:
        result["machine"]["torch"] = theirs.about["torch"]
        result["memory_bytes"]["pytorch_process"] = theirs.peak_bytes
    return result


def show(result: dict) -> None:
    """Prints the result as tables."""
    console = Console(highlight=False)
    heading = f"{result['dtype']}, batch {result['batch']}, micro-batch {result['micro_batch']}"
    table = Table("ms (quartiles)", "simgan_jax", "PyTorch", "ratio", "compile, s", title=heading)
    for name, label in TASKS.items():
        times = result["seconds"][name]
        cells = [
            f"{x['median'] * 1e3:.0f} ({x['low'] * 1e3:.0f}-{x['high'] * 1e3:.0f})" if x else "-"
            for x in (times.get("jax"), times.get("pytorch"))
        ]
        ratio = result["ratio_to_pytorch"].get(name)
        compiled = f"{result['compile_seconds'][name]:.1f}"
        table.add_row(label, *cells, f"{ratio:.2f}" if ratio else "-", compiled)
    console.print(table)
    memory = {name: f"{size / 2**20:.0f} MiB" for name, size in result["memory_bytes"].items()}
    console.print(f"{result['images_per_second']:.0f} images/s; memory {memory}", markup=False)
    console.print(f"{result['machine']}", markup=False)
    if not result["ratio_to_pytorch"]:
        console.print("PyTorch is not installed (pip install -e '.[benchmark]'): no ratios")


def main(argv: Sequence[str]) -> None:
    """Measures, shows and saves."""
    del argv
    rounds = 3 if QUICK.value else 15
    jax.config.update("jax_enable_compilation_cache", False)  # its times of compiling are measured
    config = settings()
    result = measure(config, rounds)
    show(result)
    if jax.default_backend() != "cpu":
        config.refiner.dtype = config.discriminator.dtype = "bfloat16"
        result["bfloat16"] = measure(config, rounds)
        show(result["bfloat16"])
    write_json(OUTPUT.value, result)


if __name__ == "__main__":
    command.run(main)
