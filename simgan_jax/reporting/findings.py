"""What a run's figures mean in plain words, by fixed rules, and what to do next."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scipy import stats

from simgan_jax.metrics import label_shift
from simgan_jax.training import doctor

# Label shift in shares of the image's width: the limit of the choice of a checkpoint, and what the
# paper's refiner moved eyes by.
SAFE_SHIFT, PAPER_SHIFT = label_shift.LARGEST / 55, 1.1 / 55
# A fresh patch discriminator guesses at 0.5; differences below this are noise of its training.
ACCURACY_STEP = 0.03

GOOD, UNCLEAR, BAD, UNKNOWN = "good", "unclear", "bad", "unknown"


class Finding(NamedTuple):
    """An answer: status is one of good, unclear, bad, unknown."""

    question: str
    status: str
    answer: str
    detail: str


class Task(NamedTuple):
    """How a task's errors read: unit after the number, and the bound of the share within it."""

    unit: str
    within: str


TASKS = {"gaze": Task("°", "7°"), "hand": Task(" px", "5 px of 224"), "iris": Task(" px", "5 px")}


def number(tree: Any, *path: str) -> float | None:
    """A finite number at a path of a JSON tree, None if there is none."""
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    is_number = isinstance(tree, int | float) and not isinstance(tree, bool)
    return float(tree) if is_number and math.isfinite(tree) else None


def judge(
    config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any]
) -> list[Finding]:
    """Is it better on real images, are the labels safe, does it look real, did the training go well.

    Args:
        config: of the run, as JSON.
        rows: of metrics.jsonl.
        evaluation: evaluation.json, {} if there is none.
    """
    return [
        better(config, evaluation),
        labels(config, evaluation),
        realism(evaluation),
        health(config, rows),
    ]


def better(config: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Finding:
    """Compares estimators trained on synthetic and on refined images, tested on real ones."""
    question = "Is it better on real images?"
    task = TASKS.get(config.get("task"))
    if task is None:
        answer = "Not measured: this run has no labels to test with."
        detail = "Give labelled sets as config.data.synthetic and .test, and a config.task."
        return Finding(question, UNKNOWN, answer, detail)
    before, after = (number(evaluation, "estimators", x, "error") for x in ("synthetic", "refined"))
    if before is None or after is None or before <= 0:
        return Finding(question, UNKNOWN, "Not measured yet.", "The run has no evaluation so far.")
    margin = error_margin(evaluation, "synthetic", "refined")
    gain = (before - after) / before
    detail = (
        f"Estimators trained on refined images are wrong by {after:.2f}{task.unit} on the real test "
        f"set, on synthetic images by {before:.2f}{task.unit}"
    )
    real = number(evaluation, "estimators", "real", "error")
    gap = number(evaluation, "gap_closed")
    if real is not None:
        detail += f"; with real labels it would be {real:.2f}{task.unit}"
    if gap is not None:
        share = f"closed {gap:.0%} of" if gap >= 0 else f"widened by {-gap:.0%}"
        detail += f" (the gap is {share})" if gap < 0 else f" ({share} the gap)"
    detail += ". " + _augmented(evaluation, task)
    floor = number(evaluation, "estimators", "mean_predictor", "error")
    if floor is not None and min(before, after) >= floor:
        detail += f"Always answering the mean label is wrong by {floor:.2f}{task.unit}. "
        status, answer = UNCLEAR, "Nothing learned yet: the mean label errs less."
    elif margin is None:
        detail += "One seed only: the difference has no error bar yet."
        status, answer = (
            UNCLEAR,
            f"{abs(gain):.0%} {'less' if gain > 0 else 'more'} error, one seed.",
        )
    elif before - after > margin:
        status, answer = GOOD, f"Yes: {gain:.0%} less error."
    elif after - before > margin:
        status, answer = BAD, f"No: {-gain:.0%} more error."
    else:
        status, answer = UNCLEAR, "No clear difference."
        detail += f"A difference below {margin:.2f}{task.unit} cannot be told from chance here."
    return Finding(question, status, answer, detail.strip())


def error_margin(evaluation: Mapping[str, Any], one: str, other: str) -> float | None:
    """Half the 95 % interval (Student's t over seeds) of the difference of two rows' errors.

    None if there are fewer than two seeds.
    """
    spreads = [number(evaluation, "estimators", x, "std") for x in (one, other)]
    seeds = number(evaluation, "seeds")
    if None in spreads or seeds is None or seeds < 2:
        return None
    factor = stats.t.ppf(0.975, 2 * seeds - 2)
    return float(factor * math.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / seeds))


def _augmented(evaluation: Mapping[str, Any], task: Task) -> str:
    """The same comparison with augmentation, which alone may do as much."""
    names = ("synthetic_augmented", "refined_augmented")
    before, after = (number(evaluation, "estimators", x, "error") for x in names)
    if before is None or after is None:
        return ""
    return f"With augmentation {after:.2f}{task.unit} against {before:.2f}{task.unit}. "


def labels(config: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Finding:
    """Compares the measured motion of the labelled content with fixed bounds."""
    labelled = config.get("task") in TASKS
    question = "Are the labels still true?" if labelled else "Do things stay where they are?"
    shift, std = (number(evaluation, "label_shift", x) for x in ("mean", "std"))
    width = number(config, "image", "width")
    if shift is None or width is None:
        weight = number(config, "loss", "self_regularization")
        detail = "Look at the examples below: shapes should stay where they are."
        if weight is not None:
            detail += f" config.loss.self_regularization is {weight:g}; a higher one keeps more."
        return Finding(question, UNKNOWN, "Not measured.", detail)
    spread = "" if std is None else f" ± {std:.2f}"
    detail = (
        f"Refinement moves {'what the label describes' if labelled else 'the whole image'} by "
        f"{shift:.2f}{spread} px in images {width:.0f} px wide (the paper's eyes, 55 px wide: 1.1 ± "
        "0.8 px)."
    )
    if shift <= SAFE_SHIFT * width:
        return Finding(question, GOOD, f"Yes: they moved by {shift:.2f} px.", detail)
    if shift <= PAPER_SHIFT * width:
        return Finding(question, UNCLEAR, f"Mostly: they moved by {shift:.2f} px.", detail)
    return Finding(question, BAD, f"No: they moved by {shift:.2f} px.", detail)


def realism(evaluation: Mapping[str, Any]) -> Finding:
    """Compares how well a fresh patch discriminator tells synthetic and refined from real, and KID."""
    question = "Do they look more real?"
    path = ("realism", "discriminator_accuracy")
    before, after = (number(evaluation, *path, x) for x in ("synthetic", "refined"))
    if before is None or after is None:
        return Finding(question, UNKNOWN, "Not measured.", "Look at the examples below.")
    detail = (
        f"A newly trained patch classifier tells refined patches from real ones at {after:.0%}, "
        f"synthetic ones at {before:.0%}; 50% is guessing."
    )
    kids = [number(evaluation, "realism", name) for name in ("kid_synthetic", "kid")]
    rises = None not in kids and kids[1] > kids[0]
    if None not in kids:
        detail += (
            f" KID, the distance of their distributions, goes from {kids[0]:.2f} to {kids[1]:.2f}."
        )
    if before - after > ACCURACY_STEP:
        if rises:
            return Finding(question, UNCLEAR, "The two measures disagree.", detail)
        return Finding(question, GOOD, "Yes: harder to tell from real.", detail)
    if after - before > ACCURACY_STEP:
        return Finding(question, BAD, "No: easier to tell from real.", detail)
    return Finding(question, UNCLEAR, "Hardly any change.", detail)


def health(config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Finding:
    """What the doctor says of the training."""
    question = "Did the training go well?"
    if not any(row["phase"] == "adversarial" for row in rows):
        detail = "The adversarial phase has no entries in metrics.jsonl."
        return Finding(question, UNKNOWN, "Nothing to judge yet.", detail)
    try:
        complaints = doctor.examine(rows, config["loss"]["adversarial"])
    except (KeyError, ValueError):  # of another version, or damaged
        detail = "The entries of metrics.jsonl or config.json lack what the doctor looks at."
        return Finding(question, UNKNOWN, "Cannot be judged.", detail)
    if not complaints:
        detail = "Neither collapse nor a stuck or perfect discriminator, and the images do change."
        return Finding(question, GOOD, "Yes: the doctor has no complaints.", detail)
    detail = " ".join(f"{_sentence(str(complaint))}" for complaint in complaints)
    count = f"{len(complaints)} complaint{'s' if complaints[1:] else ''}"
    return Finding(question, BAD, f"The doctor has {count}.", detail)


def advice(
    workdir: str,
    started: str,
    config: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    findings: Sequence[Finding],
    finished: bool,
) -> list[tuple[str, str]]:
    """What to do next, the most urgent first.

    Args:
        workdir: of the run, for commands.
        started: the command that started it, "" if unknown.
        config: of the run, as JSON.
        evaluation: evaluation.json, {} if there is none.
        findings: of `judge`.
        finished: whether the schedule has ended.

    Returns:
        Pairs of a sentence and a command or setting, perhaps "".
    """
    gain, safe, real, health = (finding.status for finding in findings)
    steps = []
    if not finished:
        steps.append(
            ("The run is not over; the command that started it goes on from there.", started)
        )
    if health == BAD:
        steps.append((f"Mend the training first. {findings[3].detail}", ""))
    if config.get("task") in TASKS and gain == UNKNOWN and finished:
        steps.append(("Measure the run.", f"python -m simgan_jax.evaluate --workdir={workdir}"))
    weight = number(config, "loss", "self_regularization") or 1.0
    if safe == BAD or (safe == UNCLEAR and gain == BAD):
        steps.append(
            (
                "Labels drift: hold the images back more, or weigh the pixels that carry the label "
                "(config.loss.weight).",
                f"--config.loss.self_regularization={2 * weight:g}",
            )
        )
    elif real in (BAD, UNCLEAR):
        steps.append(
            (
                "The images hardly became more real: let the refiner change more, or train longer.",
                f"--config.loss.self_regularization={weight / 2:g}",
            )
        )
    elif gain in (BAD, UNCLEAR) and number(evaluation, "seeds") is not None:
        steps.append(
            (
                "Realism rose and labels held, but the estimator gains nothing certain: measure with "
                "more seeds, and compare the distributions of labels in the two domains.",
                "",
            )
        )
    if finished and health != BAD and safe != BAD and gain != BAD:
        steps.append(
            (
                "Refine a data set with it.",
                f"python -m simgan_jax.refine --workdir={workdir} --input=FOLDER --output=FOLDER",
            )
        )
    return steps


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
