"""A lock between processes: a file that one of them holds until it ends, however it ends."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from simgan_jax.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class Held(Exception):
    """Another process holds the lock; the text says which."""


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Holds a lock; its file is made, names the holder, and goes away in the end.

    Where the system or the file system has no locks nothing is locked.

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
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            about = f"process {os.getpid()} on {socket.gethostname()} since {since}"
            with suppress(OSError):  # a full disk is told of by who has more to write
                file.truncate(0)
                os.write(file.fileno(), about.encode())
            yield
        finally:
            # While it is held: whoever has opened it meanwhile finds out that it is gone.
            with suppress(OSError):
                path.unlink()


@contextmanager
def alone(path: Path, doing: str) -> Iterator[None]:
    """Holds a lock, or says in a line who does.

    Args:
        path: of the lock's file; its folder is made if missing.
        doing: what is done to the folder meanwhile, such as "trained".

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(holding(path))
        except Held as error:
            raise UserError(
                f"{path.parent} is being {doing} by {error}; wait until it ends"
            ) from error
        except OSError as error:
            raise UserError(
                f"{path.parent}: cannot be written ({error.strerror}); name another folder"
            ) from error
        yield


def holder(path: Path) -> str | None:
    """Who holds a lock; None if nobody does."""
    try:
        with path.open("r+") as file:
            _take(file)
    except Held as error:
        return str(error)
    except OSError:
        pass
    return None


def _take(file: TextIO) -> None:
    if fcntl is None:
        return
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
