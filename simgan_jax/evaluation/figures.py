"""Pictures of an evaluation: cumulative errors, bars with intervals, power spectra."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from simgan_jax.evaluation.plan import FLOOR, Row

# By what an estimator was trained on (Okabe and Ito: told apart by colour-blind readers too).
COLOURS = {
    "synthetic": "#d55e00",
    "matched": "#e69f00",
    "fda": "#cc79a7",
    "refined_matched": "#56b4e9",
    "refined": "#0072b2",
    "real": "#009e73",
    FLOOR: "#888888",
}


def draw(report: Mapping[str, Any], folder: str | Path) -> list[Path]:
    """Writes the figures that the report has the numbers for.

    Args:
        report: of `evaluate`.
        folder: made if missing.

    Returns:
        The files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"spectrum": spectrum(report["realism"]["spectrum"])}
    if report["estimators"]:
        figures["cumulative"] = cumulative(report["estimators"])
        figures["errors"] = errors(report["estimators"])
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=120)
    return paths


def cumulative(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Share of test images against error, a line a row (figure 8 of the paper)."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, row in rows.items():
        axes.plot(row["thresholds"], row["curve"], label=_label(name), **style(name))
    row = next(iter(rows.values()))
    axes.axvline(row["threshold"], color="black", linewidth=0.5)
    axes.set(
        xlabel=f"error ({row['unit']})", ylabel="share of the test set", ylim=(0, 1), xlim=(0, None)
    )
    axes.legend(fontsize="small")
    return figure


def errors(rows: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Mean error of each row with its 95 % interval over test images, worst first; dots are seeds."""
    figure = Figure(figsize=(6, 0.4 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(rows.items(), key=lambda item: item[1]["error"])
    for y, (name, row) in enumerate(ordered):
        low, high = row["interval"]
        axes.barh(y, row["error"], color=style(name)["color"], alpha=0.7)
        axes.plot([low, high], [y, y], color="black", linewidth=1)
        axes.plot(row["per_seed"], [y] * len(row["per_seed"]), "k.", markersize=4)
    axes.set_yticks(range(len(ordered)), [_label(name) for name, _ in ordered])
    axes.set_xlabel(f"mean error on real test images ({ordered[0][1]['unit']})")
    return figure


def spectrum(power: Mapping[str, Any]) -> Figure:
    """Power against spatial frequency of synthetic, refined and real images."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name in ("synthetic", "refined", "real"):
        axes.semilogy(power["frequency"], power[name], label=name, **style(name))
    axes.set(xlabel="cycles a pixel", ylabel="power")
    axes.legend(fontsize="small")
    return figure


def _label(name: str) -> str:
    return name.replace("_", " ")


def style(name: str) -> dict[str, Any]:
    """Matplotlib's colour and line of an estimator's row."""
    if name == FLOOR:
        return {"color": COLOURS[FLOOR], "linestyle": "-"}
    row = Row.parse(name)
    dashes = ":" if row.times > 1 else "--" if row.augmented else "-"
    return {"color": COLOURS[row.base], "linestyle": dashes}
