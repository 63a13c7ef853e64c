"""How labels of renderings compare with readings of real images: on the page and on a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table as TerminalTable

from simgan_jax.reporting.run_folder import number, pair
from simgan_jax.reporting.tables import AXES, Table

COLUMNS = [
    "axis",
    "labels",
    "read off renderings",
    "read off real images",
    "difference",
    "corrected",
]
REMEDY = (
    "Draw the renderings so that labels are spread alike (docs/own_simulator.md, section 1): a refiner "
    "makes up for the difference by moving labels."
)
NOTE = (
    "Mean ± standard deviation over images, in {unit}. Labels of real images are not used: estimators "
    "trained on augmented renderings read them. Readings are pulled towards the mean of the "
    "renderings, also on renderings that the estimators have not seen; with these real images are "
    "compared. Corrected is the difference if the pull on real images is as strong as there; it may be "
    "stronger. The look of real images may shift readings too: their grey values alone shift them by "
    "{looks}. In brackets: 95% interval over images."
)


def label_table(found: Any) -> Table | None:
    """The table of `label_distributions` in evaluation.json; None if not measured."""
    axes = found.get("axes") if isinstance(found, Mapping) else None
    rows, looks = [], []
    for name in axes if isinstance(axes, Mapping) else ():
        axis = axes[name]
        cells = [_spread(axis, "labels"), _spread(axis, "synthetic"), _spread(axis, "real")]
        cells += [_signed(axis, "difference", "interval")]
        cells += [_signed(axis, "corrected", "corrected_interval") or "cannot be read"]
        if all(cells):
            rows.append([AXES.get(name, name), *cells])
            look = number(axis, "look")
            looks += [] if look is None else [f"{look:+z.1f} ({name})"]
    if not rows:
        return None
    note = NOTE.format(unit=found.get("unit", "?"), looks=", ".join(looks) or "an unknown amount")
    said = " ".join(text for text, _ in label_advice(found)) or _sentences(found)
    return Table("Labels of both sides", f"{said} {note}".lstrip(), COLUMNS, rows)


def label_advice(found: Any) -> list[tuple[str, str]]:
    """The advice of `reporting.advice` that follows from it: none where labels are spread alike."""
    differ = isinstance(found, Mapping) and found.get("differ") is True
    return [(f"{_sentences(found)} {REMEDY}", "")] if differ else []


def print_label_distributions(found: Mapping[str, Any]) -> None:
    """The same on the terminal."""
    table = label_table(found)
    console = Console(highlight=False, soft_wrap=True)
    if table:
        shown = TerminalTable(*table.columns, title=table.title)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
        console.print(table.note, markup=False)


def _sentences(found: Mapping[str, Any]) -> str:
    said = found.get("sentences")
    return " ".join(x for x in said if isinstance(x, str)) if isinstance(said, list) else ""


def _spread(axis: Any, key: str) -> str:
    mean, std = number(axis, key, "mean"), number(axis, key, "std")
    return "" if mean is None or std is None else f"{mean:z.1f} ± {std:.1f}"


def _signed(axis: Any, key: str, interval: str) -> str:
    value, ends = number(axis, key), pair(axis, interval)
    if value is None:
        return ""
    return f"{value:+z.1f}" + (f" ({ends[0]:+z.1f} to {ends[1]:+z.1f})" if ends else "")
