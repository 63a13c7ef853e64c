"""What is looked at while a run trains: logs, samples, label shift, complaints, checkpoints."""

import time
from pathlib import Path

import jax
import numpy as np
from jaxtyping import Array
from ml_collections import ConfigDict

from simgan_jax.errors import UserError
from simgan_jax.estimators.tasks import drift_limit
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState
from simgan_jax.training import doctor, logs
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.phases import Phase, due
from simgan_jax.training.probe import Probe
from simgan_jax.training.weight_control import hold_label_shift, hold_reading_drift


class Watch:
    """Acts at the intervals of `config.watch`."""

    def __init__(
        self,
        config: ConfigDict,
        setup: Setup,
        workdir: Path,
        probe: Probe,
        log: logs.Log,
        checkpoints: Checkpoints,
        first: int,
        last: int,
    ):
        """Starts the clock.

        Args:
            config: of the run.
            setup: from `distribute`.
            workdir: of the run.
            probe: what is refined at each look.
            log: open.
            checkpoints: of the run.
            first: steps done.
            last: steps of the whole run.
        """
        self._intervals, self._loss = config.watch, config.loss
        self._setup, self._workdir, self._probe = setup, workdir, probe
        self._drift_limit = drift_limit(config.task, setup.image_shape[:2])
        self._log, self._checkpoints = log, checkpoints
        self._step, self._last = first, last
        self._meter = Meter()
        self._said: set[str] = set()

    def look(
        self, phase: Phase, state: TrainState, metrics: dict[str, Array], steps: int
    ) -> TrainState:
        """To be called after each call of a program, with what it returned and its steps.

        Returns:
            The state; its weights have changed if the configuration sets targets that they shall hold.

        Raises:
            UserError: a metric is not finite, or the checkpoint could not be written.
        """
        self._step += steps
        # The discriminator's updates take a batch of each set.
        batches = phase.updates.refiner + 2 * phase.updates.discriminator
        self._meter.add(self._step, metrics, steps * batches * self._setup.batch)
        log, sample, save = due(self._step, phase, self._intervals, self._last)
        if not log:
            return state
        row = self._read_meter()
        if sample:
            row |= self._probe.look(self._step, state)
            if phase.name == "adversarial":
                state = self._hold(state, row)
            row["samples/lambda"] = float(state.self_regularization)
            if state.reading_weight is not None:
                row["samples/reading_weight"] = float(state.reading_weight)
        self._log.write(self._step, phase.name, row)
        if sample:
            self._complain()
        if save:
            self._checkpoints.save(state, self._setup)
        self._meter.restart()
        return state

    def save(self, state: TrainState) -> None:
        """Checks what has not been looked at and saves, out of turn."""
        self._read_meter()
        self._checkpoints.save(state, self._setup)

    def _hold(self, state: TrainState, row: dict[str, float]) -> TrainState:
        """The state with weights that hold what the configuration sets a target for."""
        if target := self._loss.label_shift_target:
            state = hold_label_shift(state, row, target, self._setup)
        if self._setup.hold_reading:
            state = hold_reading_drift(state, row, self._loss.reading.target, self._setup)
        return state

    def _read_meter(self) -> dict[str, float]:
        """What the meter says; stops the run if that is not finite."""
        try:
            return self._meter.read()
        except NotFinite as error:
            raise UserError(
                f"{error}; {self._checkpoints.last_good()}. Lower config.optimizer.*.learning_rate"
            ) from None

    def _complain(self) -> None:
        """Says each complaint of the doctor once."""
        rows = logs.read(self._workdir / logs.FILE)
        for complaint in doctor.examine(rows, self._setup.adversarial, self._drift_limit):
            if complaint.name not in self._said:
                self._said.add(complaint.name)
                self._log.say(f"doctor: {complaint}")


class NotFinite(Exception):
    """A metric is NaN or infinite."""


class Meter:
    """Metrics of the steps since the last look, left on the devices until then."""

    def __init__(self):
        self.restart()

    def restart(self) -> None:
        """Forgets all; time counts from here."""
        self._pending: list[tuple[int, dict[str, Array]]] = []
        self._images, self._since = 0, time.perf_counter()

    def add(self, step: int, metrics: dict[str, Array], images: int) -> None:
        """Takes in one call of a program.

        Args:
            step: steps done after it.
            metrics: means over its steps.
            images: that it took, over all devices.
        """
        self._pending.append((step, metrics))
        self._images += images

    def read(self) -> dict[str, float]:
        """Means over the calls, and images_per_second.

        Raises:
            NotFinite: naming the metric and the step.
        """
        calls = [(step, jax.device_get(metrics)) for step, metrics in self._pending]
        for step, metrics in calls:
            if name := logs.first_not_finite(metrics):
                raise NotFinite(f"{name} is {metrics[name]} at step {step}")
        seconds = time.perf_counter() - self._since
        names = sorted(calls[0][1]) if calls else ()
        row = {name: float(np.mean([metrics[name] for _, metrics in calls])) for name in names}
        return row | {"images_per_second": self._images / seconds}
