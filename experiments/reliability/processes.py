"""Commands as processes that cost little to start: forked from one that has imported all of them.

What is forked has one thread and has not started JAX; each process then does all that the command does
after its imports, which touch no file of a run.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMANDS = ("main", "refine", "export", "report", "data.prepare")
MODULES = (
    *(f"simgan_jax.{name}" for name in COMMANDS),
    *(
        "simgan_jax.data.unity_eyes",
        "tensorflow_datasets",
        "array_record.python.array_record_module",
    ),
    "experiments.reliability.processes",
)
# Seconds that any process may take.
PATIENCE = 3600


def environment() -> dict[str, str]:
    """Variables of every process: one device, quick compilation, programs kept on disk."""
    programs = Path.home() / ".cache" / "simgan_jax_reliability"
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(programs)),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        # A fork takes along one thread, so there must be no others.
        "OPENBLAS_NUM_THREADS": "1",
    }


class Command:
    """A command that runs in a process of its own."""

    def __init__(
        self,
        module: str,
        arguments: list[str],
        said: Path,
        before: Callable[[], None] | None = None,
    ):
        """Starts it.

        Args:
            module: of `simgan_jax`, whose command it is.
            arguments: of the command.
            said: folder for what it says; made if missing.
            before: what is done in its process first.
        """
        said.mkdir(parents=True, exist_ok=True)
        for name in ("out", "err"):
            (said / name).write_text("")
        self._said = said
        self._process = _context().Process(target=_run, args=(module, arguments, str(said), before))
        self._process.start()

    def wait(self, seconds: float = PATIENCE) -> int | None:
        """The status, negative for a signal; None if the process goes on."""
        self._process.join(seconds)
        return self._process.exitcode

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing if the process is over."""
        if self._process.exitcode is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self._process.pid, number)

    def end(self) -> tuple[int, str, str]:
        """Waits for the end; status, output and errors.

        Raises:
            TimeoutError: it does not end.
        """
        if self.wait() is None:
            self._process.kill()
            self._process.join()
            raise TimeoutError(f"{PATIENCE} s were not enough; said: {self.output()[-500:]}")
        return self._process.exitcode, self.output(), (self._said / "err").read_text()

    def output(self) -> str:
        """What it has said so far."""
        return (self._said / "out").read_text()


def must(module: str, arguments: list[str], said: Path) -> float:
    """Runs a command that has to succeed; returns the seconds that it took."""
    began = time.monotonic()
    status, _, err = Command(module, arguments, said).end()
    if status:
        raise RuntimeError(f"{module} {' '.join(arguments)} ended with {status}: {err[-2000:]}")
    return time.monotonic() - began


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    os.environ.update(environment())
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(MODULES))
    return context


def _run(module: str, arguments: list[str], said: str, before: Callable[[], None] | None) -> None:
    # A command listens to Ctrl-C when it has begun; what comes before, Python would tell at length. And
    # what this program was told to ignore, as in the background, its processes do not.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    assert len(os.listdir("/proc/self/task")) == 1, "a fork of several threads"
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{said}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout.reconfigure(line_buffering=True)
    sys.argv = [f"{module}.py", *arguments]
    if before:
        before()
    import_module(f"simgan_jax.{module}").run()
