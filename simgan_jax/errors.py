"""Exceptions for what a user can mend, and the one warning."""

import os
import stat
import sys
from pathlib import Path


class UserError(ValueError):
    """A mistake of the user's: bad file, setting or folder.

    The message is one line that says what is wrong, where, and how to mend it. Entry points print it
    without a traceback and exit with status 2 (see `command.run`).
    """

    def __init__(self, message: str):
        super().__init__(printable(message))


def printable(text: str) -> str:
    """A text in one line that a terminal shows and does not obey, and that can be stored.

    Names of files may hold line breaks, escape sequences, and bytes that are no UTF-8; they become
    backslashes and letters.
    """
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)


def missing(path: Path) -> UserError:
    """What is wrong with a file that is not there, or is a link to one that is not."""
    if path.is_symlink():
        return UserError(f"{path}: a link to {os.readlink(path)}, which is not there")
    return UserError(f"{path}: no such file")


def regular(path: Path) -> os.stat_result:
    """Size and time of a file that has an end: reading a pipe or a device can last for ever.

    Raises:
        UserError: there is none, or a folder, a pipe or a device.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise missing(path) from None
    except (OSError, ValueError) as error:  # links in a circle; a name with a NUL
        raise UserError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UserError(f"{path}: a folder, where a file is expected")
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: no file, but a pipe or a device; remove it")
    return status


def counted(number: int, what: str) -> str:
    """A number of things in words: 1 file, 1,204 files."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class CannotWrite(UserError):
    """The disk is full, or a folder cannot be written; what was there before is left as it was."""


def warn(text: str) -> None:
    """One line on standard error about what a user should know and need not mend at once."""
    print(f"simgan: warning: {printable(text)}", file=sys.stderr)
