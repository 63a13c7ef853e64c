"""Silence of packages whose threads complain, hundreds of lines, of what an error tells already."""

import logging
import sys
import threading
import traceback
from functools import cache
from types import TracebackType
from typing import Any

# What asyncio says to those that come too late: threads of C++ that no line of Python is of.
CLOSED = "Event loop is closed"


@cache
def silence(*packages: str) -> None:
    """Once a process; what threads, callbacks and loggers of other packages say is said as before.

    Args:
        *packages: names that stand in the paths of their files.
    """

    def is_theirs(error: BaseException | None, frames: TracebackType | None) -> bool:
        if not isinstance(error, Exception):  # Ctrl-C, too
            return False
        files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(frames)]
        return CLOSED in str(error) or any(name in file for file in files for name in packages)

    def is_of_others(record: logging.LogRecord) -> bool:
        told = record.getMessage() if record.name == "asyncio" else ""
        return not any(name in f"{record.pathname} {told}" for name in packages)

    for logger in ("absl", "asyncio"):
        logging.getLogger(logger).addFilter(is_of_others)
    in_threads, unraisable = threading.excepthook, sys.unraisablehook

    def tell_of_thread(about: Any) -> None:
        if not is_theirs(about.exc_value, about.exc_traceback):
            in_threads(about)

    def tell_of_unraisable(about: Any) -> None:
        if not is_theirs(about.exc_value, about.exc_traceback):
            unraisable(about)

    threading.excepthook, sys.unraisablehook = tell_of_thread, tell_of_unraisable
