"""Differences over GAN seeds: what two rows or variants differ by, seed by seed.

Rows of a run and variants of an experiment share their seeds: first parameters, batches, and the split,
start and batches of the estimators. So their difference is taken seed by seed, and its 95 % interval is
Student's with n - 1 degrees of freedom: 4.3 standard errors for three seeds. Other test images may say
otherwise, too: where the interval over these is known, the span of both counts, as in evaluation.json.
A claim stands only where that leaves out zero.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simgan_jax.evaluation.comparisons import leaves_out_zero, pairs
from simgan_jax.metrics.intervals import span, t_interval

# What an interval is over.
SEEDS, BOTH = "seeds", "seeds and test images"


def difference(
    row: Sequence[float], against: Sequence[float], over_images: list[float] | None = None
) -> dict[str, Any]:
    """How two rows differ.

    Args:
        row: one value a seed; None is unknown, and so is then the difference.
        against: of the same seeds, in the same order.
        over_images: interval of the difference over test images, where it is known.

    Returns:
        "difference" (the first minus the second), "over_seeds" (its interval; None for one seed),
        "over_images" as given, "interval" (the span of those that are known; None for one seed), "over"
        (what it is over: `SEEDS` or `BOTH`), "clear" (whether it leaves out zero) and "seeds".
    """
    each = np.subtract(*(np.array(values, float) for values in (row, against)))
    limits = t_interval(each)
    both = span(limits, over_images) if limits and over_images else limits
    return {
        "difference": float(each.mean()),
        "over_seeds": limits,
        "over_images": over_images,
        "interval": both,
        "over": BOTH if over_images else SEEDS,
        "clear": leaves_out_zero(both),
        "seeds": len(each),
    }


def compare_rows(
    errors: Mapping[str, Sequence[float]],
    within: Mapping[str, Sequence[float]],
    over_images: Mapping[tuple[str, str], list[float]],
) -> list[dict[str, Any]]:
    """The comparisons of an evaluation, over GAN seeds.

    Args:
        errors: mean errors, one a seed, of each row.
        within: shares within the threshold, of the same rows and seeds.
        over_images: intervals over test images of differences of error, of the pairs (row, against)
            where they are known.

    Returns:
        Of each "row", "against", "figure" ("error" or "within"), and what `difference` says.
    """
    means = {name: float(np.mean(values)) for name, values in errors.items()}
    return [
        {"row": row, "against": against, "figure": figure}
        | difference(values[row], values[against], images.get((row, against)))
        for row, against in pairs(means)
        for figure, values, images in (("error", errors, over_images), ("within", within, {}))
    ]
