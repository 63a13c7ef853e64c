"""The rows of the estimator table: trained on each set, tested on the real one, compared."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped

from simgan_jax.data import Arrays
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.evaluation import tasks
from simgan_jax.evaluation.estimators import Estimator, train
from simgan_jax.evaluation.plan import MATCHED, ROWS, Plan
from simgan_jax.evaluation.scores import mean_prediction, people, per_image_errors, score
from simgan_jax.metrics.intervals import interval, resampled_means
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
) -> tuple[dict[str, list[Estimator]], dict[str, str]]:
    """Trains the estimators of every row of the plan that there is data for.

    Returns:
        The estimators of each row, one a seed; and why the rows that are left out are.
    """
    count = min(plan.images, len(synthetic))
    most = max([4 * count if "_4x" in row else count for row in plan.rows], default=count)
    drawn = synthetic[: min(most, len(synthetic))]
    sets = {"synthetic": drawn}
    bases = {row.split("_")[0] for row in plan.rows}
    if "refined" in bases:
        sets["refined"] = Arrays(refine(drawn.images), drawn.labels)
    if MATCHED in bases:
        sets[MATCHED] = Arrays(match_histograms(drawn.images, real, seed), drawn.labels)
    if tasks.has_label(task, labelled) and len(labelled):
        sets["real"] = labelled
    wanted, skipped = {}, {}
    for row in plan.rows:
        base, size = row.split("_")[0], 4 * count if "_4x" in row else count
        if base not in sets:
            skipped[row] = f"the real images have no label {tasks.TASKS[task].label!r}"
            if tasks.has_label(task, labelled):
                skipped[row] = "all labelled real images are in the test set"
        elif "_4x" in row and len(sets[base]) < size:
            skipped[row] = f"{len(sets[base])} images, {size} would be needed"
        else:
            # Photographs lie person by person.
            wanted[row] = spread(sets[base], size) if base == "real" else sets[base][:size]

    def train_one(job: tuple[str, int]) -> Estimator:
        row, i = job
        start = time.perf_counter()
        augmented = row.endswith("_augmented")
        own = seed * plan.seeds + i  # so that no two runs share an estimator's seed
        estimator = train(task, wanted[row], plan.estimator, own, augmented)
        say(
            f"estimator {row}, seed {i + 1} of {plan.seeds}: {min(estimator.validation):.2f} "
            f"{tasks.TASKS[task].unit} on its own domain ({time.perf_counter() - start:.0f} s)"
        )
        return estimator

    jobs = [(row, i) for row in wanted for i in range(plan.seeds)]
    trained = dict(zip(jobs, devices.each_on_a_device(train_one, jobs), strict=True))
    estimators = {row: [trained[row, i] for i in range(plan.seeds)] for row in wanted}
    return estimators, skipped


def without(images: Arrays, others: Arrays) -> Arrays:
    """The images that are not, pixel by pixel, among the others."""
    known = {hashlib.sha256(image.tobytes()).digest() for image in others.images}
    kept = [hashlib.sha256(image.tobytes()).digest() not in known for image in images.images]
    return images if all(kept) else images[np.array(kept)]


def spread(images: Arrays, count: int) -> Arrays:
    """So many of them at equal distances, or all if there are fewer."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]


def judge_rows(
    task: str,
    estimators: Mapping[str, Sequence[Estimator]],
    mean_of: Arrays,
    test: Arrays,
) -> dict[str, Any]:
    """Tests every row on the test set.

    Args:
        task: a name of `estimate.TASKS`.
        estimators: of each row, one a seed.
        mean_of: labelled set, not the test set, whose mean label is the floor.
        test: labelled real images.

    Returns:
        "estimators" (rows as of `estimate.score`, and "own_error" on the part of their own training
        set that stopped them early), "gap_closed" and "gain" with their intervals.
    """
    predictions = {row: [one(test.images) for one in many] for row, many in estimators.items()}
    floor = [mean_prediction(task, mean_of, len(test))]
    rows = {row: score(task, p, test) for row, p in predictions.items()}
    for row, many in estimators.items():
        rows[row]["own_error"] = float(np.mean([min(one.validation) for one in many]))
    rows["mean_predictor"] = score(task, floor, test) | {"std": 0.0}
    errors = {row: per_image_errors(task, p, test) for row, p in predictions.items()}
    return {"estimators": rows, "test_images": len(test)} | compare(errors, people(test))


def compare(
    errors: Mapping[str, Shaped[np.ndarray, "n"]], groups: Shaped[np.ndarray, "n"] | None = None
) -> dict[str, Any]:
    """What refinement gains, with bootstrap intervals of the paired differences.

    Args:
        errors: mean error over seeds of every test image, by row.
        groups: persons of the test images.

    Returns:
        "gain" = 1 - refined / synthetic, "gap_closed" = (synthetic - refined) / (synthetic - real),
        None where a row is missing or real is no better than synthetic; the same of the "_4x" and
        "_augmented" rows.
    """
    result = {}
    for suffix in ("", "_4x", "_augmented"):
        names = [f"{row}{suffix}" for row in ROWS]
        present = [name for name in names if name in errors]
        both = present[:2] == names[:2]
        if not suffix:
            result |= {"gain": None, "gap_closed": None}
        if not both:
            continue
        values = np.stack([errors[name] for name in present])
        means, samples = values.mean(1), resampled_means(values, groups)
        result[f"gain{suffix}"] = float(1 - means[1] / means[0])
        result[f"gain{suffix}_interval"] = interval(1 - samples[:, 1] / samples[:, 0])
        if len(present) == 3 and means[0] > means[2]:
            result[f"gap_closed{suffix}"] = float((means[0] - means[1]) / (means[0] - means[2]))
            gap = samples[:, 0] - samples[:, 2]
            # Samples without a gap have no share of it; where they are many, neither has the interval.
            share = (samples[:, 0] - samples[:, 1]) / np.where(gap > 0, gap, np.nan)
            if np.isfinite(share).mean() > 0.95:
                result[f"gap_closed{suffix}_interval"] = interval(share[np.isfinite(share)])
    return result
