"""What to do next about a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from simgan_jax.reporting.finding import BAD, GOOD, UNCLEAR, UNKNOWN, Finding
from simgan_jax.reporting.run_folder import number
from simgan_jax.reporting.units import TASKS


def advice(
    workdir: str,
    started: str,
    config: Mapping[str, Any],
    findings: Sequence[Finding],
    finished: bool,
) -> list[tuple[str, str]]:
    """What to do next, the most urgent first.

    Args:
        workdir: of the run, for commands.
        started: the command that started it, "" if unknown.
        config: of the run, as JSON.
        findings: of `judge`.
        finished: whether the schedule has ended.

    Returns:
        Pairs of a sentence and a command or setting, perhaps "".
    """
    gain, safe, real, own, health = findings
    steps = []
    if not finished:
        steps.append(
            ("The run is not over; the command that started it goes on from there.", started)
        )
    if health.status == BAD:
        steps.append((f"Mend the training first. {health.detail}", ""))
    if config.get("task") in TASKS and gain.status == UNKNOWN and finished:
        steps.append(("Measure the run.", f"python -m simgan_jax.evaluate --workdir={workdir}"))
    weight = number(config, "loss", "self_regularization") or 1.0
    if safe.status == BAD or (safe.status == UNCLEAR and gain.status == BAD):
        steps.append(safe.remedy)
    elif own.status == BAD:
        steps.append(own.remedy)
    elif real.status in (BAD, UNCLEAR) and health.status != BAD:
        steps.append(
            (
                "It is not sure that the images became more real: let the refiner change more, or "
                "train longer.",
                f"--config.loss.self_regularization={weight / 2:g}",
            )
        )
    elif gain.status in (BAD, UNCLEAR) and real.status == GOOD:
        steps.append(
            (
                "Realism rose and labels held, but the estimator gains nothing certain: measure with "
                "more seeds, and compare the distributions of labels in the two domains.",
                "",
            )
        )
    if finished and BAD not in (health.status, safe.status, gain.status):
        steps.append(
            (
                "Refine a data set with it.",
                f"python -m simgan_jax.refine --workdir={workdir} --input=FOLDER --output=FOLDER",
            )
        )
    return [step for step in steps if step[0]]
