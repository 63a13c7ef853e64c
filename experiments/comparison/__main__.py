"""The paper's figures and ours side by side.

    python -m experiments.comparison

Reads the result.json of the other experiments and writes table.md beside this file. Other data, smaller
networks and far fewer images than the paper's: what compares is the order of the rows and their
distance, not one number with another. Published figures are those of SimGAN (CVPR 2017). What rows
differ by, and whether that is more than chance, is worked out seed by seed and, where they are stored,
over test images (`experiments.paired`).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import paired, summary
from experiments.more_images import compare as more_images
from experiments.one_at_a_time import compare as one_at_a_time
from experiments.results import stored
from simgan_jax import command
from simgan_jax.evaluation.plan import FLOOR, Row
from simgan_jax.metrics.label_shift import PAPER

HERE = Path(__file__).parent
MISSING = "–"

GAZE_ERROR = {"synthetic": 11.2, "refined": 7.8}
GAZE_WITHIN = {"synthetic": 62.3, "synthetic_4x": 64.9, "refined": 69.4, "refined_4x": 87.2}
# Of hands the paper's larger sets are three times as large; ours are four times in both tasks.
HAND_WITHIN = {
    "synthetic": 69.7,
    "synthetic_4x": 77.7,
    "refined": 72.4,
    "refined_4x": 83.3,
    "real": 74.5,
}
OTHERS = {
    "support vector regression": 16.5,
    "adaptive linear regression": 16.4,
    "random forest": 15.4,
    "k nearest neighbours, UT data": 16.2,
    "CNN, UT data": 13.9,
    "k nearest neighbours, UnityEyes": 9.9,
}
# Heading: (experiment, variant).
GAZE_COLUMNS = {
    "embedded eyes, grey values matched": ("default_run", "default"),
    "as rendered": ("embedded_eyes", "default"),
    "equalised": ("embedded_eyes", "equalized"),
    "Columbia, other people, matched": ("real_people", "matched_first"),
    "MPIIGaze, the same person, matched": ("real_eyes", "matched_first"),
    "as rendered, whole eye weighed": ("real_eyes", "eye"),
}
HAND_COLUMNS = {"embedded hands": ("embedded_hands", "default")}
ROWS = ("synthetic", "matched", "refined", "real")
UNITS = {
    "default_run": "°",
    "embedded_eyes": "°",
    "real_people": "°",
    "real_eyes": "°",
    "near_infrared": "px",
    "embedded_hands": "px",
}
DIFFERENCE = (
    "difference",
    "95 % interval",
    "seeds",
    "stands (over seeds: test images not counted)",
)


def main(argv: Sequence[str]) -> None:
    """Writes the tables."""
    del argv
    (HERE / "table.md").write_text(text())
    print(text())


def text() -> str:
    """The tables, of the results that there are."""
    parts = [
        "Written by `python -m experiments.comparison`. a ± b: mean and sample standard deviation over "
        f"GAN seeds, three where nothing else is said; {MISSING}: not measured. Intervals are of 95 %: "
        "Student's t over the seeds of paired differences, Fieller's of ratios of means. Where runs "
        "have stored the interval over test images too, that of a difference is the span of both, and "
        "**yes** says that it leaves out zero. **over seeds** says that the interval over seeds alone "
        "does, and that the one over test images is not stored: such a difference is clear on these "
        "test images, over seeds only, and may not be on others. By chance one interval in twenty "
        "leaves out zero.",
        *_gaze(),
        *_hands(),
        *_images(),
        *_differences(),
        *_more_images(),
        *_changes(),
    ]
    return "\n\n".join(parts) + "\n"


def result(experiment: str) -> dict[str, Any]:
    """An experiment's result.json; {} if it has not been run."""
    return stored(HERE.parent / experiment / "result.json")


def figure(column: tuple[str, str], name: str, show: Callable[[float], str]) -> str:
    """A figure of an experiment's variant, with its spread."""
    return _cell(result(column[0]).get("variants", {}).get(column[1], {}).get(name), show)


def table(heading: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table."""
    return listed(heading, [[name, *cells] for name, cells in rows.items()])


def listed(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose rows may begin alike."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _gaze() -> list[str]:
    columns = GAZE_COLUMNS.values()
    heading = ("trained on", "SimGAN, MPIIGaze", *GAZE_COLUMNS)
    errors, within = {}, {}
    for row in (*ROWS, *(f"{row}_augmented" for row in ROWS)):
        published = f"{GAZE_ERROR[row]:g}" if row in GAZE_ERROR else MISSING
        errors[_name(row)] = [published, *(figure(c, f"error/{row}", _number) for c in columns)]
    errors["the mean gaze"] = [
        MISSING,
        *(figure(c, f"error/{FLOOR}", _number) for c in columns),
    ]
    errors |= {name: [f"{x:g}", *[MISSING] * len(columns)] for name, x in OTHERS.items()}
    for row in ROWS:
        published = f"{GAZE_WITHIN[row]:g} %" if row in GAZE_WITHIN else MISSING
        within[_name(row)] = [published, *(figure(c, f"within/{row}", _percent) for c in columns)]
    return [
        "## Gaze: mean angular error, degrees",
        table(heading, errors),
        "## Gaze: test images within 7 degrees",
        table(heading, within),
        "## Gaze: within 7 degrees, by number of images",
        _by_images("gaze", GAZE_WITHIN, "embedded eyes"),
    ]


def _hands() -> list[str]:
    columns = HAND_COLUMNS.values()
    rows = {}
    for row in (*ROWS, *(f"{row}_augmented" for row in ROWS if row != "matched")):
        published = f"{HAND_WITHIN[row]:g} %" if row in HAND_WITHIN else MISSING
        ours = [figure(c, f"within/{row}", _percent) for c in columns]
        errors = [figure(c, f"error/{row}", _number) for c in columns]
        rows[_name(row)] = [published, *ours, *errors]
    heading = ("trained on", "SimGAN, NYU Hand", *HAND_COLUMNS, "error, px at 56 px")
    return [
        "## Hands: joints within 5 px at 224 px",
        table(heading, rows),
        "## Hands: the same, by number of images (SimGAN's larger sets: three times)",
        _by_images("hand", HAND_WITHIN, "embedded hands"),
    ]


def _by_images(task: str, published: Mapping[str, float], name: str) -> str:
    ours = result("more_images").get(task, {})
    rows = {}
    for row in ("synthetic", "synthetic_4x", "refined", "refined_4x"):
        found = ours.get("rows", {}).get(row, {})
        rows[_name(row)] = [
            f"{published[row]:g} %",
            _cell(found.get("within"), _percent),
            _cell(found.get("error"), _number),
        ]
    name += f", 1x: {ours.get('images', MISSING)} images"
    return table(("trained on", "SimGAN", name, "error"), rows)


def _cell(found: Mapping[str, Any] | None, show: Callable[[float], str]) -> str:
    return summary.cell(found, show) if found and found["mean"] is not None else MISSING


def _images() -> list[str]:
    columns = {**GAZE_COLUMNS, **HAND_COLUMNS}.values()
    heading = ("", "SimGAN", *GAZE_COLUMNS, *HAND_COLUMNS)
    rows = {
        "motion of the labelled part, px": [
            f"{PAPER['mean']} ± {PAPER['std']} (over images)",
            *(figure(c, "label_shift/mean", _number) for c in columns),
        ],
    }
    for name in ("synthetic", "refined"):
        key = f"discriminator_accuracy/{name}"
        rows[f"fresh patch discriminator, {name}"] = [
            MISSING,
            *(figure(c, key, _percent) for c in columns),
        ]
        kids = (figure(c, f"kid/{name}", _number) for c in columns)
        rows[f"KID, {name}"] = [MISSING, *kids]
    turing = result("visual_turing_test")
    people = {"synthetic": (162, 200), "refined": (517, 1000)}
    right = {}
    for name, (count, of) in people.items():
        ours = ", ".join(f"{x['right']} of {x['of']}" for x in turing.get(name, ()))
        right[name] = [f"{count} of {of} (people)", ours or MISSING]
    return [
        "## Images",
        table(heading, rows),
        "## Visual Turing test: right answers",
        table(("against real", "SimGAN", "embedded eyes (new networks, one a seed)"), right),
    ]


def _differences() -> list[str]:
    """Rows of every experiment and variant, and what refining gains and closes."""
    rows, shares = {"error": [], "within": []}, []
    for experiment in UNITS:
        variants = result(experiment).get("variants", {})
        for variant, figures in variants.items():
            where = f"{experiment}, {variant}"
            for one in summary.comparisons(figures):
                names = _name(one["row"]), _name(one["against"])
                rows[one["figure"]].append([where, *names, *_difference(one, UNITS[experiment])])
            found = summary.shares(figures)
            for suffix in ("", "_augmented"):
                if f"gain{suffix}" in found:
                    names = (f"{x}{suffix}" for x in ("gain", "gap_closed", "gap_closed_within"))
                    cells = [_cell(found.get(name), _whole_percent) for name in names]
                    shares.append([where, suffix.strip("_") or "plain", *cells])
    return [
        "## What rows differ by: mean error on the test set, less is better",
        listed(("data, variant", "trained on", "against", *DIFFERENCE), rows["error"]),
        "## The same: share of the test set within 7 degrees or 5 px, more is better",
        listed(("data, variant", "trained on", "against", *DIFFERENCE), rows["within"]),
        "## What refining saves of the error, and closes of the gap to real images",
        listed(("data, variant", "rows", "gain", "gap closed", "gap closed, share within"), shares),
    ]


def _more_images() -> list[str]:
    rows = []
    for task, found in result("more_images").items():
        for one in more_images.compare(found["rows"]):
            unit = found["rows"][one["row"]]["unit"]
            names = _name(one["row"]), _name(one["against"])
            rows.append([f"{task}, {one['figure']}", *names, *_difference(one, unit)])
    return [
        "## Four times the images",
        listed(("task, figure", "trained on", "against", *DIFFERENCE), rows),
    ]


def _changes() -> list[str]:
    rows = [
        [
            one["variant"],
            one["against"],
            one["figure"] + (" (content lost)" if one.get("lost") else ""),
            *_difference(one, ""),
        ]
        for one in one_at_a_time.compare(result("one_at_a_time").get("variants", {}))
    ]
    return [
        "## One change at a time",
        listed(("variant", "against", "figure", *DIFFERENCE), rows),
    ]


def _difference(one: Mapping[str, Any], unit: str) -> list[str]:
    """Cells of a difference: value, interval, seeds, whether it stands."""
    within = one["figure"] == "within"
    unit, factor, digits = ("%", 100, 1) if within else (unit, 1, 2 if unit else 3)
    value = f"{factor * one['difference']:+.{digits}f} {unit}".strip()
    if one["interval"] is None:
        return [value, MISSING, str(one["seeds"]), "one seed"]
    low, high = (f"{factor * x:+.{digits}f}" for x in one["interval"])
    stands = "no"
    if one["clear"]:
        stands = "yes" if one["over"] == paired.BOTH else "over seeds"
    return [value, f"{low} to {high}", str(one["seeds"]), stands]


def _name(row: str) -> str:
    found, names = Row.parse(row), {"matched": "matched grey values", "real": "real (ceiling)"}
    return names.get(found.base, found.base.replace("_", ", ")) + found.suffix.replace("_", ", ")


def _number(x: float) -> str:
    return f"{x:.2f}"


def _whole_percent(x: float) -> str:
    return f"{round(100 * x)} %"


def _percent(x: float) -> str:
    return f"{100 * x:.1f} %"


if __name__ == "__main__":
    command.run(main)
