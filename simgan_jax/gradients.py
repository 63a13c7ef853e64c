"""Gradients as means over a batch, a part at a time, and over all devices (`setup.axis_name`).

Memory grows with a micro-batch, not with the batch.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Float, PyTree

from simgan_jax.setup import Setup

Metrics = dict[str, Float[Array, ""]]


def mean_gradients(
    loss: Callable[[PyTree, Any], tuple[Float[Array, ""], dict[str, Array]]],
    params: PyTree,
    examples: dict[str, Array | None],
    setup: Setup,
) -> tuple[PyTree, Metrics]:
    """Gradients of a mean loss over all examples of all devices, a micro-batch at a time.

    Args:
        loss: (params, part of the examples) to the part's mean loss and terms to report.
        params: to differentiate by.
        examples: arrays whose first axes are the batch or a fixed share of it.
        setup: for micro_batch and axis_name.

    Returns:
        Gradients; the means of the terms and the gradients' global norm.
    """
    parts = split(examples, setup)

    def one(_, part):
        gradients, terms = jax.grad(loss, has_aux=True)(params, part)
        return None, (gradients, jax.tree.map(jnp.mean, terms))

    _, (gradients, metrics) = scan_mean(one, None, parts)
    if setup.axis_name:
        gradients, metrics = lax.pmean((gradients, metrics), setup.axis_name)
    return gradients, metrics | {"gradient_norm": optax.tree.norm(gradients)}


def split(examples: dict[str, Array | None], setup: Setup) -> dict[str, Array | None]:
    """Adds a leading axis: the fewest equal parts whose largest array is no more than a micro-batch.

    Every array is cut into as many parts, so that can be no more than the smallest allows.
    """
    sizes = [len(x) for x in jax.tree.leaves(examples)]
    fewest = math.ceil(max(sizes) / setup.micro_batch) if setup.micro_batch else 1
    count = divisor(math.gcd(*sizes), at_least=fewest)
    return jax.tree.map(lambda x: x.reshape(count, len(x) // count, *x.shape[1:]), examples)


def divisor(number: int, at_least: int) -> int:
    """The smallest divisor of a number that is large enough; the number itself if it is too small."""
    return next((n for n in range(at_least, number) if number % n == 0), number)


def scan_mean(body: Callable, carry: Any, rows: PyTree) -> tuple[Any, PyTree]:
    """`lax.scan` that returns the mean of the outputs, and keeps no more of them than their sum."""
    count = len(jax.tree.leaves(rows)[0])
    first = jax.tree.map(lambda x: x[0], rows)
    if count == 1:
        return body(carry, first)

    def add(carry_and_total, row):
        carry, output = body(carry_and_total[0], row)
        return (carry, jax.tree.map(jnp.add, carry_and_total[1], output)), None

    outputs = jax.eval_shape(body, carry, first)[1]
    zero = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), outputs)
    (carry, total), _ = lax.scan(add, (carry, zero), rows)
    return carry, jax.tree.map(lambda x: x / count, total)
