"""`--dry_run`: checks settings and data, and says what a run would take, without running it."""

import math
import shutil
from pathlib import Path

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from simgan_jax.data import Arrays
from simgan_jax.estimators import tasks
from simgan_jax.estimators.coordinates import COORDINATES
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.steps import Batch
from simgan_jax.training import devices, provenance, psi_estimators
from simgan_jax.training.loop import (
    Require,
    check_settings,
    fit_on_devices,
    load_sets,
    no_more,
    select,
)
from simgan_jax.training.phases import phases


def dry_run(config: ConfigDict, workdir: Path, require: Require = no_more) -> None:
    """Prints networks, schedule, data, memory and disk of a run.

    Args:
        config: from a file in configs/.
        workdir: folder of the run; nothing is written there.
        require: what else is asked of the sets, as of `train`.

    Raises:
        UserError: what `train` would raise for the same settings and data.
    """
    check_settings(config)
    setup = devices.distribute(make_setup(config))
    provenance.require_claimable(workdir, config)
    state = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
    synthetic, real = load_sets(config, setup)
    require(config, synthetic, real)
    if setup.reading:
        psi_estimators.require_enough(config, synthetic)
    sets = select(config, synthetic, real)
    provenance.require_same_data(workdir, sets)
    history, kept = _bytes(state.history), config.watch.keep
    networks = _bytes(state) - history
    rows = {
        "devices": f"{setup.devices} x {jax.devices()[0].device_kind}",
        "refiner": f"{_count(state.refiner.params):,} parameters",
        "discriminator": f"{_count(state.discriminator.params):,} parameters",
        **_psi_estimators(config, state),
        "history": f"{setup.history_size:,} images, {_mib(history)}, cut among the devices",
        "steps": ", ".join(f"{p.name} {p.last - p.first:,}" for p in phases(config)),
        "data": ", ".join(f"{name} {len(x):,}" for name, x in sets.items())
        + f": {_memory(config, sets, setup)}",
        **_labels(config, synthetic),
        "state": f"{_mib(networks)} on each device, {_mib(networks * setup.devices + history)} in all",
        "disk": f"{_mib((networks + history) * (kept + 1))} for {kept} checkpoints, "
        f"{_mib(shutil.disk_usage(provenance.existing_part(workdir)).free)} free at {workdir}",
    }
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(name, text)
    Console(highlight=False).print(table)


def _psi_estimators(config: ConfigDict, state: TrainState) -> dict[str, str]:
    """The line of the estimators that are trained first, if there are any."""
    if state.estimators is None:
        return {}
    strengths = psi_estimators.strengths(config)
    size = _count(state.estimators) // len(strengths)
    return {
        "estimators": f"{len(strengths)} x {size:,} parameters, trained first for "
        f"{config.loss.reading.steps:,} updates each, images changed by "
        f"{', '.join(f'{x:g}' for x in strengths)} times the usual"
    }


def _labels(config: ConfigDict, synthetic: Arrays) -> dict[str, str]:
    """The line of how labels are spread, if the task has any."""
    if not tasks.has_label(config.task, synthetic):
        return {}
    kind = COORDINATES[config.task]
    values = kind.read(tasks.label_of(config.task, synthetic, "config.data.synthetic"))
    unit = tasks.TASKS[config.task].unit
    spread = (
        f"{name} {column.mean():z.1f} ± {column.std():.1f}"
        for name, column in zip(kind.names, values.T, strict=True)
    )
    return {
        "labels": f"{', '.join(spread)} {unit}; --compare_labels compares them with the real images"
    }


def _memory(config: ConfigDict, sets: Batch, setup: Setup) -> str:
    """What the sets take, and where."""
    size = sum(x.nbytes for x in sets.values())
    if not fit_on_devices(config, sets):
        return f"{_mib(size)}, streamed"
    if jax.default_backend() == "cpu":
        return f"{_mib(size)}, one copy for all devices"
    return f"{_mib(size)} on each device, {_mib(size * setup.devices)} in all"


def _count(tree) -> int:
    return sum(math.prod(x.shape) for x in jax.tree.leaves(tree))


def _bytes(tree) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
