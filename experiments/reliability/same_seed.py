"""One seed gives one run: fresh processes in other folders, with other locales and hash seeds.

A hundred steps whose loss reads labels off the images with estimators that were trained on augmented
images first, so that all that is random has its part. The whole state, every sample and the numbers of
the log must be equal bit for bit. CPUs alone are tried: on a GPU sums come in any order, unless
XLA_FLAGS=--xla_gpu_deterministic_ops=true is set.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np

from experiments.reliability import runs
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import environment
from simgan_jax.training import logs

# What differs: hash seeds, locales, time zone, width of the terminal, home.
AROUND = (
    {"PYTHONHASHSEED": "0", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "Asia/Tokyo"},
    {"PYTHONHASHSEED": "12345", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    {"PYTHONHASHSEED": "random", "LC_ALL": "de_DE.UTF-8", "COLUMNS": "40"},
    {"PYTHONHASHSEED": "4294967295", "LC_ALL": "POSIX", "HOME": "/nonexistent"},
)
STEPS = 100
CHANGES = {
    "train.steps": STEPS,
    "watch.checkpoint_every": STEPS,
    "watch.sample_every": STEPS,
    "watch.log_every": 10,
    "loss.psi": "estimator",
    "loss.reading.steps": 5,
    "loss.reading.images": 32,
    "evaluate.estimator.batch": 8,
    "evaluate.estimator.width": 0.05,
    "evaluate.quick.rows": "('synthetic_augmented',)",
}


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Compares a first run with `times` more, four at most."""
    del rng
    found = []
    for number, around in enumerate(AROUND[: times + 1]):
        if outcome.over:
            break
        folder = scratch / f"elsewhere {number}" / "ü"
        folder.mkdir(parents=True)
        settings = [f"--config.{key}={x}" for key, x in CHANGES.items()]
        done = subprocess.run(
            [sys.executable, "-m", "simgan_jax.main", *runs.settings(), *settings, "--workdir=run"],
            cwd=folder,
            env=environment() | around,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            outcome.add(f"{around}: status {done.returncode}: {done.stderr[-500:]}")
            continue
        found.append(runs.left(folder / "run"))
        rows = logs.read(folder / "run" / logs.FILE)
        assert rows[-1]["step"] == runs.LAST - 8 + STEPS
        if len(found) > 1:
            difference = runs.difference(found[-1], found[0])
            outcome.add(difference and f"{around}: {difference}")
