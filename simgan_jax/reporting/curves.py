"""The report's charts: the training as metrics.jsonl logs it, and the errors on the test set."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from simgan_jax.evaluation.plan import FLOOR, Row
from simgan_jax.losses import ADVERSARIAL
from simgan_jax.reporting.charts import Band, Level, Line, line_chart
from simgan_jax.reporting.run_folder import Run, number, numbers
from simgan_jax.reporting.tables import row_style
from simgan_jax.reporting.units import Task, plain

# Titles of the charts of test errors, by `Row.suffix`.
CUMULATIVE = {
    "": "Cumulative error",
    "_augmented": "Cumulative error, trained with augmentation",
    "_4x": "Cumulative error, trained on four times as many images",
}


class Curves(NamedTuple):
    """A chart of metrics.

    Attributes:
        title: above it.
        names: of the metrics, each with its name in the legend.
        note: how to read it.
        levels: to compare with.
        y_range: of the axis, None for that of the values.
    """

    title: str
    names: dict[str, str]
    note: str
    levels: Sequence[Level] = ()
    y_range: tuple[float, float] | None = None


TRAINING = (
    Curves(
        "Adversarial losses",
        {
            "refiner/adversarial": "refiner",
            "discriminator/loss_real": "discriminator, real",
            "discriminator/loss_refined": "discriminator, refined",
        },
        "Healthy losses hover around the level of an undecided discriminator; a discriminator near 0 "
        "has won.",
    ),
    Curves(
        "Accuracy of the discriminator",
        {
            "discriminator/accuracy_real": "real",
            "discriminator/accuracy_refined": "refined",
            "discriminator/accuracy_history": "history",
        },
        "Share of patches it names rightly; history: refined images of earlier steps. Between 0.5 and "
        "0.95 there is something to learn from.",
        [Level("guessing", 0.5)],
        (0.0, 1.0),
    ),
    Curves(
        "Change of the images",
        {
            "refiner/change": "|refined - synthetic|",
            "refiner/self_regularization": "self-regularisation",
        },
        "Mean absolute difference; images span 2. The self-regularisation weighs pixels and features "
        "as configured.",
    ),
    Curves(
        "Gradient norms",
        {
            "refiner/gradient_norm": "refiner",
            "discriminator/gradient_norm": "discriminator",
        },
        "Sudden jumps come before a collapse.",
    ),
    Curves("Speed", {"images_per_second": "images a second"}, "Training images a second."),
)


def training_charts(run: Run) -> list[dict[str, Any]]:
    """The charts of metrics.jsonl, those with values: title, SVG, lines and levels, how to read it."""
    steps, bands = [row["step"] for row in run.rows], phase_bands(run.rows)
    charts = []
    for title, names, note, levels, y_range in TRAINING:
        if "refiner/adversarial" in names:
            levels = undecided(run.config.get("loss", {}).get("adversarial"))
        lines = [
            Line(label, f"c{i + 1}", steps, [row.get(name, math.nan) for row in run.rows])
            for i, (name, label) in enumerate(names.items())
            if any(name in row for row in run.rows)
        ]
        if lines:
            chart = line_chart(title, lines, "step", bands, levels, y_range)
            charts.append(
                {"title": title, "chart": chart, "lines": lines, "levels": levels, "note": note}
            )
    return charts


def undecided(adversarial: Any) -> list[Level]:
    """Levels of the adversarial losses where the discriminator gives both classes the same logit.

    Args:
        adversarial: a name of `losses.ADVERSARIAL`; any other has no levels.
    """
    if adversarial not in ADVERSARIAL:
        return []
    discriminator, refiner = ADVERSARIAL[adversarial].undecided
    if discriminator == refiner:
        return [Level(f"undecided ({refiner:.3g})", refiner)]
    return [
        Level(f"discriminator, undecided ({discriminator:.3g})", discriminator),
        Level(f"refiner, discriminator undecided ({refiner:.3g})", refiner),
    ]


def phase_bands(rows: Sequence[Mapping[str, Any]]) -> list[Band]:
    """From where to where each phase was logged."""
    bands: list[Band] = []
    for row in rows:
        if bands and bands[-1].name == row["phase"]:
            bands[-1] = bands[-1]._replace(last=row["step"])
        else:
            bands.append(Band(row["phase"], bands[-1].last if bands else 0, row["step"]))
    return bands


def cumulative_charts(evaluation: Mapping[str, Any], task: Task) -> list[dict[str, Any]]:
    """Share of the test set with an error up to each bound, a line a row (figure 8 of the paper).

    Rows that differ in augmentation or in the number of images have charts of their own, and the mean
    predictor is in all of them: so few lines can be told apart without colours.
    """
    estimators = evaluation.get("estimators")
    lines: dict[str, dict[str, Line]] = {}
    for name in estimators if isinstance(estimators, Mapping) else ():
        x, y = (numbers(estimators, name, key) for key in ("thresholds", "curve"))
        if len(x) == len(y) > 1:
            row = Row.find(name)
            kind = row.suffix if row else name
            lines.setdefault(kind, {})[name] = Line(plain(name), row_style(name), x, y)
    floor = lines.pop(FLOOR, {})
    return [_cumulative(kind, group | floor, estimators, task) for kind, group in lines.items()]


def _cumulative(
    kind: str, lines: Mapping[str, Line], estimators: Mapping[str, Any], task: Task
) -> dict[str, Any]:
    title = CUMULATIVE.get(kind, f"{CUMULATIVE['']}, {plain(kind).strip()}")
    bounds = [number(estimators, name, "threshold") for name in lines]
    levels = [Level(f"within {task.within}", bounds[0], upright=True)] if bounds[0] else []
    shares = {name: number(estimators, name, "within") for name in lines}
    best_first = sorted(lines, key=lambda name: -(shares[name] or 0))
    spoken = ", ".join(f"{plain(x)} {shares[x]:.0%}" for x in best_first if shares[x] is not None)
    chart = line_chart(
        title,
        list(lines.values()),
        f"error up to ({task.unit.strip()})",
        levels=levels,
        y_range=(0.0, 1.0),
        spoken=spoken and f"share of {task.tested} within {task.within}: {spoken}",
    )
    ordered = [lines[name] for name in best_first]
    note = (
        f"Share of the test set's {task.tested} with an error up to each bound: higher is better."
    )
    return {"title": title, "chart": chart, "lines": ordered, "levels": levels, "note": note}
