"""The rows of the estimator table: trained on each set, tested on the real one."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data import Arrays, fourier_adaptation
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator, train
from simgan_jax.evaluation.comparisons import compare, gains
from simgan_jax.evaluation.image_split import spread
from simgan_jax.evaluation.plan import FLOOR, Plan, Row
from simgan_jax.evaluation.scores import image_errors, mean_prediction, score, test_groups
from simgan_jax.io.progress import progress
from simgan_jax.training import devices

Say = Callable[[str], None]


def train_rows(
    plan: Plan,
    task: str,
    synthetic: Arrays,
    refine: Callable[[np.ndarray], np.ndarray],
    real: Shaped[np.ndarray, "m h w c"],
    labelled: Arrays,
    seed: int = 0,
    say: Say = lambda line: None,
) -> tuple[dict[Row, list[Estimator]], dict[str, str]]:
    """Trains the estimators of every row of the plan that there is data for.

    Estimator i of every row has the same seed: rows are compared seed by seed.

    Args:
        plan: rows, seeds, images and the estimators' training.
        task: a name of `TASKS`.
        synthetic: images and labels, of which the first ones are taken.
        refine: integer images to refined ones.
        real: whose grey values or low frequencies "matched", "fda" and "refined_matched" have.
        labelled: for "real", if it has the label.
        seed: of the data and, with the number of an estimator, of its training.
        say: gets a line when an estimator has been trained.

    Raises:
        UserError: the synthetic images lack the label of the task.

    Returns:
        The estimators of each row, one a seed; and why the rows that are left out are.
    """
    wanted, skipped = training_sets(plan, task, synthetic, refine, real, labelled, seed)
    jobs = [(row, i) for row in wanted for i in range(plan.seeds)]
    updates = len(jobs) * plan.estimator.steps

    with progress("training estimators", updates * plan.estimator.batch) as advance:

        def train_one(job: tuple[Row, int]) -> Estimator:
            row, i = job
            start = time.perf_counter()
            own = seed * plan.seeds + i  # so that no two runs share an estimator's seed
            estimator = train(task, wanted[row], plan.estimator, own, row.augmented, advance)
            say(
                f"estimator {row}, seed {i + 1} of {plan.seeds}: {min(estimator.validation):.2f} "
                f"{tasks.TASKS[task].unit} on its own domain ({time.perf_counter() - start:.0f} s)"
            )
            return estimator

        trained = dict(zip(jobs, devices.each_on_a_device(train_one, jobs), strict=True))
    estimators = {row: [trained[row, i] for i in range(plan.seeds)] for row in wanted}
    return estimators, skipped


def training_sets(
    plan: Plan,
    task: str,
    synthetic: Arrays,
    refine: Callable[[np.ndarray], np.ndarray],
    real: Shaped[np.ndarray, "m h w c"],
    labelled: Arrays,
    seed: int = 0,
) -> tuple[dict[Row, Arrays], dict[str, str]]:
    """What each row is trained on; and why the rows that are left out are.

    Args:
        plan: its rows and number of images.
        task: a name of `TASKS`.
        synthetic: of which the first ones are taken.
        refine: integer images to refined ones.
        real: whose grey values or low frequencies "matched", "fda" and "refined_matched" have.
        labelled: for "real", if it has the label.
        seed: of which real image goes with which.
    """
    count = min(plan.images, len(synthetic))
    drawn = synthetic[: count * max((row.times for row in plan.rows), default=1)]
    bases = {row.base for row in plan.rows}
    sets = {"synthetic": drawn}
    if bases & {"refined", "refined_matched"}:
        sets["refined"] = Arrays(refine(drawn.images), drawn.labels)
    for name, base in (("matched", "synthetic"), ("refined_matched", "refined")):
        if name in bases:
            sets[name] = Arrays(match_histograms(sets[base].images, real, seed), drawn.labels)
    if "fda" in bases:
        sets["fda"] = Arrays(fourier_adaptation.adapt(drawn.images, real, seed=seed), drawn.labels)
    if tasks.has_label(task, labelled) and len(labelled):
        sets["real"] = labelled
    wanted, skipped = {}, {}
    for row in plan.rows:
        size = row.times * count
        if row.base not in sets:
            skipped[str(row)] = f"the real images have no label {tasks.TASKS[task].label!r}"
            if tasks.has_label(task, labelled):
                skipped[str(row)] = "all labelled real images are in the test set"
        elif row.times > 1 and len(sets[row.base]) < size:
            skipped[str(row)] = f"{len(sets[row.base])} images, {size} would be needed"
        else:
            # Photographs lie person by person.
            found = sets[row.base]
            wanted[row] = spread(found, size) if row.base == "real" else found[:size]
    return wanted, skipped


def judge_rows(
    task: str,
    estimators: Mapping[Row, Sequence[Estimator]],
    mean_of: Arrays,
    test: Arrays,
) -> dict[str, Any]:
    """Tests every row on the test set.

    Args:
        task: a name of `TASKS`.
        estimators: of each row, one a seed.
        mean_of: labelled set, not the test set, whose mean label is the floor.
        test: labelled real images.

    Returns:
        "estimators" (rows as of `score`; "own_error" on the part of their own training set that stopped
        them early, and "validation", that error at each look, by seed), "test_images", "test_groups"
        (what intervals over test images are over), "comparisons" (as of `compare`), "gap_closed" and
        "gain" (as of `gains`).
    """
    predictions = {str(row): [] for row in estimators}
    with progress("testing estimators", len(test) * sum(map(len, estimators.values()))) as advance:
        for row, many in estimators.items():
            for one in many:
                predictions[str(row)].append(one(test.images))
                advance(len(test))
    rows = {name: score(task, p, test) for name, p in predictions.items()}
    for row, many in estimators.items():
        rows[str(row)]["own_error"] = float(np.mean([min(one.validation) for one in many]))
        rows[str(row)]["validation"] = [list(one.validation) for one in many]
    floor = mean_prediction(task, mean_of, len(test))
    rows[FLOOR] = score(task, [floor], test) | {"std": 0.0}
    errors = {name: image_errors(task, p, test) for name, p in predictions.items()}
    groups = test_groups(test)
    return {
        "estimators": rows,
        "test_images": len(test),
        "test_groups": str(groups),
        **gains(errors, groups.member),
        "comparisons": compare(errors, groups.member),
    }
