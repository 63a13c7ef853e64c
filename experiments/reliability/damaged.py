"""Files that were changed after they were written load as they were, or not at all.

A mutant holds if reading it gives a named error, or exactly what was written (no file is all content).
Of training it is asked besides that it goes on from the newest step that is whole. The notes say how
many of the changes each layer noticed.
"""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export as jax_export

from experiments.reliability import runs
from experiments.reliability.mutants import cut, flipped
from experiments.reliability.outcome import Outcome
from experiments.reliability.unity_files import write_unity_files
from simgan_jax import data
from simgan_jax.data.prepare import prepare
from simgan_jax.errors import UserError
from simgan_jax.refinement import weights
from simgan_jax.refinement.exports import export
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.setup import make_setup
from simgan_jax.training import devices
from simgan_jax.training.checkpoint import FOLDER, Checkpoints, DamagedCheckpoint
from simgan_jax.training.digest import digest

STEPS = (1, 2, 3)
# What each subject gets of all mutants. On top come those that other programs load: what they notice is
# told, not promised.
SHARES = {"checkpoints": 0.45, "safetensors": 0.2, "npz": 0.1, "prepared": 0.25}
TOLD = {"stablehlo": 0.1}
# Ways to change a file of a checkpoint, as often as each stands here.
KINDS = (*["flip"] * 5, "cut", "delete", "swap", "other step", "other run")
# Seconds that a changed program may take to load and to run.
PATIENCE = 60


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Reads `times` mutants."""
    config = runs.configuration()
    for name, seed in (("run", 1), ("theirs", 2)):
        runs.write_run(scratch / name, STEPS, seed)
    subjects: dict[str, Callable] = {
        "checkpoints": _checkpoints(scratch, config),
        "safetensors": _weights(scratch, "safetensors"),
        "npz": _weights(scratch, "npz"),
        "prepared": _prepared(scratch),
        "stablehlo": _stablehlo(scratch),
    }
    for subject, share in (SHARES | TOLD).items():
        for _ in range(max(1, round(share * times))):
            if outcome.over:
                break
            noticed, fault = subjects[subject](rng)
            outcome.count(subject, noticed)
            if subject in SHARES:
                outcome.add(fault and f"{subject}: {fault}")


def _checkpoints(scratch: Path, config: Any) -> Callable:
    run, theirs, copy = scratch / "run", scratch / "theirs", scratch / "copy"
    setup = devices.distribute(make_setup(config))
    wanted = runs.states(run)
    last = STEPS[-1]

    def one(rng: np.random.Generator) -> tuple[str, str | None]:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run, copy)
        kind = KINDS[rng.integers(len(KINDS))]
        said = _change(kind, copy / FOLDER, theirs / FOLDER, rng)
        noticed = _reading(Checkpoints(copy), setup, wanted[last])
        try:
            state = Checkpoints(copy).resume(setup)
        except UserError as error:
            return noticed, f"{said}: training does not go on: {error}"
        step = int(state.step)
        if wanted.get(step) != digest(devices.collect(state, setup)):
            return noticed, f"{said}: step {step} is not what was saved"
        whole = noticed == "nobody, and nothing had changed"
        if step != (last if whole else last - 1):
            return noticed, f"{said}: goes on from step {step}"
        return noticed, None

    return one


def _change(kind: str, ours: Path, theirs: Path, rng: np.random.Generator) -> str:
    """Changes the newest step of a folder of checkpoints; says how."""
    newest, older = ours / str(STEPS[-1]), ours / str(STEPS[-2])
    files = sorted(path for path in newest.rglob("*") if path.is_file())
    path = files[rng.integers(len(files))]
    name = path.relative_to(newest)
    if kind in ("other step", "other run"):
        shutil.rmtree(newest)
        shutil.copytree(older if kind == "other step" else theirs / newest.name, newest)
    elif kind == "swap" and (older / name).exists():
        path.write_bytes((older / name).read_bytes())
    elif kind == "delete":
        path.unlink()
    else:
        path.write_bytes((cut if kind == "cut" else flipped)(path.read_bytes(), rng))
    return f"{kind} {name}"


def _reading(checkpoints: Checkpoints, setup: Any, wanted: str) -> str:
    """Who notices a damaged step."""
    try:
        state = checkpoints.read(setup, STEPS[-1])
    except DamagedCheckpoint as error:
        ours = ("do not fit their checksum", "holds step", "another run's")
        return "our checksum" if any(x in str(error) for x in ours) else "Orbax"
    except UserError:
        return "Orbax, as another version's"
    return "nobody, and nothing had changed" if digest(state) == wanted else "nobody"


def _weights(scratch: Path, form: str) -> Callable:
    whole = scratch / f"whole.{form}"
    refiner = load_refiner(scratch / "run")
    weights.write(whole, refiner.config, refiner.params, refiner.step)
    content, path = whole.read_bytes(), scratch / f"mutant.{form}"
    config, params, step, _ = weights.read(whole)

    def one(rng: np.random.Generator) -> tuple[str, str | None]:
        path.write_bytes(cut(content, rng) if rng.random() < 0.1 else flipped(content, rng))
        try:
            found = weights.read(path)
        except UserError as error:
            return "our checksum" if "checksum" in str(error) else "its reader", None
        same = found[0].to_dict() == config.to_dict() and found[2] == step
        equal = jax.tree.map(np.array_equal, found[1], params)
        if same and jax.tree.all(equal):
            return "nobody, and nothing had changed", None
        return "nobody", "loads, and is not what was written"

    return one


def _prepared(scratch: Path) -> Callable:
    folder, copy = scratch / "sets", scratch / "sets_copy"
    prepare("unity_eyes", write_unity_files(scratch / "eyes", 4), folder, workers=1)

    def load(where: Path) -> data.Arrays:
        return data.load({"source": "unity_eyes", "data_dir": str(where)})

    wanted = load(folder)

    def one(rng: np.random.Generator) -> tuple[str, str | None]:
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        files = sorted(path for path in copy.rglob("*") if path.is_file())
        path = files[rng.integers(len(files))]
        kind = KINDS[rng.integers(len(KINDS) - 3)]  # but for swaps
        if kind == "delete":
            path.unlink()
        else:
            path.write_bytes((cut if kind == "cut" else flipped)(path.read_bytes(), rng))
        try:
            found = load(copy)
        except UserError:
            return "a named error", None
        same = np.array_equal(found.images, wanted.images) and all(
            np.array_equal(found.labels[name], wanted.labels[name]) for name in wanted.labels
        )
        fault = None if same else f"{kind} {path.relative_to(copy)}: other arrays are loaded"
        return "nobody" if fault else "mended, or nothing had changed", fault

    return one


def _stablehlo(scratch: Path) -> Callable:
    path = scratch / "whole.stablehlo"
    export(scratch / "run", "stablehlo", path)
    content = path.read_bytes()
    loader = _Loader()
    wanted = loader.load(content)
    assert isinstance(wanted, np.ndarray), wanted

    def one(rng: np.random.Generator) -> tuple[str, str | None]:
        found = loader.load(flipped(content, rng))
        if isinstance(found, str):
            return found, None
        same = np.array_equal(found, wanted)
        return "nobody, and nothing had changed" if same else "nobody", None

    return one


class _Loader:
    """JAX in a process of its own, where it loads programs: a changed one may end it."""

    def __init__(self):
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def load(self, content: bytes) -> np.ndarray | str:
        """What the program makes of an image, or what became of it."""
        self._connection.send_bytes(content)
        try:
            if self._connection.poll(PATIENCE):
                return self._connection.recv()
            said = "its loader, which does not end"
        except EOFError:
            said = "its loader, which ends the process"
        self._process.kill()
        self._start()
        return said


def _serve(connection: Any) -> None:
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    images = np.linspace(-1, 1, 24 * 24, dtype=np.float32).reshape(1, 24, 24, 1)
    while True:
        content = bytearray(connection.recv_bytes())
        try:
            found = np.asarray(jax_export.deserialize(content).call(images))
        except Exception:  # whatever the loader raises
            found = "its loader"
        connection.send(found)
