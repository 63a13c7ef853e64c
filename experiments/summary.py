"""Figures of runs, over GAN seeds: what result.json holds, and how it is printed."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from experiments import paired
from simgan_jax.evaluation.comparisons import gains
from simgan_jax.evaluation.plan import FLOOR

# Figures of the ends of intervals over test images, of what two rows differ by.
OVER_IMAGES, ENDS = "over_images", ("low", "high")


def figures_of(report: Mapping[str, Any]) -> dict[str, float]:
    """The figures of one evaluation.json that experiments compare; NaN where one is unknown."""
    shift, realism = report["label_shift"], report["realism"]
    found = {f"error/{row}": x["error"] for row, x in report["estimators"].items()}
    found |= {f"within/{row}": x["within"] for row, x in report["estimators"].items()}
    found |= {
        f"own_error/{row}": x["own_error"]
        for row, x in report["estimators"].items()
        if "own_error" in x
    }
    for row, x in report["estimators"].items():
        for axis, y in x["axes"].items():
            found[f"bias/{row}/{axis}"] = y["bias"]
            found[f"error/{row}/{axis}"] = y["error"]
    found |= {
        f"label_shift/{key}": shift[key]
        for key in ("mean", "std", "dx", "dy", "followed")
        if key in shift
    }
    found |= {
        f"calibrated/{row}": x["calibrated"]
        for row, x in report["estimators"].items()
        if "calibrated" in x
    }
    if reading := shift.get("estimate"):
        found |= {f"reading/{axis}": x["bias"] for axis, x in reading["axes"].items()}
    for side, (x, y) in shift.get("corners", {}).items():
        found |= {f"corners/{side}/dx": x, f"corners/{side}/dy": y}
    if surface := shift.get("surface_mm"):
        low, high = surface["quartiles"]
        found |= {"surface_mm/median": surface["median"], "surface_mm/lost": surface["lost"]}
        found |= {"surface_mm/low_quartile": low, "surface_mm/high_quartile": high}
    for name in ("constant_share", "beyond_tone", "own_pattern", "whites_lost"):
        if measured := report.get("artefacts", {}).get(name):
            found[f"artefacts/{name}"] = measured["share"]
    if diversity := report.get("artefacts", {}).get("diversity"):
        found["artefacts/diversity"] = diversity["ratio"]
    for one in report.get("comparisons", ()):
        for end, value in zip(ENDS, one["over_images"], strict=True):
            found[f"{OVER_IMAGES}/{one['row']}/{one['against']}/{end}"] = value
    accuracy = realism["discriminator_accuracy"]
    found |= {f"discriminator_accuracy/{row}": accuracy[row] for row in ("synthetic", "refined")}
    found |= {"kid/refined": realism["kid"], "kid/synthetic": realism["kid_synthetic"]}
    found |= {"kid/real": realism["kid_real"], "checkpoint": report["checkpoint"]}
    return {name: math.nan if x is None else x for name, x in found.items()}


def summarize(each: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Every figure over runs, and the shares that refining gains and closes.

    Args:
        each: `figures_of` each run.

    Returns:
        Of a figure "mean", "std" (sample standard deviation, None for one run) and "runs"; of "gain",
        "gap_closed" and "gap_closed_within", also of augmented and larger rows, "mean" (a ratio of
        means) and "interval" (Fieller's; None for one run, or where the gap may be none).
    """
    names = [name for name in each[0] if all(name in one for one in each)]
    found = {name: over_runs([one[name] for one in each]) for name in names}
    return found | shares(found)


def over_runs(values: Sequence[float]) -> dict[str, Any]:
    """What `summarize` has of a figure."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "std": std, "runs": list(values)}


def shares(summary: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What refining gains of the error, and closes of the gap to real images, of all runs together."""
    errors, within = (
        {row: np.array(runs)[:, None] for row, runs in _rows(summary, figure).items()}
        for figure in ("error", "within")
    )
    # What is not within the threshold shrinks as errors do.
    gaps = gains({row: 1 - share for row, share in within.items()})
    found = gains(errors) | {
        name.replace("gap_closed", "gap_closed_within"): value
        for name, value in gaps.items()
        if "gap_closed" in name
    }
    seeds = len(next(iter(errors.values())))
    return {
        name: {"mean": value, "interval": found.get(f"{name}_interval") if seeds > 1 else None}
        for name, value in found.items()
        if value is not None and not name.endswith("_interval")
    }


def comparisons(summary: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the rows of a variant differ by, over its runs and, where they know it, over test images.

    Args:
        summary: of `summarize`.

    Returns:
        As of `paired.compare_rows`.
    """
    # The mean of the runs' ends is as wide as if test images moved all runs alike: the safe side.
    over_images = {
        (row, against): [summary[f"{OVER_IMAGES}/{row}/{against}/{end}"]["mean"] for end in ENDS]
        for kind, row, against, end in (name.split("/") for name in summary if name.count("/") == 3)
        if (kind, end) == (OVER_IMAGES, ENDS[0])
    }
    errors, within = (_rows(summary, figure) for figure in ("error", "within"))
    return paired.compare_rows(errors, within, over_images)


def _rows(summary: Mapping[str, Mapping[str, Any]], figure: str) -> dict[str, list[float]]:
    """A figure of every row that estimators are trained for, one a run."""
    rows = {}
    for name, found in summary.items():
        kind, _, row = name.partition("/")
        if kind == figure and "/" not in row and row != FLOOR:
            rows[row] = found["runs"]
    return rows


def show(title: str, result: Mapping[str, Any], names: Sequence[str]) -> None:
    """Prints a table, a column a variant."""
    columns = [result["variants"][name] for name in names]
    table = Table(title=title)
    for heading in ("", *names):
        table.add_column(heading, justify="right" if heading else "left")
    for name in dict.fromkeys(name for column in columns for name in column):
        if name.startswith(f"{OVER_IMAGES}/"):
            continue
        cells = []
        for column in columns:
            x = column.get(name)
            cells.append(cell(x, lambda value: f"{value:.3g}") if x else "")
        table.add_row(name, *cells)
    Console(highlight=False).print(table)


def cell(figure: Mapping[str, Any], number: Callable[[float], str]) -> str:
    """A figure of `summarize`: mean ± standard deviation; of a share the mean and its interval."""
    text = number(figure["mean"])
    if figure.get("std") is not None:
        return f"{text} ± {number(figure['std'])}"
    if "std" not in figure and figure["interval"]:
        low, high = map(number, figure["interval"])
        return f"{text} ({low} to {high})"
    return text
