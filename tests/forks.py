"""Python processes that cost little to start: forked from one that has imported what they need.

What is forked has one thread and has not started JAX; each process then does all that the same command
line does after its imports.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jax
from tiny import environment

# What commands import, and what they would later.
MODULES = (
    "jax.scipy.ndimage",
    "matplotlib.figure",
    "mpl_toolkits.mplot3d",
    "scipy.linalg",
    "simgan_jax.command",
    "simgan_jax.evaluation.readiness",
    "simgan_jax.evaluation.run",
    "simgan_jax.refinement.folders",
    "simgan_jax.reporting.page",
    "simgan_jax.training.dry_run",
    "simgan_jax.training.loop",
)
OUTPUTS = {1: "out", 2: "err"}


class Process:
    """What `python ARGUMENTS` is: "-m" and a module, "-c" and a program, or a file."""

    def __init__(
        self, arguments: list[Any], said: Path, folder: Path | None = None, **variables: str
    ):
        """Starts it.

        Args:
            arguments: of `python`.
            said: folder for what it says; made if missing.
            folder: where it works; that of the tests by default.
            variables: of its environment, beside those of all tests.
        """
        said.mkdir(parents=True, exist_ok=True)
        for name in OUTPUTS.values():
            (said / name).touch()
        self._said = said
        given = ([*map(str, arguments)], folder or Path.cwd(), environment(**variables), said)
        self._process = _context().Process(target=_run, args=given)
        self._process.start()
        self.pid = self._process.pid

    @property
    def out(self) -> str:
        """What it has said so far."""
        return (self._said / "out").read_text()

    @property
    def err(self) -> str:
        """What it has complained of so far."""
        return (self._said / "err").read_text()

    def poll(self) -> int | None:
        """The status, negative for a signal; None if it goes on."""
        return self._process.exitcode

    def wait(self, seconds: float = 300) -> int:
        """The status at its end, which is made where it does not come in time."""
        self._process.join(seconds)
        if self.poll() is None:
            self.kill()
            raise subprocess.TimeoutExpired(f"python, which said {self.err[-3000:]}", seconds)
        return self.poll()

    def wait_for(self, words: str, seconds: float = 300) -> None:
        """Waits until it has said something."""
        deadline = time.monotonic() + seconds
        while words not in self.out:
            assert self.poll() is None, self.err
            assert time.monotonic() < deadline, f"not a word of {words!r} within {seconds} s"
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing if it is over."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once, if it is not over."""
        self.send(signal.SIGKILL)
        self._process.join()

    def stop(self) -> None:
        """Stops all its threads where they are, until SIGCONT."""
        self.send(signal.SIGSTOP)
        threads = Path(f"/proc/{self.pid}/task")
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            while any(_state(thread) not in "TZX" for thread in threads.iterdir()):
                time.sleep(0.001)


def _state(thread: Path) -> str:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    # A fork takes along one thread, so there must be no others.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(MODULES))
    return context


def _run(arguments: list[str], folder: Path, variables: dict[str, str], said: Path) -> None:
    assert sys.modules.keys() >= {*MODULES}, "nothing was imported before the fork"
    assert len(os.listdir(f"/proc/{os.getppid()}/task")) == 1, "a fork of several threads"
    # As where a shell starts it, wherever the tests run.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for number, name in OUTPUTS.items():
        os.dup2(os.open(said / name, os.O_WRONLY | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.update(variables)
    for name, value in variables.items():  # which JAX reads when it is imported
        if name.startswith("JAX_") and name.lower() in jax.config.values:
            jax.config.update(name.lower(), int(value) if value.isdigit() else value)
    how, *rest = arguments
    try:
        if how == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif how == "-c":
            program, *sys.argv[1:] = rest
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv = arguments
            runpy.run_path(how, run_name="__main__")
    finally:
        atexit._run_exitfuncs()
