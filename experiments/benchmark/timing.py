"""Times of tasks, and what is said of several."""

import time
from collections.abc import Callable, Sequence

import numpy as np


def seconds(task: Callable[[], None]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "low": float(low), "high": float(high)}
