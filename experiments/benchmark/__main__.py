"""Time and memory with the paper's networks at batch 64, beside PyTorch.

    python -m experiments.benchmark [--quick]

All take turns, so that what else the machine does meets them alike: ours in float32 and in bfloat16
(networks, not parameters, losses or accumulation), PyTorch in both, eager and compiled. A ratio is of
one round's pair; figures are medians and quartiles over rounds. share_of_matrix_rate says how near a
task comes to the rate of float32 matrix products, which no float32 program passes but by computing
less. Writes result.json and result.png.
PyTorch comes with `pip install -e '.[benchmark]'`; without it our own times alone are measured. It
compiles with a C++ compiler; without one it is eager alone.
"""

import os
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

# PyTorch needs its share of an accelerator's memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from experiments.benchmark.chart import draw
from experiments.benchmark.matrix import matrix_rate
from experiments.benchmark.memory import peak_bytes
from experiments.benchmark.ours import Ours, settings
from experiments.benchmark.pytorch import PyTorch
from experiments.benchmark.ratios import OURS, PYTORCH, ratios
from experiments.benchmark.timing import spread
from experiments.flags import QUICK, results_folder
from experiments.machine import machine
from simgan_jax import command
from simgan_jax.io.atomic import write_json

HERE = Path(__file__).parent

TASKS = {
    "refiner_update": "refiner update",
    "discriminator_update": "discriminator update",
    "iteration_step_only": "iteration (K_g 2, K_d 1), step only",
    "iteration": "iteration with data sampling",
    "refine": "refine 64 images",
    "estimator": "64 updates of estimators",
}
# Images in each of the two sets that mini-batches are drawn from.
IMAGES, ROUNDS = 8192, 7
# Side of the float32 matrices whose products show what the machine can do.
MATRIX = 1024


def measure(config: ConfigDict, images: int, rounds: int, names: Sequence[str]) -> dict:
    """Times every task of all in turn.

    Args:
        config: networks and sizes, in float32.
        images: in each of the two sets that mini-batches are drawn from.
        rounds: of every task.
        names: of `OURS` and `PYTORCH`, who takes part.

    Returns:
        As in result.json.
    """
    configs = {"float32": config, "bfloat16": in_bfloat16(config)}
    ours = {name: Ours(configs[OURS[name]], images) for name in names if name in OURS}
    theirs = {}
    for name in names:
        if name in PYTORCH:
            dtype, compiled = PYTORCH[name]
            theirs[name] = PyTorch(configs[dtype], images, compiled)
            for task in TASKS:  # which compiles it
                theirs[name].seconds(task)

    times: dict[str, dict[str, list[float]]] = {
        task: {name: [] for name in names} for task in TASKS
    }
    for _ in range(rounds):
        for task, each in times.items():
            for name, one in (ours | theirs).items():
                each[name].append(one.seconds(task))
    for process in theirs.values():
        process.close()

    t, estimators = config.train, config.evaluate.estimator
    an_iteration = t.batch * (t.refiner_updates + 2 * t.discriminator_updates)
    summary = {
        task: {name: spread(values) for name, values in each.items()}
        for task, each in times.items()
    }
    rate = matrix_rate(MATRIX, "float32")
    operations = next(iter(ours.values())).operations
    versions = [process.about["torch"] for process in theirs.values()]
    return {
        **ratios(times),
        "seconds": summary,
        "images_per_second": {
            name: an_iteration / found["median"] for name, found in summary["iteration"].items()
        },
        "matrix_rate": rate,
        "share_of_matrix_rate": {
            task: {name: count / x["median"] / rate for name, x in summary[task].items()}
            for task, count in operations.items()
        },
        "compile_seconds": {name: each.compile_seconds for name, each in ours.items()},
        "memory_bytes": {name: each.memory_bytes for name, each in ours.items()}
        | {"process": peak_bytes()}
        | {f"{name}_process": each.peak_bytes for name, each in theirs.items()},
        "rounds": rounds,
        "batch": t.batch,
        "micro_batch": t.micro_batch,
        "history": config.history.size,
        "estimator": {"batch": estimators.batch, "width": estimators.width},
        "machine": machine() | ({"torch": versions[0]} if versions else {}),
    }


def in_bfloat16(config: ConfigDict) -> ConfigDict:
    """The same, whose networks compute in bfloat16."""
    config = config.copy_and_resolve_references()
    config.refiner.dtype = config.discriminator.dtype = "bfloat16"
    return config


def show(result: dict) -> None:
    """Prints the result."""
    console = Console(highlight=False)
    names = list(result["images_per_second"])
    heading = f"ms (quartiles), batch {result['batch']}, micro-batch {result['micro_batch']}"
    table = Table("", *(name.replace("_", " ") for name in names), title=heading)
    for task, label in TASKS.items():
        times = (result["seconds"][task][name] for name in names)
        cells = (
            f"{x['median'] * 1e3:.0f} ({x['low'] * 1e3:.0f}-{x['high'] * 1e3:.0f})" for x in times
        )
        table.add_row(label, *cells)
    console.print(table)
    found = {"float32 ratio_to_pytorch": result["ratio_to_pytorch"]}
    for dtype in ("float32", "bfloat16"):
        name = f"ratio_to_pytorch_{dtype}"
        found[f"bfloat16 {name}"] = result["bfloat16"][name]
    for name, of_tasks in found.items():
        said = ", ".join(f"{task} {ratio:.2f}" for task, ratio in of_tasks.items())
        console.print(f"{name}: {said or 'PyTorch has not taken part'}", soft_wrap=True)
    for name, rate in result["images_per_second"].items():
        console.print(f"{name}: {rate:.0f} images/s")
    for task, shares in result["share_of_matrix_rate"].items():
        said = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        console.print(f"{TASKS[task]}, of the rate of matrix products: {said}", soft_wrap=True)
    memory = {name: f"{size / 2**20:.0f} MiB" for name, size in result["memory_bytes"].items()}
    console.print(f"memory {memory}", markup=False)
    console.print(f"{result['machine']}", markup=False)


def main(argv: Sequence[str]) -> None:
    """Measures, shows and saves."""
    del argv
    jax.config.update("jax_enable_compilation_cache", False)  # its times of compiling are measured
    config = settings()  # first: once JAX has started, a CPU stays one device
    can_compile = jax.default_backend() != "cpu" or shutil.which("g++")
    rivals = [name for name, (_, compiled) in PYTORCH.items() if can_compile or not compiled]
    names = [*OURS, *(rivals if find_spec("torch") else ())]
    result = measure(config, IMAGES, 2 if QUICK.value else ROUNDS, names)
    show(result)
    here = results_folder(HERE)
    write_json(here / "result.json", result)
    if result["ratio_to_pytorch"]:
        draw(result, TASKS).savefig(here / "result.png", dpi=120)


if __name__ == "__main__":
    command.run(main)
