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
        groups: which values belong together (to one person, say): whole groups are drawn, since their
            values are not independent. By default every value is a group of its own.
        level: of confidence.
        resamples: number of bootstrap samples.
        seed: of the resampling.
    """
    values = np.asarray(values, np.float64)
    _, member = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)
    total, size = np.bincount(member, values), np.bincount(member)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(size), np.full(len(size), 1 / len(size)), size=resamples)
    tail = (1 - level) / 2
    return np.quantile((drawn @ total) / (drawn @ size), [tail, 1 - tail]).tolist()
