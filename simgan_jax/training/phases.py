"""The schedule of section 3: the refiner alone, the discriminator alone, Algorithm 1."""

from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from simgan_jax.gradients import Metrics
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState
from simgan_jax.steps import (
    MiniBatches,
    discriminator_step,
    iteration,
    pretrain_refiner_step,
    repeat,
)
from simgan_jax.training.devices import Step
from simgan_jax.training.sampling import Updates


class Phase(NamedTuple):
    """A stretch of a run.

    Attributes:
        name: in logs and reports.
        step: it takes, from `MiniBatches`.
        updates: of that step.
        first: step of the run that it starts with.
        last: the one it ends before.
    """

    name: str
    step: Step
    updates: Updates
    first: int
    last: int


def phases(config: ConfigDict) -> list[Phase]:
    """The phases of a run, in their order."""
    t = config.train
    ends = np.cumsum([t.pretrain_refiner, t.pretrain_discriminator, t.steps]).tolist()
    both = Updates(t.refiner_updates, t.discriminator_updates)
    return [
        Phase("refiner", pretrain_refiner, Updates(1, 0), 0, ends[0]),
        Phase("discriminator", pretrain_discriminator, Updates(0, 1), ends[0], ends[1]),
        Phase("adversarial", iteration, both, ends[1], ends[2]),
    ]


def pretrain_refiner(
    state: TrainState, batches: MiniBatches, setup: Setup
) -> tuple[TrainState, Metrics]:
    """The refiner's share of an iteration, by self-regularisation alone."""
    return repeat(pretrain_refiner_step, state, batches.refiner, setup)


def pretrain_discriminator(
    state: TrainState, batches: MiniBatches, setup: Setup
) -> tuple[TrainState, Metrics]:
    """The discriminator's share of an iteration."""
    return repeat(discriminator_step, state, batches.discriminator, setup)


class Due(NamedTuple):
    """What is to be done after a step; a sample and a checkpoint need a line of the log too."""

    log: bool
    sample: bool
    save: bool


def due(step: int, phase: Phase, watch: ConfigDict, last: int) -> Due:
    """What the intervals of `config.watch` ask for; at the end of a run everything.

    Args:
        step: steps done.
        phase: of the last of them; its end is logged.
        watch: the intervals.
        last: steps of the whole run.
    """
    over = step == last
    sample = over or step % watch.sample_every == 0
    save = over or step % watch.checkpoint_every == 0
    log = sample or save or step == phase.last or step % watch.log_every == 0
    return Due(log, sample, save)


def steps_until_due(step: int, phase: Phase, watch: ConfigDict) -> int:
    """Steps from `step` to the next after which something is due."""
    intervals = (watch.log_every, watch.sample_every, watch.checkpoint_every)
    return min(phase.last - step, *(every - step % every for every in intervals))
