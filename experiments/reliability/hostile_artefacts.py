"""Loading never runs code: what hostile files would do, an audit hook of the interpreter would see.

The hook counts what loading must not do: execute code that is no file of an installed package, import
what is not part of a package that was imported before, start a process, open a socket. Every payload
also would leave a file behind. (`--config=x.py` runs Python: a configuration is a program, see the
documentation. It is not among the artefacts.)
"""

import multiprocessing
import os
import re
import sys
import sysconfig
from pathlib import Path

import numpy as np

from experiments.reliability.artefact_folders import artefacts
from experiments.reliability.artefacts import OWNED
from experiments.reliability.outcome import Outcome
from simgan_jax.errors import UserError

FORBIDDEN = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.spawn",
    "socket.",
)
ALSO = ("pickle.find_class", "code.__new__", "ctypes.dlopen", "webbrowser.open")
# What interpreter and packages execute of their own while they are imported.
TRUSTED = tuple({*sysconfig.get_paths().values(), sys.base_prefix, str(Path(__file__).parents[2])})


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Loads the first `times` artefacts in a process of its own."""
    del rng
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_load, args=(times, str(scratch), sender))
    process.start()
    sender.close()
    while True:
        try:
            name, fault = receiver.recv()
        except EOFError:
            break
        outcome.add(fault and f"{name}: {fault}")
    process.join()
    if process.exitcode:
        outcome.add(f"the process ended with {process.exitcode}")


class Watch:
    """Notes what the interpreter does that loading must not."""

    def __init__(self):
        self.seen: list[str] = []
        self._known = {name.partition(".")[0] for name in sys.modules}
        self._on = False
        sys.addaudithook(self._hook)

    def __enter__(self) -> "Watch":
        """Begins to look."""
        self.seen, self._on = [], True
        return self

    def __exit__(self, *_: object) -> None:
        """Looks away: a hook cannot be removed."""
        self._on = False

    def _hook(self, event: str, arguments: tuple) -> None:
        if not self._on:
            return
        if event.startswith(FORBIDDEN) or event in ALSO:
            told = re.sub(r"\d+", "N", str(arguments))[:100]
            self.seen.append(f"{event} {told}")
        elif event == "import" and str(arguments[0]).partition(".")[0] not in self._known:
            self.seen.append(f"import {arguments[0]}")
        elif event == "exec":
            name = getattr(arguments[0], "co_filename", "?")
            if not name.startswith((*TRUSTED, "<frozen", "<attrs", "<__array_function__")):
                self.seen.append(f"exec {name}")


def _load(times: int, scratch: str, sender) -> None:
    folder = Path(scratch)
    made = artefacts(folder)[:times]
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    harmless = [artefact for artefact in artefacts(folder / "warm") if artefact.harmless]
    for artefact in harmless:
        artefact.load()  # imports what is imported at first use
    watch = Watch()
    usual = set()  # what libraries do at whole files too, as an event loop's pair of sockets
    for artefact in harmless:
        with watch:
            artefact.load()
        usual |= set(watch.seen)
    for artefact in made:
        fault = None
        with watch:
            try:
                artefact.load()
            except UserError:
                pass
            except Exception as error:
                fault = f"{type(error).__name__}: {str(error)[:200]}"
        if unusual := [event for event in watch.seen if event not in usual]:
            fault = "; ".join(unusual[:3])
        if OWNED.exists():
            OWNED.unlink()
            fault = "its payload has run"
        sender.send((artefact.name, fault))
