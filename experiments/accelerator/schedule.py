"""The paper's schedule on embedded eyes: as many of its iterations as the time allows, then estimators.

1,000 updates of the refiner alone, 200 of the discriminator, 10,000 iterations at batch 512, by the
same `train` that a run uses; `configurations.long_eyes` says with what settings.
"""

import os
import shutil
import signal
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import jax

from experiments.accelerator.budget import Part
from experiments.accelerator.configurations import long_eyes
from simgan_jax.evaluation.run import evaluate_run
from simgan_jax.training import logs
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.loop import train
from simgan_jax.training.phases import phases

# The part of the time left for estimators.
EVALUATION = 0.45
# Rows of the first evaluation, and of a second one where there is time for it.
ROWS = (("synthetic", "refined", "real"), ("matched", "synthetic_augmented", "refined_augmented"))


def measure(part: Part) -> None:
    """Trains until the schedule or the time is over; then trains estimators, the main rows first."""
    config, workdir = long_eyes(part.quick), part.scratch / "eyes"
    start = time.perf_counter()
    # `train` ends at this signal as when a user stops it: saved, and fit for evaluation.
    timer = threading.Timer((1 - EVALUATION) * part.left(), os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    over = train(config, workdir)
    timer.cancel()
    part.report(
        training={
            "over": over,
            "schedule": {phase.name: phase.last - phase.first for phase in phases(config)},
            "steps": Checkpoints(workdir).steps()[-1],
            "batch": config.train.batch,
            "dtype": config.refiner.dtype,
            "devices": jax.device_count(),
            "seconds": round(time.perf_counter() - start, 1),
            "images_per_second": speeds(workdir),
        }
    )
    last = max((workdir / "samples").glob("*.png"), default=None)
    if last:
        shutil.copy(last, part.folder / "samples.png")
    rows: dict[str, Any] = {}
    for wanted in ROWS:
        start = time.perf_counter()
        report = evaluate_run(workdir, "quick", rows=wanted, say=print)
        rows |= {
            name: {key: row[key] for key in ("error", "std", "within", "unit") if key in row}
            for name, row in report["estimators"].items()
        }
        part.report(
            evaluation={
                "estimators": rows,
                "checkpoint": report["checkpoint"],
                "label_shift": {key: report["label_shift"][key] for key in ("mean", "std")},
                "realism": report["realism"],
                "estimator": config.evaluate.estimator.to_dict(),
            }
        )
        if part.left() < 1.3 * (time.perf_counter() - start):
            break


def speeds(workdir: Path) -> dict[str, float]:
    """Median images/s of each phase, what the host does in between included."""
    found: dict[str, list[float]] = {}
    for row in logs.read(workdir / logs.FILE):
        found.setdefault(row["phase"], []).append(row["images_per_second"])
    return {phase: statistics.median(values) for phase, values in found.items()}
