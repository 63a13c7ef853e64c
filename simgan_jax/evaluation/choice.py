"""Which checkpoint of a run to use, decided without any label of a real image."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError, warn
from simgan_jax.evaluation.label_preservation import measure_shift
from simgan_jax.evaluation.rows import spread
from simgan_jax.metrics import label_shift
from simgan_jax.metrics.kid import features, kid
from simgan_jax.refinement.chosen_checkpoint import write_choice
from simgan_jax.refinement.refiner import load_refiner
from simgan_jax.training.checkpoint import Checkpoints, DamagedCheckpoint, read_config


class Candidate(NamedTuple):
    """What may be known of a checkpoint without labels of real images.

    Attributes:
        step: of the run.
        kid: to the real images; lower is more real.
        label_shift: mean motion in pixels at a width of 55.
        followed: share of the images in which it could be measured.
    """

    step: int
    kid: float
    label_shift: float
    followed: float = 1.0


def select(candidates: Sequence[Candidate], largest_shift: float = label_shift.LARGEST) -> int:
    """Index of the checkpoint to use: the most real of those that keep their labels.

    Those whose content moves by no more than `largest_shift` compete by KID alone. If there is none,
    the one that moves least is taken. A shift that could not be measured (NaN), or in less than
    `label_shift.LEAST_FOLLOWED` of the images, counts as too large.

    Args:
        candidates: at least one.
        largest_shift: pixels at a width of 55.
    """
    lost = [not c.followed >= label_shift.LEAST_FOLLOWED for c in candidates]
    shifts = np.nan_to_num([c.label_shift for c in candidates], nan=np.inf)
    shifts = np.where(lost, np.inf, shifts)
    safe = shifts <= largest_shift
    if not safe.any():
        return int(np.argmin(shifts))
    return int(np.argmin(np.where(safe, [c.kid for c in candidates], np.inf)))


def judge_checkpoints(
    workdir: str | Path, synthetic: Arrays, real: Shaped[np.ndarray, "n h w c"]
) -> list[Candidate]:
    """KID and label shift of every checkpoint that a run has kept.

    Those of pre-training are left out where there are others: no discriminator has taught them. Damaged
    ones are left out too, with a warning.
    """
    train = read_config(workdir).train
    steps = Checkpoints(workdir).steps()
    taught = [x for x in steps if x > train.pretrain_refiner + train.pretrain_discriminator]
    real_features = features(real)
    candidates = []
    for step in taught or steps:
        try:
            refine = load_refiner(workdir, step)
        except DamagedCheckpoint as error:
            warn(f"{error}; left out of the choice")
            continue
        refined = refine(synthetic.images)
        shift = label_shift.summarize(measure_shift(synthetic, refined), synthetic.images.shape[2])
        distance = kid(features(refined), real_features, resamples=2)["value"]
        moved = shift.get("mean_at_55", float("nan"))
        candidates.append(Candidate(step, distance, moved, shift["followed"]))
    return candidates


def choose(workdir: str | Path, synthetic: Arrays, real: Arrays, probe: int = 500) -> int:
    """Chooses a run's checkpoint by `select`, writes chosen.json, and returns its step.

    Raises:
        UserError: there is no checkpoint.
    """
    count = min(probe, len(synthetic) // 4)
    candidates = judge_checkpoints(workdir, synthetic[-count:], spread(real, count).images)
    if not candidates:
        raise UserError(f"{workdir}: no whole checkpoint; train first: python -m simgan_jax.main")
    chosen = candidates[select(candidates)]
    limit = f"at most {label_shift.LARGEST} px at 55 px width"
    rule = f"lowest KID among those that shift labels by {limit}"
    if not chosen.label_shift <= label_shift.LARGEST:
        rule = f"smallest label shift: none is {limit}"
    content = {"step": chosen.step, "rule": rule, "candidates": [c._asdict() for c in candidates]}
    write_choice(workdir, content)
    return chosen.step
