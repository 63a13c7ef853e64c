"""The refiner's 3x3 convolutions on a CPU core, in several ways: can they be faster than XLA's?

    python -m experiments.convolutions.refiner [--quick]

Operations a second, counted as a direct convolution has them, of what takes a refiner's time: the
convolution itself, which is the gradient of its images too, and the gradient of its kernel. "ours" are
those of `models.convolution`. Beside them stands the rate of matrix products, which only computing less
can pass.

"rows" is one product in bfloat16 with float32 sums of three horizontal neighbours by all rows of the
kernel; "winograd" F(4x4, 3x3) forward and F(3x3, 4x4) for the kernel, whose 36 products of tiles of 6x6
take a quarter of the multiplications (Lavin and Gray 2016). Ways take turns in one process, CPU time
counts. Writes refiner.json.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from experiments.benchmark.timing import spread

# Which gives every device of a CPU one core.
from experiments.convolutions.__main__ import by_rows, by_xla, cpu_seconds
from experiments.flags import QUICK, command_line, results_folder
from experiments.machine import machine
from simgan_jax import command
from simgan_jax.io.atomic import write_json
from simgan_jax.models.convolution import convolve

HERE = Path(__file__).parent
HEIGHT, WIDTH, FEATURES, BATCHES = 35, 55, (64, 32), (2, 4)
SIDE = 1024  # of the matrices
Maps, Kernel = Float[Array, "n h w c"], Float[Array, "3 3 c d"]


def rows_of_kernel(maps: Maps, gradient: Maps) -> Kernel:
    """The gradient of the kernel by the same product."""
    height, width, outputs = gradient.shape[1:]
    inputs = maps.shape[-1]
    wide = jnp.concatenate([maps[:, :, j : j + width] for j in range(3)], -1)
    above = jnp.pad(gradient, ((0, 0), (2, 2), (0, 0), (0, 0)))
    tall = jnp.concatenate([above[:, 2 - i : 4 - i + height] for i in range(3)], -1)
    flat = lax.optimization_barrier([x.reshape(-1, x.shape[-1]) for x in (wide, tall)])
    return _product(flat[0].T, flat[1]).reshape(3, inputs, 3, outputs).transpose(2, 0, 1, 3)


def winograd(maps: Maps, kernel: Kernel) -> Maps:
    """The convolution, of maps with a margin of one."""
    number, (height, width), outputs = len(maps), _inner(maps), kernel.shape[-1]
    down, across = -(-height // 4), -(-width // 4)
    padded = _padded(maps, 4 * down + 2, 4 * across + 2)
    ours = _both_ways(padded, _of_maps, 6, (down, across))
    theirs = [y for x in _of_kernel(list(kernel)) for y in _of_kernel(list(x))]
    products = [a @ b for a, b in zip(ours, theirs, strict=True)]
    by_row = [_to_maps(products[6 * i : 6 * i + 6]) for i in range(6)]
    tiles = [_to_maps([row[q] for row in by_row]) for q in range(4)]
    tiles = jnp.stack([jnp.stack(column, 2) for column in tiles], 4)
    return tiles.reshape(number, 4 * down, 4 * across, outputs)[:, :height, :width]


def winograd_of_kernel(maps: Maps, gradient: Maps) -> Kernel:
    """The gradient of the kernel: a correlation of tiles of maps with tiles of 4x4 of the gradient."""
    down, across = (-(-size // 4) for size in _inner(maps))
    ours = _both_ways(_padded(maps, 4 * down + 2, 4 * across + 2), _of_maps, 6, (down, across))
    theirs = _both_ways(_padded(gradient, 4 * down, 4 * across), _of_gradient, 4, (down, across))
    flat = ([x.reshape(-1, x.shape[-1]) for x in side] for side in (ours, theirs))
    products = [a.T @ b for a, b in zip(*flat, strict=True)]
    by_row = [_to_kernel(products[6 * i : 6 * i + 6]) for i in range(6)]
    columns = [_to_kernel([row[q] for row in by_row]) for q in range(3)]
    return jnp.stack([jnp.stack(column) for column in columns], 1)


def measure(features: int, batch: int, turns: int) -> dict[str, Any]:
    """Operations a second of every way, and how far its result is from XLA's.

    Args:
        features: of the maps, in and out.
        batch: maps at a time.
        turns: of which the figures are medians and quartiles.
    """
    keys = jax.random.split(jax.random.key(0), 3)
    maps = jax.random.normal(keys[0], (batch, HEIGHT + 2, WIDTH + 2, features))
    kernel = jax.random.normal(keys[1], (3, 3, features, features))
    gradient = jax.random.normal(keys[2], (batch, HEIGHT, WIDTH, features))
    convolution = partial(convolve, window_strides=(1, 1), padding="VALID")
    of_kernel = lambda x, g: jax.vjp(lambda k: convolution(x, k), kernel)[1](g)[0]  # noqa: E731
    ways: dict[str, dict[str, Callable]] = {
        "convolution": {
            "ours": convolution,
            "xla": by_xla,
            "rows": partial(by_rows, product=_product),
            "winograd": winograd,
        },
        "gradient_of_kernel": {
            "ours": of_kernel,
            "rows": rows_of_kernel,
            "winograd": winograd_of_kernel,
        },
    }
    operations = 2 * 9 * features**2 * batch * HEIGHT * WIDTH
    found: dict[str, Any] = {}
    for what, second in (("convolution", kernel), ("gradient_of_kernel", gradient)):
        tasks = {}
        for name, way in ways[what].items():
            given = [x.astype("bfloat16" if name == "rows" else "float32") for x in (maps, second)]
            program = jax.jit(way)
            tasks[name] = lambda program=program, given=given: jax.block_until_ready(
                program(*given)
            )
        results = {name: task() for name, task in tasks.items()}  # which compiles them
        expected = results["ours"]
        times = [{name: cpu_seconds(task) for name, task in tasks.items()} for _ in range(turns)]
        found[what] = {
            name: {
                "operations_a_second": spread([operations / turn[name] for turn in times]),
                "largest_difference": float(abs(x - expected).max() / abs(expected).max()),
            }
            for name, x in results.items()
        }
    return found


def cpu_matrix_rate(dtype: str, turns: int) -> float:
    """Operations a second of products of square matrices with float32 sums, the most of some turns."""
    matrix = jax.random.normal(jax.random.key(0), (SIDE, SIDE), dtype)
    product = jax.jit(_product)
    task = lambda: jax.block_until_ready(product(matrix, matrix))  # noqa: E731
    task()
    return 2 * SIDE**3 / min(cpu_seconds(task) for _ in range(turns))


def main(argv: Sequence[str]) -> None:
    """Measures, prints and saves."""
    del argv
    turns = 3 if QUICK.value else 25
    rates = {dtype: cpu_matrix_rate(dtype, turns) for dtype in ("float32", "bfloat16")}
    result = {"command": command_line("convolutions.refiner"), "machine": machine()}
    result |= {"turns": turns, "matrix_rate": rates, "ways": {}}
    for features in FEATURES:
        for batch in BATCHES:
            found = measure(features, batch, turns)
            result["ways"][f"{features} features, {batch} maps"] = found
            print(f"{features} features, {batch} maps: {found}", flush=True)
    write_json(results_folder(HERE) / "refiner.json", result)


def _product(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, preferred_element_type=jnp.float32)


def _inner(maps: Maps) -> tuple[int, int]:
    return maps.shape[1] - 2, maps.shape[2] - 2


def _padded(maps: Maps, height: int, width: int) -> Maps:
    more = [(0, 0), (0, height - maps.shape[1]), (0, width - maps.shape[2]), (0, 0)]
    return jnp.pad(maps, more)


def _both_ways(maps: Maps, transform: Callable, taps: int, tiles: tuple[int, int]) -> list[Maps]:
    """A transform of every tile's columns, then of its rows; tiles begin four pixels apart."""

    def along(x: Maps, axis: int) -> list[Maps]:
        reach = 4 * (tiles[axis - 1] - 1) + 1
        return transform([lax.slice_in_dim(x, i, i + reach, 4, axis) for i in range(taps)])

    return [y for x in along(maps, 1) for y in along(x, 2)]


# What follows is F(4, 3) and F(3, 4) with the points 0, 1, -1, 2, -2 and infinity, along one axis.


def _of_maps(x: list[Array]) -> list[Array]:
    """B^T of both."""
    a, b, c, d = x[4] - 4 * x[2], x[3] - 4 * x[1], x[4] - x[2], 2 * (x[3] - x[1])
    return [4 * x[0] - 5 * x[2] + x[4], a + b, a - b, c + d, c - d, 4 * x[1] - 5 * x[3] + x[5]]


def _of_kernel(x: list[Array]) -> list[Array]:
    """G of F(4, 3)."""
    even, far = x[0] + x[2], x[0] + 4 * x[2]
    return [
        *(x[0] / 4, (even + x[1]) / -6, (even - x[1]) / -6),
        *((far + 2 * x[1]) / 24, (far - 2 * x[1]) / 24, x[2]),
    ]


def _of_gradient(x: list[Array]) -> list[Array]:
    """G of F(3, 4)."""
    even, odd = x[0] + x[2], x[1] + x[3]
    far_even, far_odd = x[0] + 4 * x[2], 2 * x[1] + 8 * x[3]
    return [
        *(x[0] / 4, (even + odd) / -6, (even - odd) / -6),
        *((far_even + far_odd) / 24, (far_even - far_odd) / 24, x[3]),
    ]


def _to_maps(x: list[Array]) -> list[Array]:
    """A^T of F(4, 3)."""
    a, b, c, d = x[1] + x[2], x[1] - x[2], x[3] + x[4], x[3] - x[4]
    return [x[0] + a + c, b + 2 * d, a + 4 * c, b + 8 * d + x[5]]


def _to_kernel(x: list[Array]) -> list[Array]:
    """A^T of F(3, 4)."""
    a, b, c, d = x[1] + x[2], x[1] - x[2], x[3] + x[4], x[3] - x[4]
    return [x[0] + a + c, b + 2 * d, a + 4 * c + x[5]]


if __name__ == "__main__":
    command.run(main)
