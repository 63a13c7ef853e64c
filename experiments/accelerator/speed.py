"""How fast the paper's gaze networks train at batch 512, beside PyTorch on the same card.

Step only repeats one batch; with data every batch is drawn anew from sets on the device. All sides take
several iterations a call and wait for the last one alone; they take turns, and a figure is the median
of its rounds. Float32 multiplies as TF32 on both sides, where the card does.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments.accelerator.budget import Part
from experiments.accelerator.configurations import paper_eyes
from experiments.accelerator.kernels import kernels
from experiments.benchmark import flops
from experiments.benchmark.matrix import matrix_rates
from experiments.benchmark.pytorch import PyTorch
from experiments.benchmark.timing import seconds, spread
from simgan_jax.gradients import scan_mean
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.steps import Batch, iteration, train_step
from simgan_jax.training import devices
from simgan_jax.training.sampling import Updates

DTYPES = ("bfloat16", "float32")
TASKS = ("iteration_step_only", "iteration")
# Images in each of the two sets, iterations a call, calls of each.
IMAGES, CALLS, ROUNDS = 8192, 10, 9


class Ours:
    """simgan_jax as `train` runs it on an accelerator.

    Attributes:
        tasks: what can be timed; each call takes several iterations and waits for them.
        calls: iterations in a call.
        compile_seconds: of each task.
        flops: of an iteration.
        images: that an iteration takes.
        memory: most bytes that were in use, where the device tells.
    """

    def __init__(self, config: ConfigDict, calls: int):
        """Compiles.

        Args:
            config: networks and sizes.
            calls: iterations a call.
        """
        setup = devices.distribute(make_setup(config), 1)
        rng = np.random.default_rng(0)
        updates = Updates(setup.refiner_updates, setup.discriminator_updates)
        rows = {"synthetic": sum(updates), "real": updates.discriminator}
        images = lambda *lead: rng.integers(0, 256, (*lead, *setup.image_shape), np.uint8)  # noqa: E731
        sets = devices.replicate({name: images(IMAGES) for name in rows}, setup)
        batch = {name: images(count, setup.batch) for name, count in rows.items()}
        placed = {name: x[None] for name, x in batch.items()}

        def again(state: TrainState, batch: Batch, setup: Setup):
            return scan_mean(
                lambda state, _: train_step(state, batch, setup), state, np.arange(calls)
            )

        self.calls = calls
        self.compile_seconds: dict[str, float] = {}
        resident = devices.resident_program(iteration, setup, updates, calls)
        self.tasks = {
            "iteration_step_only": self._task(
                "iteration_step_only", devices.streaming_program(again, setup), placed, setup
            ),
            "iteration": self._task("iteration", resident, sets, setup),
        }
        alone = setup.replace(axis_name=None)
        state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), alone))
        self.flops = flops.count(lambda state, batch: train_step(state, batch, alone), state, batch)
        self.images = setup.batch * (setup.refiner_updates + 2 * setup.discriminator_updates)
        self.memory = {}
        if found := jax.local_devices()[0].memory_stats():
            self.memory["peak_bytes_in_use"] = found.get("peak_bytes_in_use")

    def seconds(self, task: str, times: int) -> list[float]:
        """Of so many calls of a task."""
        return [seconds(self.tasks[task]) for _ in range(times)]

    def _task(
        self, name: str, program: devices.Program, data: Batch, setup: Setup
    ) -> Callable[[], None]:
        state = devices.place(create_train_state(jax.random.key(0), setup), setup)

        def task() -> None:
            nonlocal state
            state, metrics = program(state, data)
            jax.block_until_ready((state, metrics))

        self.compile_seconds[name] = seconds(task)
        return task


def measure(part: Part) -> None:
    """The card's own rates, ours in both dtypes, then rounds with PyTorch in each."""
    rates = matrix_rates(256 if part.quick else 8192)
    part.report(matrix_flops_per_second=rates)
    calls = 2 if part.quick else CALLS
    configs = {dtype: paper_eyes(dtype, part.quick) for dtype in DTYPES}
    theirs = {dtype: start_pytorch(config, part.quick) for dtype, config in configs.items()}
    ours = {}
    for dtype, config in configs.items():
        ours[dtype] = Ours(config, calls)
        times = {task: {"jax": ours[dtype].seconds(task, 3)} for task in TASKS}
        part.report(
            **{dtype: about(config, ours[dtype]) | summary(times, ours[dtype], rates[dtype])}
        )
    for i, (dtype, config) in enumerate(configs.items()):
        end = time.perf_counter() + part.left() / (len(DTYPES) - i)
        result = about(config, ours[dtype])
        times = compare(ours[dtype], theirs[dtype], result, 3 if part.quick else ROUNDS, end)
        result |= summary(times, ours[dtype], rates[dtype])
        part.report(**{dtype: result})
    for dtype, one in ours.items():
        part.report(**{f"{dtype}_kernels": kernels(one.tasks["iteration"], calls)})


def about(config: ConfigDict, ours: Ours) -> dict[str, Any]:
    """What the figures of a dtype belong to."""
    return {
        "batch": config.train.batch,
        "history": config.history.size,
        "iterations_a_call": ours.calls,
        "flops_an_iteration": ours.flops,
        "compile_seconds": {"jax": ours.compile_seconds},
        "memory": {"jax": ours.memory},
    }


def start_pytorch(config: ConfigDict, quick: bool) -> dict[str, PyTorch]:
    """PyTorch's processes by name, on their way."""
    if find_spec("torch") is None:
        return {}
    started = {"pytorch_eager": PyTorch(config, IMAGES)}
    # For a CPU it takes minutes to compile.
    if not quick:
        started["pytorch_compiled"] = PyTorch(config, IMAGES, compiled=True)
    return started


def compare(
    ours: Ours, theirs: dict[str, PyTorch], result: dict[str, Any], rounds: int, end: float
) -> dict[str, dict[str, list[float]]]:
    """Times of calls by task and framework, from rounds until `end`; one round at least.

    Why a framework was not measured goes into the result, with PyTorch's compile time and memory.
    """
    times: dict[str, dict[str, list[float]]] = {task: {"jax": []} for task in TASKS}
    taking_part = {}
    for name, process in theirs.items():
        try:
            result[name] = process.about
            if jax.default_backend() != "cpu" and process.about["device"] == "cpu":
                raise RuntimeError("PyTorch sees no accelerator")
            result["compile_seconds"][name] = {task: process.seconds(task) for task in TASKS}
            for task in TASKS:
                process.seconds(task, ours.calls)
                times[task][name] = []
            taking_part[name] = process
        except RuntimeError as error:
            result[name] = f"not measured: {error}"
    if not theirs:
        result["pytorch_eager"] = "not measured: PyTorch is not installed"
    for done in range(rounds):
        if done and time.perf_counter() > end:
            break
        for task, each in times.items():
            each["jax"] += ours.seconds(task, 1)
            for name, process in taking_part.items():
                each[name].append(process.seconds(task, ours.calls))
        result["rounds"] = done + 1
    for name, process in theirs.items():
        if name in taking_part:
            result["memory"][name] = {"peak_bytes_in_use": process.device_peak_bytes}
        process.close()
    return times


def summary(times: dict[str, dict[str, list[float]]], ours: Ours, rate: float) -> dict[str, Any]:
    """Seconds an iteration with their spread, images/s, share of the matrix rate, ratios to PyTorch.

    Args:
        times: of calls, by task and framework.
        ours: for iterations in a call, images and operations in an iteration.
        rate: measured operations a second of matrix products in this dtype.
    """
    each = {
        task: {name: spread(np.divide(x, ours.calls)) for name, x in by_name.items() if x}
        for task, by_name in times.items()
    }
    median = {
        task: {name: x["median"] for name, x in found.items()} for task, found in each.items()
    }
    found: dict[str, Any] = {"seconds_an_iteration": each}
    found["images_per_second"] = {
        task: {name: ours.images / x for name, x in by_name.items()}
        for task, by_name in median.items()
    }
    found["share_of_matrix_rate"] = {
        task: {name: ours.flops / x / rate for name, x in by_name.items()}
        for task, by_name in median.items()
    }
    for name in ("pytorch_eager", "pytorch_compiled"):
        found[f"ratio_to_{name}"] = {
            task: x[name] / x["jax"] for task, x in median.items() if name in x
        }
    step_only, with_data = (median[task]["jax"] for task in TASKS)
    return found | {"with_data_to_step_only": step_only / with_data}
