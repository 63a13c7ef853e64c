"""Processes are killed at random instants and started again until they are done.

What is then there must equal, bit for bit, what an unbroken process leaves: the whole state of every
checkpoint, what was measured, every refined, prepared and exported file.
"""

import itertools
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.reliability import runs
from experiments.reliability.commands import Inputs, arguments, write_inputs
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import Command, must
from simgan_jax.training.checkpoint import FOLDER

# Signals in a row to one job, which is then left alone until it is done.
IN_A_ROW = 6
# The instant of a signal is drawn from the seconds that a whole job takes, times this for each signal
# before: less is left to do, and a process that ends first is no kill.
LESS = 0.75
# Seconds from a second signal to the end of the process: it stands in line for the processor.
AT_ONCE = 10
KILL, TERM, INT, HUP = signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP
KINDS = ([KILL], [TERM], [INT], [HUP], [TERM, TERM], [INT, INT])
SHARES = (0.75, 0.07, 0.06, 0.02, 0.04, 0.06)
# Documented: 0 after training has saved, else as signals end processes; with 130 and the like there is
# one line, with others nothing.
STATUSES = {KILL: {-KILL}, TERM: {0, -TERM, 143}, INT: {0, -INT, 130}, HUP: {0, -HUP, 129}}


@dataclass(frozen=True)
class Job:
    """A command to be killed.

    Attributes:
        name: for the counts.
        share: of all kills.
        module: whose command it is.
        left: what it has made in the folder that it writes.
    """

    name: str
    share: float
    module: str
    left: Callable[[Path], dict[str, Any]]


def refined(folder: Path) -> dict[str, Any]:
    """What `refine` leaves."""
    assert not (folder / ".refine").exists(), "what refine keeps while it works is still there"
    return runs.files(folder)


# Every command that writes.
JOBS = (
    Job("main", 0.6, "main", runs.left),
    Job("refine", 0.2, "refine", refined),
    Job("prepare", 0.1, "data.prepare", lambda x: runs.files(x, "**/arrays/*.npy")),
    Job("export", 0.1, "export", lambda x: runs.files(x, "refiner.npz")),
)


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Sends about `times` signals, to the jobs in turn: each gets its share, however long there is."""
    inputs = write_inputs(scratch, 60, 6, rng)
    seconds, wanted, given = {}, {}, dict.fromkeys((job.name for job in JOBS), 0)
    for attempt in itertools.count():
        job = min(JOBS, key=lambda job: given[job.name] / job.share)
        if sum(given.values()) >= times or outcome.over:
            break
        folder = scratch / job.name
        if job.name not in wanted:
            said = folder / "said"
            must(job.module, arguments(job.module, inputs, folder / "unbroken"), said)  # compiles
            wanted[job.name] = job.left(folder / "unbroken")
            timed = arguments(job.module, inputs, folder / "timed")
            seconds[job.name] = must(job.module, timed, said)
        target = folder / str(attempt)
        sent, fault = _until_done(job, inputs, target, seconds[job.name], rng, outcome)
        given[job.name] += max(1, len(sent))
        fault = fault or runs.difference(job.left(target), wanted[job.name])
        for signals in sent:
            outcome.add(fault and f"{job.name} after {', '.join(sent)}: {fault}")
            outcome.count("signals", signals)
        shutil.rmtree(target)


def _until_done(
    job: Job,
    inputs: Inputs,
    folder: Path,
    seconds: float,
    rng: np.random.Generator,
    outcome: Outcome,
) -> tuple[list[str], str | None]:
    """Starts a job until it ends by itself, killing it up to `IN_A_ROW` times.

    Returns:
        The signals that it got, and what was wrong with how it ended.
    """
    sent: list[str] = []
    while True:
        given = arguments(job.module, inputs, folder)
        process = Command(job.module, given, folder.with_name("said"))
        signals: list[signal.Signals] = []
        span = seconds * LESS ** len(sent)
        if len(sent) < IN_A_ROW and process.wait(span * rng.random()) is None:
            signals = KINDS[rng.choice(len(KINDS), p=SHARES)]
        for number in signals:
            process.send(number)
            time.sleep(0.05)
        slow = len(signals) == 2 and process.wait(AT_ONCE) is None
        status, out, err = process.end()
        if not signals:
            return sent, f"status {status}: {err[-500:]}" if status else None
        if status == 0 and signals[0] == KILL:
            return sent, None  # it was over before
        sent.append(" ".join(x.name for x in signals))
        outcome.count("while", f"{job.name}: {_doing(job, out, folder)}")
        if slow:
            return sent, f"went on {AT_ONCE} s after the second signal"
        lines = len(err.splitlines())
        if status not in STATUSES[signals[0]] or lines > 1 or (status > 0) != (lines == 1):
            return sent, f"status {status}, {lines} lines: {err[-500:]}"


def _doing(job: Job, out: str, folder: Path) -> str:
    """What a process was at when it was killed, as far as its words and its files tell."""
    if job.name != "main":
        return "working" if folder.exists() else "loading"
    if any((folder / FOLDER).glob("*.orbax-checkpoint-tmp*")):
        return "saving"
    for sign, what in (
        ("written to", "reporting"),
        ("chosen", "evaluating"),
        ("adversarial 11/11", "choosing a checkpoint"),
        ("adversarial", "Algorithm 1"),
        ("discriminator", "pre-training"),
        ("refiner", "pre-training"),
        ("ing at", "compiling"),
    ):
        if sign in out:
            return what
    return "loading"
