"""The one table: what each method gives, and what it costs."""

from collections.abc import Callable, Mapping
from typing import Any

from experiments import summary

MISSING = "–"
TITLES = {
    "embedded": "Embedded eyes, as rendered",
    "matched": "Embedded eyes, grey values matched first (the default configuration)",
    "columbia": "Columbia Gaze, people 37-44, grey values matched first",
}
METHODS = {
    "simgan": "SimGAN (this package)",
    "contrast": "SimGAN, CUT's loss beside psi",
    "cyclegan": "CycleGAN",
    "cut": "CUT",
}
# Heading: (figure of result.json, how it is written).
COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "error, degrees": ("error/{row}", lambda x: f"{x:.2f}"),
    "augmented": ("error/{row}_augmented", lambda x: f"{x:.2f}"),
    "on its own domain": ("own_error/{row}", lambda x: f"{x:.2f}"),
    "drift, pitch": ("reading/pitch", lambda x: f"{x:+.1f}"),
    "yaw": ("reading/yaw", lambda x: f"{x:+.1f}"),
    "label shift, px": ("label_shift/mean", lambda x: f"{x:.2f}"),
    "KID": ("kid/{row}", lambda x: f"{x:.2f}"),
    "fresh discriminator": ("discriminator_accuracy/{row}", lambda x: f"{x:.0%}"),
    "pattern in every image": ("artefacts/beyond_tone", lambda x: f"{x:.1%}"),
    "whites lost": ("artefacts/whites_lost", lambda x: f"{x:.0%}"),
    "images seen": ("training/images", lambda x: f"{x:,.0f}"),
    "CPU minutes": ("training/cpu_seconds", lambda x: f"{x / 60:.0f}"),
}
OF_REFINING = ("reading/", "label_shift/", "artefacts/", "training/")


def text(result: Mapping[str, Any]) -> str:
    """Markdown of a result.json."""
    parts = [
        "Written by `python -m experiments.rivals`. a ± b: mean and sample standard deviation over "
        "seeds; one seed says nothing of what another training would give. What each column is: "
        "docs/evaluation.md; drift is how an estimator's reading moves on average, degrees."
    ]
    for data, title in TITLES.items():
        found = {x: v for x, v in result["variants"].items() if x.startswith(f"{data}/")}
        if found:
            parts += [f"## {title}", size(result["runs"][f"{data}/simgan"]), rows(data, found)]
    return "\n\n".join(parts) + "\n"


def size(run: Mapping[str, Any]) -> str:
    """What was run."""
    identity = "with" if run["identity"] else "without"
    return (
        f"{run['seeds']} seed(s), generators of {run['features']} features, {run['share']:.0%} of the "
        f"configuration's updates, rivals {identity} identity loss: `{run['command']}`."
    )


def rows(data: str, variants: Mapping[str, Mapping[str, Any]]) -> str:
    """A line for renderings, for matched ones, for every method and for real images, where known."""
    ours = variants[f"{data}/simgan"]
    lines = [["trained on", *COLUMNS], ["---"] * (len(COLUMNS) + 1)]
    known = {name.removesuffix("_augmented") for name in ours if name.startswith("error/")}
    unrefined = {"renderings": "synthetic", "renderings, grey values matched": "matched"}
    lines += [[name, *cells(ours, x)] for name, x in unrefined.items() if f"error/{x}" in known]
    for method, name in METHODS.items():
        if f"{data}/{method}" in variants:
            lines.append([name, *cells(variants[f"{data}/{method}"], "refined")])
    if "error/real" in known:
        lines.append(["real images (ceiling)", *cells(ours, "real")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cells(figures: Mapping[str, Any], row: str) -> list[str]:
    """The figures of a row of estimators, and of refining where it is refined."""
    found = []
    for figure, write in COLUMNS.values():
        value = figures.get(figure.format(row=row))
        known = row == "refined" or not figure.startswith(OF_REFINING)
        unknown = value is None or value["mean"] is None or not known
        found.append(MISSING if unknown else summary.cell(value, write))
    return found
