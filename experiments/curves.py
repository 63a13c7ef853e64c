"""Cumulative errors of several runs in one picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simgan_jax.evaluation import figures


def write_curves(file: Path, runs: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
    """Draws share of test images against error, a line a row, means over runs.

    Args:
        file: to write, a PNG.
        runs: of each, the rows of `scores.score`; those of the first run are drawn.
    """
    rows = {
        name: dict(row) | {"curve": np.mean([run[name]["curve"] for run in runs], axis=0).tolist()}
        for name, row in runs[0].items()
    }
    figures.cumulative(rows).savefig(file, dpi=120)
