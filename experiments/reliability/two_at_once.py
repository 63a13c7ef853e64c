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
from experiments.reliability.commands import Inputs, arguments, write_inputs
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import Command, must

# Module, whose command it is, and its arguments.
Given = tuple[str, list[str]]


class Pair(NamedTuple):
    """Two commands that meet.

    Attributes:
        name: of both.
        first: module, whose command it is.
        second: the one that comes a moment later.
        left: what there must be in the end in the folder that both write.
    """

    name: str
    first: str
    second: str
    left: Callable[[Path], Any]


PAIRS = (
    Pair("two refine", "refine", "refine", runs.files),
    Pair("two exports", "export", "export", runs.files),
    Pair(
        "two prepare", "data.prepare", "data.prepare", lambda folder: runs.files(folder, "**/*.npy")
    ),
    Pair("two trainings", "main", "main", runs.left),
    Pair("training and report", "main", "report", runs.left),
)


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Lets pairs meet `times` times, the second after a random part of the first's time."""
    inputs, said = write_inputs(scratch, 60, 6, rng), scratch / "said"
    wanted, seconds = {}, {}
    for number in range(times):
        if outcome.over:
            break
        pair = PAIRS[number % len(PAIRS)]
        if pair.name not in wanted:
            folder = scratch / f"alone {pair.name}"
            first, second = _both(pair, inputs, folder)
            seconds[pair.name] = must(*first, said)
            must(*second, said)
            wanted[pair.name] = pair.left(folder)
        folder = scratch / str(number)
        first, second = _both(pair, inputs, folder)
        fault, told = _meet(first, second, seconds[pair.name] * rng.random(), scratch)
        outcome.count("ends", f"{pair.name}: {told}")
        if not fault:
            # Both come once more, alone, as who was refused would.
            must(*first, said)
            must(*second, said)
            fault = runs.difference(pair.left(folder), wanted[pair.name])
        outcome.add(fault and f"{pair.name}: {fault}")
        shutil.rmtree(folder)


def _both(pair: Pair, inputs: Inputs, folder: Path) -> list[Given]:
    """The two commands, which write one folder."""
    return [(module, arguments(module, inputs, folder)) for module in (pair.first, pair.second)]


def _meet(first: Given, second: Given, later: float, scratch: Path) -> tuple[str | None, str]:
    """What was wrong with how two ended that met, and how they did."""
    one = Command(*first, scratch / "first")
    one.wait(later)
    other = Command(*second, scratch / "second")
    ends = []
    for process in (one, other):
        status, _, err = process.end()
        lines = [line for line in err.splitlines() if not line.startswith("simgan: warning")]
        if status not in (0, 2) or (status == 2 and len(lines) != 1) or "Traceback" in err:
            return f"status {status}: {err[-400:]}", "wrong"
        ends.append("refused" if status else "done")
    fault = None if "done" in ends else "both were refused"
    return fault, " and ".join(ends)
