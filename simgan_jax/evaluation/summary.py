"""An evaluation in words and as a table, for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from simgan_jax.evaluation.plan import FLOOR
from simgan_jax.metrics import common_change, eye_whites, label_shift


def table(report: Mapping[str, Any]) -> Table:
    """The report's estimators for a terminal."""
    rows = report["estimators"]
    unit = next((row["unit"] for row in rows.values()), "")
    result = Table(
        title=f"Error on real test images ({unit}), {report['seeds']} seed(s)",
        caption=f"intervals over {report['test_groups']}; std: standard deviation over seeds",
    )
    for name in ("trained on", "error", "95 % interval", "std", "within", "bias"):
        result.add_column(name, justify="left" if name == "trained on" else "right")
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["error"]):
        low, high = row["interval"]
        bias = ", ".join(f"{axis} {x['bias']:+.2f}" for axis, x in row["axes"].items())
        result.add_row(
            name.replace("_", " "),
            f"{row['error']:.2f}",
            f"{low:.2f} to {high:.2f}",
            "" if row["std"] is None else f"{row['std']:.2f}",
            f"{row['within']:.1%} ({row['threshold']:g})",
            bias,
        )
    return result


def summary(report: Mapping[str, Any]) -> list[str]:
    """What the table does not say, a line each."""
    lines = [*_estimator_lines(report), shift_line(report["label_shift"])]
    if corners := report["label_shift"].get("corners"):
        moved = ", ".join(f"{side} x {x:+.2f}, y {y:+.2f}" for side, (x, y) in corners.items())
        lines.append(f"corners of the eyes: {moved} px")
    if surface := report["label_shift"].get("surface_mm"):
        lines.append(
            f"surface above joints: {surface['median']:+.2f} mm deeper, quartiles "
            f"{surface['quartiles'][0]:+.2f} and {surface['quartiles'][1]:+.2f}; {surface['lost']:.1%} "
            f"of {surface['joints']} lost"
        )
    if estimate := report["label_shift"].get("estimate"):
        lines.append(reading_line(estimate))
    lines += report.get("label_distributions", {}).get("sentences", [])
    lines.append(artefact_line(report["artefacts"]))
    realism = report["realism"]
    lines.append(
        f"{accuracy_line(realism)}; KID {realism['kid_synthetic']:.3f} to {realism['kid']:.3f} (two "
        f"halves of the real images: {realism['kid_real']:.3f})"
    )
    return lines + [f"note: {note}" for note in report.get("notes", ())]


def shift_line(shift: Mapping[str, Any]) -> str:
    """How far content has moved, and whether that can be believed."""
    lost = 1 - shift["followed"]
    if shift["followed"] < label_shift.LEAST_FOLLOWED:
        line = f"label shift unknown: the content of {lost:.0%} of the images cannot be found again"
        return (
            f"{line} (that of the others has moved by {shift['mean']:.2f} px)" if lost < 1 else line
        )
    paper = label_shift.PAPER
    line = (
        f"label shift {shift['mean']:.2f} px (standard deviation over images {shift['std']:.2f}); "
        f"drift x {shift['dx']:+.2f}, y {shift['dy']:+.2f}; the paper's eyes: {paper['mean']} px "
        f"({paper['std']}) at a width of {paper['width']} px"
    )
    return f"{line}; {lost:.1%} of the images could not be followed" if lost else line


def reading_line(estimate: Mapping[str, Any]) -> str:
    """How far what estimators read has moved, and whether that is too far."""
    axes = ", ".join(
        f"{name} {axis['bias']:+.2f} ({axis['interval'][0]:+.2f} to {axis['interval'][1]:+.2f})"
        for name, axis in estimate["axes"].items()
    )
    verdict = "within" if abs(estimate["largest"]) <= estimate["limit"] else "beyond"
    return (
        f"reading drift, row {estimate['estimator'].replace('_', ' ')}: {axes} {estimate['unit']}, "
        f"{estimate['largest_share']:.0%} of their own error; {verdict} the limit of "
        f"{estimate['limit']:.2g}"
    )


def artefact_line(artefacts: Mapping[str, Any]) -> str:
    """What is painted alike into every image, and which whites of eyes are lost."""
    pattern = artefacts["own_pattern"]["share"]
    limit = f"{common_change.LARGEST:.0%}"
    line = f"a pattern of its own in every image: {pattern:.1%} of the change (up to {limit})"
    if lost := artefacts.get("whites_lost"):
        line += f"; whites of eyes lost: {lost['share']:.0%} (up to {eye_whites.MOST_LOST:.0%})"
    return line


def accuracy_line(realism: Mapping[str, Any]) -> str:
    """What a fresh discriminator finds."""
    accuracy = realism["discriminator_accuracy"]
    return (
        f"fresh patch discriminator: {accuracy['synthetic']:.1%} on synthetic, "
        f"{accuracy['refined']:.1%} on refined"
    )


def comparison_line(comparison: Mapping[str, Any], unit: str, groups: str) -> str:
    """A difference of two rows, and whether it is more than chance.

    Args:
        comparison: of evaluation.json.
        unit: of errors.
        groups: what intervals over test images are over.
    """
    names = f"{comparison['row']} against {comparison['against']}".replace("_", " ")
    line = f"{names}: {comparison['difference']:+.2f} {unit}"
    if comparison["interval"] is None:
        low, high = comparison["over_images"]
        return (
            f"{line} ({low:+.2f} to {high:+.2f} over {groups}; one seed does not tell what another "
            "training would give)"
        )
    low, high = comparison["interval"]
    verdict = "clear" if comparison["clear"] else "may be chance"
    return f"{line} ({low:+.2f} to {high:+.2f} over seeds and {groups}): {verdict}"


def _estimator_lines(report: Mapping[str, Any]) -> list[str]:
    rows = report["estimators"]
    unit = next((row["unit"] for row in rows.values()), "")
    lines = [
        comparison_line(one, unit, report["test_groups"]) for one in report.get("comparisons", ())
    ]
    if report.get("gain") is not None:
        line = f"refining saves {report['gain']:.1%} of the error on synthetic images"
        if report.get("gap_closed") is not None:
            line += f", {report['gap_closed']:.0%} of the gap to real ones"
        lines.append(line)
    errors = {name: row["error"] for name, row in rows.items()}
    floor = errors.pop(FLOOR, None)
    if errors and floor is not None and min(errors.values()) >= floor:
        lines.append("no row beats the mean label: these estimators have learned nothing yet")
    return lines + [
        f"row {name} left out: {why}" for name, why in report.get("skipped", {}).items()
    ]
