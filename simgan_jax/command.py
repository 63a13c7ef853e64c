"""How every command starts and ends, as `python -m simgan_jax.<verb>` or as `simgan-<verb>`.

A module of a command defines its flags in `run`, so that importing it defines none.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging
from rich.console import Console

from simgan_jax.errors import UserError
from simgan_jax.io.output import make_output_unbreakable
from simgan_jax.io.programs import keep_programs


def run(main: Callable[[Sequence[str]], None], positional: int = 0) -> None:
    """Runs a verb: exit 0 on success, 2 and one line on a user's mistake, 130 on Ctrl-C.

    Args:
        main: takes the positional arguments (the program's name first), as `absl.app.run` calls it.
        positional: how many of them the verb knows.
    """

    def guarded(argv: Sequence[str]) -> None:
        try:
            for unknown in argv[1 + positional :]:
                raise UserError(f"{unknown}: unexpected; settings begin with --")
            main(argv)
        except UserError as error:
            fail(str(error))
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception:
            if said := _missing_platform():
                fail(said)
            raise

    make_output_unbreakable()
    logging.set_verbosity(logging.WARNING)
    _start_like_a_module(main)
    keep_programs()
    try:
        app.run(guarded, flags_parser=_parse_flags)
    except UserError as error:
        fail(str(error))


def _start_like_a_module(main: Callable) -> None:
    """Makes `simgan-<verb>` alike to `python -m`: what it can import, and what --help says."""
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, "")  # a configuration file may import others from the current folder
    module = sys.modules[main.__module__]
    sys.modules["__main__"].__doc__ = module.__doc__
    for flag in flags.FLAGS.get_flags_for_module(module):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def _missing_platform() -> str | None:
    """What to say where JAX does not start on the platform that was asked for."""
    jax = sys.modules.get("jax")
    if not (jax and jax.config.jax_platforms):
        return None
    try:
        jax.devices()
    except Exception as error:  # an AssertionError without a text where CUDA is missing
        reason = f" ({' '.join(str(error).split())})" if str(error) else ""
        return (
            f"JAX_PLATFORMS={jax.config.jax_platforms}: JAX cannot use that here{reason}; install what "
            "it needs, such as 'jax[cuda12]' for cuda, or unset JAX_PLATFORMS"
        )
    return None


def fail(message: str) -> None:
    """Prints one `simgan: ...` line on standard error and exits with status 2."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"simgan: {message}", markup=False)
    sys.exit(2)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    """Parses flags; a wrong flag or configuration value is a `UserError`."""
    try:
        rest = flags.FLAGS(list(argv))
        # A configuration file that cannot be read says so when its content is asked for.
        if "config" in flags.FLAGS and flags.FLAGS["config"].value:
            flags.FLAGS["config"].value.get("name")
    except (flags.Error, AttributeError, TypeError, ValueError, KeyError, OSError) as error:
        raise UserError(explain(error, argv)) from error
    return rest


def explain(error: Exception, argv: Sequence[str]) -> str:
    """One line for what the parser of flags and configurations says in many.

    Args:
        error: that it raised.
        argv: the command line, to name the argument at fault.
    """
    # An AttributeError here may hold a KeyError, whose text is the representation of a text.
    inner = error.args[0] if error.args and isinstance(error.args[0], KeyError) else error
    text = str(inner.args[0] if isinstance(inner, KeyError) else inner)
    if isinstance(inner, KeyError) and text.startswith("'"):
        unknown = text.splitlines()[0].strip("'")
        argument = next((x for x in argv if f".{unknown}" in x), unknown)
        near = re.search('Did you mean "(.+?)"', text)
        hint = f"; did you mean {near[1]}?" if near else ""
        return f"{argument}: there is no setting {unknown}{hint}"
    if missing := re.search(r"Flag (--\w+) must have a value other than None", text):
        return f"{missing[1]} is missing: give {missing[1]}=..., see --help"
    lines = [line for line in text.splitlines() if line.strip()]
    if "Traceback" in text or isinstance(error, OSError):
        # The last line is what went wrong in the configuration file.
        return re.sub(r"^\s*(\w+Error: |\[Errno \d+\] )", "", lines[-1])
    return " ".join(text.split())
