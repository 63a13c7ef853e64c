"""Trains an estimator on one labelled set and tests it on another.

What a refined set is worth is the error, on real images, of an estimator trained on it (sections 3.1
and 3.2 of the paper). Training sees its own domain alone: it stops early by a validation part of the
training set, and no function here that trains takes a test set.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped

from simgan_jax import augment, augment_hand, parallel
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.images import to_unit
from simgan_jax.metrics import angles, keypoints
from simgan_jax.metrics.intervals import mean_interval
from simgan_jax.models.gaze_estimator import GazeEstimator
from simgan_jax.models.hourglass import Hourglass, decode, heatmap_loss, heatmaps

# Images in one call of the network at test time; every set is filled up to a multiple of it.
CHUNK = 64
CURVE_POINTS = 61


@dataclass(frozen=True)
class Settings:
    """How an estimator is trained; the same for every set that is compared.

    Attributes:
        width: factor on the gaze network's widths; 1 is the paper's network.
        features: of the hourglass (paper's: 256).
        stacks: of the hourglass (paper's: 2).
        depth: poolings in an hourglass (paper's: 4).
        downsample: side of a hand image / side of the heat maps.
        resize: side to which hand images are resampled first; 0 leaves them. 256 gives the paper's
            64x64 maps from images of 224x224.
        steps: updates at most.
        batch: images an update. Small ones learn most from the same computation on CPU: 6.4 degrees
            on its own domain with 8, 7.0 with 16, 7.5 with 32 (embedded eyes, one seed).
        micro_batch: images whose gradients are computed at a time on CPU; 0 is all at once.
        learning_rate: of Adam at the start; falls to 0 along a cosine.
        validation: share of the training set that early stopping looks at.
        looks: how often it looks, evenly spread over the steps.
        patience: looks without improvement after which training ends.
    """

    width: float = 0.25
    features: int = 32
    stacks: int = 1
    depth: int = 4
    downsample: int = 2
    resize: int = 0
    steps: int = 8000
    batch: int = 8
    micro_batch: int = 8
    learning_rate: float = 1e-3
    validation: float = 0.1
    looks: int = 12
    patience: int = 4


class Task(NamedTuple):
    """What an estimator predicts and how it is judged; a size is (height, width) in pixels.

    Attributes:
        label: name of the label.
        unit: of errors.
        axes: names of the signed errors' components.
        network: (settings, label [N, ...]) -> linen module.
        loss: (outputs, targets, size) -> [b].
        decode: (outputs, size) -> predictions, of the label's shape.
        augment: (key, images, targets) -> the same two, changed.
        errors: (predictions, targets) -> [N] or [N, joints].
        signed: (predictions, targets) -> [N, axes].
        within: size -> the error that counts as good.
        range: size -> right end of the cumulative curve.
    """

    label: str
    unit: str
    axes: tuple[str, ...]
    network: Callable[[Settings, np.ndarray], nn.Module]
    loss: Callable
    decode: Callable
    augment: Callable
    errors: Callable
    signed: Callable
    within: Callable[[tuple[int, int]], float]
    range: Callable[[tuple[int, int]], float]


@dataclass(frozen=True)
class Estimator:
    """A trained estimator; call it with integer images to get predictions.

    Attributes:
        task: a name of `TASKS`.
        network: linen module.
        params: its parameters, those of the best look at the validation part.
        validation: mean error on the validation part at each look.
    """

    task: str
    network: nn.Module
    params: PyTree[Array]
    validation: tuple[float, ...]

    def __call__(self, images: Shaped[np.ndarray, "n h w c"]) -> np.ndarray:
        """Predictions [N, ...] of the task's label: unit vectors, or pixels."""
        return _predict(self.params, images, self.network, self.task)


def train(
    task: str, training: Arrays, settings: Settings, seed: int, augmented: bool = False
) -> Estimator:
    """Trains an estimator; the same arguments give the same estimator.

    Args:
        task: a name of `TASKS`.
        training: labelled images; a part of them is held back for early stopping.
        settings: of the training.
        seed: of the split, the start, the batches and the augmentation.
        augmented: whether every batch is augmented (the validation part never is).

    Raises:
        UserError: the label is missing, there are too few images, or training diverges.
    """
    targets = label_of(task, training, "the training set")
    rng = np.random.default_rng(seed)
    held = max(1, round(settings.validation * len(training)))
    if len(training) - held < settings.batch:
        raise UserError(
            f"{len(training)} labelled training images, {held} of them for validation, are less than "
            f"a batch of {settings.batch}; give more images, or a smaller "
            "--config.evaluate.estimator.batch"
        )
    order = rng.permutation(len(training))
    validation, rows = np.sort(order[:held]), np.sort(order[held:])
    network = TASKS[task].network(settings, targets)
    key = jax.random.key(seed)
    params = _init(jax.random.fold_in(key, 0), training.images[:1], network)
    moments = OPTIMIZER.init(params)
    augmentation = jax.random.fold_in(key, 1)
    micro_batch = settings.micro_batch if jax.default_backend() == "cpu" else 0

    best, looks = params, []
    look_every = max(1, settings.steps // settings.looks)
    for step, batch in zip(
        range(settings.steps), _batches(rows, settings.batch, rng), strict=False
    ):
        rate = settings.learning_rate * 0.5 * (1 + np.cos(np.pi * step / settings.steps))
        params, moments = _step(
            params,
            moments,
            jax.random.fold_in(augmentation, step),
            training.images[batch],
            targets[batch],
            rate,
            network,
            task,
            micro_batch,
            augmented,
        )
        if (step + 1) % look_every == 0 or step + 1 == settings.steps:
            predicted = _predict(params, training.images[validation], network, task)
            looks.append(float(TASKS[task].errors(predicted, targets[validation]).mean()))
            if not np.isfinite(looks[-1]):
                raise UserError(
                    f"the estimator's error after {step + 1} updates is {looks[-1]}; lower "
                    "--config.evaluate.estimator.learning_rate, or look for labels that are not finite"
                )
            if looks[-1] == min(looks):
                best = jax.tree.map(jnp.copy, params)
            if len(looks) - 1 - int(np.argmin(looks)) >= settings.patience:
                break
    return Estimator(task, network, best, tuple(looks))


def score(task: str, predictions: Sequence[np.ndarray], test: Arrays) -> dict[str, Any]:
    """Errors of the predictions of several seeds on one test set.

    Args:
        task: a name of `TASKS`.
        predictions: one array [N, ...] a seed.
        test: with the task's label; with a label `participant`, intervals and a table go by person.

    Returns:
        "error" (mean over images and seeds), "std" over seeds, "median", "interval" (95 %, bootstrap
        over persons or images), "within" and its "threshold", "axes" with mean size and bias of each
        signed component, "curve" (share of errors below each of "thresholds"), "participants",
        "per_seed", "unit".
    """
    kind, size = TASKS[task], test.images.shape[1:3]
    targets = label_of(task, test, "the test set")
    errors = np.stack([kind.errors(p, targets) for p in predictions])
    per_image = per_image_errors(task, predictions, test)
    per_seed = errors.reshape(len(errors), -1).mean(1)
    signed = np.stack([kind.signed(p, targets) for p in predictions])
    who = people(test)
    threshold = kind.within(size)
    good = (errors <= threshold).reshape(*errors.shape[:2], -1).mean((0, 2))
    thresholds = np.linspace(0, kind.range(size), CURVE_POINTS)
    result = {
        "error": float(per_seed.mean()),
        "std": float(per_seed.std(ddof=1)) if len(errors) > 1 else None,
        "median": float(np.median(errors)),
        "interval": mean_interval(per_image, who),
        "within": float(good.mean()),
        "within_interval": mean_interval(good, who),
        "threshold": threshold,
        "unit": kind.unit,
        "axes": {
            name: {
                "error": float(np.abs(signed[..., i]).mean()),
                "bias": float(signed[..., i].mean()),
            }
            for i, name in enumerate(kind.axes)
        },
        "per_seed": per_seed.tolist(),
        "thresholds": thresholds.tolist(),
        "curve": keypoints.pck_curve(errors, thresholds).tolist(),
    }
    if who is not None:
        result["participants"] = {
            str(person): float(per_image[who == person].mean()) for person in np.unique(who)
        }
    return result


def per_image_errors(
    task: str, predictions: Sequence[np.ndarray], test: Arrays
) -> Float[np.ndarray, "n"]:
    """Error of every test image, the mean over seeds (and joints)."""
    targets = label_of(task, test, "the test set")
    errors = np.stack([TASKS[task].errors(p, targets) for p in predictions])
    return errors.reshape(*errors.shape[:2], -1).mean((0, 2))


def people(test: Arrays) -> Int[np.ndarray, "n"] | None:
    """The label `participant`, None if there is none or one person only."""
    who = test.labels.get("participant")
    return who if who is not None and len(np.unique(who)) > 1 else None


def mean_prediction(task: str, labelled: Arrays, count: int) -> np.ndarray:
    """The mean label of a set, `count` times: what can be predicted without looking."""
    mean = label_of(task, labelled, "the set").mean(0)
    if task == "gaze":
        mean = angles.normalize(mean)
    return np.broadcast_to(mean, (count, *mean.shape))


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


def has_label(task: str, arrays: Arrays | None) -> bool:
    """Whether a set is there and has the label of a task."""
    return arrays is not None and task in TASKS and TASKS[task].label in arrays.labels


def make_settings(config: Mapping[str, Any]) -> Settings:
    """Settings from a mapping of some of their names.

    Raises:
        UserError: a name that is none of theirs, or a micro-batch that does not divide the batch.
    """
    try:
        settings = Settings(**config)
    except TypeError as error:
        names = ", ".join(Settings.__dataclass_fields__)
        raise UserError(f"config.evaluate.estimator: {error}; there are {names}") from error
    if settings.micro_batch and settings.batch % settings.micro_batch:
        raise UserError(
            f"config.evaluate.estimator.micro_batch is {settings.micro_batch}, but must divide its "
            f"batch of {settings.batch}"
        )
    return settings


OPTIMIZER = optax.scale_by_adam()


@partial(parallel.compile, static_argnames="network")
def _init(key, images, network):
    """A fresh network's parameters; a module's own `init` would be compiled for every estimator."""
    return network.init(key, to_unit(images))["params"]


@partial(
    parallel.compile,
    static_argnames=("network", "task", "micro_batch", "augmented"),
    donate_argnums=(0, 1),
)
def _step(
    params: PyTree[Array],
    moments: PyTree[Array],
    key: Key[Array, ""],
    images: Shaped[Array, "b h w c"],
    targets: Float[Array, "b ..."],
    rate: float,
    network: nn.Module,
    task: str,
    micro_batch: int,
    augmented: bool,
) -> tuple[PyTree[Array], PyTree[Array]]:
    """One update of Adam; micro-batches are unrolled, since XLA's CPU convolutions hate loops."""
    images = to_unit(images)
    if augmented:
        images, targets = TASKS[task].augment(key, images, targets)

    def loss(params, images, targets):
        outputs = network.apply({"params": params}, images)
        return TASKS[task].loss(outputs, targets, images.shape[1:3]).mean()

    size = micro_batch or len(images)
    parts = [slice(i, i + size) for i in range(0, len(images), size)]
    gradients = [jax.grad(loss)(params, images[part], targets[part]) for part in parts]
    mean = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *gradients)
    updates, moments = OPTIMIZER.update(mean, moments)
    return jax.tree.map(lambda p, u: p - rate * u, params, updates), moments


@partial(parallel.compile, static_argnames=("network", "task"))
def _predict_chunk(params, images, network, task):
    outputs = network.apply({"params": params}, to_unit(images))
    return TASKS[task].decode(outputs, images.shape[1:3])


def _predict(params, images, network, task):
    filled = np.resize(images, (-(-len(images) // CHUNK) * CHUNK, *images.shape[1:]))
    parts = [
        _predict_chunk(params, filled[i : i + CHUNK], network, task)
        for i in range(0, len(filled), CHUNK)
    ]
    return np.concatenate([np.asarray(part) for part in parts])[: len(images)]


def _batches(rows, batch, rng):
    """Endless batches; each epoch in a new order, its incomplete last batch left out."""
    while True:
        order = rng.permutation(rows)
        for start in range(0, len(order) - batch + 1, batch):
            yield np.sort(order[start : start + batch])


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


def _gaze_augment(key, images, targets):
    return augment.augment(key, images)[0], targets


def _iris_augment(key, images, targets):
    images, moved = augment.augment(key, images)
    return images, targets + moved


def _hand_network(settings, targets):
    return Hourglass(
        joints=targets.shape[1],
        features=settings.features,
        stacks=settings.stacks,
        depth=settings.depth,
        downsample=settings.downsample,
        resize=settings.resize or None,
    )


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
        within=lambda size: 7.0,
        range=lambda size: 30.0,
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
        within=lambda size: 5.0,
        range=lambda size: 15.0,
    ),
    # The paper counts joints within 5 px of a 224 px crop.
    "hand": Task(
        label="joints_uvd",
        unit="px",
        axes=("x", "y"),
        network=_hand_network,
        loss=_hand_loss,
        decode=lambda outputs, size: decode(outputs[-1], size),
        augment=augment_hand.augment,
        errors=lambda predicted, target: keypoints.distances(predicted[..., :2], target[..., :2]),
        signed=lambda predicted, target: (predicted[..., :2] - target[..., :2]).mean(1),
        within=lambda size: keypoints.PAPER_THRESHOLD_PX * size[1] / keypoints.PAPER_SIDE_PX,
        range=lambda size: 20.0 * size[1] / keypoints.PAPER_SIDE_PX,
    ),
}
