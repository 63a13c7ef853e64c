"""The picture of the benchmark."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73")


def draw(result: Mapping[str, Any], labels: Mapping[str, str]) -> Figure:
    """Ratios to PyTorch, medians and quartiles of the rounds.

    Args:
        result: as in result.json.
        labels: of the tasks.
    """
    half = result["bfloat16"]["spread"]
    groups = {
        "float32, PyTorch float32, eager": result["spread"],
        "bfloat16, PyTorch's best float32": half["ratio_to_pytorch_float32"],
        "bfloat16, PyTorch's best bfloat16": half["ratio_to_pytorch_bfloat16"],
    }
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for i, (colour, (name, spreads)) in enumerate(zip(COLOURS, groups.items(), strict=True)):
        places = [row + (i - 1) / 5 for row, task in enumerate(labels) if task in spreads]
        found = [spreads[task] for task in labels if task in spreads]
        middle = [x["median"] for x in found]
        reach = [[abs(x[end] - x["median"]) for x in found] for end in ("low", "high")]
        axes.errorbar(middle, places, xerr=reach, fmt="o", color=colour, capsize=3, label=name)
    axes.axvline(1, color="black", linewidth=0.5)
    axes.set_yticks(range(len(labels)), labels.values())
    axes.invert_yaxis()
    about = result["machine"]
    unit = "" if about["matrix_unit"] else ", no matrix unit"
    axes.set_xlabel(
        f"times as fast as PyTorch {about.get('torch', '')}; jax {about['jax']}\n"
        f"{about['cores']} cores of {about['cpu']}{unit}; {result['rounds']} rounds"
    )
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3, fontsize=7)
    return figure
