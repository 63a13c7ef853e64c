"""One self-contained page about a run: `python -m simgan_jax.report --workdir=DIR`."""

import functools
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from simgan_jax.io.atomic import write_bytes
from simgan_jax.reporting.charts import Band, Line, line_chart
from simgan_jax.reporting.examples import heat_maps, overlays, read_samples, show_examples
from simgan_jax.reporting.findings import TASKS, Task, advice, judge, number
from simgan_jax.reporting.run_folder import Run, flat, read_run

STYLES = {"synthetic": "c1", "refined": "c2", "real": "c3", "mean_predictor": "c4"}


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
        write_bytes(run.workdir / name, text.encode())
    return run.workdir / "report.html"


def render(description: Mapping[str, Any]) -> dict[str, str]:
    """The pages by file name, from what `describe` returns."""
    pages = {"MODEL_CARD.md": "model_card.md", "report.html": "report.html"}
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
    started = command_line(run.environment)
    findings = judge(run.config, run.rows, run.evaluation)
    chosen = number(run.evaluation, "checkpoint")
    chosen = None if chosen is None else int(chosen)
    examples = None
    if samples:
        examples = show_examples(samples, overlays(run, samples), chosen)
    task = TASKS.get(run.config.get("task"), Task("", ""))
    image = [run.config.get("image", {}).get(x, "?") for x in ("height", "width", "channels")]
    return {
        "name": str(run.config.get("name", run.workdir.name)),
        "workdir": str(run.workdir),
        "run": run,
        "chosen": chosen,
        "task": task,
        "evaluation_possible": run.config.get("task") in TASKS,
        "findings": findings,
        "advice": advice(
            str(run.workdir), started, run.config, run.evaluation, findings, run.finished
        ),
        "examples": examples,
        "pictures": pictures,
        "curves": curves(run),
        "heat": heat_maps(run, samples, problems) if samples else None,
        "estimators": estimator_table(run.evaluation),
        "seeds": run.evaluation.get("seeds"),
        "cumulative": cumulative_chart(run.evaluation, task),
        "tables": measured_tables(run.evaluation),
        "image": " x ".join(str(x) for x in image),
        "sources": sources(run.config),
        "settings": sorted(flat(run.config).items()),
        "environment": list(flat(run.environment).items()),
        "command": started,
        "problems": problems,
    }


def curves(run: Run) -> list[dict[str, Any]]:
    """The charts of metrics.jsonl: title, SVG, legend, and how to read it."""
    bands = phase_bands(run.rows)
    logistic = run.config.get("loss", {}).get("adversarial") == "cross_entropy"
    steps = [row["step"] for row in run.rows]
    charts = []
    for title, names, mark, y_range, note in (
        (
            "Adversarial losses",
            {
                "refiner/adversarial": "refiner",
                "discriminator/loss_real": "discriminator, real",
                "discriminator/loss_refined": "discriminator, refined",
            },
            ("undecided, ln 2", math.log(2)) if logistic else None,
            None,
            "Healthy losses hover around the level of an undecided discriminator; a discriminator near "
            "0 has won.",
        ),
        (
            "Accuracy of the discriminator",
            {
                "discriminator/accuracy_real": "real",
                "discriminator/accuracy_refined": "refined",
                "discriminator/accuracy_history": "history",
            },
            ("guessing", 0.5),
            (0.0, 1.0),
            "Share of patches it names rightly. Between 0.5 and 0.95 there is something to learn from.",
        ),
        (
            "Change of the images",
            {
                "refiner/change": "|refined - synthetic|",
                "refiner/self_regularization": "self-regularisation",
            },
            None,
            None,
            "Mean absolute difference; images span 2. The self-regularisation weighs pixels and "
            "features as configured.",
        ),
        (
            "Gradient norms",
            {
                "refiner/gradient_norm": "refiner",
                "discriminator/gradient_norm": "discriminator",
            },
            None,
            None,
            "Sudden jumps come before a collapse.",
        ),
        ("Speed", {"images_per_second": "images/s"}, None, None, "Training images a second."),
    ):
        lines = [
            Line(label, f"c{i + 1}", steps, [row.get(name, math.nan) for row in run.rows])
            for i, (name, label) in enumerate(names.items())
            if any(name in row for row in run.rows)
        ]
        if lines:
            level = mark and mark[1]
            chart = line_chart(title, lines, "step", bands, level, y_range)
            charts.append(
                {"title": title, "chart": chart, "lines": lines, "mark": mark, "note": note}
            )
    return charts


def phase_bands(rows: Sequence[Mapping[str, Any]]) -> list[Band]:
    """From where to where each phase was logged."""
    bands: list[Band] = []
    for row in rows:
        if bands and bands[-1].name == row["phase"]:
            bands[-1] = bands[-1]._replace(last=row["step"])
        else:
            bands.append(Band(row["phase"], bands[-1].last if bands else 0, row["step"]))
    return bands


def estimator_table(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the estimator table, worst first; figures that are missing are None."""
    estimators = evaluation.get("estimators")
    rows = []
    for name, figures in estimators.items() if isinstance(estimators, Mapping) else ():
        error = number(figures, "error")
        if error is not None:
            row = {"name": name.replace("_", " "), "style": _style(name), "error": error}
            row["std"], row["within"] = number(figures, "std"), number(figures, "within")
            row["interval"] = _interval(figures)
            rows.append(row)
    worst = max((row["error"] for row in rows), default=1.0) or 1.0
    return [row | {"share": row["error"] / worst} for row in rows]


def cumulative_chart(evaluation: Mapping[str, Any], task: Task) -> dict[str, Any] | None:
    """Share of test images with an error below each bound, one line an estimator."""
    return None


def measured_tables(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Figures of realism and of the label shift, as they are."""
    titles = {
        "realism": (
            "Realism",
            "Kernel distance to the real images (0 is the same distribution), and how often a new "
            "discriminator tells their patches from real ones (50% is guessing).",
        ),
        "label_shift": (
            "Label shift",
            "How far refinement moves the labelled content, in pixels of the image.",
        ),
    }
    tables = []
    for key, (title, note) in titles.items():
        figures = evaluation.get(key)
        if isinstance(figures, Mapping) and figures:
            tables.append({"title": title, "note": note} | cross_table(figures))
    return tables


def cross_table(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as columns and rows: {"kid": {"refined": 0.1}} is a column "refined", a row "kid"."""
    columns = list(
        dict.fromkeys(
            name for leaf in figures.values() if isinstance(leaf, Mapping) for name in leaf
        )
    )
    rows = []
    for name, leaf in figures.items():
        cells = (
            [_readable(leaf.get(column, "")) for column in columns]
            if isinstance(leaf, Mapping)
            else [_readable(leaf)]
        )
        rows.append((name.replace("_", " "), cells))
    return {"columns": [str(x).replace("_", " ") for x in columns], "rows": rows}


def sources(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What each set is, in one line."""
    sets = config.get("data")
    return [
        (name, ", ".join(f"{key} {value}" for key, value in spec.items()))
        for name, spec in (sets.items() if isinstance(sets, Mapping) else ())
        if isinstance(spec, Mapping) and spec
    ]


def _style(name: str) -> str:
    return STYLES.get(name.removesuffix("_augmented"), "c5")


def _interval(figures: Mapping[str, Any]) -> tuple[float, float] | None:
    pair = figures.get("interval")
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    low, high = (number({"x": x}, "x") for x in pair)
    return None if low is None or high is None else (low, high)


def _readable(leaf: Any) -> str:
    if isinstance(leaf, list):
        return ", ".join(_readable(x) for x in leaf)
    return f"{leaf:.4g}" if isinstance(leaf, float) else str(leaf)


def command_line(environment: Mapping[str, Any]) -> str:
    """The command of the run, as typed; "" if unknown."""
    words = environment.get("command")
    if not isinstance(words, list) or not words:
        return ""
    words = [str(word) for word in words]
    if words[0] == "main.py":
        words[:1] = ["python", "-m", "simgan_jax.main"]
    return shlex.join(words)
