"""The tables of the report: figures of evaluation.json in words, whatever is missing left out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from simgan_jax.evaluation.plan import FLOOR, Row
from simgan_jax.metrics.label_shift import PAPER
from simgan_jax.reporting.comparisons import image_groups, read_comparisons
from simgan_jax.reporting.run_folder import number, pair
from simgan_jax.reporting.units import plain

# Colour of a row, by what its estimator was trained on.
STYLES = {
    "synthetic": "c1",
    "refined": "c2",
    "real": "c3",
    FLOOR: "c4",
    "matched": "c5",
    "refined_matched": "c6",
    "fda": "c7",
}
# What the parts of a row's name mean.
WORDS = {
    "matched": "synthetic images with the grey values of real ones: what can be had without a network",
    "mean predictor": "always answers the mean label: what can be had without looking",
    "4x": "four times as many images",
    "augmented": "images changed at random in training: light, sharpness, noise, place",
}
AXES = {"pitch": "pitch (up, down)", "yaw": "yaw (left, right)", "x": "x", "y": "y"}


class Table(NamedTuple):
    """A table as text.

    Attributes:
        title: above it.
        note: what its figures are.
        columns: their names, the first of what begins a row.
        rows: cells; the first is the row's name.
    """

    title: str
    note: str
    columns: list[str]
    rows: list[list[str]]


def row_style(name: str) -> str:
    """The style class of an estimator's row."""
    row = Row.find(name)
    return STYLES.get(row.base if row else name, "c4")


def estimator_rows(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the estimator table, worst first; figures that are missing are None."""
    estimators = evaluation.get("estimators")
    rows = []
    for name, figures in estimators.items() if isinstance(estimators, Mapping) else ():
        error = number(figures, "error")
        if error is not None:
            row = {"name": plain(name), "style": row_style(name), "error": error}
            row["std"], row["within"] = number(figures, "std"), number(figures, "within")
            row["interval"], row["own"] = pair(figures, "interval"), number(figures, "own_error")
            rows.append(row)
    rows.sort(key=lambda row: -row["error"])
    worst = max((row["error"] for row in rows), default=1.0) or 1.0
    return [row | {"share": row["error"] / worst} for row in rows]


def words(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What the words in the rows' names mean."""
    return [(word, text) for word, text in WORDS.items() if any(word in x["name"] for x in rows)]


def comparison_table(evaluation: Mapping[str, Any], unit: str) -> Table | None:
    """Every comparison of two rows with both of its intervals; None if there is none."""
    rows = [
        [
            f"{plain(x.row)} against {plain(x.against)}",
            f"{x.difference:+z.2f}{unit}",
            _ends(x.over_seeds, "+z.2f") or "unknown",
            _ends(x.over_images, "+z.2f") or "unknown",
            ("less error" if x.difference < 0 else "more error") if x.clear else "not clear",
        ]
        for x in read_comparisons(evaluation)
    ]
    note = (
        "Error of the first row less that of the second: a negative figure favours the first. The "
        "interval over seeds says how it would be had the estimators begun from other random numbers, "
        f"the interval over {image_groups(evaluation)} how it would be on others. A difference is "
        "clear where zero lies outside both: the wider one decides."
    )
    columns = [
        "rows",
        "difference",
        "95% over seeds",
        f"95% over {image_groups(evaluation)}",
        "verdict",
    ]
    return Table("Differences", note, columns, rows) if rows else None


def people_table(evaluation: Mapping[str, Any], unit: str) -> Table | None:
    """The error of every person in every row, None where people are not known."""
    estimators = evaluation.get("estimators")
    known = {
        name: {
            person: error
            for person in figures["participants"]
            if (error := number(figures, "participants", person)) is not None
        }
        for name, figures in (estimators.items() if isinstance(estimators, Mapping) else ())
        if isinstance(figures, Mapping) and isinstance(figures.get("participants"), Mapping)
    }
    names = [name for name in known if known[name]]
    people = sorted({x for name in names for x in known[name]}, key=lambda x: (len(x), x))
    if not people:
        return None
    note = f"Mean error ({unit.strip()}) over each person's test images and over seeds."
    before, after = known.get("synthetic", {}), known.get("refined", {})
    both = before.keys() & after.keys()
    if both:
        won = sum(after[person] < before[person] for person in both)
        note += f" Refined images beat synthetic ones for {won} of {len(both)} people."
    rows = [
        [person, *(f"{known[x][person]:.2f}" if person in known[x] else "" for x in names)]
        for person in people
    ]
    columns = ["person", *map(plain, names)]
    return Table(f"Person by person ({len(people)})", note, columns, rows)


def realism_table(evaluation: Mapping[str, Any]) -> Table | None:
    """How far images are from real ones; None if not measured."""
    figures = evaluation.get("realism")
    sets = ("synthetic", "refined", "real")
    rows = [
        [
            "KID, kernel inception distance: features of a small network",
            figure(figures, "kid_synthetic", interval="kid_synthetic_interval"),
            figure(figures, "kid", interval="kid_interval"),
            figure(figures, "kid_real"),
        ],
        [
            "sliced Wasserstein distance: random patches",
            *(figure(figures, f"sliced_wasserstein.{x}", ".3f") for x in sets),
        ],
        [
            "distance of power spectra, decibels",
            *(figure(figures, f"spectrum_db.{x}") for x in sets),
        ],
    ]
    for key, name in (("discriminator_accuracy", "patches"), ("whole_image_accuracy", "images")):
        cells = [figure(figures, f"{key}.{x}", ".0%", interval=f"{key}_interval.{x}") for x in sets]
        rows.append([f"share of {name} that a new classifier names rightly", *cells])
    rows = [row for row in rows if any(row[1:])]
    note = (
        "How far images are from the real ones. Distances: 0 is no difference. Shares: 50% is "
        "guessing, and good. The last column sets one half of the real images against the other: what "
        "chance alone makes. In brackets: 95% interval over images."
    )
    columns = ["measure", "synthetic", "refined", "real halves"]
    return Table("Realism", note, columns, rows) if rows else None


def shift_table(evaluation: Mapping[str, Any], unit: str) -> Table | None:
    """How far refinement moves the labelled content and what an estimator reads; None: not measured."""
    figures = evaluation.get("label_shift")
    images = number(figures, "images")
    found = figure(figures, "followed", ".1%", f" of {images:.0f}" if images else "")
    at_55 = f"mean, were images {PAPER['width']} px wide (paper: {PAPER['mean']} ± {PAPER['std']})"
    rows = [
        ["images whose content was found again", found],
        ["mean motion", figure(figures, "mean", unit=" px", std="std", interval="interval")],
        ["median", figure(figures, "median", unit=" px")],
        [at_55, figure(figures, "mean_at_55", unit=" px")],
        ["drift to the right", figure(figures, "dx", "+z.2f", " px", std="dx_std")],
        ["drift down", figure(figures, "dy", "+z.2f", " px", std="dy_std")],
    ]
    for side in ("left", "right"):
        moved = pair(figures, "corners", side)
        text = f"{moved[0]:+z.2f} px to the right, {moved[1]:+z.2f} px down" if moved else ""
        rows.append([f"drift of lids and corner {side} of the iris", text])
    rows += [
        [
            "surface over joints, median depth",
            figure(figures, "surface_mm.median", "+z.2f", " mm"),
        ],
        ["joints without a surface afterwards", figure(figures, "surface_mm.lost", ".1%")],
        [
            "change of what an estimator reads",
            figure(figures, "estimate.mean", unit=unit, std="estimate.std"),
        ],
    ]
    for axis, name in AXES.items():
        path = f"estimate.axes.{axis}"
        change = figure(figures, f"{path}.bias", "+z.2f", unit, std=f"{path}.std")
        rows.append([f"its drift in {name}", change])
    rows = [row for row in rows if row[1]]
    note = (
        "How far refinement moves the labelled content, in pixels (px) of the image. ± is the standard "
        "deviation over images; in brackets: 95% interval over images."
    )
    return Table("Label shift", note, [], rows) if rows else None


def figure(
    tree: Any,
    path: str,
    form: str = "z.2f",
    unit: str = "",
    std: str = "",
    interval: str = "",
) -> str:
    """A figure at a dotted path, with its spread and interval if those are there; "" without it."""
    value = number(tree, *path.split("."))
    spread = number(tree, *std.split("."))
    ends = pair(tree, *interval.split("."))
    if value is None:
        return ""
    text = f"{value:{form}}"
    if spread is not None:
        text += f" ± {spread:{form.lstrip('+')}}"
    return f"{text}{unit}" + (f" ({_ends(ends, form)})" if ends else "")


def _ends(ends: tuple[float, float] | None, form: str) -> str:
    return "" if ends is None else f"{ends[0]:{form}} to {ends[1]:{form}}"
