"""A few labelled real images on top of many that cost nothing: how far do 50, 200, 1,000 go?

    SIMGAN_DATA=... python -m experiments.real_people --variants=estimator
    python -m experiments.few_labels [--workdir=RUN] [--seeds=3] [--quick]

Estimators trained on a run's synthetic, matched and refined images go on with labelled real ones, drawn
from as many people as there are (of the set that the row "real" learns from, test images left out), and
so does one that starts from nothing: "alone". More labels contain the fewer. A fifth of them is held
back and says when to stop, so that tuning never ends with an estimator that is worse on these than the
one it began with; test labels serve to test alone. All are augmented unless --noaugmented is given.
Adds the run to result.json, and draws the curves of all runs there in curves.png.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags
from jaxtyping import Int
from matplotlib.figure import Figure

from experiments import paired
from experiments.finished_run import name_of, open_run
from experiments.flags import QUICK, results_folder
from experiments.results import add, origin
from experiments.seeds import how_many
from simgan_jax import command
from simgan_jax.data import Arrays
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator, train
from simgan_jax.estimators.settings import EstimatorSettings
from simgan_jax.evaluation import figures
from simgan_jax.evaluation.plan import Plan, Row
from simgan_jax.evaluation.scores import image_errors, score, test_groups
from simgan_jax.evaluation.sets import labelled_of
from simgan_jax.metrics.intervals import interval, resampled_means
from simgan_jax.training import devices

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/experiments/real_people/estimator-0", "Folder of a finished run."
)
AUGMENTED = flags.DEFINE_bool("augmented", True, "Whether training images are changed at random.")
STEPS = flags.DEFINE_integer(
    "steps", 0, "Updates on images that cost nothing; 0: the run's plan's."
)

HERE = Path(__file__).parent
BASES, ALONE = ("synthetic", "matched", "refined"), "alone"
LABELS = (0, 50, 200, 1000)
BATCH, VALIDATION, LOOKS, PATIENCE = 16, 0.2, 20, 5
# Of tuning: passes over the labelled images at most, and updates at least.
EPOCHS, LEAST = 30, 100
# Tuning starts from what has been learned: a third of the rate of training.
SLOWER = 3

Predictions = dict[tuple[str, int], list[np.ndarray]]


def main(argv: Sequence[str]) -> None:
    """Trains, tunes and tests."""
    del argv
    devices.cores_as_devices()
    rows = [str(Row(base, augmented=AUGMENTED.value)) for base in BASES]
    steps = 20 if QUICK.value else STEPS.value
    run = open_run(WORKDIR.value, rows, how_many(), steps=steps)
    task, plan, test = run.config.task, run.plan, run.sets.test
    labelled = labelled_of(run.sets)
    tasks.label_of(task, labelled, "the real images")
    starts = {row.base: many for row, many in run.train().items()}
    predictions = tune_all(plan, task, starts, labelled, test, AUGMENTED.value)

    here = results_folder(HERE)
    entry = origin("few_labels") | {
        "seeds": plan.seeds,
        "augmented": AUGMENTED.value,
        "steps": plan.estimator.steps,
        "labelled": len(labelled),
        "unit": tasks.TASKS[task].unit,
        "rows": table_rows(task, predictions, test),
        "comparisons": compare(task, predictions, test),
    }
    runs = add(here / "result.json", {name_of(WORKDIR.value): entry})
    draw(runs).savefig(here / "curves.png", dpi=120)


def tune_all(
    plan: Plan,
    task: str,
    starts: Mapping[str, Sequence[Estimator]],
    labelled: Arrays,
    test: Arrays,
    augmented: bool,
    labels: Sequence[int] = LABELS,
) -> Predictions:
    """What estimators predict of the test images, by what they start from and the number of labels.

    Args:
        plan: its seeds, and how estimators are trained.
        task: a name of `TASKS`.
        starts: of each base one a seed.
        labelled: real images to draw from.
        test: images to predict; their labels are not looked at.
        augmented: whether labelled images are changed at random.
        labels: numbers of labelled images; without any, nothing can be learned alone.
    """
    jobs = [
        (name, count, seed)
        for seed in range(plan.seeds)
        for count in labels
        for name in (*starts, ALONE)
        if count or name != ALONE
    ]

    def one(job: tuple[str, int, int]) -> np.ndarray:
        name, count, seed = job
        start = starts[name][seed] if name in starts else None
        if not count:
            return start(test.images)
        few = labelled[in_turn(labelled, seed)[:count]]
        settings = tuning(plan.estimator, len(few), alone=start is None)
        # From the host: the estimator may have been trained on another device.
        params = start and jax.device_get(start.params)
        tuned = train(task, few, settings, seed, augmented, start=params)
        print(f"{name}, {count} labels, seed {seed}: {min(tuned.validation):.2f} own", flush=True)
        return tuned(test.images)

    found: Predictions = {}
    for (name, count, _), predicted in zip(jobs, devices.each_on_a_device(one, jobs), strict=True):
        found.setdefault((name, count), []).append(predicted)
    return found


def in_turn(images: Arrays, seed: int) -> Int[np.ndarray, "n"]:
    """Rows in an order whose every beginning is spread evenly over people, at random within each.

    Args:
        images: whose labels may say who is in them.
        seed: of the order.
    """
    order = np.random.default_rng(seed).permutation(len(images))
    member = test_groups(images).member[order]
    turn = np.zeros(len(order), int)
    for person in np.unique(member):
        own = np.flatnonzero(member == person)
        turn[own] = np.arange(len(own))
    return order[np.argsort(turn, kind="stable")]


def tuning(training: EstimatorSettings, count: int, alone: bool) -> EstimatorSettings:
    """How an estimator learns from a few labelled images.

    Args:
        training: of the estimators that are tuned.
        count: labelled images.
        alone: whether it begins with nothing; it then takes as many images as they had, and their rate.
    """
    batch = min(BATCH, count // 2)
    steps = training.steps * training.batch // batch
    rate = training.learning_rate
    if not alone:
        steps = min(steps, max(LEAST, EPOCHS * count // batch))
        rate /= SLOWER
    return replace(
        training,
        batch=batch,
        micro_batch=batch,
        steps=steps,
        learning_rate=rate,
        validation=VALIDATION,
        looks=LOOKS,
        patience=PATIENCE,
    )


def table_rows(task: str, predictions: Predictions, test: Arrays) -> list[dict[str, Any]]:
    """Errors of every start and number of labels, as in result.json; printed too."""
    rows = []
    for (name, count), each in predictions.items():
        found = score(task, each, test)
        kept = ("error", "std", "interval", "within", "per_seed", "calibrated", "axes")
        rows.append({"start": name, "labels": count} | {x: found[x] for x in kept if x in found})
        print(f"{name:10} {count:5} labels: {found['error']:.2f} {found['unit']}", flush=True)
    return rows


def compare(task: str, predictions: Predictions, test: Arrays) -> list[dict[str, Any]]:
    """What starts differ by, at every number of labels, seed by seed and image by image.

    Returns:
        Of each "start", "against", "labels" and what `paired.difference` says of their errors.
    """
    errors = {key: image_errors(task, each, test) for key, each in predictions.items()}
    groups = test_groups(test).member
    pairs = [(base, ALONE) for base in BASES]
    pairs += [("refined", base) for base in BASES if base != "refined"]
    found = []
    for count in dict.fromkeys(count for _, count in errors):
        for name, against in pairs:
            if (name, count) in errors and (against, count) in errors:
                one, other = errors[name, count], errors[against, count]
                means = resampled_means((one - other).mean(0)[None], groups)
                found.append(
                    {"start": name, "against": against, "labels": count}
                    | paired.difference(one.mean(1), other.mean(1), interval(means[:, 0]))
                )
    return found


def draw(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Error against labelled images, a chart a run, a line a start; bars are over test images."""
    figure = Figure(figsize=(5 * len(runs), 4), layout="constrained")
    charts = figure.subplots(1, len(runs), squeeze=False)[0]
    for axes, (name, run) in zip(charts, runs.items(), strict=True):
        counts = sorted({row["labels"] for row in run["rows"]})
        for i, start in enumerate((*BASES, ALONE)):
            line = [row for row in run["rows"] if row["start"] == start]
            # Numbers of labels at equal distances, lines a little apart.
            x = [counts.index(row["labels"]) + 0.06 * (i - 1.5) for row in line]
            y = np.array([row["error"] for row in line])
            ends = np.array([row["interval"] for row in line]).T
            colour = figures.COLOURS["real" if start == ALONE else start]
            label = "labelled real images alone" if start == ALONE else f"on top of {start}"
            axes.errorbar(x, y, np.abs(ends - y), color=colour, label=label, marker="o", capsize=2)
        axes.set_xticks(range(len(counts)), [f"{count:,}" for count in counts])
        axes.set(xlabel="labelled real images", title=name)
        axes.set_ylabel(f"error on the test set ({run['unit']})")
    charts[0].legend(fontsize="small")
    return figure


if __name__ == "__main__":
    command.run(main)
