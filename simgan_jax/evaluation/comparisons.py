"""Which row of the table is better, by how much, and whether that is more than chance.

All rows are trained with the same seeds and tested on the same images. So what counts is the difference
of two rows, seed by seed and image by image: what makes a seed or an image hard for both drops out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from simgan_jax.evaluation.plan import CHEAP, REFINED, Row
from simgan_jax.metrics.intervals import (
    interval,
    ratio_interval,
    resampled_means,
    span,
    t_interval,
)

# Row and the row it is measured against, of every number of images, with and without augmentation;
# where one is missing, so is the comparison.
COMPARISONS = (
    ("refined", "synthetic"),
    ("matched", "synthetic"),
    ("refined", "matched"),
    ("refined_matched", "matched"),
    ("fda", "synthetic"),
)


def pairs(errors: Mapping[str, float]) -> list[tuple[str, str]]:
    """Which rows are compared, each pair once.

    Args:
        errors: of each row.
    """
    rows = {name: Row.parse(name) for name in errors}
    found = [
        (name, str(replace(row, base=against)))
        for name, row in rows.items()
        for base, against in COMPARISONS
        if row.base == base
    ]
    cheap = [name for name, row in rows.items() if row.base in CHEAP]
    best = min(cheap, key=lambda name: errors[name], default="")
    found += [(name, best) for name, row in rows.items() if row.base in REFINED]
    return [pair for pair in dict.fromkeys(found) if pair[1] in rows]


def compare(
    errors: Mapping[str, Float[np.ndarray, "seeds n"]],
    groups: Shaped[np.ndarray, "n"] | None = None,
) -> list[dict[str, Any]]:
    """The comparisons of `COMPARISONS`, as in evaluation.json.

    Args:
        errors: of every test image, by row; the same seeds in the same order.
        groups: of test images that are not independent, see `resampled_means`.

    Returns:
        Of each "row", "against", "difference" (its error minus the other's: negative is better),
        "over_seeds" (Student's interval of the paired differences; None for one seed), "over_images"
        (bootstrap), "interval" (the span of both; None for one seed) and "clear" (whether there is an
        interval and it leaves out zero).
    """
    found = []
    for row, against in pairs({name: x.mean() for name, x in errors.items()}):
        difference = errors[row] - errors[against]
        over_seeds = t_interval(difference.mean(1))
        over_images = interval(resampled_means(difference.mean(0)[None], groups)[:, 0])
        both = over_seeds and span(over_seeds, over_images)
        found.append(
            {
                "row": row,
                "against": against,
                "difference": float(difference.mean()),
                "over_seeds": over_seeds,
                "over_images": over_images,
                "interval": both,
                "clear": leaves_out_zero(both),
            }
        )
    return found


def gains(
    errors: Mapping[str, Float[np.ndarray, "seeds n"]],
    groups: Shaped[np.ndarray, "n"] | None = None,
) -> dict[str, Any]:
    """What refining gains, and how much of the gap to real images it closes.

    Both are ratios of means: over seeds with Fieller's interval (`ratio_interval`), over images with
    the bootstrap's.

    Args:
        errors: as of `compare`.
        groups: the same.

    Returns:
        "gain" = (synthetic - refined) / synthetic and "gap_closed" = (synthetic - refined) / (synthetic
        - real), None where a row is missing or real is no better than synthetic; the same of the "_4x"
        and "_augmented" rows that are there; each with its "_interval": the span of that over seeds and
        that over images, or the one over images where there is one seed. Where the gap may be none, its
        share has no interval.
    """
    result: dict[str, Any] = {"gain": None, "gap_closed": None}
    for name, refined in errors.items():
        row = Row.parse(name)
        synthetic, real = (errors.get(str(replace(row, base=x))) for x in ("synthetic", "real"))
        if row.base != "refined" or synthetic is None:
            continue
        suffix, saved = row.suffix, synthetic - refined
        wholes = {f"gain{suffix}": synthetic}
        if real is not None and synthetic.mean() > real.mean():
            wholes[f"gap_closed{suffix}"] = synthetic - real
        for share, whole in wholes.items():
            result[share] = float(saved.mean() / whole.mean())
            if limits := _share_interval(saved, whole, groups):
                result[f"{share}_interval"] = limits
    return result


def leaves_out_zero(limits: Sequence[float] | None) -> bool:
    """Whether there is an interval, all on one side of zero."""
    return limits is not None and (limits[0] > 0 or limits[1] < 0)


def _share_interval(part, whole, groups):
    """Of mean(part) / mean(whole), both [seeds, n]; None where the whole may be nothing."""
    samples = resampled_means(np.stack([part.mean(0), whole.mean(0)]), groups)
    if samples[:, 1].min() <= 0:
        return None
    over_images = interval(samples[:, 0] / samples[:, 1])
    if len(part) == 1:
        return over_images
    over_seeds = ratio_interval(part.mean(1), whole.mean(1))
    return over_seeds and span(over_seeds, over_images)
