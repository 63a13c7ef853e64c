"""A whole run in seconds, and checksums of what it leaves."""

import ast
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from configs import gaze
from experiments.reliability.processes import ROOT
from simgan_jax.io.atomic import write_json
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices, logs
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.digest import digest
from simgan_jax.training.provenance import read_config

CONFIG = ROOT / "configs" / "gaze.py"
# Eleven steps through all phases, a checkpoint after each, old ones pruned, samples, and an evaluation.
SETTINGS = {
    "refiner.features": 2,
    "image.height": 24,
    "image.width": 24,
    "data.synthetic.count": 32,
    "data.real.count": 32,
    "data.test.count": 16,
    "history.size": 16,
    "train.pretrain_refiner": 2,
    "train.pretrain_discriminator": 1,
    "train.steps": 8,
    "watch.log_every": 1,
    "watch.sample_every": 4,
    "watch.checkpoint_every": 1,
    "watch.keep": 3,
    "evaluate.quick.images": 16,
    "evaluate.quick.probe": 16,
    "evaluate.quick.discriminator_steps": 2,
    "evaluate.quick.estimator_steps": 2,
    "evaluate.quick.rows": "('synthetic',)",
}
LAST = 11
# What differs from run to run: time that was taken, and the record of how often it was begun.
TAKEN = {"seconds", "images_per_second"}


def settings() -> list[str]:
    """Flags of the configuration."""
    return [f"--config={CONFIG}:tiny", *(f"--config.{key}={x}" for key, x in SETTINGS.items())]


def configuration() -> ConfigDict:
    """The configuration of these settings, in this process."""
    config = gaze.get_config("tiny")
    for key, x in SETTINGS.items():
        value = ast.literal_eval(x) if isinstance(x, str) else x
        config.update_from_flattened_dict({key: value})
    return config


def write_run(folder: Path, steps: Sequence[int], seed: int = 0) -> Path:
    """A run with checkpoints, as training would leave them, but for what is learned."""
    folder.mkdir(parents=True)
    config = configuration()
    write_settings(folder, config, run=f"run {seed}")
    setup = devices.distribute(make_setup(config), 1)
    for step in steps:
        state = create_train_state(jax.random.key(100 * seed + step), setup)
        state = devices.place(state.replace(step=np.int32(step)), setup)
        Checkpoints(folder).save(state, setup)
    return folder


def write_settings(workdir: Path, config: ConfigDict, run: str) -> None:
    """What a run's folder says of itself."""
    write_json(workdir / "config.json", config.to_dict())
    write_json(workdir / "environment.json", {"run": run, "seed": config.seed, "data": {}})


def pictures(folder: Path, count: int, rng: np.random.Generator, size: int = 24) -> Path:
    """A folder of noise to refine."""
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = rng.integers(0, 256, (size, size), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


def states(workdir: Path) -> dict[int, str]:
    """SHA-256 of the whole state in each checkpoint of a run: every leaf, keys and counters too."""
    setup, checkpoints = make_setup(read_config(workdir)), Checkpoints(workdir)
    return {step: digest(checkpoints.read(setup, step)) for step in checkpoints.steps()}


def files(folder: Path, pattern: str = "**/*") -> dict[str, str]:
    """SHA-256 of every file of a folder, by its name there."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


def left(workdir: Path) -> dict[str, Any]:
    """All that a finished run leaves, without the times that it took."""
    rows = logs.read(workdir / logs.FILE)
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    return {
        "states": states(workdir),
        "metrics.jsonl": [{k: x for k, x in row.items() if k not in TAKEN} for row in rows],
        "evaluation.json": {k: x for k, x in evaluation.items() if k not in TAKEN},
        "chosen.json": json.loads((workdir / "chosen.json").read_text()),
        "config.json": json.loads((workdir / "config.json").read_text()),
        "samples": files(workdir / "samples"),
        "report.html": (workdir / "report.html").read_text().rstrip().endswith("</html>"),
    }


def difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str | None:
    """The first entry in which two descriptions differ."""
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            return f"{name}: {str(ours.get(name))[:200]} instead of {str(theirs.get(name))[:200]}"
    return None
