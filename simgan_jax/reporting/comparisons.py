"""Which of two rows of an evaluation errs less, and whether that is more than chance."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from simgan_jax.metrics.intervals import t_interval
from simgan_jax.reporting.run_folder import number, numbers, pair

SUFFIXES = ("", "_4x", "_augmented")


class Comparison(NamedTuple):
    """Two rows that share their seeds and their test images.

    Attributes:
        row: name of the one.
        against: name of the other.
        difference: error of `row` less that of `against`; negative is better.
        over_seeds: 95 % interval of the difference, as it would be with other seeds; None for one seed.
        over_images: as it would be with other test images; None if unknown.
        clear: neither interval holds zero, and there is one over seeds.
    """

    row: str
    against: str
    difference: float
    over_seeds: tuple[float, float] | None
    over_images: tuple[float, float] | None
    clear: bool


def read_comparisons(evaluation: Mapping[str, Any]) -> list[Comparison]:
    """The comparisons of evaluation.json; where it has none, what its rows say.

    Args:
        evaluation: evaluation.json, {} if there is none.
    """
    listed = evaluation.get("comparisons")
    if not isinstance(listed, list):
        found = (_from_rows(evaluation, suffix) for suffix in SUFFIXES)
    else:
        found = (_listed(entry) for entry in listed)
    return [comparison for comparison in found if comparison]


def find(comparisons: list[Comparison], row: str, against: str) -> Comparison | None:
    """The comparison of two rows, None if there is none."""
    return next((x for x in comparisons if (x.row, x.against) == (row, against)), None)


def image_groups(evaluation: Mapping[str, Any]) -> str:
    """What intervals over test images are over: images, or people whose images belong together."""
    groups = evaluation.get("test_groups")
    if isinstance(groups, str):
        return groups
    rows = evaluation.get("estimators")
    known = isinstance(rows, Mapping) and any(
        "participants" in x for x in rows.values() if isinstance(x, Mapping)
    )
    return "people" if known else "test images"


def _listed(entry: Any) -> Comparison | None:
    difference = number(entry, "difference")
    if difference is None or not all(isinstance(entry.get(x), str) for x in ("row", "against")):
        return None
    seeds, images = pair(entry, "over_seeds"), pair(entry, "over_images")
    clear = entry.get("clear") is True and seeds is not None
    return Comparison(entry["row"], entry["against"], difference, seeds, images, clear)


def _from_rows(evaluation: Mapping[str, Any], suffix: str) -> Comparison | None:
    """Refined against synthetic images, from files that list no comparisons."""
    row, against = f"refined{suffix}", f"synthetic{suffix}"
    errors = [number(evaluation, "estimators", name, "error") for name in (row, against)]
    if None in errors:
        return None
    per_seed = [numbers(evaluation, "estimators", name, "per_seed") for name in (row, against)]
    seeds = images = None
    if len(per_seed[0]) == len(per_seed[1]) > 1:
        seeds = tuple(t_interval(np.subtract(*per_seed)))
    if gain := pair(evaluation, f"gain{suffix}_interval"):
        # The gain is the share of the error that is gone: 1 - refined / synthetic.
        images = (-gain[1] * errors[1], -gain[0] * errors[1])
    known = [interval for interval in (seeds, images) if interval]
    clear = seeds is not None and (
        all(low > 0 for low, _ in known) or all(high < 0 for _, high in known)
    )
    return Comparison(row, against, errors[0] - errors[1], seeds, images, clear)
