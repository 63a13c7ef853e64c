"""What is interrupted at every step of its writing, and what must then be there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.reliability import runs
from experiments.reliability.unity_files import write_unity_files
from simgan_jax import data
from simgan_jax.data.prepare import prepare
from simgan_jax.evaluation.run import FILE as EVALUATION
from simgan_jax.io.atomic import write_json
from simgan_jax.refinement import weights
from simgan_jax.refinement.chosen_checkpoint import read_choice, write_choice
from simgan_jax.refinement.folders import Options, refine_folder
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.refinement.refiner import Refine
from simgan_jax.reporting.page import write_report
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices, logs
from simgan_jax.training.checkpoint import FOLDER, Checkpoints
from simgan_jax.training.digest import digest


class Subject(NamedTuple):
    """Something that is written.

    Attributes:
        before: makes what is there before, in an empty folder.
        work: is interrupted.
        told: what describes the folder once the work is done.
        check: goes on from an interrupted folder; says what is wrong, None if nothing is.
    """

    before: Callable[[Path], None]
    work: Callable[[Path], None]
    told: Callable[[Path], Any]
    check: Callable[[Path, Any], str | None]


def _save(folder: Path, step: int, keep: int | None = None) -> None:
    setup = devices.distribute(make_setup(runs.configuration()), 1)
    state = create_train_state(jax.random.key(step), setup)
    Checkpoints(folder, keep).save(devices.place(state.replace(step=np.int32(step)), setup), setup)


def _begun(folder: Path, steps: tuple[int, ...] = (1, 2)) -> None:
    """A run with some checkpoints."""
    runs.write_settings(folder, runs.configuration(), run="this")
    for step in steps:
        _save(folder, step)


def _resumed(folder: Path) -> tuple[int, str] | None:
    setup = devices.distribute(make_setup(runs.configuration()), 1)
    state = Checkpoints(folder).resume(setup)
    return state and (int(state.step), digest(devices.collect(state, setup)))


def _old_or_new(old: int) -> Callable:
    """Whether a run goes on from the step before the work or after it, exactly as it was saved."""

    def check(folder: Path, wanted: tuple[int, str]) -> str | None:
        found = _resumed(folder)
        if old == 0:
            return None if found in (None, wanted) else f"resumes at {found}"
        setup = devices.distribute(make_setup(runs.configuration()), 1)
        before = create_train_state(jax.random.key(old), setup).replace(step=np.int32(old))
        options = (wanted, (old, digest(before)))
        return None if found in options else f"resumes at {found}"

    return check


def _set_aside(folder: Path) -> None:
    """A run whose newest checkpoint is damaged."""
    _begun(folder)
    (folder / FOLDER / "2" / "digest" / "metadata").write_text("{}")


def _results(folder: Path) -> None:
    _begun(folder, (1,))
    _write_results(folder, 1)


def _write_results(folder: Path, number: int) -> None:
    """As `evaluate` and `report` write them."""
    write_choice(folder, {"step": 1, "rule": str(number) * 300})
    write_json(folder / EVALUATION, {"checkpoint": 1, "seeds": number, "notes": ["x" * 3000]})
    write_report(folder)


def _read_results(folder: Path) -> dict[str, Any]:
    page = (folder / "report.html").read_text().rstrip()
    return {
        "chosen.json": read_choice(folder)["rule"][0],
        "evaluation.json": str(json.loads((folder / EVALUATION).read_text())["seeds"]),
        "report.html": page.endswith("</html>"),
        "MODEL_CARD.md": (folder / "MODEL_CARD.md").stat().st_size > 0,
    }


def _whole_results(folder: Path, wanted: dict[str, Any]) -> str | None:
    found = _read_results(folder)
    whole = all(found[name] in ("1", "2") for name in ("chosen.json", "evaluation.json"))
    if not whole or not found["report.html"]:
        return f"reads {found}"
    _write_results(folder, 2)
    return runs.difference(_read_results(folder), wanted)


def _refiner() -> Refine:
    """Beside the package: the same for every folder."""
    return load_refiner(weights.pretrained("eyes"))


def _refine(folder: Path) -> None:
    refine_folder(_refiner(), folder / "in", folder / "out", Options())


def _refined(folder: Path) -> dict[str, str]:
    return runs.files(folder / "out")


def _refine_again(folder: Path, wanted: dict[str, str]) -> str | None:
    _refine(folder)
    return runs.difference(_refined(folder), wanted)


def _prepare(folder: Path) -> None:
    prepare("unity_eyes", folder / "eyes", folder / "sets", workers=1)


def _prepared(folder: Path) -> dict[str, Any]:
    arrays = data.load({"source": "unity_eyes", "data_dir": str(folder / "sets")})
    found = {"images": arrays.images, **arrays.labels}
    return {name: np.asarray(x).tobytes() for name, x in found.items()}


def _prepare_again(folder: Path, wanted: dict[str, Any]) -> str | None:
    _prepare(folder)
    differing = [name for name, x in _prepared(folder).items() if x != wanted[name]]
    return f"other {differing}" if differing else None


def _export(folder: Path, step: int) -> None:
    refiner = _refiner()
    for suffix in weights.SUFFIXES:
        weights.write(folder / f"refiner{suffix}", refiner.config, refiner.params, step)


def _exported(folder: Path) -> list[int]:
    return [weights.read(folder / f"refiner{suffix}")[2] for suffix in weights.SUFFIXES]


def _log(folder: Path) -> None:
    with logs.Log(folder, 3, 9) as log:
        for step in range(4, 8):
            log.write(step, "adversarial", {"refiner/change": float(step)})


def _logged(folder: Path) -> list[int]:
    return [row["step"] for row in logs.read(folder / logs.FILE)]


def _log_again(folder: Path, wanted: list[int]) -> str | None:
    found = _logged(folder)
    if found != list(range(1, len(found) + 1)) or len(found) < 3:
        return f"rows {found}"
    _log(folder)
    return None if _logged(folder) == wanted else f"rows {_logged(folder)} after going on"


def _write_log(folder: Path) -> None:
    with logs.Log(folder, 0, 9) as log:
        for step in range(1, 6):
            log.write(step, "adversarial", {"refiner/change": float(step)})


SUBJECTS = {
    "first save": Subject(
        lambda folder: _begun(folder, ()), lambda x: _save(x, 1), _resumed, _old_or_new(0)
    ),
    "save and prune": Subject(_begun, lambda x: _save(x, 3, keep=2), _resumed, _old_or_new(2)),
    "set aside": Subject(_set_aside, _resumed, _resumed, _old_or_new(1)),
    "results": Subject(_results, lambda x: _write_results(x, 2), _read_results, _whole_results),
    "refine": Subject(
        lambda x: runs.pictures(x / "in", 4, np.random.default_rng(0), size=40),
        _refine,
        _refined,
        _refine_again,
    ),
    "prepare": Subject(
        lambda x: write_unity_files(x / "eyes", 2), _prepare, _prepared, _prepare_again
    ),
    "export": Subject(
        lambda x: _export(x, 1),
        lambda x: _export(x, 2),
        _exported,
        lambda x, wanted: None if set(_exported(x)) <= {1, 2} else f"reads {_exported(x)}",
    ),
    "log": Subject(_write_log, _log, _logged, _log_again),
}
