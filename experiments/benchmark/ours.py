"""simgan_jax's side of the benchmark."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Shaped
from ml_collections import ConfigDict

from configs.gaze import get_config
from experiments.benchmark import flops
from experiments.benchmark.timing import seconds
from simgan_jax.estimators.estimator import EstimatorObjective
from simgan_jax.estimators.settings import make_settings
from simgan_jax.metrics.small_networks import adam, fit
from simgan_jax.models.gaze_estimator import GazeEstimator
from simgan_jax.refinement.refiner import Refine
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.steps import discriminator_step, iteration, refiner_step, train_step
from simgan_jax.training import devices
from simgan_jax.training.sampling import Updates

# Updates of estimators in one task.
ESTIMATOR_UPDATES = 64


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
    """simgan_jax as it trains, refines and measures: on all cores of a CPU, on one accelerator.

    Attributes:
        compile_seconds: of each task.
        memory_bytes: that the compiled iteration needs, without the data sets.
        operations: multiplications and additions of convolutions and products in a call of
            "iteration_step_only" and of "refine".
    """

    def __init__(self, config: ConfigDict, images: int):
        """Compiles all tasks.

        Args:
            config: networks and sizes.
            images: in each of the two sets that mini-batches are drawn from.
        """
        on_cpu = jax.default_backend() == "cpu"
        setup = devices.distribute(make_setup(config), devices=None if on_cpu else 1)
        rng = np.random.default_rng(0)
        data = {
            name: rng.integers(0, 256, (images, *setup.image_shape), np.uint8)
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
        steps = {
            "refiner_update": (refiner_step, {"synthetic": batch["synthetic"]}),
            "discriminator_update": (discriminator_step, batch),
            "iteration_step_only": (train_step, batches),
        }
        self.compile_seconds: dict[str, float] = {}
        self._tasks: dict[str, Callable[[], Any]] = {}
        initial = create_train_state(jax.random.key(0), setup)
        for name, (step, given) in steps.items():
            program = devices.streaming_program(step, setup)
            self._add_step(name, program, devices.place(initial, setup), given)
        sets = devices.replicate(data, setup)
        program = devices.resident_program(iteration, setup, updates)
        compiled = self._add_step("iteration", program, devices.place(initial, setup), sets)
        memory, held = compiled.memory_analysis(), sum(x.nbytes for x in data.values())
        self.memory_bytes = memory.temp_size_in_bytes + memory.argument_size_in_bytes - held
        refine = Refine(setup.refiner, initial.refiner.params)
        self._add("refine", lambda: refine(data["synthetic"][: setup.batch]))
        self._add("estimator", estimator_task(config, data["synthetic"]))
        self.operations = operations(setup, rows)

    def seconds(self, task: str) -> float:
        """Of one call, which waits for its result."""
        return seconds(self._tasks[task])

    def _add_step(self, name: str, program: Any, state: TrainState, given: dict) -> Any:
        """Adds a step from the state that the last one left; returns it compiled."""
        start = time.perf_counter()
        compiled = program.lower(state, given).compile()
        self.compile_seconds[name] = time.perf_counter() - start

        def task():
            nonlocal state
            state, metrics = compiled(state, given)
            jax.block_until_ready((state, metrics))

        self._tasks[name] = task
        return compiled

    def _add(self, name: str, task: Callable[[], Any]) -> None:
        """Adds what compiles when it is first called."""
        self._tasks[name] = task
        self.compile_seconds[name] = self.seconds(name)


def operations(setup: Setup, rows: Mapping[str, int]) -> dict[str, int]:
    """Of convolutions and products, in an iteration and in refining a batch.

    Args:
        setup: of the networks.
        rows: mini-batches of each set in an iteration.
    """
    alone = setup.replace(axis_name=None)
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), alone))
    shape = (setup.batch, *setup.image_shape)
    batch = {x: jax.ShapeDtypeStruct((count, *shape), np.uint8) for x, count in rows.items()}
    images = jax.ShapeDtypeStruct(shape, np.float32)
    iteration = flops.count(lambda *given: train_step(*given, alone), state, batch)
    refine = flops.count(lambda *given: setup.refine(*given, None), state.refiner.params, images)
    return {"iteration_step_only": iteration, "refine": refine}


def estimator_task(
    config: ConfigDict, images: Shaped[np.ndarray, "n h w c"]
) -> Callable[[], list[Array]]:
    """Updates of gaze estimators, as many estimators at a time as there are devices.

    They compute as the refiner does; evaluation's are of float32.
    """
    chosen = make_settings(config.evaluate.estimator.to_dict())
    network = GazeEstimator(3, chosen.width, config.refiner.dtype)
    objective = EstimatorObjective("gaze", network, augmented=0.0)
    params = jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, *images.shape[1:])))["params"]
    targets = np.tile(np.float32([0, 0, -1]), (chosen.batch, 1))
    jobs = jax.local_device_count()
    batches = [(images[: chosen.batch], targets)] * (ESTIMATOR_UPDATES // jobs)
    optimizer = adam(chosen.learning_rate, chosen.steps)

    def learn(seed: int) -> Array:
        own = jax.tree.map(jnp.copy, params)  # which is used up
        key = jax.random.key(seed)
        return jax.block_until_ready(
            fit(objective, own, batches, optimizer, key, chosen.micro_batch)
        )

    return lambda: devices.each_on_a_device(learn, range(jobs))
