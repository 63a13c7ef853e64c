"""Small convolutions on a CPU core, in several ways: XLA's, and matrix products in its place.

    python -m experiments.convolutions [--quick]

The gradient of the default gaze estimator (3x3 convolutions of 1 to 48 features, no padding, images of
35 x 55) on one core, as each device of a CPU has one. Ways take turns in one process, and a figure is
the ratio to XLA's of the same turn, in CPU time, so that what else the machine does matters less.

"rows" gathers three horizontal neighbours, multiplies by all three rows of the kernel in one product,
and adds the three shifted results; "columns" gathers all nine neighbours for one product (im2col);
"training" is `models.convolution`, whose gradients are written for loops. Writes result.json.
"""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import process_time

# Before JAX starts.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_cpu_multi_thread_eigen=false"

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from experiments.benchmark.timing import spread
from experiments.flags import QUICK, command_line, results_folder
from experiments.machine import machine
from simgan_jax import command
from simgan_jax.io.atomic import write_json
from simgan_jax.models.convolution import convolve
from simgan_jax.models.gaze_estimator import LAYERS, GazeEstimator
from simgan_jax.models.pooling import max_pool

HERE = Path(__file__).parent

WIDTH, BATCH, CALLS = 0.25, 8, 4
Images, Kernel = Float[Array, "b h w c"], Float[Array, "i j c d"]
Way = Callable[[Images, Kernel], Images]


def by_xla(images: Images, kernel: Kernel) -> Images:
    """XLA's own."""
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=axes)


def by_rows(images: Images, kernel: Kernel, product: Callable = jnp.matmul) -> Images:
    """One product for the kernel's three rows, whose results are shifted and added."""
    rows, columns, inputs, outputs = kernel.shape
    height, width = images.shape[1] - rows + 1, images.shape[2] - columns + 1
    wide = jnp.concatenate([images[:, :, j : j + width] for j in range(columns)], -1)
    matrix = kernel.transpose(1, 2, 0, 3).reshape(columns * inputs, rows * outputs)
    parts = jnp.split(product(wide, matrix), rows, axis=-1)
    return sum(part[:, i : i + height] for i, part in enumerate(parts))


def by_columns(images: Images, kernel: Kernel) -> Images:
    """One product of all nine neighbours."""
    rows, columns, _, outputs = kernel.shape
    height, width = images.shape[1] - rows + 1, images.shape[2] - columns + 1
    places = [(i, j) for i in range(rows) for j in range(columns)]
    wide = jnp.concatenate([images[:, i : i + height, j : j + width] for i, j in places], -1)
    return wide @ kernel.reshape(-1, outputs)


# Of each of the five convolutions.
WAYS = {
    "XLA": 5 * [by_xla],
    "training": 5 * [partial(convolve, window_strides=(1, 1), padding="VALID")],
    "rows": 5 * [by_rows],
    "columns": 5 * [by_columns],
    "columns for the first, then XLA": [by_columns, *4 * [by_xla]],
    "columns for the first, then rows": [by_columns, *4 * [by_rows]],
    "XLA for three, then rows": [*3 * [by_xla], *2 * [by_rows]],
    "rows for three, then XLA": [*3 * [by_rows], *2 * [by_xla]],
}


def forward(params: PyTree[Array], images: Images, ways: Sequence[Way]) -> Float[Array, "b 3"]:
    """What `GazeEstimator` computes."""
    x = images
    for i, way in enumerate(ways):
        layer = params[f"conv_{i}"]
        x = way(x, layer["kernel"]) + layer["bias"]
        x = nn.relu(max_pool(x, LAYERS[i].window, 2) if LAYERS[i].window else x)
    x = x.reshape(len(x), -1)
    dense = [params[f"dense_{i}"] for i in range(2)]
    x = nn.relu(x @ dense[0]["kernel"] + dense[0]["bias"])
    return x @ dense[1]["kernel"] + dense[1]["bias"]


def gradients() -> dict[str, Callable[[], PyTree[Array]]]:
    """Of every way: computes a batch's gradient, and waits for it; compiled already."""
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.uniform(-1, 1, (BATCH, 35, 55, 1)), jnp.float32)
    targets = jnp.asarray(rng.standard_normal((BATCH, 3)), jnp.float32)
    params = GazeEstimator(width=WIDTH).init(jax.random.key(0), images)["params"]

    def task(ways: Sequence[Way]) -> Callable[[], PyTree[Array]]:
        loss = lambda params: ((forward(params, images, ways) - targets) ** 2).mean()  # noqa: E731
        gradient = jax.jit(jax.grad(loss))
        return lambda: jax.block_until_ready(gradient(params))

    tasks = {name: task(ways) for name, ways in WAYS.items()}
    for each in tasks.values():
        each()
    return tasks


def difference(ours: PyTree[Array], theirs: PyTree[Array]) -> float:
    """The largest, relative to the largest number of its array."""
    apart = jax.tree.map(lambda a, b: float(abs(a - b).max() / abs(b).max()), ours, theirs)
    return max(jax.tree.leaves(apart))


def cpu_seconds(task: Callable[[], PyTree[Array]]) -> float:
    """Of one call."""
    start = process_time()
    for _ in range(CALLS):
        task()
    return (process_time() - start) / CALLS


def main(argv: Sequence[str]) -> None:
    """Measures, prints and saves."""
    del argv
    tasks = gradients()
    expected = tasks["XLA"]()
    turns = [{n: cpu_seconds(x) for n, x in tasks.items()} for _ in range(5 if QUICK.value else 25)]
    rows = {
        name: {
            "speed_up": spread([turn["XLA"] / turn[name] for turn in turns]),
            "cpu_milliseconds": 1e3 * spread([turn[name] for turn in turns])["median"],
            "largest_difference": difference(tasks[name](), expected),
        }
        for name in WAYS
    }
    for name, row in rows.items():
        print(f"{name}: {row}", flush=True)
    result = {"command": command_line("convolutions"), "machine": machine(), "batch": BATCH}
    result |= {"turns": len(turns), "ways": rows}
    write_json(results_folder(HERE) / "result.json", result)


if __name__ == "__main__":
    command.run(main)
