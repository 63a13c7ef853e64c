"""Trains and applies the small networks that measure: estimators and fresh discriminators."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cache, partial
from typing import Protocol

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key, PyTree, Shaped


class Objective(Hashable, Protocol):
    """What is learned; equal ones share one compiled program."""

    def prepare(self, key: Key[Array, ""], batch: PyTree[Array]) -> PyTree[Array]:
        """The batch as the network sees it: in [-1, 1], perhaps augmented."""

    def loss(self, params: PyTree[Array], batch: PyTree[Array]) -> Float[Array, ""]:
        """A mean over the examples of a prepared batch."""


@cache
def adam(learning_rate: float, decay_steps: int = 0) -> optax.GradientTransformation:
    """Adam, whose rate falls to 0 along a cosine if `decay_steps` are given.

    Equal arguments give the same object: a compiled program knows its optimizer by identity.
    """
    if decay_steps:
        return optax.adam(optax.cosine_decay_schedule(learning_rate, decay_steps))
    return optax.adam(learning_rate)


def fit(
    objective: Objective,
    params: PyTree[Array],
    batches: Iterable[PyTree[Shaped[np.ndarray, "b ..."]]],
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
    micro_batch: int = 0,
) -> PyTree[Array]:
    """Takes one update a batch, as `updates`, and gives the parameters after the last.

    Args:
        objective: what is learned.
        params: to start from; its arrays are used up.
        batches: of one shape, one at least.
        optimizer: of `adam`.
        key: update i prepares its batch with the key folded with i.
        micro_batch: examples whose gradients are computed at a time; 0 is all at once.

    Raises:
        IndexError: no batch.
    """
    return deque(updates(objective, params, batches, optimizer, key, micro_batch), maxlen=1).pop()


def updates(
    objective: Objective,
    params: PyTree[Array],
    batches: Iterable[PyTree[Shaped[np.ndarray, "b ..."]]],
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
    micro_batch: int = 0,
) -> Iterator[PyTree[Array]]:
    """Takes one update a batch.

    Args:
        objective: what is learned.
        params: to start from; its arrays are used up.
        batches: of one shape.
        optimizer: of `adam`.
        key: update i prepares its batch with the key folded with i.
        micro_batch: examples whose gradients are computed at a time; 0 is all at once.

    Yields:
        The parameters after each update. The next one writes into them: copy what is to stay.
    """
    moments = optimizer.init(params)
    for step, batch in enumerate(batches):
        params, moments = _update(
            params, moments, key, step, batch, objective, optimizer, micro_batch
        )
        yield params


def resident_updates(
    objective: Objective,
    params: PyTree[Array],
    examples: PyTree[Shaped[Array, "n ..."]],
    calls: Iterable[Int[np.ndarray, "steps b"]],
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
) -> Iterator[PyTree[Array]]:
    """Those of `updates`, many in one compiled call: for accelerators, which would wait for the host.

    Args:
        objective: what is learned.
        params: to start from; its arrays are used up.
        examples: all of them, on the device.
        calls: of each call, the rows of `examples` that its updates see.
        optimizer: of `adam`.
        key: as of `updates`.

    Yields:
        The parameters after each call. The next one writes into them: copy what is to stay.
    """
    moments, step = optimizer.init(params), 0
    for rows in calls:
        params, moments = _updates(params, moments, key, step, examples, rows, objective, optimizer)
        step += len(rows)
        yield params


def in_chunks(
    function: Callable[[Shaped[np.ndarray, "c ..."]], Shaped[Array, "c ..."]],
    examples: Shaped[np.ndarray, "n ..."],
    chunk: int = 64,
) -> Shaped[np.ndarray, "n ..."]:
    """What a function of many examples gives, in calls of one shape, so that it compiles once.

    Args:
        function: of `chunk` examples, each by itself.
        examples: at least one; the last chunk is filled up by repetition.
        chunk: examples in a call.
    """
    results = []
    for start in range(0, len(examples), chunk):
        part = examples[start : start + chunk]
        results.append(function(np.resize(part, (chunk, *part.shape[1:]))))
    return np.concatenate([np.asarray(result) for result in results])[: len(examples)]


@partial(jax.jit, static_argnames=("objective", "optimizer"), donate_argnums=(0, 1))
def _updates(params, moments, key, step, examples, rows, objective, optimizer):
    def one(carry, chosen):
        params, moments, step = carry
        batch = jax.tree.map(lambda x: x[chosen], examples)
        return (
            *_update(params, moments, key, step, batch, objective, optimizer, 0),
            step + 1,
        ), None

    (params, moments, _), _ = jax.lax.scan(one, (params, moments, step), rows)
    return params, moments


@partial(jax.jit, static_argnames=("objective", "optimizer", "micro_batch"), donate_argnums=(0, 1))
def _update(params, moments, key, step, batch, objective, optimizer, micro_batch):
    """One update; micro-batches are unrolled: XLA for CPU makes convolutions within loops slow."""
    batch = objective.prepare(jax.random.fold_in(key, step), batch)
    count = len(jax.tree.leaves(batch)[0])
    size = micro_batch or count
    parts = [
        jax.tree.map(lambda x, start=start: x[start : start + size], batch)
        for start in range(0, count, size)
    ]
    gradients = [jax.grad(objective.loss)(params, part) for part in parts]
    mean = jax.tree.map(lambda *leaves: sum(leaves) / len(leaves), *gradients)
    change, moments = optimizer.update(mean, moments)
    return optax.apply_updates(params, change), moments
