"""Long work over files in pieces, on all cores: what was finished when it stopped is not done again.

Each job is done by one process and leaves one file, its chunk. At no time are more than a few chunks in
memory.
"""

import hashlib
import json
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import current_process, get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import replacing
from simgan_jax.io.progress import progress

KILLED = (
    "a worker process was killed (out of memory?); run it again with fewer, and it goes on here"
)
UNGUARDED = (
    "worker processes ended as they began. They import the script that called this: put the call "
    'below if __name__ == "__main__":, or set workers to 1. (Or they were killed: out of memory?)'
)
# Size and time of the last change of a file; None if it is missing.
Stamp = tuple[int, int] | None


@dataclass(frozen=True)
class Chunk:
    """Some examples, row i of each array belonging together.

    Attributes:
        examples: arrays [n, ...] by feature; `name` is unique in its split.
        faults: a line for each piece of damaged input that was left out.
    """

    examples: dict[str, np.ndarray]
    faults: list[str]


@dataclass(frozen=True)
class Job:
    """A piece of the work.

    Attributes:
        work: a module's function; `work(*arguments)` gives a `Chunk`.
        arguments: all that the result depends on, also sizes and times of the files, so that a changed
            file is read again.
        size: how much of the work it is, in the unit of the progress bar.
    """

    work: Callable[..., Chunk]
    arguments: tuple
    size: int

    def fingerprint(self) -> str:
        """A name for the result: another one if anything it depends on has changed."""
        told = (self.work.__module__, self.work.__qualname__, self.arguments)
        return hashlib.sha256(pickle.dumps(told, protocol=5)).hexdigest()[:32]


def stamp(path: str | Path) -> Stamp:
    """What changes when a file does."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class Pool:
    """Processes that do jobs, started with the first; with one worker, this process does."""

    def __init__(self, workers: int):
        self.workers = workers
        self._processes: ProcessPoolExecutor | None = None

    def limit(self, jobs: int) -> None:
        """Takes no more workers than there are jobs."""
        self.workers = max(1, min(self.workers, jobs))

    def submit(self, job: Job, path: Path) -> Callable[[], None]:
        """Begins a job; the function returned waits for its end, or raises its error."""
        if self.workers == 1:
            return lambda: _do(job, path)
        if self._processes is None:
            # Not forked: the parent may hold JAX's threads and locks.
            self._processes = ProcessPoolExecutor(
                self.workers, mp_context=get_context("spawn"), initializer=_serve_the_parent
            )
        return self._processes.submit(_do, job, path).result

    def __enter__(self) -> "Pool":
        """Nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drops what is not begun and waits for what is."""
        if self._processes:
            self._processes.shutdown(cancel_futures=True)


def run(jobs: list[Job], folder: Path, pool: "Pool", what: str) -> Iterator[Chunk]:
    """Does the jobs, as many as there are workers at a time, and yields their chunks in order.

    Args:
        jobs: the work.
        folder: for finished chunks; those found there are not done again.
        pool: does them.
        what: is prepared, for the progress bar.
    """
    paths = [folder / f"{job.fingerprint()}.npz" for job in jobs]
    total = sum(job.size for job in jobs)
    with progress(what, total) as advance:
        waiting: deque = deque()
        finished = False
        upcoming = iter(zip(jobs, paths, strict=True))
        for job, path in zip(jobs, paths, strict=True):
            try:
                # Two jobs a worker ahead, so that no worker waits and results do not pile up.
                while len(waiting) < 2 * pool.workers and (following := next(upcoming, None)):
                    waiting.append(pool.submit(*following))
                waiting.popleft()()
            except BrokenProcessPool as error:
                raise UserError(f"{what}: {KILLED if finished else UNGUARDED}") from error
            finished = True
            yield _read(path)
            advance(job.size)


def collect(items: Iterable[Any], one: Callable[[Any], dict[str, Any]], on_error: str) -> Chunk:
    """Applies `one` to each item and stacks the results.

    Args:
        items: what to read.
        one: gives one example; raises UserError on damaged input.
        on_error: "stop" lets that error pass, "skip" notes it.
    """
    faults: list[str] = []
    found = [guarded(faults, on_error, one, item) for item in items]
    examples = [example for example in found if example is not None]
    names = examples[0] if examples else {}
    return Chunk({name: np.stack([x[name] for x in examples]) for name in names}, faults)


def guarded(faults: list[str], on_error: str, call: Callable, *arguments: Any) -> Any:
    """What a call returns; after a UserError None, if it is to be skipped.

    Args:
        faults: gets a line for what is skipped.
        on_error: "stop" or "skip".
        call: reads something.
        *arguments: of the call.

    Raises:
        UserError: that of the call, and how to go on without what it is about.
    """
    try:
        return call(*arguments)
    except UserError as error:
        if on_error != "skip":
            raise UserError(
                f"{error} (--on_error=skip leaves out and counts what is damaged)"
            ) from error
        faults.append(str(error))
        return None


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_if_unguarded() -> None:
    """Ends a worker that imports a script without a main guard, which would do the parent's work anew.

    The parent says what is wrong.
    """
    if getattr(current_process(), "_inheriting", False):
        sys.exit(2)


def _serve_the_parent() -> None:
    """Ctrl-C goes to the parent alone, which stops the others; they do not outlive it.

    Where it was killed, nobody else would ever end them: each holds the other end of what it reads.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_it() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()


def _do(job: Job, path: Path) -> None:
    """Does a job whose chunk is not there yet."""
    if path.exists():
        try:
            _read(path)
        except Exception:  # of NumPy, zipfile, zlib and json, on a damaged file
            path.unlink()
        else:
            return
    chunk = job.work(*job.arguments)
    arrays = {f"example.{name}": values for name, values in chunk.examples.items()}
    with replacing(path, forced=False) as temporary, temporary.open("wb") as file:
        np.savez(file, faults=np.array(json.dumps(chunk.faults)), **arrays)


def _read(path: Path) -> Chunk:
    with np.load(path, allow_pickle=False) as arrays:
        examples = {
            name.removeprefix("example."): arrays[name] for name in arrays if name != "faults"
        }
        return Chunk(examples, json.loads(str(arrays["faults"])))
