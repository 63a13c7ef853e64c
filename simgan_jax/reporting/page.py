"""One self-contained page about a run: `python -m simgan_jax.report --workdir=DIR`."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from simgan_jax.io.atomic import write_bytes
from simgan_jax.reporting import tables
from simgan_jax.reporting.advice import advice
from simgan_jax.reporting.command_lines import changed_settings, command_lines
from simgan_jax.reporting.comparisons import image_groups
from simgan_jax.reporting.curves import cumulative_charts, training_charts
from simgan_jax.reporting.examples import heat_maps, overlays, read_samples, show_examples
from simgan_jax.reporting.findings import judge
from simgan_jax.reporting.label_distributions import label_advice, label_table
from simgan_jax.reporting.painted import artefact_table, painted_picture
from simgan_jax.reporting.run_folder import Run, number, read_run
from simgan_jax.reporting.units import TASKS, Task
from simgan_jax.training import provenance

MODEL_CARD = "model_card.md"


def write_report(workdir: str | Path) -> Path:
    """Writes report.html and MODEL_CARD.md into a run's folder, finished or not.

    Args:
        workdir: of the run.

    Returns:
        The page's path.

    Raises:
        UserError: no run there, its config.json is damaged, or the files cannot be written.
    """
    run = read_run(Path(workdir))
    for name, text in render(describe(run)).items():
        # A name of a file may be no UTF-8.
        write_bytes(run.workdir / name, text.encode(errors="backslashreplace"))
    return run.workdir / "report.html"


def render(description: Mapping[str, Any]) -> dict[str, str]:
    """The pages by file name, from what `describe` returns."""
    pages = {"MODEL_CARD.md": MODEL_CARD, "report.html": "report.html"}
    return {
        file: templates().get_template(template).render(description)
        for file, template in pages.items()
    }


@functools.cache
def templates() -> jinja2.Environment:
    """The templates; what they show is escaped in HTML, and must be there."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("simgan_jax.reporting"),
        autoescape=lambda name: name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def describe(run: Run) -> dict[str, Any]:
    """All that the templates show."""
    problems = list(run.problems)
    samples, pictures = read_samples(run, problems)
    commands = command_lines(run.environment)
    findings = judge(run.config, run.rows, run.evaluation)
    chosen = number(run.evaluation, "checkpoint")
    chosen = None if chosen is None else int(chosen)
    examples = None
    if samples:
        examples = show_examples(samples, overlays(run, samples), chosen)
    task = TASKS.get(run.config.get("task"), Task("", ""))
    estimators = tables.estimator_rows(run.evaluation)
    measured = (
        tables.realism_table(run.evaluation),
        tables.shift_table(run.evaluation, task.unit),
        artefact_table(run.evaluation),
        label_table(run.evaluation.get("label_distributions")),
    )
    image = [run.config.get("image", {}).get(x, "?") for x in ("height", "width", "channels")]
    return {
        "name": str(run.config.get("name", run.workdir.name)),
        "workdir": str(run.workdir),
        "run": run,
        "chosen": chosen,
        "task": task,
        "evaluation_possible": run.config.get("task") in TASKS,
        "findings": findings,
        "advice": label_advice(run.evaluation.get("label_distributions"))
        + advice(
            str(run.workdir), commands[0] if commands else "", run.config, findings, run.finished
        ),
        "examples": examples,
        "pictures": pictures,
        "curves": training_charts(run),
        "heat": heat_maps(run, samples, problems) if samples else None,
        "estimators": estimators,
        "words": tables.words(estimators),
        "seeds": run.evaluation.get("seeds"),
        "notes": notes(run.evaluation),
        "groups": image_groups(run.evaluation),
        "cumulative": cumulative_charts(run.evaluation, task),
        "comparisons": tables.comparison_table(run.evaluation, task.unit),
        "people": tables.people_table(run.evaluation, task.unit),
        "tables": [table for table in measured if table],
        "painted": painted_picture(run.evaluation),
        "image": " x ".join(str(x) for x in image),
        "sources": sources(run.config),
        "checksums": checksums(run.environment),
        "changed": changed_settings(run.environment),
        "settings": sorted(provenance.flat(run.config).items()),
        "environment": list(provenance.flat(run.environment).items()),
        "commands": commands,
        "device": provenance.devices_used(run.environment),
        "problems": problems,
        "shared": None,
    }


def notes(evaluation: Mapping[str, Any]) -> list[str]:
    """What to bear in mind with the figures, a sentence each."""
    listed = evaluation.get("notes")
    return [x for x in listed if isinstance(x, str)] if isinstance(listed, list) else []


def sources(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What each set is, in one line."""
    sets = config.get("data")
    return [
        (name, ", ".join(f"{key} {value}" for key, value in spec.items()))
        for name, spec in (sets.items() if isinstance(sets, Mapping) else ())
        if isinstance(spec, Mapping) and spec
    ]


def checksums(environment: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Name, shape and checksum of what training saw of each set."""
    found = environment.get("data")
    return [
        (name, " x ".join(map(str, entry.get("shape") or ["?"])), str(entry.get("sha256")))
        for name, entry in (found.items() if isinstance(found, Mapping) else ())
        if isinstance(entry, Mapping)
    ]
