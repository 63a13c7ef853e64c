"""What is wrong with a run, found by looking into all that it has left."""

from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from simgan_jax import settings
from simgan_jax.errors import UserError
from simgan_jax.estimators.tasks import drift_limit
from simgan_jax.io.atomic import DamagedFile, read_json
from simgan_jax.io.locks import holder
from simgan_jax.setup import make_setup
from simgan_jax.training import doctor, logs
from simgan_jax.training.checkpoint import DAMAGED, Checkpoints
from simgan_jax.training.loop import LOCK
from simgan_jax.training.phases import phases
from simgan_jax.training.provenance import read_config

FILES = ("environment.json", "chosen.json", "evaluation.json")


def check_run(workdir: Path) -> Iterator[str]:
    """Complaints, a line each.

    Args:
        workdir: with a config.json.
    """
    try:
        config = read_config(workdir)
        settings.check(config)
    except UserError as error:
        yield str(error)
        return
    for name in FILES:
        try:
            read_json(workdir / name)
        except FileNotFoundError:
            continue
        except DamagedFile as error:
            yield str(error)
    steps = yield from _check_checkpoints(workdir, config)
    yield from _check_progress(workdir, config, steps)
    rows = [row for row in logs.read(workdir / logs.FILE) if logs.is_row(row)]
    limit = drift_limit(config.task, (config.image.height, config.image.width))
    yield from map(str, doctor.examine(rows, config.loss.adversarial, limit))


def _check_checkpoints(workdir: Path, config: ConfigDict):
    """Reads every checkpoint; returns the steps of the whole ones."""
    checkpoints, setup, whole = Checkpoints(workdir), make_setup(config), []
    for step in checkpoints.steps():
        try:
            checkpoints.read(setup, step)
            whole.append(step)
        except UserError as error:
            yield str(error)
    if (workdir / DAMAGED).is_dir():
        yield f"{workdir / DAMAGED}: damaged checkpoints were moved there; remove them"
    return whole


def _check_progress(workdir: Path, config: ConfigDict, steps: list[int]) -> Iterator[str]:
    last, done = phases(config)[-1].last, max(steps, default=0)
    if done >= last:
        if not (workdir / "evaluation.json").exists():
            yield f"{workdir}: trained, not evaluated; simgan evaluate --workdir={workdir}"
    elif who := holder(workdir / LOCK):
        yield f"{workdir}: is being trained by {who}, {done:,} of {last:,} steps are saved"
    else:
        yield (
            f"{workdir}: stopped, {done:,} of {last:,} steps are saved; the same command goes on"
        )
