"""Trains an estimator on one labelled set and tests it on another.

What a refined set is worth is the error, on real images, of an estimator trained on it (sections 3.1
and 3.2 of the paper). Training sees its own domain alone: it stops early by a validation part of the
training set, and no function here that trains takes a test set.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice, tee

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, Shaped

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators.settings import EstimatorSettings
from simgan_jax.estimators.tasks import TASKS, label_of
from simgan_jax.metrics.small_networks import adam, in_chunks, resident_updates, updates
from simgan_jax.ranges import to_unit


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
        return in_chunks(
            partial(_predict, self.params, network=self.network, task=self.task), images
        )


@dataclass(frozen=True)
class EstimatorObjective:
    """What an estimator learns; a batch is (integer images, labels)."""

    task: str
    network: nn.Module
    augmented: float

    def prepare(self, key, batch):
        """Images in [-1, 1], and with their labels changed at random if it is augmented."""
        images, targets = batch
        images = to_unit(images)
        if not self.augmented:
            return images, targets
        return TASKS[self.task].augment(key, images, targets, self.augmented)

    def loss(self, params, batch):
        """The task's."""
        images, targets = batch
        outputs = self.network.apply({"params": params}, images)
        return TASKS[self.task].loss(outputs, targets, images.shape[1:3]).mean()


def train(
    task: str,
    training: Arrays,
    settings: EstimatorSettings,
    seed: int,
    augmented: float = 0.0,
    advance: Callable[[int], None] = lambda images: None,
    start: PyTree[Array] | None = None,
) -> Estimator:
    """Trains an estimator; the same arguments give the same estimator.

    Args:
        task: a name of `TASKS`.
        training: labelled images; a part of them is held back for early stopping.
        settings: of the training.
        seed: of the split, the random start, the batches and the augmentation.
        augmented: how strongly every batch is augmented (the validation part never is): 0 not at all,
            1 as usual, 2 at most.
        advance: is told the images of updates as they are taken.
        start: parameters to go on from, of an estimator of the same task and network; random ones by
            default. They get the first look, so that nothing worse than them comes back.

    Raises:
        UserError: the label is missing, there are too few images, or training diverges.
    """
    targets = label_of(task, training, "the training set")
    rng = np.random.default_rng(seed)
    held = held_back(len(training), settings)
    order = rng.permutation(len(training))
    validation, rows = np.sort(order[:held]), np.sort(order[held:])
    network = TASKS[task].network(settings, targets)
    key = jax.random.key(seed)
    if start is None:
        params = _init(jax.random.fold_in(key, 0), training.images[:1], network)
    else:
        params = jax.tree.map(jnp.array, start)  # training writes into its own copy
    objective = EstimatorObjective(task, network, augmented)
    examples = (training.images, targets)
    drawn = islice(_batches(rows, settings.batch, rng), settings.steps)
    stretches = _stretches(drawn, max(1, settings.steps // settings.looks))

    best, looks, step = None, [], 0
    trained = _train(objective, params, examples, stretches, settings, key, advance)
    for taken, now in trained if start is None else chain([(0, start)], trained):
        step += taken
        predicted = Estimator(task, network, now, ())(training.images[validation])
        looks.append(float(TASKS[task].errors(predicted, targets[validation]).mean()))
        if not np.isfinite(looks[-1]):
            raise UserError(
                f"the estimator's error after {step} updates is {looks[-1]}; lower "
                "--config.evaluate.estimator.learning_rate, or look for labels that are not finite"
            )
        if looks[-1] == min(looks):
            best = jax.tree.map(jnp.copy, now)
        if len(looks) - 1 - int(np.argmin(looks)) >= settings.patience:
            break
    return Estimator(task, network, best, tuple(looks))


def held_back(count: int, settings: EstimatorSettings) -> int:
    """How many of so many training images early stopping looks at.

    Raises:
        UserError: what is left is less than a batch.
    """
    held = max(1, round(settings.validation * count))
    if count - held < settings.batch:
        raise UserError(
            f"{count} labelled training images, {held} of them for validation, are less than "
            f"a batch of {settings.batch}; give more images, or a smaller "
            "--config.evaluate.estimator.batch"
        )
    return held


def _train(objective, params, examples, stretches, settings, key, advance):
    """Takes the updates of each stretch of batches; yields their number and the parameters then."""
    optimizer = adam(settings.learning_rate, settings.steps)
    key = jax.random.fold_in(key, 1)
    if jax.default_backend() != "cpu":
        resident = jax.tree.map(jnp.asarray, examples)
        lengths, stretches = tee(stretches)
        trained = resident_updates(objective, params, resident, stretches, optimizer, key)
        for length, now in zip(map(len, lengths), trained, strict=True):
            advance(length * settings.batch)
            yield length, now
        return
    ends, stretches = tee(stretches)
    images, targets = examples
    batches = ((images[rows], targets[rows]) for rows in chain.from_iterable(stretches))
    trained = updates(objective, params, batches, optimizer, key, settings.micro_batch)
    now = params
    for stretch in ends:
        for updated in islice(trained, len(stretch)):
            now = updated
            advance(settings.batch)
        yield len(stretch), now


@partial(jax.jit, static_argnames="network")
def _init(key, images, network):
    """A fresh network's parameters; a module's own `init` would be compiled for every estimator."""
    return network.init(key, to_unit(images))["params"]


@partial(jax.jit, static_argnames=("network", "task"))
def _predict(params, images, network, task):
    outputs = network.apply({"params": params}, to_unit(images))
    return TASKS[task].decode(outputs, images.shape[1:3])


def _batches(rows, batch, rng):
    """Endless batches of rows; each epoch in a new order, its incomplete last batch left out."""
    while True:
        order = rng.permutation(rows)
        for start in range(0, len(order) - batch + 1, batch):
            yield np.sort(order[start : start + batch])


def _stretches(drawn, length):
    """Batches, so many at a time, the last ones perhaps fewer."""
    while stretch := list(islice(drawn, length)):
        yield np.stack(stretch)
