"""What the three TFDS builders share: work on all cores, resumable, and a count of what was skipped.

The source files are cut into jobs. Each job is done by one process and leaves one file ("chunk")
beside the set; a preparation that was stopped finds the chunks that are there and does the others. TFDS
writes the set from them, and when it is written they are deleted. At no time are more than a few chunks
and the gigabyte that TFDS sorts at once in memory, beside the names of the files.
"""

import fcntl
import hashlib
import io
import json
import os
import pickle
import shutil
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile

import numpy as np
import tensorflow_datasets as tfds

from simgan_jax.errors import UserError
from simgan_jax.io.atomic import replacing
from simgan_jax.io.progress import progress

SKIPPED = "skipped.txt"


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


class ManualBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A TFDS builder over files that the user puts in a folder.

    Subclasses give `VERSION`, `RELEASE_NOTES`, `MANUAL_DOWNLOAD_INSTRUCTIONS`, `_info` and `jobs`. The
    set is written as array_record, which needs no TensorFlow.
    """

    # Nothing is downloaded. (TFDS's own answer needs a package that it does not install.)
    url_infos = None

    def __init__(self, *, file_format: str | None = None, **keywords: Any):
        """As any TFDS builder, with another default.

        Args:
            file_format: array_record unless named.
            **keywords: `data_dir`, `config`, `version`.
        """
        super().__init__(file_format=file_format or "array_record", **keywords)
        self._on_error = "stop"
        self._chunks: Path | None = None
        self._pool = Pool(1)
        self._faults: list[str] = []

    def jobs(self, folder: Path, on_error: str) -> dict[str, list[Job]]:
        """The work by split.

        Args:
            folder: of the user's files.
            on_error: "stop" or "skip"; what `collect` and the work functions are to do.

        Raises:
            UserError: files are missing: which, and where they should be.
        """
        raise NotImplementedError

    def prepare(self, folder: Path, workers: int, on_error: str = "stop") -> list[str]:
        """Prepares the set, or goes on where an earlier preparation stopped.

        Args:
            folder: of the user's files.
            workers: processes.
            on_error: "stop" at damaged input, or "skip" it.

        Returns:
            A line for each skipped piece of input.

        Raises:
            UserError: missing or damaged input, no room, another preparation of the set is running.
        """
        if self.is_prepared():
            return []
        if not folder.is_dir():
            raise UserError(
                f"{folder}: no such folder. {one_line(self.MANUAL_DOWNLOAD_INSTRUCTIONS)}"
            )
        tfds.disable_progress_bar()
        target = Path(self.data_dir)
        self._chunks = Path(f"{target}.chunks")
        self._on_error = on_error
        with _alone(self._chunks):
            for leftover in target.parent.glob(f"incomplete.*_{target.name}"):
                shutil.rmtree(leftover)  # what TFDS had written when it was killed
            config = tfds.download.DownloadConfig(manual_dir=folder)
            try:
                # TFDS speaks of downloads.
                with redirect_stdout(io.StringIO()), Pool(workers) as self._pool:
                    self.download_and_prepare(download_config=config)
                (target / SKIPPED).write_text("".join(f + "\n" for f in self._faults))
            except OSError as error:
                raise UserError(
                    f"{target}: cannot be written ({error.strerror or error}); free space or "
                    "name another place with --data_dir"
                ) from error
        shutil.rmtree(self._chunks)
        return self._faults

    def is_prepared(self) -> bool:
        """Whether the set is there, whole."""
        return (Path(self.data_dir) / "dataset_info.json").exists()

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        splits = self.jobs(Path(dl_manager.manual_dir), self._on_error)
        self._pool.limit(sum(map(len, splits.values())))
        return {name: self._generate_examples(name, jobs) for name, jobs in splits.items()}

    def _generate_examples(self, split: str, jobs: list[Job]) -> Iterator[tuple[str, dict]]:
        examples = 0
        with TemporaryDirectory() if self._chunks is None else nullcontext(self._chunks) as folder:
            what = f"{self.info.full_name} {split}"
            for chunk in run(jobs, Path(folder), self._pool, what):
                self._faults += chunk.faults
                names = chunk.examples.get("name", [])
                for row, name in enumerate(names):
                    yield str(name), {key: values[row] for key, values in chunk.examples.items()}
                examples += len(names)
        if not examples:
            first = self._faults[0] if self._faults else "no input"
            raise UserError(f"{self.info.full_name}: no example is left in {split}; first: {first}")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Holds a lock in a folder that ends with this process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); name another place with --data_dir"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{folder}: another process is preparing this set") from None
        yield


def collect(items: Iterable[Any], one: Callable[[Any], dict[str, Any]], on_error: str) -> Chunk:
    """Applies `one` to each item and stacks the results.

    Args:
        items: what to read.
        one: gives one example; raises UserError on damaged input.
        on_error: "stop" lets that error pass, "skip" notes it.
    """
    examples, faults = [], []
    for item in items:
        try:
            examples.append(one(item))
        except UserError as error:
            if on_error != "skip":
                raise
            faults.append(str(error))
    names = examples[0] if examples else {}
    return Chunk({name: np.stack([x[name] for x in examples]) for name in names}, faults)


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
        upcoming = iter(zip(jobs, paths, strict=True))
        for job, path in zip(jobs, paths, strict=True):
            # Two jobs a worker ahead, so that no worker waits and results do not pile up.
            while len(waiting) < 2 * pool.workers and (following := next(upcoming, None)):
                waiting.append(pool.submit(*following))
            try:
                waiting.popleft()()
            except BrokenProcessPool as error:
                raise UserError(
                    f"{what}: a worker process was killed (out of memory?); run it again, with fewer "
                    "workers, and it goes on here"
                ) from error
            yield _read(path)
            advance(job.size)


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
                self.workers, mp_context=get_context("spawn"), initializer=_ignore_interrupts
            )
        return self._processes.submit(_do, job, path).result

    def __enter__(self) -> "Pool":
        """Nothing is started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drops what is not begun and waits for what is."""
        if self._processes:
            self._processes.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C goes to the parent alone, which stops the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _do(job: Job, path: Path) -> None:
    """Does a job whose chunk is not there yet."""
    if path.exists():
        try:
            _read(path)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            path.unlink()
        else:
            return
    chunk = job.work(*job.arguments)
    arrays = {f"example.{name}": values for name, values in chunk.examples.items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, faults=np.array(json.dumps(chunk.faults)), **arrays)


def _read(path: Path) -> Chunk:
    with np.load(path, allow_pickle=False) as arrays:
        examples = {
            name.removeprefix("example."): arrays[name] for name in arrays if name != "faults"
        }
        return Chunk(examples, json.loads(str(arrays["faults"])))


def processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())
