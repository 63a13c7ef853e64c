"""What the refiner has painted into the images of its own: the verdict, the table, the picture."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from simgan_jax.metrics import common_change, eye_whites
from simgan_jax.reporting.examples import heat_uri
from simgan_jax.reporting.finding import BAD, GOOD, UNCLEAR, UNKNOWN, Finding, worst
from simgan_jax.reporting.run_folder import number, pair
from simgan_jax.reporting.tables import Table, figure

# Changes that have the full colour of a heat map, of a range of 2, where there is no stronger one.
FAINT = 0.1

# Of artefacts: key, key of the figure, name, format, what it says.
ARTEFACTS = (
    (
        "constant_share",
        "share",
        "common to all changes",
        "z.0%",
        "So much of what the refiner changes is one picture, the same in every image. "
        "A change of light and contrast, which is innocent, counts too.",
    ),
    (
        "beyond_tone",
        "share",
        "of this, a pattern",
        "z.1%",
        "What is left of it without brightness and contrast.",
    ),
    (
        "own_pattern",
        "share",
        "of this, its own",
        "z.1%",
        "What is left of it without what makes the mean image more like that of real ones: near 0, "
        "nothing is painted alike into all images that is not in real ones, too.",
    ),
    (
        "diversity",
        "ratio",
        "variety of refined images",
        ".2f",
        "How much refined images differ from each other, real ones being 1: well below, "
        "the refiner draws a few pictures again and again.",
    ),
    (
        "whites_lost",
        "share",
        "whites of eyes lost",
        ".0%",
        "Whites brighter than the iris before refining and as dark as it afterwards. Shadows "
        "darken some: 9% would be lost were the embedded eyes seen by the camera of the photographs.",
    ),
)


class Measure(NamedTuple):
    """A figure of `artefacts` in evaluation.json that is judged.

    Attributes:
        key: there.
        limit: of its share, up to which it is good.
        answer: what it says where it is beyond, after the share.
        detail: what it is of.
    """

    key: str
    limit: float
    answer: str
    detail: str


MEASURES = (
    Measure(
        "whites_lost",
        eye_whites.MOST_LOST,
        "of the whites of eyes became as dark as the iris",
        "of the whites of eyes became as dark as the iris, as a second pupil is",
    ),
    Measure(
        "own_pattern",
        common_change.LARGEST,
        "of the change is one picture, painted into every image",
        "of all change is one picture, the same in every image, beside what light and contrast do and "
        "what real images have in common",
    ),
)


def painted(config: Mapping[str, Any], evaluation: Mapping[str, Any]) -> Finding:
    """Compares what is painted alike into all images, and whites that got dark, with fixed limits."""
    question = "Has it painted something of its own?"
    found = {
        measure: (share, pair(evaluation, "artefacts", measure.key, "interval") or (share, share))
        for measure in MEASURES
        if (share := number(evaluation, "artefacts", measure.key, "share")) is not None
    }
    if not found:
        return Finding(question, UNKNOWN, "Not measured.", "Look at the examples below.")
    detail = " ".join(
        f"{share:z.1%} {measure.detail} (95% interval {low:z.1%} to {high:z.1%}); up to "
        f"{measure.limit:.0%} count as none."
        for measure, (share, (low, high)) in found.items()
    )
    judged = {x: share_status(*figures, x.limit) for x, figures in found.items()}
    status = worst(*judged.values())
    if status == GOOD:
        return Finding(question, GOOD, "No: nothing that is measured.", detail)
    measure = next(x for x in judged if judged[x] == status)
    sure = "Yes" if status == BAD else "Perhaps"
    answer = f"{sure}: {found[measure][0]:.0%} {measure.answer}."
    return Finding(question, status, answer, detail, _remedy(config))


def _remedy(config: Mapping[str, Any]) -> tuple[str, str]:
    """The setting that leaves the refiner least room to paint."""
    weighed = config.get("loss", {}).get("weight")
    if isinstance(weighed, Mapping) and weighed.get("label") == "iris_mask":
        text = "Something is painted into the images: weigh the whole eye, not the iris alone."
        return text, "--config.loss.weight.label=eye_mask"
    weight = number(config, "loss", "self_regularization") or 1.0
    text = "Something is painted into the images: hold them back more."
    return text, f"--config.loss.self_regularization={2 * weight:g}"


def share_status(share: float, ends: tuple[float, float], limit: float) -> str:
    """Good up to the limit, bad where the whole interval lies beyond it, else unclear."""
    if share <= limit:
        return GOOD
    return BAD if ends[0] > limit else UNCLEAR


def artefact_table(evaluation: Mapping[str, Any]) -> Table | None:
    """What was painted into images that realism and label shift overlook; None if not measured."""
    figures = evaluation.get("artefacts")
    rows = [
        [name, figure(figures, f"{key}.{value}", form, interval=f"{key}.interval"), text]
        for key, value, name, form, text in ARTEFACTS
    ]
    for name in ("darkest", "brightest"):
        x, y, change = (number(figures, name, part) for part in ("x", "y", "change"))
        if None not in (x, y, change):
            centre = (
                "the pupil" if figures[name].get("from") == "pupil" else "the upper left corner"
            )
            text = f"Where the pattern is {name}: x to the right and y down from {centre}. "
            text += "The change is of a range of 2 from black to white."
            rows.append([f"{name} spot", f"{change:+z.2f} at ({x:.0f}, {y:.0f})", text])
    rows = [row for row in rows if row[1]]
    note = (
        "What is painted into the images that a classifier of patches overlooks, such as a second "
        "pupil or a frame. In brackets: 95% interval over images."
    )
    columns = ["measure", "found", "what it says"]
    return Table("Artefacts", note, columns, rows) if rows else None


def painted_picture(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The picture that is painted into every image, as a heat map; None if not measured.

    Returns:
        "uri" of the picture, blue where it is darker and orange where it is brighter; "width" and
        "height"; "centre", (x, y) of the pupils, None where there are none; "largest", its largest
        change, of a range of 2.
    """
    found = evaluation.get("artefacts")
    found = found.get("picture") if isinstance(found, Mapping) else None
    try:
        rows = [row.replace("?", "nan").split() for row in found["thousandths"]]
        picture = np.array(rows, float) / 1000
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if picture.ndim != 2 or not np.isfinite(picture).any():
        return None
    largest = float(np.nanmax(np.abs(picture)))
    height, width = picture.shape
    return {
        "uri": heat_uri(0.5 + 0.5 * np.nan_to_num(picture / max(largest, FAINT))),
        "width": width,
        "height": height,
        "centre": pair(found, "centre"),
        "largest": largest,
    }
