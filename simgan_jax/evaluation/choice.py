"""Which checkpoint of a run to use, decided without any label of a real image."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError, warn
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.artefacts import measure_artefacts
from simgan_jax.evaluation.label_preservation import measure_shift, reading_drift
from simgan_jax.io.progress import progress
from simgan_jax.metrics import common_change, eye_whites, label_shift
from simgan_jax.metrics.kid import features, kid
from simgan_jax.refinement.chosen_checkpoint import read_choice, write_choice
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.setup import make_setup
from simgan_jax.training.checkpoint import Checkpoints, DamagedCheckpoint
from simgan_jax.training.frozen import frozen_estimators
from simgan_jax.training.provenance import read_config


class Candidate(NamedTuple):
    """What may be known of a checkpoint without labels of real images.

    Attributes:
        step: of the run.
        kid: to the real images; lower is more real.
        label_shift: mean motion in pixels at a width of 55, over the images that could be followed; NaN
            if none could.
        followed: share of the images in which the labelled content was found again.
        drift: mean motion of what frozen estimators read, signed, of the axis that moves most, in the
            task's unit; NaN if there are no estimators that have learned to read.
        pattern: share of the change that is one picture, beyond tone and what real images have in
            common.
        whites_lost: share of the whites of eyes that got as dark as the iris; NaN if none shows.
    """

    step: int
    kid: float
    label_shift: float
    followed: float
    drift: float = math.nan
    pattern: float = math.nan
    whites_lost: float = math.nan

    @property
    def trusted(self) -> bool:
        """Whether the label shift says something: a lost image has moved too far to be found."""
        return self.followed >= label_shift.LEAST_FOLLOWED

    @property
    def keeps_labels(self) -> bool:
        """Whether labels of refined images can be trusted."""
        return self.trusted and self.label_shift <= label_shift.LARGEST

    @property
    def paints(self) -> bool:
        """Whether something of the refiner's own is in the images."""
        return self.pattern > common_change.LARGEST or self.whites_lost > eye_whites.MOST_LOST


def select(
    candidates: Sequence[Candidate],
    drift_limit: float = math.inf,
    unit: str = "",
    rendered_kid: float = math.inf,
) -> tuple[Candidate, str]:
    """The checkpoint to use, and the rule by which: the most real of those that keep their labels.

    Of those that keep labels in place, the ones that are more real than renderings go first (one that
    changes nothing keeps everything), of these the ones that are read as before, and of these the ones
    that paint nothing; KID decides what is left. What is unknown is held against none. If no checkpoint
    keeps labels in place, the one that moves content least is taken, of those that lose it in few
    images; and if all lose it in many, the one that loses fewest.

    Args:
        candidates: at least one.
        drift_limit: largest `Candidate.drift` that counts as read as before.
        unit: of it.
        rendered_kid: `Candidate.kid` of images as the network gets them.
    """
    limit = f"at most {label_shift.LARGEST} px at {label_shift.PAPER['width']} px width"
    followed = f"followed in {label_shift.LEAST_FOLLOWED:.0%} of the images or more"
    left = [c for c in candidates if c.keeps_labels]
    if not left:
        if trusted := [c for c in candidates if c.trusted]:
            rule = f"smallest label shift of those {followed}: none is {limit}"
            return min(trusted, key=lambda c: c.label_shift), rule
        rule = f"least content lost: none can be {followed}"
        return max(candidates, key=lambda c: c.followed), rule
    rule = f"lowest KID among those that shift labels by {limit}, {followed}"
    wishes = {
        "is more real than renderings": lambda c: c.kid < rendered_kid,
        f"is read within {drift_limit:g} {unit} of before": lambda c: (
            not abs(c.drift) > drift_limit
        ),
        "is free of what refiners paint": lambda c: not c.paints,
    }
    for wish, met in wishes.items():
        meet = [c for c in left if met(c)]
        if not meet:
            rule += f"; none {wish}"
        elif len(meet) < len(left):
            rule += f"; each {wish}"
        left = meet or left
    return min(left, key=lambda c: c.kid), rule


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
    workdir: str | Path,
    synthetic: Arrays,
    real: Shaped[np.ndarray, "n h w c"],
    readers: Sequence[Estimator] = (),
) -> list[Candidate]:
    """What is known of every checkpoint that competes.

    Damaged ones are left out, with a warning.

    Args:
        workdir: of the run.
        synthetic: labelled images to refine.
        real: images.
        readers: frozen estimators of the run's task, trained on synthetic images.
    """
    real_features = features(real)
    steps, candidates = competing(workdir), []
    with progress("judging checkpoints", len(steps) * len(synthetic)) as advance:
        for step in steps:
            try:
                refine = load_refiner(workdir, step)
            except DamagedCheckpoint as error:
                warn(f"{error}; left out of the choice")
            else:
                before = Arrays(refine.match(synthetic.images), synthetic.labels)
                refined = refine(synthetic.images)
                candidates.append(_judged(step, before, refined, real, real_features, readers))
            advance(len(synthetic))
    return candidates


def _judged(
    step: int,
    synthetic: Arrays,
    refined: Shaped[np.ndarray, "n h w c"],
    real: Shaped[np.ndarray, "m h w c"],
    real_features: Float[np.ndarray, "m d"],
    readers: Sequence[Estimator],
) -> Candidate:
    """What is known of a checkpoint that refines so."""
    shift = label_shift.summarize(measure_shift(synthetic, refined), synthetic.images.shape[2])
    artefacts = measure_artefacts(synthetic, refined, real)
    return Candidate(
        step=step,
        kid=kid(features(refined), real_features, resamples=2)["value"],
        label_shift=shift["mean_at_55"],
        followed=shift["followed"],
        drift=_drift(readers, synthetic, refined),
        pattern=artefacts["own_pattern"]["share"],
        whites_lost=artefacts.get("whites_lost", {}).get("share", math.nan),
    )


def _drift(
    readers: Sequence[Estimator], synthetic: Arrays, refined: Shaped[np.ndarray, "n h w c"]
) -> float:
    """`Candidate.drift`."""
    if not readers:
        return math.nan
    found = reading_drift(readers, synthetic, refined)
    learned = found["own_error"] <= tasks.LEARNED * found["mean_label_error"]
    return found["largest"] if learned else math.nan


def choose(
    workdir: str | Path, synthetic: Arrays, real: Arrays, readers: Sequence[Estimator] = ()
) -> dict[str, Any]:
    """Chooses a run's checkpoint by `select`, on the images of `image_split.to_choose`.

    Args:
        workdir: of the run.
        synthetic: labelled images of its configuration.
        real: images of its configuration.
        readers: frozen estimators of its task, trained on synthetic images that the report does not
            measure. By default those that the run itself has kept to, if it has.

    Returns:
        What chosen.json then holds: "step", "rule", "candidates" (of each as much as is known), the
        numbers of "images" that it has looked at, and that sets were "mixed" before they were divided.

    Raises:
        UserError: there is no checkpoint, or there are too few images.
    """
    image_split.require_enough(synthetic, real)
    seen, compared = image_split.to_choose(synthetic, real)
    readers = readers or _kept(workdir)
    candidates = judge_checkpoints(workdir, seen, compared, readers)
    if not candidates:
        raise UserError(f"{workdir}: no whole checkpoint; train first: python -m simgan_jax.main")
    kind = tasks.TASKS[readers[0].task] if readers else None
    limit = (kind.drift_limit(seen.images.shape[1:3]), kind.unit) if kind else (math.inf, "")
    before = load_refiner(workdir, candidates[0].step).match(seen.images)
    rendered = kid(features(before), features(compared), resamples=2)["value"]
    chosen, rule = select(candidates, *limit, rendered)
    content = {
        "step": chosen.step,
        "rule": rule,
        "candidates": [c._asdict() for c in candidates],
        "images": {"synthetic": len(seen), "real": len(compared)},
        "mixed": True,
    }
    write_choice(workdir, content)
    return read_choice(workdir)


def _kept(workdir: str | Path) -> list[Estimator]:
    """The frozen estimators of a run's state, if it has some."""
    config = read_config(workdir)
    setup = make_setup(config)
    state = Checkpoints(workdir).newest(setup) if setup.reading else None
    return [] if state is None else frozen_estimators(config.task, setup, state.estimators)


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
