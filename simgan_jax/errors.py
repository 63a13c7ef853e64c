"""The one exception for mistakes that a user can mend, and the one warning."""

import sys


class UserError(ValueError):
    """A mistake of the user's: bad file, setting or folder.

    The message is one line that says what is wrong, where, and how to mend it. Entry points print it
    without a traceback and exit with status 2 (see `command.run`).
    """


def warn(text: str) -> None:
    """One line on standard error about what a user should know and need not mend at once."""
    print(f"simgan: warning: {text}", file=sys.stderr)
