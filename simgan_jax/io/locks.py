"""A lock between processes: a file that one of them holds until it ends, however it ends."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


class Held(Exception):
    """Another process holds the lock; the text says which."""


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Holds a lock; its file is made, names the holder, and goes away in the end.

    Where the file system has no locks nothing is locked.

    Args:
        path: of the lock's file, in a folder that exists.

    Raises:
        Held: another process has it, or another holder in this process.
        OSError: the file cannot be made.
    """
    while True:
        file = path.open("a+")
        try:
            _take(file)
        except BaseException:
            file.close()
            raise
        if _is_at(file, path):
            break
        file.close()  # the holder before has just removed it
    with file:
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            yield
        finally:
            # While it is held: whoever has opened it meanwhile finds out that it is gone.
            with suppress(OSError):
                path.unlink()


def _take(file: TextIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise Held(file.read(200) or "another process") from None
    except OSError:
        pass  # only "would block" says that it is held


def _is_at(file: TextIO, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
