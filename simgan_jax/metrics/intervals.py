"""Uncertainty of reported numbers."""

import numpy as np
from jaxtyping import Float, Shaped


def mean_interval(
    values: Float[np.ndarray, "n"],
    groups: Shaped[np.ndarray, "n"] | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> list[float]:
    """Percentile bootstrap interval of a mean, [low, high].

    Args:
        values: at least one.
        groups: see `resampled_means`.
        level: of confidence.
        resamples: number of bootstrap samples.
        seed: of the resampling.
    """
    means = resampled_means(np.asarray(values)[None], groups, resamples, seed)
    return interval(means[:, 0], level)


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
    drawn = rng.multinomial(len(size), np.full(len(size), 1 / len(size)), size=resamples)
    return (drawn @ total) / (drawn @ size)[:, None]


def interval(samples: Float[np.ndarray, "n"], level: float = 0.95) -> list[float]:
    """The central part of a sample, [low, high]."""
    tail = (1 - level) / 2
    return np.quantile(samples, [tail, 1 - tail]).tolist()
