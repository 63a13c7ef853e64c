"""The rate at which a machine multiplies matrices: what a training step is measured by."""

import jax
import jax.numpy as jnp
from jax import lax

from experiments.benchmark.timing import seconds

PRODUCTS, CALLS = 20, 5


def matrix_rates(size: int) -> dict[str, float]:
    """Operations a second of square products, the best of some calls.

    Args:
        size: side of the matrices.

    Returns:
        "bfloat16" with sums in float32; "float32" as XLA multiplies it by default, which is TF32 where
        the GPU has it; "float32_highest", whole.
    """
    ways = {
        "bfloat16": ("bfloat16", None),
        "float32": ("float32", None),
        "float32_highest": ("float32", "highest"),
    }
    return {name: matrix_rate(size, dtype, precision) for name, (dtype, precision) in ways.items()}


def matrix_rate(size: int, dtype: str, precision: str | None = None) -> float:
    """Operations a second of one of the ways of `matrix_rates`; a CPU's of all its cores."""
    left, right = (
        # Random: zeros multiply faster. The scale keeps a chain of products near 1.
        jax.random.normal(jax.random.key(i), (size, size), dtype) / size**0.5
        for i in range(2)
    )

    @jax.jit
    def chain(left, right):
        product = lambda x, _: (jnp.dot(x, right, precision=precision), None)  # noqa: E731
        return lax.scan(product, left, length=PRODUCTS)[0]

    task = lambda: jax.block_until_ready(chain(left, right))  # noqa: E731
    task()
    best = min(seconds(task) for _ in range(CALLS))
    return PRODUCTS * 2 * size**3 / best
