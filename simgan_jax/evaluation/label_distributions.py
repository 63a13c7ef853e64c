"""How labels of renderings are spread, beside what estimators read off real images without labels.

A refiner makes two sets alike in distribution, labels included: where they differ, it moves them. Real
labels are not known, so frozen estimators read them, and a reading is not a label:

- It is pulled towards the mean of the renderings that the estimator was trained on. How much is
  measured on renderings that it has not seen: the slope of readings over labels, 1 for no pull. Real
  images are compared with readings of these, never with labels, and the difference divided by the slope
  is given beside it. On real images the pull may be stronger still.
- The look of real images moves it, too. A part of that is measured: what the grey values of real images
  do to the reading of renderings, whose labels stay.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from ml_collections import ConfigDict

from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.errors import UserError
from simgan_jax.estimators.coordinates import COORDINATES
from simgan_jax.estimators.estimator import Estimator, train
from simgan_jax.estimators.tasks import TASKS, label_of
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.plan import default_settings, make_plan
from simgan_jax.evaluation.scores import test_groups
from simgan_jax.io.progress import progress
from simgan_jax.metrics.darkest_disc import darkest_disc
from simgan_jax.metrics.intervals import interval, resampled_means
from simgan_jax.training import devices

# Real images that are read at most; their mean is known to a tenth of a degree then.
REAL = 2000
# Readings that follow labels by less than this say nothing of an axis.
LEAST_SLOPE = 0.3
# Smaller differences are not spoken of: of means, as a share of the labels' own spread; of spreads, as
# a ratio.
SHARE, RATIO = 0.25, 1.5
# Tasks of images of eyes; what their framing may differ by, whole pixels; bootstrap samples.
EYES, LEAST_PX, RESAMPLES = ("gaze", "iris"), 2, 300
# Estimators that are trained for a first look, and their share of a quick evaluation's updates.
FIRST_LOOK, FIRST_LOOK_SHARE = 2, 2


def measure_label_distributions(
    estimators: Sequence[Estimator],
    training: Arrays,
    held_out: Arrays,
    real: Arrays,
    seed: int = 0,
) -> dict[str, Any]:
    """Compares the labels of renderings with what estimators read off real images.

    Args:
        estimators: of one task, trained on renderings.
        training: those renderings, labelled.
        held_out: further ones of the same kind, labelled.
        real: images; of their labels those alone are used that say which belong together.
        seed: of the real images whose grey values renderings get, and of the bootstrap.

    Returns:
        What docs/evaluation.md says of `label_distributions`, without "estimator".
    """
    task = estimators[0].task
    kind = COORDINATES[task]
    some = image_split.spread(real, REAL)
    real, groups = some.images, test_groups(some)
    labels = kind.read(label_of(task, training, "the training set"))
    known = kind.read(label_of(task, held_out, "the held-out renderings"))
    sets = (held_out.images, match_histograms(held_out.images, real, seed), real)
    with progress("reading labels", len(estimators) * sum(map(len, sets))) as advance:
        read, looks, found = (_read(estimators, images, advance) for images in sets)
    axes = {
        name: {
            "labels": _mean_and_std(labels[:, i]),
            "look": float((looks - read)[..., i].mean()),
            **_compare(read[..., i], known[:, i], found[..., i], groups.member, seed),
        }
        for i, name in enumerate(kind.names)
    }
    framing = compare_framing(held_out.images, real, seed) if task in EYES else None
    return {
        "unit": TASKS[task].unit,
        "estimators": len(estimators),
        "held_out_images": len(held_out),
        "real_images": len(real),
        "real_groups": str(groups),
        "axes": axes,
        "darkest_disc": framing,
        **conclusion(task, axes, framing),
    }


def compare_framing(
    synthetic: Shaped[np.ndarray, "n h w c"], real: Shaped[np.ndarray, "m h w c"], seed: int = 0
) -> dict[str, Any]:
    """Where irises lie in the picture, without an estimator: medians of the darkest discs' places.

    Returns:
        "synthetic" and "real": (x, y) in pixels; "difference" of real less synthetic, its "interval"
        [low, high] along each axis (95 %, bootstrap over images).
    """
    rng = np.random.default_rng(seed)
    places = [darkest_disc(images) for images in (synthetic, real)]
    drawn = [
        np.stack(
            [np.median(x[rng.integers(len(x), size=len(x))], axis=0) for _ in range(RESAMPLES)]
        )
        for x in places
    ]
    before, after = (np.median(x, axis=0) for x in places)
    return {
        "synthetic": before.tolist(),
        "real": after.tolist(),
        "difference": (after - before).tolist(),
        "interval": [interval(axis) for axis in (drawn[1] - drawn[0]).T],
    }


def first_look(config: ConfigDict) -> dict[str, Any]:
    """`measure_label_distributions` before a run, by small estimators: half a minute on two CPU cores.

    Args:
        config: of the run.

    Raises:
        UserError: no task, no label, or too few images.
    """
    if config.task not in COORDINATES:
        raise UserError(
            f"config.task is {config.task!r}: without a label there is nothing to compare; set it to "
            f"one of {', '.join(COORDINATES)}"
        )
    plan = make_plan(config.get("evaluate") or default_settings(), "quick")
    settings = replace(plan.estimator, steps=-(-plan.estimator.steps // FIRST_LOOK_SHARE))
    synthetic, real = data.load_mixed(config), data.load_set(config, "real")
    label_of(config.task, synthetic, "config.data.synthetic")
    image_split.require_enough(synthetic, real)
    training, held_out, _ = image_split.to_report(synthetic, real, plan.probe)
    training = training[: plan.images]
    with progress("training estimators", FIRST_LOOK * settings.steps * settings.batch) as advance:
        estimators = devices.each_on_a_device(
            lambda seed: train(config.task, training, settings, seed, 1.0, advance),
            range(FIRST_LOOK),
        )
    return measure_label_distributions(estimators, training, held_out, real, config.seed)


def conclusion(
    task: str,
    axes: Mapping[str, Mapping[str, Any]],
    framing: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the figures of all axes, and of `compare_framing` where it is known, say in words.

    Returns:
        "differ": whether labels are spread differently, clearly and by so much that it matters;
        "sentences": in which way, and what cannot be told.
    """
    unit, kind = TASKS[task].unit, COORDINATES[task]
    said, unreadable = [], []
    for name, less, more in zip(kind.names, kind.less, kind.more, strict=True):
        axis = axes[name]
        if axis["slope"] < LEAST_SLOPE:
            unreadable.append(
                f"These estimators cannot read {name}: on renderings that they have not seen, "
                f"{axis['slope']:.0%} of a change of the label shows."
            )
            continue
        difference, (low, high) = axis["difference"], axis["interval"]
        clear = (low > 0 or high < 0) and abs(difference) > abs(axis["look"])
        if clear and abs(axis["corrected"]) >= SHARE * axis["labels"]["std"]:
            ends = sorted((abs(low), abs(high)))
            said.append(
                f"The renderings {less if difference > 0 else more} than the real images are read to: "
                f"by {abs(difference):.1f} {unit} ({ends[0]:.1f} to {ends[1]:.1f}), or by "
                f"{abs(axis['corrected']):.1f} without the estimators' pull towards the mean."
            )
        ratio = axis["synthetic"]["std"] / max(axis["real"]["std"], 1e-9)
        if not 1 / RATIO < ratio < RATIO:
            said.append(
                f"The renderings' {name} is spread {'more' if ratio > 1 else 'less'} widely: by "
                f"{axis['synthetic']['std']:.1f} {unit} as it is read (standard deviation), that of "
                f"the real images by {axis['real']['std']:.1f}."
            )
    if framing:
        words = (("left", "right"), ("up", "down"))
        moved = [
            f"{abs(difference):.0f} px further {way[difference < 0]}"
            for difference, (low, high), way in zip(
                framing["difference"], framing["interval"], words, strict=True
            )
            if abs(difference) >= LEAST_PX and (low > 0 or high < 0)
        ]
        if moved:
            said.append(
                f"The darkest disc, mostly the iris, lies {' and '.join(moved)} in the renderings: "
                "frame them alike."
            )
    if unreadable:
        unreadable.append(
            "They may with more renderings, or more updates (config.evaluate.quick.estimator_steps)."
        )
    if not (said or unreadable):
        same = "Labels of the renderings and readings of the real images are spread alike."
        return {"differ": False, "sentences": [same]}
    return {"differ": bool(said), "sentences": [*said, *unreadable]}


def _read(
    estimators: Sequence[Estimator],
    images: Shaped[np.ndarray, "n h w c"],
    advance: Callable[[int], None],
) -> Float[np.ndarray, "m n k"]:
    """What each estimator reads off each image, on the task's axes."""
    read = []
    for one in estimators:
        read.append(COORDINATES[one.task].read(one(images)))
        advance(len(images))
    return np.stack(read)


def _compare(
    read: Float[np.ndarray, "m n"],
    labels: Float[np.ndarray, "n"],
    real: Float[np.ndarray, "m r"],
    groups: Shaped[np.ndarray, "r"],
    seed: int,
) -> dict[str, Any]:
    """One axis: readings of renderings and of real images by m estimators, and the former's labels."""
    mean, mean_real = read.mean(0), real.mean(0)
    slope = _slope(_moments(mean, labels).mean(1))
    difference = mean_real.mean() - mean.mean()
    drawn = resampled_means(_moments(mean, labels), seed=seed)
    differences = resampled_means(mean_real[None], groups, seed=seed + 1)[:, 0] - drawn[:, 0]
    readable = slope >= LEAST_SLOPE
    corrected = differences / np.maximum(_slope(drawn.T), 1e-9)
    return {
        "synthetic": _mean_and_std(read),
        "real": _mean_and_std(real),
        "difference": float(difference),
        "interval": interval(differences),
        "per_estimator": (real.mean(1) - read.mean(1)).tolist(),
        "slope": float(slope),
        "corrected": float(difference / slope) if readable else None,
        "corrected_interval": interval(corrected) if readable else None,
    }


def _moments(
    read: Float[np.ndarray, "n"], labels: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "4 n"]:
    """What the means of are needed for a slope."""
    return np.stack([read, labels, read * labels, labels * labels])


def _slope(means: Float[np.ndarray, "4 *b"]) -> Float[np.ndarray, "*b"]:
    """Least squares slope of readings over labels, from means of `_moments`; 0 if labels are equal."""
    read, label, product, square = means
    variance = square - label**2
    return (product - read * label) / np.where(variance > 1e-12, variance, np.inf)


def _mean_and_std(values: Float[np.ndarray, "*m n"]) -> dict[str, float]:
    """Mean, and standard deviation over images (of readings, the mean over estimators)."""
    return {"mean": float(values.mean()), "std": float(values.std(-1).mean())}
