"""A finished run, opened to train further estimators on its images, as its evaluation trains them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.plan import Plan, Row
from simgan_jax.evaluation.rows import judge_rows, train_rows
from simgan_jax.evaluation.run import plan_of
from simgan_jax.evaluation.sets import Sets, labelled_of, load_sets
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.refinement.refiner import Refine
from simgan_jax.training.provenance import read_config


@dataclass(frozen=True)
class FinishedRun:
    """What estimators are trained on, and how.

    Attributes:
        config: of the run.
        plan: of its quick evaluation, but for what the experiment asks for.
        sets: that the run is measured on; `sets.test` is there.
        refine: by the checkpoint that the run uses.
        training: synthetic images that estimators may learn from.
        probe: synthetic images that none of them does.
    """

    config: ConfigDict
    plan: Plan
    sets: Sets
    refine: Refine
    training: Arrays
    probe: Arrays

    def train(self, steps: int = 0) -> dict[Row, list[Estimator]]:
        """The estimators of every row of the plan, one a seed.

        Args:
            steps: updates of each at most; 0: the plan's.
        """
        plan = with_steps(self.plan, steps)
        real, labelled, seed = self.sets.real.images, labelled_of(self.sets), self.config.seed
        task = self.config.task
        return train_rows(plan, task, self.training, self.refine, real, labelled, seed, print)[0]

    def test(self, estimators: Mapping[Row, Sequence[Estimator]]) -> dict[str, dict[str, Any]]:
        """The rows of evaluation.json of these estimators, and its floor, the mean synthetic label."""
        task, test = self.config.task, self.sets.test
        return judge_rows(task, estimators, self.training, test)["estimators"]


def open_run(
    workdir: str | Path,
    rows: Sequence[str],
    seeds: int | None = None,
    images: int = 0,
    steps: int = 0,
) -> FinishedRun:
    """Opens the run of a folder.

    Args:
        workdir: of the run.
        rows: that estimators are to be trained for.
        seeds: estimators of each; None: the quick plan's.
        images: training images a row; 0: the quick plan's.
        steps: updates of each estimator at most; 0: the quick plan's.

    Raises:
        UserError: no run, or a run without labelled test images.
    """
    config = read_config(workdir)
    plan = with_steps(plan_of(config, "quick", seeds, rows), steps)
    plan = replace(plan, images=images or plan.images)
    sets = load_sets(config, plan)
    if sets.test is None:
        raise UserError(f"{workdir}: config.data.test names no labelled test images")
    training, probe, _ = image_split.to_report(sets.synthetic, sets.real, plan.probe)
    return FinishedRun(config, plan, sets, load_refiner(workdir), training, probe)


def with_steps(plan: Plan, steps: int) -> Plan:
    """A plan whose estimators get so many updates at most; 0: as many as they do."""
    return replace(plan, estimator=replace(plan.estimator, steps=steps or plan.estimator.steps))


def name_of(workdir: str | Path) -> str:
    """What results call a run: the last two parts of its folder, EXPERIMENT/VARIANT-SEED."""
    return "/".join(Path(workdir).parts[-2:])
