"""What a run's figures mean in plain words, by fixed rules."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from simgan_jax.evaluation.plan import CHEAP, FLOOR, REFINED, Row
from simgan_jax.metrics import label_shift
from simgan_jax.reporting.comparisons import Comparison, find, image_groups, read_comparisons
from simgan_jax.reporting.run_folder import number
from simgan_jax.reporting.units import TASKS, plain
from simgan_jax.training import doctor

# Label shift in shares of the image's width: the limit of the choice of a checkpoint, and what the
# paper's refiner moved eyes by.
PAPER = label_shift.PAPER
SAFE_SHIFT, PAPER_SHIFT = label_shift.LARGEST / PAPER["width"], PAPER["mean"] / PAPER["width"]
# A fresh patch discriminator guesses at 0.5; differences below this are noise of its training.
ACCURACY_STEP = 0.03

GOOD, UNCLEAR, BAD, UNKNOWN = "good", "unclear", "bad", "unknown"


class Finding(NamedTuple):
    """An answer: status is one of good, unclear, bad, unknown."""

    question: str
    status: str
    answer: str
    detail: str


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
    comparisons = read_comparisons(evaluation)
    found = find(comparisons, "refined", "synthetic")
    before, after = (number(evaluation, "estimators", x, "error") for x in ("synthetic", "refined"))
    if found is None or before is None or after is None or before <= 0:
        detail = "The run has no evaluation so far."
        if evaluation:
            detail = (
                "The evaluation has trained no estimators on both synthetic and refined images."
            )
        return Finding(question, UNKNOWN, "Not measured yet.", detail)
    change = (
        f"{abs(found.difference) / before:.0%} {'less' if found.difference < 0 else 'more'} error"
    )
    seeds = number(evaluation, "seeds")
    floor = number(evaluation, "estimators", FLOOR, "error")
    details = [
        f"Estimators trained on refined images are wrong by {after:.2f}{task.unit} on the real test "
        f"set, on synthetic images by {before:.2f}{task.unit}.",
        uncertainty(found, task.unit, evaluation),
    ]
    if floor is not None and min(before, after) >= floor:
        status, answer = UNCLEAR, "Nothing learned yet: the mean label errs less."
        details.append(f"Always answering the mean label is wrong by {floor:.2f}{task.unit}.")
    elif found.clear:
        better = found.difference < 0
        status, answer = (GOOD, f"Yes: {change}.") if better else (BAD, f"No: {change}.")
        details.append(_to_real(evaluation, task.unit))
    elif found.over_seeds is None:
        without = "one seed only" if seeds == 1 else "no interval over seeds"
        status, answer = UNCLEAR, f"{change}, but {without}."
    else:
        status, answer = UNCLEAR, "No clear difference."
    details.append(_at_their_best(comparisons, evaluation, task.unit))
    return Finding(question, status, answer, " ".join(filter(None, details)))


def uncertainty(comparison: Comparison, unit: str, evaluation: Mapping[str, Any]) -> str:
    """Both intervals of a difference, and what they are over."""
    seeds, over = number(evaluation, "seeds"), []
    if comparison.over_seeds:
        count = "" if seeds is None else f"{seeds:.0f} "
        over.append(f"{_interval(comparison.over_seeds, unit)} over {count}seeds")
    if comparison.over_images:
        over.append(f"{_interval(comparison.over_images, unit)} over {image_groups(evaluation)}")
    text = f"The difference is {comparison.difference:+.2f}{unit}"
    if over:
        text += f", its 95% interval {' and '.join(over)}"
    if comparison.over_seeds is None:
        return f"{text}. How another seed would end is not known."
    which = "both" if over[1:] else "it"
    if comparison.clear:
        return f"{text}; zero lies outside {which}."
    return f"{text}; zero does not lie outside {which}, so it may be chance."


def _interval(ends: tuple[float, float], unit: str) -> str:
    return f"{ends[0]:+.2f} to {ends[1]:+.2f}{unit}"


def _to_real(evaluation: Mapping[str, Any], unit: str) -> str:
    """How far it is to what real labels would give."""
    real = number(evaluation, "estimators", "real", "error")
    gap = number(evaluation, "gap_closed")
    if real is None:
        return ""
    text = f"With real labels it would be {real:.2f}{unit}"
    if gap is None:
        return f"{text}."
    return f"{text}: the gap is {f'closed by {gap:.0%}' if gap >= 0 else f'wider by {-gap:.0%}'}."


def _at_their_best(
    comparisons: Sequence[Comparison], evaluation: Mapping[str, Any], unit: str
) -> str:
    """The best refined row against the best of those that need no refiner, which may do as much."""
    errors = {
        name: error
        for name in evaluation["estimators"]
        if (error := number(evaluation, "estimators", name, "error")) is not None
    }
    rows = {name: row for name in errors if (row := Row.find(name))}
    best = [
        min((name for name, row in rows.items() if row.base in bases), key=errors.get)
        for bases in (REFINED, CHEAP)
    ]
    for row, against in (best, ("refined_augmented", "synthetic_augmented")):
        found = find(comparisons, row, against)
        if found and {row, against} <= errors.keys() and (row, against) != ("refined", "synthetic"):
            chance = "zero lies outside its intervals" if found.clear else "which may be chance"
            return (
                f"Refined images at their best (row {plain(row)}) come to {errors[row]:.2f}{unit}, "
                f"images that need no refiner (row {plain(against)}) to {errors[against]:.2f}{unit}: a "
                f"difference of {found.difference:+.2f}{unit}, {chance}."
            )
    return ""


def labels(config: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Finding:
    """Compares the motion of the labelled content, and the images that lost it, with fixed bounds."""
    labelled = config.get("task") in TASKS
    question = "Are the labels still true?" if labelled else "Do things stay where they are?"
    content = "what the label describes" if labelled else "the content"
    shift, followed = (number(evaluation, "label_shift", x) for x in ("mean", "followed"))
    width = number(config, "image", "width")
    details = [_lost(evaluation, content), _moved(evaluation, width, content)]
    detail = " ".join(filter(None, details))
    if followed is not None and followed < label_shift.LEAST_FOLLOWED:
        answer = f"No: {1 - followed:.0%} of the images lost {content}."
        return Finding(question, BAD, answer, detail)
    if shift is None or width is None:
        weight = number(config, "loss", "self_regularization")
        detail = "Look at the examples below: shapes should stay where they are."
        if weight is not None:
            detail += f" config.loss.self_regularization is {weight:g}; a higher one keeps more."
        return Finding(question, UNKNOWN, "Not measured.", detail)
    if shift <= SAFE_SHIFT * width:
        return Finding(question, GOOD, f"Yes: they moved by {shift:.2f} px.", detail)
    if shift <= PAPER_SHIFT * width:
        return Finding(question, UNCLEAR, f"Mostly: they moved by {shift:.2f} px.", detail)
    return Finding(question, BAD, f"No: they moved by {shift:.2f} px.", detail)


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
            f" The kernel inception distance (KID) to real images goes from {kids[0]:.2f} to "
            f"{kids[1]:.2f}."
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
    detail = " ".join(_sentence(str(complaint)) for complaint in complaints)
    count = f"{len(complaints)} complaint{'s' if complaints[1:] else ''}"
    return Finding(question, BAD, f"The doctor has {count}.", detail)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."
