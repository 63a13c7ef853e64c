"""Two processes at once on one folder: refused, or right, and never mixed.

Two trainings of one run, two that refine into one folder, export into one file or prepare one set, and
a report on a run while it trains. A process that is refused says so in one line and may come
again; what is there in the end must equal what one process after the other makes.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.reliability import runs
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import Command, must
from experiments.reliability.unity_files import write_unity_files


class Pair(NamedTuple):
    """Two commands that meet.

    Attributes:
        name: of both.
        first: module and arguments, given the folder of all.
        second: the one that comes a moment later.
        left: what there must be in the end.
    """

    name: str
    first: Callable[[Path], tuple[str, list[str]]]
    second: Callable[[Path], tuple[str, list[str]]]
    left: Callable[[Path], Any]


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Lets pairs meet `times` times, the second after a random part of the first's time."""
    done, said = runs.write_run(scratch / "done", (1, 2)), scratch / "said"
    pairs = _pairs(
        done, runs.pictures(scratch / "in", 60, rng), write_unity_files(scratch / "eyes", 6)
    )
    wanted, seconds = {}, {}
    for number in range(times):
        if outcome.over:
            break
        pair = pairs[number % len(pairs)]
        if pair.name not in wanted:
            folder = scratch / f"alone {pair.name}"
            seconds[pair.name] = must(*pair.first(folder), said)
            must(*pair.second(folder), said)
            wanted[pair.name] = pair.left(folder)
        folder = scratch / str(number)
        fault, told = _meet(pair, folder, seconds[pair.name] * rng.random(), scratch)
        outcome.count("ends", f"{pair.name}: {told}")
        if not fault:
            # Both come once more, alone, as who was refused would.
            must(*pair.first(folder), said)
            must(*pair.second(folder), said)
            fault = runs.difference(pair.left(folder), wanted[pair.name])
        outcome.add(fault and f"{pair.name}: {fault}")
        shutil.rmtree(folder)


def _meet(pair: Pair, folder: Path, later: float, scratch: Path) -> tuple[str | None, str]:
    """What was wrong with how two ended that met, and how they did."""
    first = Command(*pair.first(folder), scratch / "first")
    first.wait(later)
    second = Command(*pair.second(folder), scratch / "second")
    ends = []
    for process in (first, second):
        status, _, err = process.end()
        lines = [line for line in err.splitlines() if not line.startswith("simgan: warning")]
        if status not in (0, 2) or (status == 2 and len(lines) != 1) or "Traceback" in err:
            return f"status {status}: {err[-400:]}", "wrong"
        ends.append("refused" if status else "done")
    fault = None if "done" in ends else "both were refused"
    return fault, " and ".join(ends)


def _pairs(done: Path, images: Path, eyes: Path) -> list[Pair]:
    def train(folder: Path) -> tuple[str, list[str]]:
        return "main", [*runs.settings(), f"--workdir={folder / 'run'}"]

    def refine(folder: Path) -> tuple[str, list[str]]:
        output = f"--output={folder / 'refined'}"
        return "refine", [f"--workdir={done}", f"--input={images}", output]

    def prepare(folder: Path) -> tuple[str, list[str]]:
        sets = f"--data_dir={folder / 'sets'}"
        return "data.prepare", ["unity_eyes", f"--manual_dir={eyes}", sets, "--workers=1"]

    def report(folder: Path) -> tuple[str, list[str]]:
        return "report", [f"--workdir={folder / 'run'}"]

    def export(folder: Path) -> tuple[str, list[str]]:
        output = f"--output={folder / 'refiner.npz'}"
        return "export", [f"--workdir={done}", "--format=npz", output]

    def trained(folder: Path) -> dict[str, Any]:
        return runs.left(folder / "run")

    return [
        Pair("two refine", refine, refine, lambda x: runs.files(x / "refined")),
        Pair("two exports", export, export, lambda x: runs.files(x)),
        Pair("two prepare", prepare, prepare, lambda x: runs.files(x / "sets", "**/*.npy")),
        Pair("two trainings", train, train, trained),
        Pair("training and report", train, report, trained),
    ]
