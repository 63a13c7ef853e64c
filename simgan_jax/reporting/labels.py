"""Whether labels of refined images are still true: by what moved, and by what an estimator reads."""

from collections.abc import Mapping
from typing import Any

from simgan_jax.estimators import tasks
from simgan_jax.metrics import label_shift
from simgan_jax.reporting.finding import BAD, GOOD, UNCLEAR, UNKNOWN, Finding, worst
from simgan_jax.reporting.run_folder import number, pair
from simgan_jax.reporting.units import TASKS

# Label shift in shares of the image's width: the limit of the choice of a checkpoint, and what the
# paper's refiner moved eyes by.
PAPER = label_shift.PAPER
SAFE_SHIFT, PAPER_SHIFT = label_shift.LARGEST / PAPER["width"], PAPER["mean"] / PAPER["width"]


def labels(config: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Finding:
    """The worse of two answers: how far the content moved, and how far what an estimator reads.

    An iris that stays does not keep the label: lids and light may turn the gaze that is read.
    """
    place = _place(config, evaluation)
    if config.get("task") not in TASKS or place.status == UNKNOWN:
        return place
    read = _reading(config, evaluation)
    status = worst(place.status, read.status)
    answer = place.answer if status == place.status else read.answer
    if status == place.status == GOOD:
        answer = f"{place.answer.removesuffix('.')}, and are read as before."
    remedy = place.remedy if status == place.status else read.remedy
    return Finding(place.question, status, answer, f"{read.detail} {place.detail}", remedy)


def _place(config: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Finding:
    """Compares the motion of the labelled content, and the images that lost it, with fixed bounds."""
    labelled = config.get("task") in TASKS
    question = "Are the labels still true?" if labelled else "Do things stay where they are?"
    content = "what the label describes" if labelled else "the content"
    shift, followed = (number(evaluation, "label_shift", x) for x in ("mean", "followed"))
    width = number(config, "image", "width")
    details = [_lost(evaluation, content), _moved(evaluation, width, content)]
    detail = " ".join(filter(None, details))
    weight = number(config, "loss", "self_regularization")
    remedy = (
        "Labels drift: hold the images back more, or weigh the pixels that carry the label "
        "(config.loss.weight).",
        f"--config.loss.self_regularization={2 * (weight or 1.0):g}",
    )
    if followed is not None and followed < label_shift.LEAST_FOLLOWED:
        answer = f"No: {1 - followed:.0%} of the images lost {content}."
        return Finding(question, BAD, answer, detail, remedy)
    if shift is None or width is None:
        detail = "Look at the examples below: shapes should stay where they are."
        if weight is not None:
            detail += f" config.loss.self_regularization is {weight:g}; a higher one keeps more."
        return Finding(question, UNKNOWN, "Not measured.", detail)
    if shift <= SAFE_SHIFT * width:
        return Finding(question, GOOD, f"Yes: they moved by {shift:.2f} px.", detail)
    if shift <= PAPER_SHIFT * width:
        return Finding(question, UNCLEAR, f"Mostly: they moved by {shift:.2f} px.", detail, remedy)
    return Finding(question, BAD, f"No: they moved by {shift:.2f} px.", detail, remedy)


def _reading(config: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Finding:
    """Compares the drift of what frozen estimators read, axis by axis, with the task's limit."""
    task, unit = config["task"], TASKS[config["task"]].unit
    size = [number(config, "image", side) for side in ("height", "width")]
    found = {
        axis: (bias, pair(evaluation, *path, axis, "interval") or (bias, bias))
        for path in [("label_shift", "estimate", "axes")]
        for axis in tasks.TASKS[task].axes
        if (bias := number(evaluation, *path, axis, "bias")) is not None
    }
    if not found or None in size:
        answer = "They stay in place; what an estimator reads was not measured."
        detail = (
            "Lids and light can turn what an estimator reads though nothing moves; to know, measure "
            "with a row synthetic or synthetic_augmented."
        )
        return Finding("", UNCLEAR, answer, detail)
    own, blind = (
        number(evaluation, "label_shift", "estimate", x) for x in ("own_error", "mean_label_error")
    )
    if None not in (own, blind) and own > tasks.LEARNED * blind:
        answer = "They stay in place; the estimators have not learned to read them."
        detail = (
            f"Whether they are read as before is not known: on synthetic images the estimators err by "
            f"{own:.2f}{unit}, always answering the mean label by {blind:.2f}{unit}."
        )
        return Finding("", UNCLEAR, answer, detail)
    limit = tasks.TASKS[task].drift_limit(tuple(size))
    axis, (bias, _) = max(found.items(), key=lambda item: abs(item[1][0]))
    status = worst(*(drift_status(*drift, limit) for drift in found.values()))
    answers = {
        GOOD: "",
        UNCLEAR: f"Not surely: what estimators read moved by {bias:+z.2f}{unit} in {axis}.",
        BAD: f"No: what estimators read moved by {bias:+z.2f}{unit} in {axis}.",
    }
    detail = _read(evaluation, found, limit, unit)
    return Finding("", status, answers[status], detail, _hold_reading(config))


def _hold_reading(config: Mapping[str, Any]) -> tuple[str, str]:
    """How to keep what estimators read."""
    weight = number(config, "loss", "reading", "weight")
    if config.get("loss", {}).get("psi") == "estimator" and weight:
        text = "Estimators read other labels off refined images: weigh more what they read."
        return text, f"--config.loss.reading.weight={2 * weight:g}"
    text = "Estimators read other labels off refined images: keep what they read in training."
    return text, "--config.loss.psi=estimator"


def drift_status(bias: float, ends: tuple[float, float], limit: float) -> str:
    """Good up to the limit, bad beyond `tasks.HARMFUL` times that, unclear between.

    Nor is it good or bad where the interval leaves the other open.

    Args:
        bias: signed, of one axis.
        ends: its interval.
        limit: `Task.drift_limit`.
    """
    farthest = max(map(abs, ends))
    nearest = 0.0 if ends[0] <= 0 <= ends[1] else min(map(abs, ends))
    if abs(bias) <= limit and farthest <= tasks.HARMFUL * limit:
        return GOOD
    return BAD if abs(bias) > tasks.HARMFUL * limit and nearest > limit else UNCLEAR


def _read(
    evaluation: Mapping[str, Any],
    found: Mapping[str, tuple[float, tuple[float, float]]],
    limit: float,
    unit: str,
) -> str:
    """By how much what is read moves, with intervals."""
    count, share = (
        number(evaluation, "label_shift", "estimate", x) for x in ("estimators", "largest_share")
    )
    who = "estimators" if count is None else f"{count:.0f} estimator{'s' if count > 1 else ''}"
    moved = ", ".join(
        f"{axis} {bias:+z.2f}{unit} ({low:+z.2f} to {high:+z.2f})"
        for axis, (bias, (low, high)) in found.items()
    )
    text = (
        f"What {who} trained on synthetic images read{'s' if count == 1 else ''} moves under "
        f"refinement, in the mean: {moved}; up to {limit:.2g}{unit} an axis counts as kept."
    )
    if count == 1:
        text += " Another one may read otherwise; evaluate with --seeds=4 asks four."
    if share is not None:
        text += f" The largest is {share:.0%} of what they err by themselves."
    look = [
        f"{axis} {bias:+z.2f}{unit}"
        for axis in found
        if (bias := number(evaluation, "label_shift", "estimate", "look", axis)) is not None
    ]
    if look:
        text += (
            f" Real grey values alone, which leave every label true, move it by {', '.join(look)}."
        )
    return text


def _lost(evaluation: Mapping[str, Any], content: str) -> str:
    """In how many images the content could not be followed; "" if in none."""
    followed, images = (number(evaluation, "label_shift", x) for x in ("followed", "images"))
    if followed is None or followed >= 1:
        return ""
    where = f"{1 - followed:.0%} of the images"
    if images is not None:
        where = f"{images * (1 - followed):.0f} of {images:.0f} images"
    most = 1 - label_shift.LEAST_FOLLOWED
    return (
        f"In {where} {content} could not be found again after refinement: how far it moved there is "
        f"unknown. At most {most:.0%} may be lost."
    )


def _moved(evaluation: Mapping[str, Any], width: float | None, content: str) -> str:
    """How far the content moved where it could be followed; "" if nowhere."""
    shift, std, followed = (
        number(evaluation, "label_shift", x) for x in ("mean", "std", "followed")
    )
    if shift is None or width is None:
        return ""
    spread = "" if std is None else f" ± {std:.2f}"
    all_found = followed is None or followed >= 1
    where = "Refinement moved" if all_found else "Where it was found, refinement moved"
    return (
        f"{where} {content} by {shift:.2f}{spread} px (mean and standard "
        f"deviation over images) in images {width:.0f} px wide. The paper's eyes, {PAPER['width']} px "
        f"wide, moved by {PAPER['mean']} ± {PAPER['std']} px."
    )
