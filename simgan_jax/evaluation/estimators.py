"""Trains an estimator on one labelled set and tests it on another.

What a refined set is worth is the error, on real images, of an estimator trained on it (sections 3.1
and 3.2 of the paper). Training sees its own domain alone: it stops early by a validation part of the
training set, and no function here that trains takes a test set.
"""

from dataclasses import dataclass
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key, PyTree, Shaped

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.evaluation.plan import Settings
from simgan_jax.evaluation.tasks import TASKS, label_of
from simgan_jax.ranges import to_unit

# Images in one call of the network at test time; every set is filled up to a multiple of it.
CHUNK = 64


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


OPTIMIZER = optax.scale_by_adam()


@partial(jax.jit, static_argnames="network")
def _init(key, images, network):
    """A fresh network's parameters; a module's own `init` would be compiled for every estimator."""
    return network.init(key, to_unit(images))["params"]


@partial(
    jax.jit,
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


@partial(jax.jit, static_argnames=("network", "task"))
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
