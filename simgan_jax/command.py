"""How every `python -m simgan_jax.<verb>` starts and ends."""

import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging
from rich.console import Console

from simgan_jax.errors import UserError


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a verb: exit 0 on success, 2 and one line on a user's mistake, 130 on Ctrl-C.

    Args:
        main: takes the positional arguments (the program's name first), as `absl.app.run` calls it.
    """

    def guarded(argv: Sequence[str]) -> None:
        try:
            main(argv)
        except UserError as error:
            fail(str(error))
        except KeyboardInterrupt:
            sys.exit(130)

    logging.set_verbosity(logging.WARNING)
    try:
        app.run(guarded, flags_parser=_parse_flags)
    except UserError as error:
        fail(str(error))


def fail(message: str) -> None:
    """Prints one `simgan: ...` line on standard error and exits with status 2."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"simgan: {message}", markup=False)
    sys.exit(2)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    """Parses flags; a wrong flag or configuration value is a `UserError`."""
    try:
        return flags.FLAGS(list(argv))
    except (flags.Error, AttributeError, TypeError, ValueError, KeyError) as error:
        raise UserError(" ".join(str(error).split())) from error
