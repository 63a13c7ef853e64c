"""Puts each promise of docs/reliability.md to the test, many times, and counts.

    python -m experiments.reliability [--quick] [--only=kills,damaged] [--times=N] [--minutes=M]

Writes result.json: of each promise how often it was tried and how often it held, in how many seconds.
--only tries some and keeps the other entries; --quick tries all a few times, in minutes, and writes
nothing. Every run is a tiny one in a folder of its own, processes are started, killed and damaged
without mercy. Nothing else changes outside of a temporary folder, but for the one in which compiled
programs are kept: JAX_COMPILATION_CACHE_DIR, or ~/.cache/simgan_jax_reliability.
"""

import io
import math
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from absl import flags

from experiments.flags import QUICK, command_line, require_known
from experiments.machine import machine
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import environment
from experiments.reliability.promises import PROMISES, test_of
from experiments.results import stored
from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.io.atomic import write_json

RESULT = Path(__file__).parent / "result.json"
PACKAGES = (
    *("simgan_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "tensorstore", "numpy"),
    *("pillow", "safetensors", "scipy", "tensorflow-datasets", "array_record", "tifffile"),
)

ONLY = flags.DEFINE_list("only", list(PROMISES), "Promises to try.")
SEED = flags.DEFINE_integer("seed", 0, "Of every random choice.")
MINUTES = flags.DEFINE_float("minutes", None, "After which no more is tried of a promise.")
TIMES = flags.DEFINE_integer("times", None, "Times to try each, instead of its own number.")


def main(argv: Sequence[str]) -> None:
    """One promise after the other."""
    del argv
    # As the processes that are started: what both compute must be equal bit for bit.
    os.environ.update(environment())
    jax.config.update("jax_num_cpu_devices", 1)
    jax.config.update("jax_disable_most_optimizations", True)
    require_known(ONLY, PROMISES)
    broken = []
    for name in ONLY.value:
        promise = PROMISES[name]
        times = TIMES.value or (promise.quick if QUICK.value else promise.full)
        entry = measure(name, times, SEED.value)
        print(f"{name}: {promise.text}: held {entry['held']:,} of {entry['tried']:,}", flush=True)
        for fault in entry["faults"]:
            print(f"  {fault}", flush=True)
        if entry["held"] < entry["tried"]:
            broken.append(name)
        if not QUICK.value:
            note(name, entry)
    if broken:
        raise UserError(f"did not hold: {', '.join(broken)}")


def measure(name: str, times: int, seed: int) -> dict:
    """The entry of a promise in result.json."""
    began, until = time.monotonic(), math.inf
    if MINUTES.value:
        until = began + 60 * MINUTES.value
    outcome = Outcome(until=until)
    with (
        tempfile.TemporaryDirectory(prefix=f"reliability_{name}_") as folder,
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        test_of(name)(outcome, times, np.random.default_rng(seed), Path(folder))
    return {
        "tried": outcome.tried,
        "held": outcome.held,
        "seconds": round(time.monotonic() - began, 1),
        "seed": seed,
        "command": command_line("reliability"),
        "faults": outcome.faults,
        **outcome.notes,
    }


def note(name: str, entry: dict) -> None:
    """Puts an entry into result.json, beside those that are there."""
    entries = stored(RESULT) | {name: entry}
    about = {
        "machine": machine(),
        "versions": {package: version(package) for package in PACKAGES},
        "command": "python -m experiments.reliability",
        "seeds": [SEED.value],
    }
    write_json(RESULT, about | {name: entries[name] for name in PROMISES if name in entries})


if __name__ == "__main__":
    command.run(main)
