"""Uncertainty of reported numbers."""

import numpy as np
from jaxtyping import Float
from scipy import stats


def mean_interval(
    values: Float[np.ndarray, "n"], level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> list[float]:
    """Percentile bootstrap interval of a mean, [low, high].

    Args:
        values: one an independent unit (image, participant), not one a correlated part of it.
        level: of confidence.
        resamples: number of bootstrap samples.
        seed: of the resampling.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 2:
        return [float(values.mean())] * 2
    result = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        batch=100,
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return [float(result.confidence_interval.low), float(result.confidence_interval.high)]
