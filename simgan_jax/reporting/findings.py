"""What a run's figures mean in plain words, by fixed rules."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from simgan_jax.errors import UserError
from simgan_jax.estimators import tasks
from simgan_jax.reporting.finding import BAD, GOOD, UNCLEAR, UNKNOWN, Finding
from simgan_jax.reporting.gain import better
from simgan_jax.reporting.labels import labels
from simgan_jax.reporting.painted import painted
from simgan_jax.reporting.run_folder import number, read_run
from simgan_jax.training import doctor

# A fresh patch discriminator guesses at 0.5; differences below this are noise of its training.
ACCURACY_STEP = 0.03


def judge(
    config: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any]
) -> list[Finding]:
    """Is it better, are labels safe, is it more real, has it painted anything, did training go well.

    Args:
        config: of the run, as JSON.
        rows: of metrics.jsonl.
        evaluation: evaluation.json, {} if there is none.
    """
    return [
        better(config, evaluation),
        labels(config, evaluation),
        realism(evaluation),
        painted(config, evaluation),
        health(config, rows),
    ]


def check_images(workdir: Path) -> Iterator[str]:
    """What the evaluation of a run objects to in its images, a line each with what to do.

    Args:
        workdir: of a run; of one that cannot be read there is nothing to say.
    """
    try:
        run = read_run(workdir)
    except UserError:
        return
    for finding in (labels(run.config, run.evaluation), painted(run.config, run.evaluation)):
        if finding.status == BAD:
            yield " ".join([finding.question, finding.answer, *finding.remedy])


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
        size = (config["image"]["height"], config["image"]["width"])
        limit = tasks.drift_limit(config.get("task"), size)
        complaints = doctor.examine(rows, config["loss"]["adversarial"], limit)
    except (KeyError, TypeError, ValueError):  # of another version, or damaged
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
