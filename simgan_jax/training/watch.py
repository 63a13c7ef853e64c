"""What is looked at while a run trains: logs, samples, label shift, checkpoints, complaints."""

import math
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, PyTree, Shaped
from ml_collections import ConfigDict

from simgan_jax import ranges
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.io import image_files
from simgan_jax.io.image_files import write_image
from simgan_jax.metrics import label_shift
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState, refiner_params, sample_noise
from simgan_jax.training import devices, doctor, logs
from simgan_jax.training.checkpoint import Checkpoints

# Synthetic images that are refined at each look, and rows of the sample grid.
PROBE, ROWS = 64, 8
# Lambda changes by at most this factor a look.
LAMBDA_FACTOR = 1.5


class Watch:
    """Acts at the intervals of `config.watch`."""

    def __init__(
        self,
        config: ConfigDict,
        setup: Setup,
        workdir: Path,
        synthetic: Arrays,
        real: Shaped[np.ndarray, "n h w c"],
        log: logs.Log,
        checkpoints: Checkpoints,
        last: int,
    ):
        """Prepares the probe.

        Args:
            config: of the run.
            setup: from `distribute`.
            workdir: of the run.
            synthetic: labelled images; the first ones are the probe.
            real: images; the first ones are shown.
            log: open.
            checkpoints: of the run.
            last: steps of the whole run.
        """
        self._config, self._setup, self._workdir = config.watch, setup, workdir
        self._background = config.refiner.background
        self._target = config.loss.label_shift_target
        self._log, self._checkpoints, self._last = log, checkpoints, last
        self._probe, self._real = synthetic[:PROBE], np.asarray(real[:ROWS])
        shape = self._probe.images.shape[:3]
        self._window = label_shift.window(self._probe.labels, shape)
        self._refine = jax.jit(partial(refine_probe, setup=setup))
        self._measure = jax.jit(label_shift.measure)
        self._pending: list[tuple[int, dict]] = []
        self._images, self._since = 0, time.perf_counter()
        self._said: set[str] = set()

    def look(
        self, phase: Any, state: TrainState, metrics: dict[str, Array], steps: int
    ) -> TrainState:
        """To be called after each call of a program, with what it returned and its steps.

        Returns:
            The state; its lambda has changed if the configuration sets a target for the label shift.

        Raises:
            UserError: a metric is not finite, or the checkpoint could not be written.
        """
        step = (self._pending[-1][0] if self._pending else int(state.step) - steps) + steps
        self._pending.append((step, metrics))
        self._images += steps * self._setup.batch * sum(math.prod(x) for x in phase.lead.values())
        over = step == self._last
        save = step % self._config.checkpoint_every == 0 or over
        sample = step % self._config.sample_every == 0 or over
        if not (save or sample or step % self._config.log_every == 0 or step == phase.last):
            return state
        row = self._drain()
        if sample:
            row |= self._sample(step, state)
            if self._target and phase.name == "adversarial":
                # Content that cannot be found again has moved too far.
                shift = row.get("samples/label_shift", math.inf)
                state = self._hold_label_shift(state, shift)
            row["samples/lambda"] = float(state.self_regularization)
        self._log.write(step, phase.name, row)
        if sample:
            self._complain()
        if save:
            self._checkpoints.save(state, self._setup)
        if sample or save:
            self._since = time.perf_counter()
        return state

    def save(self, state: TrainState) -> None:
        """Checks what is pending and saves, out of turn."""
        if self._pending:
            self._drain()
        self._checkpoints.save(state, self._setup)

    def _drain(self) -> dict[str, float]:
        """Mean of the pending metrics; stops the run if one is not finite."""
        fetched = [(at, jax.device_get(metrics)) for at, metrics in self._pending]
        for at, metrics in fetched:
            if name := logs.first_not_finite(metrics):
                kept = self._checkpoints.steps()
                raise UserError(
                    f"{name} is {metrics[name]} at step {at}; the last good checkpoint is "
                    f"{kept[-1] if kept else 'none'}. Lower config.optimizer.*.learning_rate"
                )
        now = time.perf_counter()
        row = {
            name: float(np.mean([m[name] for _, m in fetched])) for name in sorted(fetched[0][1])
        }
        row["images_per_second"] = self._images / (now - self._since)
        self._pending, self._images, self._since = [], 0, now
        return row

    def _sample(self, step: int, state: TrainState) -> dict[str, float]:
        """Refines the probe; writes rows of synthetic | refined | real, always of the same images."""
        before = self._probe.images
        after = np.asarray(self._refine(refiner_params(state), before))
        if jax.process_index() == 0:
            rows = min(len(before), len(self._real), ROWS)
            columns = np.stack([before[:rows], after[:rows], self._real[:rows]], axis=1)
            path = self._workdir / "samples" / f"{step:06d}.png"
            path.parent.mkdir(exist_ok=True)
            write_image(path, image_files.grid(columns))
        units = ranges.to_unit(after), ranges.to_unit(before)
        shift = label_shift.summarize(
            self._measure(units[1], units[0], self._window), before.shape[2]
        )
        followed = {"samples/label_shift": shift["mean"]} if shift["followed"] else {}
        return doctor.sample_statistics(*units, self._background) | followed

    def _hold_label_shift(self, state: TrainState, shift: float) -> TrainState:
        """Raises lambda while labels shift by more than the target, lowers it while by less."""
        factor = np.clip(shift / self._target, 1 / LAMBDA_FACTOR, LAMBDA_FACTOR)
        changed = np.float32(state.self_regularization) * np.float32(factor)
        return state.replace(self_regularization=devices.replicate(changed, self._setup))

    def _complain(self) -> None:
        for complaint in doctor.examine(logs.read(self._workdir / logs.FILE)):
            setting = complaint.split("config.")[1]
            if setting not in self._said:
                self._said.add(setting)
                self._log.say(f"doctor: {complaint}")


def refine_probe(
    params: PyTree[Array], synthetic: Shaped[Array, "n h w c"], setup: Setup
) -> Shaped[Array, "n h w c"]:
    """Integer images to refined ones of the same type, always with the same noise."""
    unit = ranges.to_unit(synthetic)
    noise = sample_noise(setup, jax.random.key(0), unit)
    return ranges.from_unit(setup.refine(params, unit, noise), synthetic.dtype)
