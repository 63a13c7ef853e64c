"""Checkpoints of a run: the only module that says orbax."""

import dataclasses
import itertools
import json
import logging
import re
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from simgan_jax.errors import CannotWrite, UserError, warn
from simgan_jax.io.silence import silence
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState, create_train_state
from simgan_jax.training.devices import collect, place
from simgan_jax.training.digest import (
    difference,
    identity,
    mismatch,
    newer,
    note,
    plain,
    read_note,
    written_by_these_packages,
)
from simgan_jax.training.processes import from_first, is_first

FOLDER = "checkpoints"
# A damaged checkpoint is moved here, out of the way of the one that takes its place.
DAMAGED = "damaged_checkpoints"

# Fields of a state that the first checkpoints did not have.
LATER = ("estimators", "reading_weight", "projections", "histograms")
# Damage beside a digest that does not fit: what Orbax cannot do without, and what TensorStore says of
# the rest. Found by cutting short, changing and removing every file.
NEEDED = ("digest/metadata", "state/_METADATA", "state/manifest.ocdbt")
READ_ERROR = re.compile("(DATA_LOSS|FAILED_PRECONDITION|NOT_FOUND|OUT_OF_RANGE): .*Error reading ")


class DamagedCheckpoint(UserError):
    """A checkpoint's files are not what was saved there."""


class Checkpoints:
    """The checkpoints of a run's folder; each holds the whole state and a digest of it.

    Orbax writes into a temporary folder and renames it, so that a killed run leaves whole checkpoints
    only. A digest that does not fit the restored arrays tells damage of any other origin; the step in
    the state and the run's identity tell what was brought from elsewhere.

    Nothing in the folder changes but by `save` and `resume`, which are for training alone.
    """

    def __init__(self, workdir: str | Path, keep: int | None = None):
        """Names the folder, which need not exist.

        Args:
            workdir: of the run.
            keep: newest checkpoints to keep; None keeps all.
        """
        self._workdir, self._keep = Path(workdir).absolute(), keep
        # It gives up at the first array that fails and closes the event loop of the others, each of
        # which then complains. At all times it says much at INFO.
        silence("orbax", "tensorstore")
        logging.getLogger("absl").setLevel(logging.ERROR)

    def steps(self) -> list[int]:
        """Steps of the checkpoints there are, oldest first."""
        with suppress(NotADirectoryError):
            return sorted(ocp.utils.checkpoint_steps(self._workdir / FOLDER))
        return []

    def last_good(self) -> str:
        """What an error of a run says of where it would go on."""
        return f"the last good checkpoint is {(self.steps() or ['none'])[-1]}"

    def save(self, state: TrainState, setup: Setup) -> None:
        """Saves a state that lies on the devices under its step; a step saved before is left alone.

        Raises:
            CannotWrite: the disk is full or the folder cannot be written; earlier checkpoints stay.
        """
        step = int(jax.device_get(state.step))
        try:
            if step in self._manager.all_steps():
                return
            items = _items(collect(state, setup), identity(self._workdir))
            self._manager.save(step, args=items)
        except Exception as error:  # what Orbax raises where it cannot write is not documented
            raise CannotWrite(
                f"{self._workdir / FOLDER}: could not save step {step}: {_one_line(error)}. Free space "
                "there and run the same command again; earlier checkpoints are kept"
            ) from error

    def resume(self, setup: Setup) -> TrainState | None:
        """The newest whole checkpoint, placed on the devices; None if there is none at all.

        For training alone: damaged ones after it are named in warnings and moved to
        `damaged_checkpoints/`, out of the way of those that will be saved under the same steps. Where
        none is whole, nothing is moved: the next attempt would begin anew beside the old run's results.

        Args:
            setup: from `distribute`, of the run's configuration; the number of devices may differ
                from that of the run that saved.

        Raises:
            UserError: there are checkpoints, and none is whole or can be read.
        """
        state, damaged = self._newest(setup, self.steps()) if is_first() else (None, {})
        for step, error in damaged.items():
            self._set_aside(step, error)
        step = from_first(-1 if state is None else int(state.step))
        if step < 0:
            return None
        return place(self.read(setup, step) if state is None else state, setup)

    def newest(self, setup: Setup, last: int | None = None) -> TrainState | None:
        """The newest whole checkpoint; a damaged one is named in a warning and passed over.

        Args:
            setup: of the run's configuration.
            last: step after which none is taken; that of the newest by default.

        Returns:
            The state on the host, its history in one array [B, H, W, C]; None if there is none at all.

        Raises:
            UserError: there are checkpoints, and none is whole or can be read.
        """
        steps = [step for step in self.steps() if last is None or step <= last]
        state, damaged = self._newest(setup, steps)
        for error in damaged.values():
            warn(f"{error}; taking the one before")
        return state

    def read(self, setup: Setup, step: int) -> TrainState:
        """One checkpoint, on the host, its history in one array [B, H, W, C].

        Args:
            setup: of the run's configuration.
            step: of the checkpoint.

        Raises:
            DamagedCheckpoint: its files were cut short, changed, lost, or are another step's or run's.
            UserError: there is none of this step, or it is of another version or configuration.
        """
        folder, steps = self._workdir / FOLDER / str(step), self.steps()
        if step not in steps:
            raise UserError(f"{folder.parent}: no checkpoint {step}; there are {steps}")
        target = _shapes(setup)
        found, saved = _restore(folder, target)
        if version := newer(saved):
            raise UserError(f"{folder}: {version}")
        if found.history.images is None:
            empty = np.zeros((0, *setup.image_shape), setup.image_dtype)
            found = found.replace(history=found.history.replace(images=empty))
        if wrong := mismatch(found, saved, step, identity(self._workdir)):
            raise DamagedCheckpoint(f"{folder} is damaged ({wrong})")
        if wrong := difference(_leaves(found), target):
            raise UserError(_unreadable(folder, wrong))
        return found.replace(key=jax.random.wrap_key_data(found.key))

    def _newest(
        self, setup: Setup, steps: list[int]
    ) -> tuple[TrainState | None, dict[int, DamagedCheckpoint]]:
        """The newest whole one of some steps, and what is damaged after it, newest first."""
        damaged: dict[int, DamagedCheckpoint] = {}
        unreadable: UserError | None = None
        for step in reversed(steps):
            try:
                return self.read(setup, step), damaged
            except DamagedCheckpoint as error:
                damaged[step] = error
            except UserError as error:
                # If one before is whole, the configuration is right; these packages saved it, so it is
                # damaged.
                folder = self._workdir / FOLDER / str(step)
                if not written_by_these_packages(read_note(folder / "digest")):
                    raise
                unreadable = unreadable or error
                damaged[step] = DamagedCheckpoint(f"{folder} is damaged (its description)")
        if unreadable:
            raise unreadable
        if damaged:
            first = next(iter(damaged.values()))
            raise UserError(
                f"{self._workdir / FOLDER}: no whole checkpoint ({first}); bring one back from a copy, "
                "or train anew with another --workdir"
            )
        return None, {}

    def _set_aside(self, step: int, error: DamagedCheckpoint) -> None:
        source = self._workdir / FOLDER / str(step)
        folder = self._workdir / DAMAGED
        folder.mkdir(exist_ok=True)
        names = (folder / (f"{step}-{n}" if n > 1 else str(step)) for n in itertools.count(1))
        target = next(name for name in names if not name.exists())
        warn(f"{error}; moved to {target}, going on from the one before")
        source.rename(target)

    @cached_property
    def _manager(self) -> ocp.CheckpointManager:
        options = ocp.CheckpointManagerOptions(
            max_to_keep=self._keep, enable_async_checkpointing=False, create=True
        )
        # Of an array that several devices have, Orbax has each write a part: a program to compile for
        # every shape, which takes longer than that one writes all.
        whole = ocp.type_handlers.ArrayHandler(use_replica_parallel=False)
        arrays = ocp.type_handlers.create_type_handler_registry((jax.Array, whole))
        handlers = {
            "state": ocp.PyTreeCheckpointHandler(type_handler_registry=arrays),
            "digest": ocp.JsonCheckpointHandler(),
        }
        return ocp.CheckpointManager(
            self._workdir / FOLDER, options=options, item_handlers=handlers
        )


def _items(state: TrainState, run: str | None) -> ocp.args.Composite:
    return ocp.args.Composite(
        state=ocp.args.PyTreeSave(_leaves(state)),
        digest=ocp.args.JsonSave(note(state, run)),
    )


def _restore(folder: Path, target: dict[str, Any]) -> tuple[TrainState, dict[str, Any]]:
    """The arrays of a checkpoint, read into the host's memory, and what was noted beside them.

    Raises:
        DamagedCheckpoint: a file was cut short, changed or lost.
        UserError: it cannot be read for another reason.
    """
    arguments = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), target)
    arrays = ocp.args.PyTreeRestore(target, restore_args=arguments)
    try:
        # Orbax's managers wait for all processes; its handlers read for this one.
        found = ocp.PyTreeCheckpointHandler().restore(folder / "state", args=arrays)
        saved = ocp.JsonCheckpointHandler().restore(folder / "digest")
    except (OSError, ValueError, KeyError) as error:
        if damage := _damage(folder, error):
            raise DamagedCheckpoint(f"{folder} is damaged ({damage})") from error
        raise UserError(_unreadable(folder, _one_line(error))) from error
    if not isinstance(saved, dict):
        raise DamagedCheckpoint(f"{folder} is damaged (digest/metadata holds no notes)")
    return TrainState(**found), saved


@cache
def _shapes(setup: Setup) -> dict[str, Any]:
    """What a checkpoint holds, without its numbers; to find it out takes longer than to read them."""
    return jax.eval_shape(
        lambda: jax.tree.map(plain, _leaves(create_train_state(jax.random.key(0), setup)))
    )


def _leaves(state: TrainState) -> dict[str, Any]:
    """The fields of a state as Orbax can hold them.

    Without a history of no images, whose array has no bytes, and without those of `LATER` that are
    None: runs of versions that knew no such field have none on disk.
    """
    if not state.history.images.size:
        state = state.replace(history=state.history.replace(images=None))
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: x for name, x in fields.items() if name not in LATER or x is not None}


def _damage(folder: Path, error: Exception) -> str | None:
    """How a checkpoint that Orbax could not read is damaged, None if the reason is another one."""
    for name in NEEDED:
        if not (folder / name).exists():
            return f"{name} is missing"
    text = isinstance(error, UnicodeDecodeError | json.JSONDecodeError)
    return _one_line(error) if text or READ_ERROR.match(str(error)) else None


def _unreadable(folder: Path, reason: str) -> str:
    return (
        f"{folder}: cannot be read: {reason}. Use the versions that environment.json names, and the "
        "config.json that the run was trained with"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
