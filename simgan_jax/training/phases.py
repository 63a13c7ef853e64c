"""The schedule of section 3: the refiner alone, the discriminator alone, Algorithm 1."""

from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from simgan_jax.steps import discriminator_step, pretrain_refiner_step, train_step
from simgan_jax.training.devices import Lead, Step


class Phase(NamedTuple):
    """A stretch of a run: which step it takes, and the steps of the run [first, last) it covers."""

    name: str
    step: Step
    lead: Lead
    first: int
    last: int


def phases(config: ConfigDict) -> list[Phase]:
    """The phases of a run, in their order."""
    t = config.train
    ends = np.cumsum([t.pretrain_refiner, t.pretrain_discriminator, t.steps]).tolist()
    both = {
        "synthetic": (t.refiner_updates + t.discriminator_updates,),
        "real": (t.discriminator_updates,),
    }
    alone = {"synthetic": (), "real": ()}
    return [
        Phase("refiner", pretrain_refiner_step, {"synthetic": ()}, 0, ends[0]),
        Phase("discriminator", discriminator_step, alone, ends[0], ends[1]),
        Phase("adversarial", train_step, both, ends[1], ends[2]),
    ]


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
