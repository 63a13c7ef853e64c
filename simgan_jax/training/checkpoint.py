"""Checkpoints of a run: the only module that says orbax."""

import dataclasses
import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import Array, PyTree
from ml_collections import ConfigDict
from rich.console import Console

from simgan_jax.errors import UserError
from simgan_jax.setup import Setup, make_setup
from simgan_jax.state import TrainState, create_train_state, refiner_params
from simgan_jax.training import devices
from simgan_jax.training.devices import collect, place, shardings

FOLDER = "checkpoints"
# A damaged checkpoint is moved here, out of the way of the one that takes its place.
DAMAGED = "damaged_checkpoints"


class Checkpoints:
    """The checkpoints of a run's folder; each holds the whole state and a digest of it.

    Orbax writes into a temporary folder and renames it, so that a killed run leaves whole checkpoints
    only. A digest that does not fit the restored arrays tells damage of any other origin.
    """

    def __init__(self, workdir: str | Path, keep: int | None = None):
        """Opens the folder.

        Args:
            workdir: of the run.
            keep: newest checkpoints to keep; None keeps all.
        """
        self._workdir = Path(workdir).absolute()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, enable_async_checkpointing=False, create=True
        )
        # Orbax says much at INFO and warns of each item it reads without a type.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self._manager = ocp.CheckpointManager(self._workdir / FOLDER, options=options)

    def steps(self) -> list[int]:
        """Steps of the checkpoints there are, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, state: TrainState, setup: Setup) -> None:
        """Saves a state that lies on the devices under its step; a step saved before is left alone.

        Raises:
            UserError: the disk is full or the folder cannot be written; earlier checkpoints stay.
        """
        step = int(jax.device_get(state.step))
        if step in self._manager.all_steps():
            return
        state = collect(state, setup)
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(_leaves(state)),
            digest=ocp.args.JsonSave({"sha256": digest(state)}),
        )
        try:
            self._manager.save(step, args=items)
        except (OSError, ValueError) as error:
            raise UserError(
                f"{self._workdir / FOLDER}: could not save step {step}: {_one_line(error)}. Free space "
                "there and run the same command again; earlier checkpoints are kept"
            ) from error

    def restore(self, setup: Setup, step: int | None = None) -> TrainState | None:
        """The newest whole checkpoint, placed on the devices; None if there is none at all.

        A damaged one is named in a warning, moved to `damaged_checkpoints/`, and the one before taken.

        Args:
            setup: from `distribute`, of the run's configuration; the number of devices may differ
                from that of the run that saved.
            step: only this checkpoint.

        Raises:
            UserError: there are checkpoints, and none is whole; or not the one asked for.
        """
        steps = self.steps()
        if step is not None and step not in steps:
            raise UserError(f"{self._workdir / FOLDER}: no checkpoint {step}; there are {steps}")
        for candidate in reversed(steps if step is None else [step]):
            try:
                return place(self._read(candidate, setup), setup)
            except Exception as error:
                self._set_aside(candidate, error)
        if steps:
            raise UserError(f"{self._workdir / FOLDER}: no whole checkpoint; use another --workdir")
        return None

    def _read(self, step: int, setup: Setup) -> TrainState:
        shapes = jax.eval_shape(lambda: create_train_state(jax.random.key(0), setup))
        target = jax.tree.map(
            lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
            shapes,
            shardings(shapes, setup),
        )
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(_leaves(target)), digest=ocp.args.JsonRestore()
        )
        restored = self._manager.restore(step, args=items)
        found = TrainState(**restored.state)
        if not target.history.images.size:
            images = jnp.zeros(target.history.images.shape, target.history.images.dtype)
            found = found.replace(history=found.history.replace(images=images))
        if digest(found) != restored.digest["sha256"]:
            raise ValueError("its arrays do not fit their checksum")
        return found

    def _set_aside(self, step: int, error: Exception) -> None:
        source = self._workdir / FOLDER / str(step)
        target = self._workdir / DAMAGED / str(step)
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"simgan: warning: {source} is damaged ({_one_line(error)}); moved to {target}, "
            "going on from the one before",
            markup=False,
        )
        target.parent.mkdir(exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(source, target)
        self._manager.reload()


def restore_refiner(
    workdir: str | Path, step: int | None = None
) -> tuple[ConfigDict, PyTree[Array], int]:
    """What is needed to refine with a run.

    Args:
        workdir: of the run.
        step: of the checkpoint; by default the chosen one (`chosen.json`), else the newest.

    Returns:
        The run's configuration, the refiner's parameters (averaged ones if kept), and the step.

    Raises:
        UserError: no run there, or no checkpoint yet.
    """
    config = read_config(workdir)
    setup = make_setup(config)
    chosen = Path(workdir) / "chosen.json"
    checkpoints = Checkpoints(workdir)
    if step is None and chosen.exists():
        candidate = json.loads(chosen.read_text())["step"]
        step = candidate if candidate in checkpoints.steps() else None
    state = checkpoints.restore(setup, step)
    if state is None:
        raise UserError(f"{workdir}: no checkpoint yet; train first: python -m simgan_jax.main")
    return config, refiner_params(state), int(state.step)


def read_config(workdir: str | Path) -> ConfigDict:
    """The configuration of a run.

    Raises:
        UserError: no run there.
    """
    path = Path(workdir) / "config.json"
    try:
        return ConfigDict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; --workdir must name the folder of a run") from error
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON ({error}); restore it or train anew") from error


def digest(state: TrainState) -> str:
    """SHA-256 over every leaf's type, shape and bytes, in the tree's order."""
    sha = hashlib.sha256()
    for leaf in jax.tree.leaves(state):
        array = devices.fetch(_plain(leaf))
        sha.update(f"{array.dtype} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def _leaves(state: TrainState) -> dict[str, Any]:
    """The fields of a state as Orbax can hold them.

    Without a history of no images, whose array has no bytes, and without estimators where there are
    none: runs of versions that knew no such field have none on disk.
    """
    if not state.history.images.size:
        state = state.replace(history=state.history.replace(images=None))
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: x for name, x in fields.items() if name != "estimators" or x is not None}


def _plain(leaf: Any) -> Array:
    is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
