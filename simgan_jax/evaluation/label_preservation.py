"""Whether refinement keeps labels: how far what they describe moves, and what an estimator reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.data import Arrays
from simgan_jax.data.depth import measured_depth
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation.scores import mean_prediction
from simgan_jax.metrics import keypoints, label_shift
from simgan_jax.metrics.intervals import mean_interval, span, t_interval
from simgan_jax.ranges import to_unit


def measure_labels(
    before: Arrays, after: Shaped[np.ndarray, "n h w c"], seed: int = 0
) -> dict[str, Any]:
    """All that can be said of labels without an estimator, as far as the labels are there.

    Returns:
        As of `summarize_shift`; "corners" of `measure_corners`; "surface_mm" of
        `keypoints.surface_shift`.
    """
    result = summarize_shift(measure_shift(before, after), before, seed)
    if {"eye_mask", "iris_mask", "pupil"} <= set(before.labels):
        result["corners"] = measure_corners(before, after)
    if {"centre_mm", "joints_uvd"} <= set(before.labels):
        depths = [measured_depth(x, before.labels["centre_mm"]) for x in (before.images, after)]
        result["surface_mm"] = keypoints.surface_shift(*depths, before.labels["joints_uvd"])
    return result


def measure_shift(before: Arrays, after: Shaped[np.ndarray, "n h w c"]) -> label_shift.Shift:
    """Motion of the labelled content from synthetic to refined images."""
    window = label_shift.window(before.labels, before.images.shape[:3])
    return label_shift.measure(to_unit(before.images), to_unit(after), window)


def measure_corners(before: Arrays, after: Shaped[np.ndarray, "n h w c"]) -> dict[str, Any]:
    """How the lids' edges and the corners of eyes move, on both sides of the iris.

    The shift of the iris alone says nothing of them; an estimator reads gaze from both.

    Returns:
        "left" and "right": mean motion (x right, y down) in pixels of what lies on that side.
    """
    width = before.images.shape[2]
    around = (before.labels["eye_mask"] > 0) & (before.labels["iris_mask"] == 0)
    offset = np.arange(width) - before.labels["pupil"][:, :1]
    reach = 5 * width / 55
    sides = {"left": offset < -reach, "right": offset > reach}
    units = to_unit(before.images), to_unit(after)
    result = {}
    for name, side in sides.items():
        shift = label_shift.measure(*units, (around & side[:, None]).astype(np.float32))
        followed = shift.xy[shift.fit >= label_shift.FIT]
        result[name] = followed.mean(0).tolist() if len(followed) else [float("nan")] * 2
    return result


def summarize_shift(shift: label_shift.Shift, before: Arrays, seed: int = 0) -> dict[str, Any]:
    """`label_shift.summarize`, with an interval of the mean and the paper's figure beside it."""
    summary = label_shift.summarize(shift, before.images.shape[2])
    followed = shift.xy[shift.fit >= label_shift.FIT]
    if len(followed):
        summary["interval"] = mean_interval(np.linalg.norm(followed, axis=-1), seed=seed)
    return summary | {"images": len(before), "paper": label_shift.PAPER}


def look_drift(
    estimators: Sequence[Estimator],
    before: Arrays,
    real: Shaped[np.ndarray, "m h w c"],
    seed: int = 0,
) -> dict[str, float]:
    """How a change of look that moves nothing, the grey values of real images, moves what is read.

    Args:
        estimators: as of `reading_drift`.
        before: as of `reading_drift`.
        real: images whose grey values those get.
        seed: of which image gets whose.

    Returns:
        Bias of each axis, as of `reading_drift`.
    """
    found = reading_drift(estimators, before, match_histograms(before.images, real, seed))
    return {name: axis["bias"] for name, axis in found["axes"].items()}


def reading_drift(
    estimators: Sequence[Estimator], before: Arrays, after: Shaped[np.ndarray, "n h w c"]
) -> dict[str, Any]:
    """How what frozen estimators read moves under refinement, signed, in the task's unit.

    An iris that stays does not keep the label: a refiner may move what is read by lids and light, so
    that the two domains' labels are distributed alike.

    Args:
        estimators: trained on synthetic images, of one task, best with augmentation; several, since
            one may be fooled.
        before: synthetic images, which none of them was trained on, with their labels.
        after: the same refined.

    Returns:
        "unit"; "estimators", their number; "mean" and "std" of the distance between both readings; of
        each of "axes" the "bias" (mean signed motion), its "interval" (95 %, `drift_interval`) and
        "std" over images; "largest", the bias of the axis that moves most, and its "limit"; on the
        synthetic images, the estimators' "own_error" and "mean_label_error", that of always answering
        the mean label; "largest_share" and "std_share", the largest bias and std over their own error.
    """
    task = estimators[0].task
    kind = tasks.TASKS[task]
    targets = tasks.label_of(task, before, "the probe")
    read = [(one(before.images), one(after)) for one in estimators]
    distance = np.stack([kind.errors(moved, still) for still, moved in read])
    signed = np.stack([kind.signed(moved, still) for still, moved in read])
    own = float(np.mean([kind.errors(still, targets).mean() for still, _ in read]))
    blind = kind.errors(mean_prediction(task, before, len(before)), targets)
    axes = {
        name: {
            "bias": float(signed[..., i].mean()),
            "interval": drift_interval(signed[..., i]),
            "std": float(signed[..., i].std(1).mean()),
        }
        for i, name in enumerate(kind.axes)
    }
    largest = max((axis["bias"] for axis in axes.values()), key=abs)
    return {
        "unit": kind.unit,
        "estimators": len(estimators),
        "mean": float(distance.mean()),
        "std": float(distance.std()),
        "axes": axes,
        "largest": largest,
        "limit": kind.drift_limit(before.images.shape[1:3]),
        "own_error": own,
        "mean_label_error": float(blind.mean()),
        "largest_share": abs(largest) / max(own, 1e-9),
        "std_share": max(axis["std"] for axis in axes.values()) / max(own, 1e-9),
    }


def drift_interval(signed: Float[np.ndarray, "m n"]) -> list[float]:
    """Interval of a mean motion of what is read, [low, high]: over images, and over estimators.

    Estimators differ by more than images do: of pictures on which nothing moved, one may read a degree
    more than another.

    Args:
        signed: motion of an axis, as each of m estimators reads it off each of n images. Of one
            estimator the interval is over images alone.
    """
    over_images, over_estimators = mean_interval(signed.mean(0)), t_interval(signed.mean(1))
    return span(over_images, over_estimators) if over_estimators else over_images
