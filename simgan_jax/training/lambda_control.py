"""Lambda, the weight of self-regularisation, follows the label shift of a run towards a target."""

from collections.abc import Mapping

import numpy as np

from simgan_jax.metrics import label_shift
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState
from simgan_jax.training import devices

# Lambda changes by at most this factor a look.
LAMBDA_FACTOR = 1.5


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
    factor = label_shift_factor(row, target)
    changed = np.float32(state.self_regularization) * np.float32(factor)
    return state.replace(self_regularization=devices.replicate(changed, setup))


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
        return LAMBDA_FACTOR
    return float(np.clip(row["samples/label_shift"] / target, 1 / LAMBDA_FACTOR, LAMBDA_FACTOR))
