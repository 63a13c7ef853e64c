"""Signals that ask a run to stop."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax

from simgan_jax.io.signals import heard
from simgan_jax.training import processes

# Windows has no SIGHUP, which a closed terminal sends.
HANGUP = tuple(getattr(signal, name) for name in ("SIGHUP",) if hasattr(signal, name))


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Within it, SIGTERM, Ctrl-C and a closed terminal only set a flag; a second one ends the process.

    Yields:
        A function, to be asked after each call: whether to stop. Several processes stop after the same
        one, also where a signal has come to one of them alone.
    """
    if jax.process_count() > 1:
        with (
            processes.preemptions() as preempted,
            # JAX itself listens to SIGTERM, and tells the others.
            heard((signal.SIGINT, *HANGUP), lambda *_: os.kill(os.getpid(), signal.SIGTERM)),
        ):
            yield preempted
        return
    seen = []
    with heard((signal.SIGTERM, signal.SIGINT, *HANGUP), lambda number, _: seen.append(number)):
        yield lambda: bool(seen)
