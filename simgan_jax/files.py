"""Files that appear whole or not at all."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from simgan_jax.errors import UserError


@contextmanager
def replacing(path: str | Path, scratch: str | Path | None = None) -> Iterator[Path]:
    """Yields a temporary path whose file takes the place of `path` when the block ends well.

    Args:
        path: of the file to make or replace; missing folders are made.
        scratch: folder for the temporary file, on the same disk; that of `path` by default.

    Raises:
        UserError: the disk is full or the folder cannot be written; an old file is left as it was.
    """
    path = Path(path)
    temporary = Path(scratch or path.parent) / f".{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); free space or name another place"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes, scratch: str | Path | None = None) -> None:
    """Writes a file at once; see `replacing`."""
    with replacing(path, scratch) as temporary:
        temporary.write_bytes(content)
