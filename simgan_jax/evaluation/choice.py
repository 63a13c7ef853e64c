"""Which checkpoint of a run to use, decided without any label of a real image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError, warn
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.label_preservation import measure_shift
from simgan_jax.metrics import label_shift
from simgan_jax.metrics.kid import features, kid
from simgan_jax.refinement.chosen_checkpoint import read_choice, write_choice
from simgan_jax.refinement.refiner import load_refiner
from simgan_jax.training.checkpoint import Checkpoints, DamagedCheckpoint
from simgan_jax.training.provenance import read_config


class Candidate(NamedTuple):
    """What may be known of a checkpoint without labels of real images.

    Attributes:
        step: of the run.
        kid: to the real images; lower is more real.
        label_shift: mean motion in pixels at a width of 55, over the images that could be followed; NaN
            if none could.
        followed: share of the images in which the labelled content was found again.
    """

    step: int
    kid: float
    label_shift: float
    followed: float

    @property
    def trusted(self) -> bool:
        """Whether the label shift says something: a lost image has moved too far to be found."""
        return self.followed >= label_shift.LEAST_FOLLOWED

    @property
    def keeps_labels(self) -> bool:
        """Whether labels of refined images can be trusted."""
        return self.trusted and self.label_shift <= label_shift.LARGEST


def select(candidates: Sequence[Candidate]) -> tuple[Candidate, str]:
    """The checkpoint to use, and the rule by which: the most real of those that keep their labels.

    Those that keep labels compete by KID alone. If there is none, the one that moves content least is
    taken, of those that lose it in few images; and if all lose it in many, the one that loses fewest.

    Args:
        candidates: at least one.
    """
    limit = f"at most {label_shift.LARGEST} px at {label_shift.PAPER['width']} px width"
    followed = f"followed in {label_shift.LEAST_FOLLOWED:.0%} of the images or more"
    if safe := [c for c in candidates if c.keeps_labels]:
        rule = f"lowest KID among those that shift labels by {limit}, {followed}"
        return min(safe, key=lambda c: c.kid), rule
    if trusted := [c for c in candidates if c.trusted]:
        rule = f"smallest label shift of those {followed}: none is {limit}"
        return min(trusted, key=lambda c: c.label_shift), rule
    rule = f"least content lost: none can be {followed}"
    return max(candidates, key=lambda c: c.followed), rule


def competing(workdir: str | Path) -> list[int]:
    """Steps of the checkpoints to choose from.

    Those of pre-training are left out where there are others: no discriminator has taught them.

    Raises:
        UserError: there is no checkpoint.
    """
    train = read_config(workdir).train
    steps = Checkpoints(workdir).steps()
    if not steps:
        raise UserError(f"{workdir}: no checkpoint yet; train first: python -m simgan_jax.main")
    taught = [x for x in steps if x > train.pretrain_refiner + train.pretrain_discriminator]
    return taught or steps


def judge_checkpoints(
    workdir: str | Path, synthetic: Arrays, real: Shaped[np.ndarray, "n h w c"]
) -> list[Candidate]:
    """KID and label shift of every checkpoint that competes.

    Damaged ones are left out, with a warning.
    """
    real_features = features(real)
    candidates = []
    for step in competing(workdir):
        try:
            refine = load_refiner(workdir, step)
        except DamagedCheckpoint as error:
            warn(f"{error}; left out of the choice")
            continue
        refined = refine(synthetic.images)
        shift = label_shift.summarize(measure_shift(synthetic, refined), synthetic.images.shape[2])
        distance = kid(features(refined), real_features, resamples=2)["value"]
        candidates.append(Candidate(step, distance, shift["mean_at_55"], shift["followed"]))
    return candidates


def choose(workdir: str | Path, synthetic: Arrays, real: Arrays) -> dict[str, Any]:
    """Chooses a run's checkpoint by `select`, on the images of `image_split.to_choose`.

    Returns:
        What it writes into chosen.json: "step", "rule", "candidates", and the numbers of "images"
        that it has looked at.

    Raises:
        UserError: there is no checkpoint, or there are too few images.
    """
    image_split.require_enough(synthetic, real)
    seen, compared = image_split.to_choose(synthetic, real)
    candidates = judge_checkpoints(workdir, seen, compared)
    if not candidates:
        raise UserError(f"{workdir}: no whole checkpoint; train first: python -m simgan_jax.main")
    chosen, rule = select(candidates)
    content = {
        "step": chosen.step,
        "rule": rule,
        "candidates": [c._asdict() for c in candidates],
        "images": {"synthetic": len(seen), "real": len(compared)},
    }
    write_choice(workdir, content)
    return content


def earlier_choice(workdir: str | Path) -> dict[str, Any] | None:
    """What chosen.json holds, as long as it stands.

    It stands while its checkpoint is there and none later than those that it judged. Otherwise, and
    where the file is missing or damaged, None.

    Raises:
        UserError: there is no checkpoint.
    """
    steps = competing(workdir)
    content = read_choice(workdir)
    judged = [candidate["step"] for candidate in content.get("candidates", ())]
    stands = content.get("step") in steps and max(steps) <= max(judged, default=-1)
    return content if stands else None
