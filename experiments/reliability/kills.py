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
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import Command, must
from experiments.reliability.unity_files import write_unity_files
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
        arguments: from the folder that it writes.
        left: what it has made there.
    """

    name: str
    share: float
    module: str
    arguments: Callable[[Path], list[str]]
    left: Callable[[Path], dict[str, Any]]


def jobs(scratch: Path, rng: np.random.Generator) -> list[Job]:
    """Every command that writes; each in a folder of its own, from the same input."""
    run, images, eyes = scratch / "run", scratch / "images", scratch / "eyes"
    runs.write_run(run, (1, 2))
    runs.pictures(images, 60, rng)
    write_unity_files(eyes, 6)

    def train(folder: Path) -> list[str]:
        return [*runs.settings(), f"--workdir={folder}"]

    def refine(folder: Path) -> list[str]:
        return [f"--workdir={run}", f"--input={images}", f"--output={folder}"]

    def prepare(folder: Path) -> list[str]:
        return ["unity_eyes", f"--manual_dir={eyes}", f"--data_dir={folder}", "--workers=1"]

    def export(folder: Path) -> list[str]:
        output = f"--output={folder / 'refiner.npz'}"
        return [f"--workdir={run}", "--format=npz", output]

    def refined(folder: Path) -> dict[str, Any]:
        assert not (folder / ".refine").exists(), "what refine keeps while it works is still there"
        return runs.files(folder)

    return [
        Job("main", 0.6, "main", train, runs.left),
        Job("refine", 0.2, "refine", refine, refined),
        Job("prepare", 0.1, "data.prepare", prepare, lambda x: runs.files(x, "**/arrays/*.npy")),
        Job("export", 0.1, "export", export, lambda x: runs.files(x, "refiner.npz")),
    ]


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Sends about `times` signals, to the jobs in turn: each gets its share, however long there is."""
    every = jobs(scratch, rng)
    seconds, wanted, given = {}, {}, dict.fromkeys((job.name for job in every), 0)
    for attempt in itertools.count():
        job = min(every, key=lambda job: given[job.name] / job.share)
        if sum(given.values()) >= times or outcome.over:
            break
        folder = scratch / job.name
        if job.name not in wanted:
            said = folder / "said"
            must(job.module, job.arguments(folder / "unbroken"), said)  # compiles
            wanted[job.name] = job.left(folder / "unbroken")
            seconds[job.name] = must(job.module, job.arguments(folder / "timed"), said)
        target = folder / str(attempt)
        sent, fault = _until_done(job, target, seconds[job.name], IN_A_ROW, rng, outcome)
        given[job.name] += max(1, len(sent))
        fault = fault or runs.difference(job.left(target), wanted[job.name])
        for signals in sent:
            outcome.add(fault and f"{job.name} after {', '.join(sent)}: {fault}")
            outcome.count("signals", signals)
        shutil.rmtree(target)


def _until_done(
    job: Job, folder: Path, seconds: float, most: int, rng: np.random.Generator, outcome: Outcome
) -> tuple[list[str], str | None]:
    """Starts a job until it ends by itself, killing it up to `most` times.

    Returns:
        The signals that it got, and what was wrong with how it ended.
    """
    sent: list[str] = []
    while True:
        process = Command(job.module, job.arguments(folder), folder.with_name("said"))
        signals: list[signal.Signals] = []
        span = seconds * LESS ** len(sent)
        if len(sent) < most and process.wait(span * rng.random()) is None:
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
