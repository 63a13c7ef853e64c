"""Weights of the loss that follow a run towards a target: lambda, and that of what estimators read."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Float

from simgan_jax.metrics import label_shift
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState
from simgan_jax.training import devices

# A weight changes by at most this factor a look.
LARGEST_FACTOR = 1.5


def hold_label_shift(
    state: TrainState, row: Mapping[str, float], target: float, setup: Setup
) -> TrainState:
    """The state with the lambda that brings the label shift nearer to the target.

    Args:
        state: on the devices.
        row: samples/followed and samples/label_shift of `Probe.look`.
        target: pixels.
        setup: from `distribute`.
    """
    changed = _times(state.self_regularization, label_shift_factor(row, target), setup)
    return state.replace(self_regularization=changed)


def hold_reading_drift(
    state: TrainState, row: Mapping[str, float], target: float, setup: Setup
) -> TrainState:
    """The state with the weight of the reading that brings its drift nearer to the target.

    Args:
        state: on the devices, of a setup that holds the reading's drift.
        row: samples/reading_drift of `Probe.look`.
        target: in the task's unit.
        setup: from `distribute`.
    """
    changed = _times(state.reading_weight, factor(row["samples/reading_drift"], target), setup)
    return state.replace(reading_weight=changed)


def label_shift_factor(row: Mapping[str, float], target: float) -> float:
    """What lambda is multiplied by, so that labels come to shift by the target.

    More where they shift by more, less where by less. An image whose content cannot be found again has
    moved too far: where fewer than `label_shift.LEAST_FOLLOWED` are found, the mean motion of these
    counts for nothing, and lambda rises as fast as it may.

    Args:
        row: samples/followed and samples/label_shift of `Probe.look`.
        target: pixels.
    """
    if row["samples/followed"] < label_shift.LEAST_FOLLOWED:
        return LARGEST_FACTOR
    return factor(row["samples/label_shift"], target)


def factor(found: float, target: float) -> float:
    """What a weight is multiplied by: how many times the target is exceeded, within limits."""
    return float(np.clip(found / target, 1 / LARGEST_FACTOR, LARGEST_FACTOR))


def _times(weight: Float[Array, ""], factor: float, setup: Setup) -> Float[Array, ""]:
    return devices.replicate(np.float32(weight) * np.float32(factor), setup)
