"""From seconds of paired rounds to ratios."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.benchmark.timing import spread

# Who may take turns: dtype, and of PyTorch whether compiled (ours always is).
OURS = {"jax": "float32", "jax_bfloat16": "bfloat16"}
PYTORCH = {
    "pytorch": ("float32", False),
    "pytorch_compiled": ("float32", True),
    "pytorch_bfloat16": ("bfloat16", False),
    "pytorch_bfloat16_compiled": ("bfloat16", True),
}

# Seconds of every round, by task and by who.
Times = Mapping[str, Mapping[str, Sequence[float]]]


def ratios(times: Times) -> dict[str, Any]:
    """How many times as fast as PyTorch simgan_jax is, each round's pair by itself.

    Args:
        times: of as many rounds for all.

    Returns:
        "ratio_to_pytorch": of each task the median, float32 against eager float32; "spread": median and
        quartiles; "bfloat16": ours against PyTorch's best of eager and compiled, in float32
        ("ratio_to_pytorch_float32") and in bfloat16 ("ratio_to_pytorch_bfloat16"), the "spread" of both
        and which was "best". Who did not take part is left out.
    """
    found = _against(times, "jax", ["pytorch"])
    half: dict[str, Any] = {"spread": {}, "best": {}}
    for dtype in ("float32", "bfloat16"):
        rivals = [name for name, (own, _) in PYTORCH.items() if own == dtype]
        best = _against(times, "jax_bfloat16", rivals)
        name = f"ratio_to_pytorch_{dtype}"
        half[name], half["spread"][name], half["best"][name] = best.values()
    return {"ratio_to_pytorch": found["median"], "spread": found["spread"], "bfloat16": half}


def _against(times: Times, ours: str, rivals: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By task: the median ratio, its spread, and which rival has the best median."""
    result: dict[str, dict[str, Any]] = {"median": {}, "spread": {}, "best": {}}
    for task, each in times.items():
        there = [name for name in rivals if name in each]
        if ours not in each or not there:
            continue
        best = min(there, key=lambda name, each=each: np.median(each[name]))
        found = spread(np.divide(each[best], each[ours]))
        result["median"][task] = round(found["median"], 3)
        result["spread"][task] = found
        result["best"][task] = best
    return result
