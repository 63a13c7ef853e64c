"""Signals that ask a run to stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax

from simgan_jax.training import processes

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def interruptions() -> Iterator[Callable[[], bool]]:
    """Within it, SIGTERM and Ctrl-C only set a flag; a second one ends the process at once.

    It ends as a shell tells of signals, with status 143 or 130.

    Yields:
        A function, to be asked after each call: whether to stop. Several processes stop after the same
        one, also where SIGTERM has come to one of them alone.
    """
    if jax.process_count() > 1:
        with processes.preemptions() as preempted:
            yield preempted
        return
    seen = []
    # Python's handlers wait for the end of what is compiled or computed, which may take minutes, and
    # two signals that came meanwhile are one to them. A thread reads both here.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_end_at_the_second, args=(reader,), daemon=True).start()
    pipe_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda n, _: seen.append(n)) for number in SIGNALS}
    try:
        yield lambda: bool(seen)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(pipe_before)
        os.close(writer)


def _end_at_the_second(reader: int) -> None:
    """Reads signals' numbers from a pipe until it is closed."""
    with open(reader, "rb", buffering=0) as numbers:
        came = 0
        while number := numbers.read(1):
            came += number[0] in SIGNALS
            if came == 2:
                os._exit(128 + number[0])
