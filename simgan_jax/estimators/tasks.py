"""What estimators predict: gaze, hand joints or the iris's centre, with losses and errors."""

import math
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators.augmentation import (
    APPEARANCE,
    FRAMING,
    vary_appearance,
    vary_framing,
)
from simgan_jax.estimators.settings import EstimatorSettings
from simgan_jax.metrics import angles, keypoints, label_shift
from simgan_jax.models.gaze_estimator import GazeEstimator
from simgan_jax.models.hourglass import decode, heatmap_loss, heatmaps, hourglass

# Estimators that err by more than this share of what the mean label errs by have not learned to read.
LEARNED = 0.75
# Drifts beyond so many times `Task.drift_limit` are no accident: labels are wrong.
HARMFUL = 2.0


class Task(NamedTuple):
    """What an estimator predicts and how it is judged; a size is (height, width) in pixels.

    Attributes:
        label: name of the label.
        unit: of errors.
        axes: names of the signed errors' components.
        network: (settings, label [N, ...]) -> linen module.
        loss: (outputs, targets, size) -> [b].
        decode: (outputs, size) -> predictions, of the label's shape.
        augment: (key, images, targets, strength) -> the same two, changed; 1 is the usual strength, 2
            the greatest.
        errors: (predictions, targets) -> [N] or [N, joints].
        signed: (predictions, targets) -> [N, axes].
        moved: (predictions, offset [axes]) -> predictions with signed errors greater by the offset.
        within: size -> the error that counts as good.
        range: size -> right end of the cumulative curve.
        drift_limit: size -> the mean motion of an axis of what is read up to which labels count as
            kept. Gaze and hands: a tenth of what well trained estimators err by themselves (5 degrees,
            2 px of 56), which then adds half a per cent to their error. What estimators err by in a
            run itself is no measure: those that have learned little would allow much. The iris's
            centre, which they read to half a pixel: as much as the content itself may move.
    """

    label: str
    unit: str
    axes: tuple[str, ...]
    network: Callable[[EstimatorSettings, np.ndarray], nn.Module]
    loss: Callable
    decode: Callable
    augment: Callable
    errors: Callable
    signed: Callable
    moved: Callable
    within: Callable[[tuple[int, int]], float]
    range: Callable[[tuple[int, int]], float]
    drift_limit: Callable[[tuple[int, int]], float]


def label_of(task: str, arrays: Arrays, where: str) -> Float[np.ndarray, "n ..."]:
    """The label that a task predicts.

    Raises:
        UserError: there is no such task or label.
    """
    if task not in TASKS:
        raise UserError(f"config.task is {task!r}; one of {', '.join(TASKS)}, or 'none'")
    name = TASKS[task].label
    if name not in arrays.labels:
        raise UserError(
            f"task {task!r} needs the label {name!r}, but {where} has "
            f"{sorted(arrays.labels) or 'no labels'}; name a labelled set, or --config.task=none"
        )
    return np.asarray(arrays.labels[name], np.float32)


def drift_limit(task: str | None, size: tuple[int, int]) -> float:
    """`Task.drift_limit` of images of this height and width; infinite without a task."""
    return TASKS[task].drift_limit(size) if task in TASKS else math.inf


def has_label(task: str, arrays: Arrays | None) -> bool:
    """Whether a set is there and has the label of a task."""
    return arrays is not None and task in TASKS and TASKS[task].label in arrays.labels


def _half_square(difference):
    """Caffe's "Euclidean loss"."""
    return 0.5 * jnp.square(difference).sum(-1)


def _middle_and_scale(size):
    height, width = size
    return jnp.array([(width - 1) / 2, (height - 1) / 2]), width / 2


def _iris_loss(outputs, targets, size):
    middle, scale = _middle_and_scale(size)
    return _half_square(outputs - (targets - middle) / scale)


def _iris_decode(outputs, size):
    middle, scale = _middle_and_scale(size)
    return outputs * scale + middle


def _gaze_augment(key, images, targets, strength):
    return vary_appearance(key, images, APPEARANCE.times(strength))[0], targets


def _iris_augment(key, images, targets, strength):
    images, moved = vary_appearance(key, images, APPEARANCE.times(strength))
    return images, targets + moved


def _hand_augment(key, images, targets, strength):
    return vary_framing(key, images, targets, FRAMING.times(strength))


def _hand_network(settings, targets):
    return hourglass(settings, joints=targets.shape[1])


def _hand_loss(outputs, targets, size):
    return heatmap_loss(outputs, heatmaps(targets[..., :2], outputs.shape[2:4], size))


TASKS = {
    "gaze": Task(
        label="gaze",
        unit="degrees",
        axes=("pitch", "yaw"),
        network=lambda settings, targets: GazeEstimator(3, settings.width),
        loss=lambda outputs, targets, size: _half_square(outputs - targets),
        decode=lambda outputs, size: outputs / jnp.linalg.norm(outputs, axis=-1, keepdims=True),
        augment=_gaze_augment,
        errors=angles.angular_error,
        signed=angles.signed_error,
        moved=lambda predicted, offset: angles.from_pitch_yaw(
            angles.pitch_yaw(predicted) + np.radians(offset)
        ),
        within=lambda size: 7.0,
        range=lambda size: 30.0,
        drift_limit=lambda size: 0.5,
    ),
    "iris": Task(
        label="pupil",
        unit="px",
        axes=("x", "y"),
        network=lambda settings, targets: GazeEstimator(2, settings.width),
        loss=_iris_loss,
        decode=_iris_decode,
        augment=_iris_augment,
        errors=keypoints.distances,
        signed=lambda predicted, target: predicted - target,
        moved=lambda predicted, offset: predicted + offset,
        within=lambda size: 5.0,
        range=lambda size: 15.0,
        drift_limit=lambda size: label_shift.LARGEST * size[1] / label_shift.PAPER["width"],
    ),
    # The paper counts joints within 5 px of a 224 px crop.
    "hand": Task(
        label="joints_uvd",
        unit="px",
        axes=("x", "y"),
        network=_hand_network,
        loss=_hand_loss,
        decode=lambda outputs, size: decode(outputs[-1], size),
        augment=_hand_augment,
        errors=lambda predicted, target: keypoints.distances(predicted[..., :2], target[..., :2]),
        signed=lambda predicted, target: (predicted[..., :2] - target[..., :2]).mean(1),
        moved=lambda predicted, offset: predicted[..., :2] + offset,
        within=lambda size: keypoints.PAPER_THRESHOLD_PX * size[1] / keypoints.PAPER_SIDE_PX,
        range=lambda size: 20.0 * size[1] / keypoints.PAPER_SIDE_PX,
        drift_limit=lambda size: 0.8 * size[1] / keypoints.PAPER_SIDE_PX,
    ),
}
