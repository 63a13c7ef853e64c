"""Whether training on refined images makes an estimator better on real ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from simgan_jax.estimators.tasks import LEARNED
from simgan_jax.evaluation.plan import CHEAP, FLOOR, REFINED, Row
from simgan_jax.reporting.comparisons import Comparison, find, image_groups, read_comparisons
from simgan_jax.reporting.finding import BAD, GOOD, UNCLEAR, UNKNOWN, Finding
from simgan_jax.reporting.run_folder import number, numbers
from simgan_jax.reporting.units import TASKS, plain

# Falls of an estimator's own error, in the last quarter of its training, that say it has not ended.
# Embedded eyes: 1 % with 2,500 updates as with 8,000.
FALLING = 0.05
# The slope of what is read over the test set's labels from which on it runs the wrong way.
BACKWARDS = -0.2


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
    elif backwards := read_backwards(evaluation):
        status, answer = UNCLEAR, f"{change}, but renderings and test set do not agree on labels."
        details.append(backwards)
    elif untrained := undertrained(evaluation, ("synthetic", "refined"), task.unit):
        status, answer = UNCLEAR, f"{change}, but the estimators have learned too little to say."
        details.append(untrained)
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


def read_backwards(evaluation: Mapping[str, Any]) -> str:
    """Which axes of the test set's labels estimators of renderings read the wrong way; "" for none.

    Args:
        evaluation: evaluation.json.
    """
    axes = evaluation["estimators"]["synthetic"].get("axes")
    names = [
        name
        for name in (axes if isinstance(axes, Mapping) else ())
        if (number(axes, name, "slope") or 0) < BACKWARDS
    ]
    if not names:
        return ""
    return (
        f"The greater {' and '.join(names)} of the test set's labels, the less is read by estimators "
        "trained on renderings. The labels of one set are likely in another frame, or its images "
        "mirrored: mend that first (simgan_jax/data/README.md says how labels are written)."
    )


def undertrained(evaluation: Mapping[str, Any], names: Sequence[str], unit: str) -> str:
    """Which estimators have learned too little for a verdict, and by what that shows; "" if none.

    Either they err by nearly as much on images like those that they were trained on as always answering
    the mean label would, or that error was still falling when their training ended. The second says
    little of long trainings: the learning rate falls to 0 at their end, and the error with it.

    Args:
        evaluation: evaluation.json.
        names: of rows.
        unit: of errors.
    """
    floor, said = number(evaluation, "estimators", FLOOR, "error"), []
    for name in names:
        row = evaluation["estimators"][name]
        own = number(row, "own_error")
        if None not in (own, floor) and own > LEARNED * floor:
            said.append(
                f"Estimators of row {plain(name)} err by {own:.2f}{unit} on images like those that "
                f"they were trained on; always answering the mean label errs by {floor:.2f}{unit}."
            )
            continue
        looks = row.get("validation")
        falls = [_fall(x) for x in looks if _fall(x)] if isinstance(looks, list) else []
        if falls and (fall := sum(falls) / len(looks)) > FALLING:
            said.append(
                f"The error of row {plain(name)} on images like those that they were trained on still "
                f"fell by {fall:.0%} in the last quarter of the training."
            )
    if said:
        said.append("Train longer: config.evaluate, estimator_steps of the level.")
    return " ".join(said)


def _fall(looks: Any) -> float:
    """By what share the best error of some looks fell in their last quarter."""
    values = numbers({"looks": looks}, "looks")
    before = min(values[: len(values) - len(values) // 4], default=0.0)
    return 1 - min(values) / before if before > 0 else 0.0


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
