"""Signals that ask a process to end: it does so in good order, and at once at a second one."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, NoReturn

INTERRUPTED = "interrupted; what is finished is kept, and the same command goes on or begins again"
# Seconds that a command has to end in good order after Ctrl-C: what is being compiled may take minutes.
PATIENCE = 10
# A progress bar has hidden it.
SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def heard(
    numbers: Sequence[signal.Signals],
    handler: Callable[[int, Any], None],
    patience: float | None = None,
) -> Iterator[None]:
    """Within it, the first of some signals is handled, and a second one ends the process at once.

    It ends as a shell tells of signals, with status 128 and the signal's number. What is ignored, as
    `nohup` ignores SIGHUP, stays so. Only the main thread can listen; in others nothing changes.

    Args:
        numbers: of the signals.
        handler: is called in the main thread, once that is at Python code.
        patience: seconds after the first one in which this must be over, or the process ends, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    # Python's handlers wait for the end of what is compiled or computed, which may take minutes, and
    # two signals that came meanwhile are one to them. A thread reads both here.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    threading.Thread(target=_listen, args=(reader, heeded, patience), daemon=True).start()
    pipe_before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)
        signal.set_wakeup_fd(pipe_before)
        os.close(writer)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within it, Ctrl-C raises KeyboardInterrupt, and the process ends whatever comes of that.

    It has `PATIENCE` seconds, and ends at once where Ctrl-C falls into a callback or a destructor,
    which can raise nothing.

    Yields:
        Whether Ctrl-C has come: what went wrong since then did so for that.
    """
    _lose_no_interrupt()
    seen = []

    def interrupt(number: int, _: Any) -> NoReturn:
        seen.append(number)
        raise KeyboardInterrupt

    with heard((signal.SIGINT,), interrupt, PATIENCE):
        yield lambda: bool(seen)


@contextmanager
def ended_at_once() -> Iterator[None]:
    """Within it, Ctrl-C ends the process: while it imports, when there is nothing to tidy.

    A KeyboardInterrupt that falls into an extension, which is being imported, aborts the process.
    """
    with heard((signal.SIGINT,), lambda number, _: end_at_once(number)):
        yield


@cache
def _lose_no_interrupt() -> None:
    """Ends this process at once at a KeyboardInterrupt that nobody catches, or that cannot be raised.

    Python would show a traceback, and go on in the second case. It is so until the very end, when
    Python itself waits for threads.
    """
    unraisable, uncaught = sys.unraisablehook, sys.excepthook

    def end_or_tell(what: Any) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            end_at_once(signal.SIGINT)
        unraisable(what)

    def end_or_show(kind: type[BaseException], *about: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            end_at_once(signal.SIGINT)
        uncaught(kind, *about)

    sys.unraisablehook, sys.excepthook = end_or_tell, end_or_show


def end_at_once(number: int) -> NoReturn:
    """Ends this process as a signal does, with a line that says so."""
    with suppress(OSError):  # nobody reads it
        cursor = SHOW_CURSOR if os.isatty(2) else ""
        os.write(2, f"{cursor}simgan: {INTERRUPTED}\n".encode())
    os._exit(128 + number)


def _listen(reader: int, heeded: Sequence[int], patience: float | None) -> None:
    """Reads signals' numbers from a pipe until it is closed."""
    timer = None
    with open(reader, "rb", buffering=0) as numbers:
        while content := numbers.read(1):
            number = content[0]
            if number not in heeded:
                continue
            if timer:
                end_at_once(number)
            timer = threading.Timer(patience or threading.TIMEOUT_MAX, end_at_once, (number,))
            timer.daemon = True
            timer.start()
    if timer:
        timer.cancel()
