"""`--dry_run`: checks settings and data, and says what a run would take, without running it."""

import math
import shutil
from pathlib import Path

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices
from simgan_jax.training.loop import load_sets, select
from simgan_jax.training.phases import phases


def dry_run(config: ConfigDict, workdir: Path) -> None:
    """Prints networks, schedule, data, memory and disk of a run.

    Raises:
        UserError: what `train` would raise for the same settings and data.
    """
    setup = devices.distribute(make_setup(config))
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    sets = select(config, *load_sets(config, setup))
    state_bytes, data_bytes = _bytes(state), sum(x.nbytes for x in sets.values())
    placed = "on the device" if data_bytes <= config.data.resident_gib * 2**30 else "streamed"
    kept = config.watch.keep
    rows = {
        "devices": f"{setup.devices} x {jax.devices()[0].device_kind}",
        "refiner": f"{_count(state.refiner.params):,} parameters",
        "discriminator": f"{_count(state.discriminator.params):,} parameters",
        "history": f"{setup.history_size:,} images, {_mib(_bytes(state.history))}",
        "steps": ", ".join(f"{p.name} {p.last - p.first:,}" for p in phases(config)),
        "data": ", ".join(f"{name} {len(x):,}" for name, x in sets.items())
        + f": {_mib(data_bytes)}, {placed}",
        "state": f"{_mib(state_bytes)} on each device at most",
        "disk": f"{_mib(state_bytes * (kept + 1))} for {kept} checkpoints, "
        f"{_mib(shutil.disk_usage(_existing(workdir)).free)} free at {workdir}",
    }
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(name, text)
    Console(highlight=False).print(table)


def _count(tree) -> int:
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))


def _bytes(tree) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
