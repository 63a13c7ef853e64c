"""Mutated files of every kind are read, or refused in one line, in bounded time and memory.

Worker processes read them one after the other. One that crashes, hangs or is killed is a fault of the
file it was at; a new one goes on after it. The n-th mutant is a function of the seed and n.
"""

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Sequence
from ctypes import c_int64
from pathlib import Path

import numpy as np

from experiments.reliability.mutants import mutant
from experiments.reliability.outcome import TOLD, Outcome
from experiments.reliability.samples import Sample, samples
from simgan_jax.errors import UserError

# Of the processor's time, which other processes do not lengthen; and what the peak may grow by.
SECONDS, BYTES = 2.0, 2**30
# What is left to a reader beyond BYTES before its process is refused more.
SPARE = 2**30
# A reader that passes SECONDS is told on return; one that passes this is killed.
LAST = 20


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Reads `times` mutants, the kinds in turn."""
    seed = int(rng.integers(2**31))
    context = multiprocessing.get_context("spawn")
    at = context.Value(c_int64, 0)
    told = context.Queue()
    faulty, done = 0, False
    while not done:
        work = (seed, at, times, outcome.until, str(scratch), told)
        process = context.Process(target=_work, args=work)
        process.start()
        faults = _collect(process, told)
        done = process.exitcode == 0
        if not done:
            faults.append(f"mutant {at.value}: the process ended with {process.exitcode}")
            at.value += 1
        faulty += len(faults)
        outcome.faults += faults[: TOLD - len(outcome.faults)]
    outcome.tried, outcome.held = at.value, at.value - faulty
    every = samples(scratch)
    for number in range(outcome.tried):
        outcome.count("kinds", _sample(every, number).kind)


def _sample(every: Sequence[Sample], number: int) -> Sample:
    """The one that a mutant is made of."""
    return every[number % len(every)]


def _collect(process, told) -> list[str]:
    """The faults that a worker tells until it ends."""
    faults = []
    while True:
        alive = process.is_alive()
        while not told.empty():
            faults.append(told.get())
        if not alive:
            return faults
        time.sleep(0.1)


def _work(seed: int, at, times: int, until: float, scratch: str, told) -> None:
    """Reads mutants from `at` on."""
    folder = Path(scratch) / f"{os.getpid()}"
    folder.mkdir()
    every = samples(folder)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    space = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (space + BYTES + SPARE,) * 2)
    while at.value < times and time.monotonic() < until:
        number = at.value
        sample = _sample(every, number)
        rng = np.random.default_rng([seed, number])
        path = folder / sample.name
        path.write_bytes(mutant(sample.content, rng))
        fault = _read(sample, path)
        path.write_bytes(sample.content)  # others are read beside it
        if fault:
            told.put(f"mutant {number}, {sample.kind} {sample.name}: {fault}")
        at.value = number + 1


def _read(sample, path: Path) -> str | None:
    """What is wrong with how a file was read."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, LAST)  # its signal ends the process
    fault = None
    try:
        sample.read(path)
    except UserError as error:
        if "\n" in str(error) or not 10 < len(str(error)) < 1000:
            fault = f"says: {str(error)[:200]!r}"
    except Exception as error:
        fault = f"{type(error).__name__}: {str(error)[:200]}"
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - peak
    if seconds > SECONDS:
        fault = fault or f"{seconds:.1f} s"
    if grown > BYTES:
        fault = fault or f"{grown / 2**30:.1f} GiB"
    return fault
