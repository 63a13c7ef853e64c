"""Differences over GAN seeds: what two rows or variants differ by, seed by seed.

Rows of a run and variants of an experiment share their seeds: first parameters, batches, and the split,
start and batches of the estimators. So their difference is taken seed by seed, and its 95 % interval is
Student's with n - 1 degrees of freedom: 4.3 standard errors for three seeds. A claim stands only where
the interval leaves out zero.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simgan_jax.evaluation.comparisons import leaves_out_zero, pairs
from simgan_jax.metrics.intervals import t_interval


def difference(row: Sequence[float], against: Sequence[float]) -> dict[str, Any]:
    """How two rows differ.

    Args:
        row: one value a seed; None is unknown, and so is then the difference.
        against: of the same seeds, in the same order.

    Returns:
        "difference" (the first minus the second), "over_seeds" (its interval; None for one seed),
        "clear" (whether the interval leaves out zero) and "seeds".
    """
    each = np.subtract(*(np.array(values, float) for values in (row, against)))
    limits = t_interval(each)
    return {
        "difference": float(each.mean()),
        "over_seeds": limits,
        "clear": leaves_out_zero(limits),
        "seeds": len(each),
    }


def compare_rows(
    errors: Mapping[str, Sequence[float]], within: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """The comparisons of an evaluation, over GAN seeds.

    Args:
        errors: mean errors, one a seed, of each row.
        within: shares within the threshold, of the same rows and seeds.

    Returns:
        Of each "row", "against", "figure" ("error" or "within"), and what `difference` says.
    """
    means = {name: float(np.mean(values)) for name, values in errors.items()}
    return [
        {"row": row, "against": against, "figure": figure}
        | difference(values[row], values[against])
        for row, against in pairs(means)
        for figure, values in (("error", errors), ("within", within))
    ]
