"""Whether the refiner has painted something of its own into the images."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from simgan_jax.metrics import common_change, eye_whites
from simgan_jax.reporting.finding import BAD, GOOD, UNCLEAR, UNKNOWN, Finding, worst
from simgan_jax.reporting.run_folder import number, pair


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
        "beyond_tone",
        common_change.LARGEST,
        "of the change is one picture, painted into every image",
        "of all change is one picture, the same in every image, beside what light and contrast do",
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
