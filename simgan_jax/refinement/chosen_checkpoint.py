"""Which checkpoint of a run is used: the one that evaluation chose, else the newest.

`evaluation/choice.py` decides and writes chosen.json; everything that refines with a run reads it here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simgan_jax.errors import UserError, warn
from simgan_jax.io.atomic import DamagedFile, read_json, write_json
from simgan_jax.refinement.weights import Trained
from simgan_jax.state import refiner_params
from simgan_jax.training.checkpoint import Checkpoints, DamagedCheckpoint
from simgan_jax.training.provenance import read_setup

FILE = "chosen.json"


def restore_refiner(workdir: str | Path, step: int | None = None) -> Trained:
    """What is needed to refine with a run.

    Args:
        workdir: of the run; nothing in it changes.
        step: of the checkpoint; by default the chosen one, and the newest if none was chosen or the
            chosen one is gone. If it is damaged, a warning says so and the one before is used.

    Returns:
        The refiner, with averaged parameters if the run keeps them.

    Raises:
        DamagedCheckpoint: the one asked for.
        UserError: no run there, or no checkpoint yet.
    """
    (config, setup), checkpoints = read_setup(workdir), Checkpoints(workdir)
    if step is not None:
        try:
            state = checkpoints.read(setup, step)
        except DamagedCheckpoint as error:
            raise DamagedCheckpoint(f"{error}; there are {checkpoints.steps()}") from error
    else:
        chosen = read_choice(workdir).get("step")
        state = checkpoints.newest(setup, chosen if chosen in checkpoints.steps() else None)
    if state is None:
        raise UserError(f"{workdir}: no checkpoint yet; train first: python -m simgan_jax.main")
    return Trained(config, refiner_params(state), int(state.step), state.histograms)


def read_choice(workdir: str | Path) -> dict[str, Any]:
    """What `write_choice` wrote; {} if nothing has been chosen, or, with a warning, if that is lost."""
    try:
        return read_json(Path(workdir) / FILE)
    except FileNotFoundError:
        return {}
    except DamagedFile as error:
        warn(f"{error}; evaluate anew to choose a checkpoint")
        return {}


def write_choice(workdir: str | Path, choice: Mapping[str, Any]) -> None:
    """Writes which checkpoint is to be used ("step"), and why."""
    write_json(Path(workdir) / FILE, choice)
