"""Uncertainty of reported numbers: over test images by the bootstrap, over seeds by Student's t.

The first says how a figure would change with another test set, the second how with another
training. Rows of one table share their test images and their seeds: compare them by the
differences, pair by pair.
"""

import math

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import special

LEVEL = 0.95  # of confidence, of every interval


def mean_interval(
    values: Float[np.ndarray, "n"],
    groups: Shaped[np.ndarray, "n"] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[float]:
    """Percentile bootstrap interval of a mean, [low, high].

    Args:
        values: at least one.
        groups: see `resampled_means`.
        resamples: number of bootstrap samples.
        seed: of the resampling.
    """
    means = resampled_means(np.asarray(values)[None], groups, resamples, seed)
    return interval(means[:, 0])


def resampled_means(
    values: Float[np.ndarray, "k n"],
    groups: Shaped[np.ndarray, "n"] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Float[np.ndarray, "resamples k"]:
    """Means of bootstrap samples, the same samples for each of k paired rows.

    Args:
        values: k numbers of each of n items.
        groups: which items belong together (to one person, say): whole groups are drawn, since their
            values are not independent. By default every item is a group of its own.
        resamples: number of bootstrap samples.
        seed: of the resampling.
    """
    values = np.asarray(values, np.float64)
    items = np.arange(values.shape[1]) if groups is None else groups
    _, member = np.unique(items, return_inverse=True)
    size = np.bincount(member)
    total = np.stack([np.bincount(member, row) for row in values], -1)
    rng = np.random.default_rng(seed)
    drawn = resampled_counts(rng, len(size), resamples)
    return (drawn @ total) / (drawn @ size)[:, None]


def resampled_counts(
    rng: np.random.Generator, count: int, resamples: int
) -> Int[np.ndarray, "resamples count"]:
    """How often bootstrap samples have each of `count` items; every sample has as many."""
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples)


def interval(samples: Float[np.ndarray, "n"]) -> list[float]:
    """The central part of a sample, [low, high]."""
    tail = (1 - LEVEL) / 2
    return np.quantile(samples, [tail, 1 - tail]).tolist()


def t_interval(values: Float[np.ndarray, "n"]) -> list[float] | None:
    """Student's interval of a mean (n - 1 degrees of freedom), [low, high]; None for one value.

    Args:
        values: one a seed; of a paired comparison, the differences.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return None
    half = _t(len(values)) * values.std(ddof=1) / math.sqrt(len(values))
    return [float(values.mean() - half), float(values.mean() + half)]


def ratio_interval(
    numerator: Float[np.ndarray, "n"], denominator: Float[np.ndarray, "n"]
) -> list[float] | None:
    """Fieller's interval of mean(numerator) / mean(denominator), [low, high].

    It holds the ratios r for which `t_interval(numerator - r * denominator)` holds zero. So it leaves
    out zero if and only if `t_interval(numerator)` does, is exact for normal values, and needs none of
    the single ratios, which explode where a denominator is small.

    Args:
        numerator: one value a seed.
        denominator: of the same seeds, in the same order.

    Returns:
        None for one seed, and where the denominator's own interval holds zero: then no ratio can be
        excluded.
    """
    pairs = np.stack([numerator, denominator]).astype(np.float64)
    count = pairs.shape[1]
    if count < 2:
        return None
    y, x = pairs.mean(1)
    (yy, xy), (_, xx) = _t(count) ** 2 * np.cov(pairs) / count
    a, b, c = x * x - xx, x * y - xy, y * y - yy
    if a <= 0:
        return None
    root = math.sqrt(max(b * b - a * c, 0.0))
    return [float((b - root) / a), float((b + root) / a)]


def span(one: list[float], other: list[float]) -> list[float]:
    """The smallest interval that holds two: as wide as the wider one, or wider."""
    return [min(one[0], other[0]), max(one[1], other[1])]


def _t(count: int) -> float:
    return float(special.stdtrit(count - 1, 0.5 + LEVEL / 2))
