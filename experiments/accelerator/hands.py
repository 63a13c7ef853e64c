"""The paper's hand networks at 224 x 224: the largest batch that fits in one piece, and images/s.

10 blocks of 7x7 kernels, bfloat16, K_g 2 and K_d 1, on embedded hands; once recomputing each block in
the backward pass (`refiner.remat`), once not. A batch in micro-batches has no limit; its speed is that
of the micro-batch in one piece. The history is a tenth of the paper's, which would take 4.8 GiB.
"""

import gc
import time
from typing import Any

import jax
import numpy as np

from experiments.accelerator.budget import Part
from experiments.accelerator.configurations import paper_hands
from experiments.benchmark import flops
from experiments.benchmark.timing import seconds
from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import create_train_state
from simgan_jax.steps import Batch, train_step
from simgan_jax.training import devices

BATCHES = (32, 64, 128, 256, 512)
QUICK_BATCHES = (4, 8)
IMAGES, CALLS = 32, 3


def measure(part: Part) -> None:
    """Tries larger and larger batches until one does not fit or the time is over."""
    config = paper_hands(part.quick)
    size = {"height": config.image.height, "width": config.image.width}
    spec = {"source": "procedural_hands", "count": IMAGES, **size}
    images = {
        "synthetic": data.load(spec | {"domain": "simulator", "split": "train"}),
        "real": data.load(spec | {"domain": "camera", "split": "train"}),
    }
    tried: list[dict[str, Any]] = []
    for remat in (True, False):
        config.refiner.remat = remat
        for batch in QUICK_BATCHES if part.quick else BATCHES:
            start = time.perf_counter()
            config.train.batch = batch
            config.history.size = 4 * batch if part.quick else 5120
            found = attempt(make_setup(config), images)
            tried.append({"remat": remat, "batch": batch} | found)
            part.report(tried=tried)
            if "error" in found or part.left() < 2.5 * (time.perf_counter() - start):
                break


def attempt(setup: Setup, images: dict[str, Arrays]) -> dict[str, Any]:
    """Takes some iterations; says what went wrong, if it does not fit."""
    setup = devices.distribute(setup, 1)
    batch = mini_batches(setup, images)
    try:
        start = time.perf_counter()
        state = devices.place(create_train_state(jax.random.key(0), setup), setup)
        program = devices.streaming_program(train_step, setup)
        state, _ = jax.block_until_ready(program(state, batch))
        found: dict[str, Any] = {"first_call_seconds": time.perf_counter() - start}

        def task():
            nonlocal state
            state, _ = jax.block_until_ready(program(state, batch))

        median = float(np.median([seconds(task) for _ in range(CALLS)]))
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "Out of memory" not in str(error):
            raise
        return {"error": str(error)[:300]}
    finally:
        # What a failed attempt held must be gone before the next.
        state = batch = None
        gc.collect()
    count = setup.batch * (setup.refiner_updates + 2 * setup.discriminator_updates)
    memory = jax.local_devices()[0].memory_stats() or {}
    return found | {
        "seconds_an_iteration": median,
        "images_per_second": count / median,
        "flops_per_second": operations(setup) / median,
        "peak_bytes_in_use": memory.get("peak_bytes_in_use"),
    }


def mini_batches(setup: Setup, images: dict[str, Arrays]) -> Batch:
    """A batch of `train_step` on the device, the few images repeated."""
    counts = {
        "synthetic": setup.refiner_updates + setup.discriminator_updates,
        "real": setup.discriminator_updates,
    }
    batch = {name: images[name].images for name in counts}
    batch["mask"] = images["synthetic"].labels["hand_mask"]
    counts["mask"] = counts["synthetic"]
    return devices.replicate(
        {
            name: np.resize(x, (1, counts[name], setup.batch, *x.shape[1:]))
            for name, x in batch.items()
        },
        setup,
    )


def operations(setup: Setup) -> int:
    """Of an iteration, what is recomputed included."""
    setup = setup.replace(axis_name=None)
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    lead = {"synthetic": setup.refiner_updates + setup.discriminator_updates, "real": 1, "mask": 3}
    shape = (setup.batch, *setup.image_shape)
    batch = {
        name: jax.ShapeDtypeStruct((count, *(shape[:3] if name == "mask" else shape)), np.uint8)
        for name, count in lead.items()
    }
    return flops.count(lambda state, batch: train_step(state, batch, setup), state, batch)
