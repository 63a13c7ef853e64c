"""Files that appear whole or not at all, and JSON that may be damaged all the same."""

import errno
import json
import math
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from simgan_jax.errors import CannotWrite, UserError

# What file systems answer that force nothing to a disk.
UNFORCED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
# After a day, what a killed process has left is not being written any more.
LEFT_SECONDS = 24 * 3600


@contextmanager
def replacing(
    path: str | Path, scratch: str | Path | None = None, forced: bool = True
) -> Iterator[Path]:
    """Yields a hidden path of the same suffix, whose file takes the place of `path` at the end.

    After an error it is gone without a trace. If the process is killed, it stays, until a day later a
    file is written into its folder. After a power cut there is the old file or the new one.

    Args:
        path: of the file to make or replace; missing folders are made.
        scratch: folder for the temporary file, on the same disk; that of `path` by default.
        forced: wait until the disk has the content, which takes milliseconds; not for thousands of
            files that can be made again.

    Raises:
        CannotWrite: the disk is full or the folder cannot be written; an old file is left as it was.
    """
    path = Path(path)
    # Processes of two machines that share a folder may have one number.
    temporary = Path(scratch or path.parent) / f".simgan_{secrets.token_hex(8)}{path.suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        if scratch is None and forced:  # the others' folders go, or are bounded
            _remove_left(path.parent)
        yield temporary
        if forced:
            _force(temporary)
        temporary.replace(path)
    except OSError as error:
        raise CannotWrite(
            f"{path}: cannot be written ({error.strerror or error}); free space or name another place"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _remove_left(folder: Path) -> None:
    """Removes what killed processes have left of a file, and nothing else."""
    for left in folder.glob(f".simgan_{'[0-9a-f]' * 16}*"):
        with suppress(OSError):  # another process removes it, or may and this one may not
            if time.time() - left.lstat().st_mtime > LEFT_SECONDS:
                left.unlink()


def _force(path: Path) -> None:
    with path.open("rb") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in UNFORCED:
                raise


def write_bytes(
    path: str | Path, content: bytes, scratch: str | Path | None = None, forced: bool = True
) -> None:
    """Writes a file at once; see `replacing`."""
    with replacing(path, scratch, forced) as temporary:
        temporary.write_bytes(content)


def write_json(
    path: str | Path,
    content: Mapping[str, Any],
    levels: int | None = None,
    scratch: str | Path | None = None,
) -> None:
    """Writes a mapping as a JSON file; see `replacing`.

    JSON has no NaN and no infinity: both are written as null, which is unknown to whoever reads it.

    Args:
        path: of the file.
        content: to write.
        levels: of mappings within each other whose entries get lines of their own, for long tables; by
            default all, indented.
        scratch: folder for the temporary file, see `replacing`.
    """
    content = _finite(content)
    text = _json(content, indent=2) if levels is None else _lines(content, levels)
    write_bytes(path, (text + "\n").encode(), scratch)


class DamagedFile(UserError):
    """A file is there, and not what was written: a power cut leaves it empty, say."""


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads a file that `write_json` has written.

    Raises:
        FileNotFoundError: there is none.
        DamagedFile: it is empty, cut short or no JSON object, or cannot be read.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes() or b"null")
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from error
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedFile(f"{path}: is damaged ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        reason = "empty" if content is None else "no JSON object"
        raise DamagedFile(f"{path}: is damaged ({reason})")
    return content


def _finite(content: Any) -> Any:
    """The same with None for every float that is not finite."""
    if isinstance(content, Mapping):
        return {name: _finite(x) for name, x in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(x) for x in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _json(content: Any, indent: int | None = None) -> str:
    return json.dumps(content, indent=indent, allow_nan=False)


def _lines(content: Any, levels: int) -> str:
    if not (levels and content and isinstance(content, Mapping)):
        return _json(content)
    entries = (f"{json.dumps(name)}: {_lines(x, levels - 1)}" for name, x in content.items())
    return "{\n" + ",\n".join(entries) + "\n}"
