"""Whether the device computes what the CPU computes.

Convolutions and their gradients, the steps of Algorithm 1 and the exported refiner are compared with
the CPU's results from the same arrays. An error is the norm of a difference over the norm of the CPU's
float32 result; of a step it is taken of the change of the parameters.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from experiments.accelerator.budget import Part
from experiments.accelerator.configurations import paper_eyes
from experiments.accelerator.device_tests import run_tests
from simgan_jax.models.convolution import convolve
from simgan_jax.ranges import from_unit, to_unit
from simgan_jax.refinement import weights
from simgan_jax.refinement.exports import export
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.steps import Batch, discriminator_step, iteration, refiner_step, train_step
from simgan_jax.training import devices
from simgan_jax.training.sampling import Updates

# Ways to compute, and the error that each may make. "default" multiplies float32 as TF32 on GPUs, with
# 11 bits, and in bfloat16 on TPUs.
TOLERANCE = {"float32, highest": 1e-3, "float32, default": 3e-2, "bfloat16": 1e-1}
# (images, height, width, channels), (kernel sides, features), strides: layers of the paper.
LAYERS = {
    "refiner 64 to 64": ((8, 35, 55, 64), (3, 3, 64), (1, 1)),
    "refiner 1 to 64": ((8, 35, 55, 1), (3, 3, 64), (1, 1)),
    "refiner 64 to 1": ((8, 35, 55, 64), (1, 1, 1), (1, 1)),
    "discriminator 1 to 96": ((8, 35, 55, 1), (3, 3, 96), (2, 2)),
    "discriminator 96 to 64": ((8, 18, 28, 96), (3, 3, 64), (2, 2)),
    "hands 64 to 64": ((2, 56, 56, 64), (7, 7, 64), (1, 1)),
}
BATCH = 16


class Case(NamedTuple):
    """A function that returns a dict of arrays, and its arguments."""

    function: Callable[..., dict[str, PyTree]]
    arguments: tuple


def measure(part: Part) -> None:
    """Compares, then runs the tests."""
    part.report(tolerance=TOLERANCE)
    cpu, device = jax.devices("cpu")[0], jax.devices()[0]
    with jax.default_matmul_precision("highest"):
        expected = results(cases("float32", part.quick), cpu)
    for way, tolerance in TOLERANCE.items():
        with jax.default_matmul_precision("highest" if way.endswith("highest") else None):
            found = results(cases(way.split(",")[0], part.quick), device)
        errors = {name: distance(found[name], x) for name, x in expected.items()}
        worst = max(errors.values())
        part.report(**{way: {"errors": errors, "worst": worst, "passed": worst <= tolerance}})
    part.report(several_steps_a_call=several_steps(part.quick))
    part.report(export=exported(part.quick))
    part.report(tests=run_tests(part.left()))


def cases(dtype: str, quick: bool) -> dict[str, Case]:
    """What is computed, by name."""
    found = {
        name: Case(partial(_convolution, strides=strides, dtype=jnp.dtype(dtype)), _arrays(*shapes))
        for name, (*shapes, strides) in LAYERS.items()
    }
    setup = small_setup(dtype, quick)
    state, batch = start(setup)
    one = jax.tree.map(lambda x: x[0], batch)
    examples = {
        refiner_step: {"synthetic": one["synthetic"]},
        discriminator_step: one,
        train_step: batch,
    }
    return found | {
        step.__name__: Case(partial(_step, step=step, setup=setup), (state, arguments))
        for step, arguments in examples.items()
    }


def results(cases: dict[str, Case], device: jax.Device) -> dict[str, PyTree]:
    """What every case returns on a device, flat: "case, result"."""
    flat = {}
    for name, case in cases.items():
        found = jax.jit(case.function)(*jax.device_put(case.arguments, device))
        flat |= {f"{name}, {what}": x for what, x in jax.device_get(found).items()}
    return flat


def distance(found: PyTree, expected: PyTree) -> float:
    """Norm of the difference over the norm of what was expected, all leaves together."""
    both = (jax.tree.leaves(x) for x in (found, expected))
    pairs = [[np.asarray(x, np.float64) for x in pair] for pair in zip(*both, strict=True)]
    difference = np.sqrt(sum(np.square(a - b).sum() for a, b in pairs))
    return float(difference / np.sqrt(sum(np.square(b).sum() for _, b in pairs)))


def small_setup(dtype: str, quick: bool) -> Setup:
    """The paper's networks on batches that a CPU can follow."""
    return make_setup(paper_eyes(dtype, quick)).replace(batch=BATCH, history_size=4 * BATCH)


def start(setup: Setup) -> tuple[TrainState, Batch]:
    """A state with a full history, and a batch of `train_step`; all images random."""
    rng = np.random.default_rng(0)
    images = lambda *lead: rng.integers(0, 256, (*lead, *setup.image_shape), np.uint8)  # noqa: E731
    state = create_train_state(jax.random.key(0), setup)
    full = state.history.replace(
        images=images(setup.history_size), count=np.int32(setup.history_size)
    )
    return state.replace(history=full), {
        "synthetic": images(setup.refiner_updates + setup.discriminator_updates, setup.batch),
        "real": images(setup.discriminator_updates, setup.batch),
    }


def several_steps(quick: bool) -> dict[str, float]:
    """Four steps in one call from four calls: how far apart the parameters' changes are."""
    setup = devices.distribute(small_setup("float32", quick), 1)
    state, _ = start(setup)
    state = state.replace(history=jax.tree.map(jnp.asarray, state.history))
    rng = np.random.default_rng(0)
    sets = {
        name: rng.integers(0, 256, (256, *setup.image_shape), np.uint8)
        for name in ("synthetic", "real")
    }
    sets = devices.replicate(sets, setup)
    updates = Updates(setup.refiner_updates, setup.discriminator_updates)
    changes = []
    for calls in (4, 1):
        program = devices.resident_program(iteration, setup, updates, calls)
        now = devices.place(state, setup)
        for _ in range(4 // calls):
            now, _ = program(now, sets)
        changes.append(jax.tree.map(np.subtract, *map(_parameters, (now, state))))
    return {"error": distance(*changes)}


def exported(quick: bool) -> dict[str, Any]:
    """The refiner as StableHLO against the model, and the device's images against the CPU's."""
    setup, config = small_setup("float32", quick), paper_eyes("float32", quick)
    state, batch = start(setup)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run.npz"
        weights.write(run, config, jax.device_get(state.refiner.params), 0)
        difference = export(run, "stablehlo", Path(folder) / "refiner.stablehlo")
        images = batch["synthetic"][0]
        ours = load_refiner(run)(images)
    cpu = jax.devices("cpu")[0]
    params, unit = jax.device_put((state.refiner.params, to_unit(images)), cpu)
    expected = np.asarray(from_unit(jax.jit(setup.refine)(params, unit), images.dtype))
    levels = np.abs(ours.astype(int) - expected.astype(int))
    return {"difference_from_model": difference, "grey_levels_from_cpu": int(levels.max())}


def _arrays(shape: tuple[int, ...], kernel: tuple[int, int, int]) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    *sides, features = kernel
    shapes = (shape, (*sides, shape[-1], features))
    return tuple(rng.normal(size=size).astype(np.float32) for size in shapes)


def _convolution(images, kernel, strides, dtype):
    """Values and gradients of a sum that weighs every output differently."""

    def total(images, kernel):
        out = convolve(images.astype(dtype), kernel.astype(dtype), strides, "SAME")
        out = out.astype(jnp.float32)
        return (out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)).sum(), out

    gradients, values = jax.grad(total, (0, 1), has_aux=True)(images, kernel)
    return {"values": values, "gradient by image": gradients[0], "by kernel": gradients[1]}


def _step(state, batch, step, setup):
    """What a step does: to the parameters, to the history, and what it says."""
    after, metrics = step(state, batch, setup)
    change = jax.tree.map(jnp.subtract, _parameters(after), _parameters(state))
    return {"update": change, "history": after.history.images, "metrics": metrics}


def _parameters(state: TrainState) -> PyTree[Array]:
    return state.refiner.params, state.discriminator.params
