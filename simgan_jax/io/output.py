"""Standard output and standard error that end no program."""

import io
import os
import sys
from typing import TextIO


class Unbreakable(io.FileIO):
    """A file descriptor; what cannot be written to it is lost, and nobody is told.

    Whoever reads may have gone (`... | head -1`), the disk of a log may be full, a terminal closed: no
    reason to lose a training.
    """

    def write(self, content) -> int | None:
        """Writes, or seems to."""
        try:
            return super().write(content)
        except OSError:
            return len(content)


def make_output_unbreakable() -> None:
    """Lets this process's output go on as if nothing were, when nobody takes it any more.

    Nor does a character stop it that the output's encoding has not, such as a byte of a file's name
    that is no UTF-8: it is shown as its number.
    """
    sys.stdout, sys.stderr = _unbreakable(sys.stdout), _unbreakable(sys.stderr)


def _unbreakable(stream: TextIO | None) -> TextIO:
    if stream is None:  # closed before this process began
        return open(os.devnull, "w")
    try:
        number = stream.fileno()
    except (OSError, ValueError):  # no file, such as a notebook's
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(Unbreakable(number, "w", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )
