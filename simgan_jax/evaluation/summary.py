"""An evaluation in words and as a table, for a terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table


def table(report: Mapping[str, Any]) -> Table:
    """The report's estimators for a terminal."""
    rows = report["estimators"]
    unit = next((row["unit"] for row in rows.values()), "")
    result = Table(title=f"Error on real test images ({unit}), {report['seeds']} seed(s)")
    for name in ("trained on", "error", "95 % interval", "over seeds", "within", "bias"):
        result.add_column(name, justify="left" if name == "trained on" else "right")
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["error"]):
        low, high = row["interval"]
        bias = ", ".join(f"{axis} {x['bias']:+.2f}" for axis, x in row["axes"].items())
        spread = "" if row["std"] is None else f"± {row['std']:.2f}"
        result.add_row(
            name.replace("_", " "),
            f"{row['error']:.2f}",
            f"{low:.2f} to {high:.2f}",
            spread,
            f"{row['within']:.1%} ({row['threshold']:g})",
            bias,
        )
    return result


def summary(report: Mapping[str, Any]) -> list[str]:
    """What the table does not say, a line each."""
    shift, realism = report["label_shift"], report["realism"]
    lines = []
    if report.get("gain") is not None:
        low, high = report["gain_interval"]
        lines.append(
            f"refined against synthetic: {report['gain']:+.1%} ({low:+.1%} to {high:+.1%})"
        )
    if report.get("gap_closed") is not None:
        lines.append(f"gap to real closed: {report['gap_closed']:.0%}")
    errors = {name: row["error"] for name, row in report["estimators"].items()}
    floor = errors.pop("mean_predictor", None)
    if errors and floor is not None and min(errors.values()) >= floor:
        lines.append("no row beats the mean label: these estimators have learned nothing yet")
    lines += [f"row {name} left out: {why}" for name, why in report.get("skipped", {}).items()]
    lines.append(
        f"label shift {shift['mean']:.2f} ± {shift['std']:.2f} px, drift x {shift.get('dx', 0):+.2f}, "
        f"y {shift.get('dy', 0):+.2f} (paper: 1.1 ± 0.8 px at 55 px)"
    )
    if corners := shift.get("corners"):
        moved = ", ".join(f"{side} x {x:+.2f}, y {y:+.2f}" for side, (x, y) in corners.items())
        lines.append(f"corners of the eyes: {moved} px")
    if surface := shift.get("surface_mm"):
        lines.append(
            f"surface above joints: {surface['median']:+.2f} mm deeper, quartiles "
            f"{surface['quartiles'][0]:+.2f} and {surface['quartiles'][1]:+.2f}; {surface['lost']:.1%} "
            f"of {surface['joints']} lost"
        )
    accuracy = realism["discriminator_accuracy"]
    lines.append(
        f"fresh patch discriminator: {accuracy['synthetic']:.1%} on synthetic, "
        f"{accuracy['refined']:.1%} on refined; KID {realism['kid_synthetic']:.3f} to "
        f"{realism['kid']:.3f} (two halves of the real images: {realism['kid_real']:.3f})"
    )
    return lines
