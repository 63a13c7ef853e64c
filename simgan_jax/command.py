"""How every command starts and ends: `simgan VERB`, `simgan-VERB` or `python -m simgan_jax.MODULE`.

A module of a command defines its flags in `run`, so that importing it defines none.
"""

import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging
from rich.console import Console

from simgan_jax import configs
from simgan_jax.errors import UserError
from simgan_jax.io.kept_arrays import keep_arrays
from simgan_jax.io.output import make_output_unbreakable
from simgan_jax.io.programs import keep_programs
from simgan_jax.io.signals import end_at_once, interruptible

# What Python says of a text that is none, and what was expected.
EXPECTED = {
    "invalid literal for int() with base 10": "expected a whole number",
    "could not convert string to float": "expected a number",
    "Non-boolean argument to boolean flag": "expected True or False",
    "as a ConfigDict": "is a group of settings; give one of them, see --print_config",
}
HELP = ("--help", "-help", "-h", "--helpshort")


def run(
    main: Callable[[Sequence[str]], None], positional: int = 0, argv: Sequence[str] | None = None
) -> None:
    """Runs a verb: exit 0 on success, 2 and one line on a user's mistake, 130 and one on Ctrl-C.

    Args:
        main: takes the positional arguments (the program's name first), as `absl.app.run` calls it.
        positional: how many of them the verb knows.
        argv: the program's name and its arguments; those of the process by default.
    """
    argv = list(sys.argv if argv is None else argv)

    def guarded(argv: Sequence[str]) -> None:
        try:
            require_values(argv[1:], flags.FLAGS.get_flags_for_module(module))
            for unknown in argv[1 + positional :]:
                raise UserError(f"{unknown}: unexpected; settings begin with --")
            main(argv)
            if interrupted():  # and somebody caught what it raised
                raise KeyboardInterrupt
        except Exception as error:
            if interrupted():
                raise KeyboardInterrupt from error
            if isinstance(error, UserError):
                fail(str(error))
            if said := _missing_platform():
                fail(said)
            raise

    make_output_unbreakable()
    logging.set_verbosity(logging.WARNING)
    module = sys.modules[main.__module__]
    if set(HELP) & set(argv[1:]):
        print(help_text(module.__doc__, flags.FLAGS.get_flags_for_module(module)))
        sys.exit(0)
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.insert(0, "")  # a configuration file may import others from the current folder
    keep_programs()
    keep_arrays()
    with interruptible() as interrupted:
        try:
            app.run(guarded, argv, flags_parser=_parse_flags)
        except UserError as error:
            fail(str(error))
        except KeyboardInterrupt:
            sys.stdout.flush()
            end_at_once(signal.SIGINT)  # all is tidy; Python's own end takes another Ctrl-C amiss


def help_text(about: str, own: Sequence[flags.Flag]) -> str:
    """What a command does, and its flags: a screen, not the hundreds of flags of the libraries.

    Args:
        about: the docstring of its module.
        own: the flags that it defines.
    """
    lines = [about.strip()] + (["", "flags:"] if own else [])
    for flag in own:
        given = flag.default not in (None, "", False) and flag.name != "config"
        default = f" (default: {flag.default})" if given else ""
        text = f"--{flag.name}: {flag.help}{default}"
        lines += textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="      ")
    return "\n".join(lines)


def require_values(positional: Sequence[str], own: Sequence[flags.Flag]) -> None:
    """Refuses empty texts, as of a shell's variable that is not set: as a path they name this folder.

    Args:
        positional: arguments.
        own: flags of a command; those whose default is empty may be so.

    Raises:
        UserError: naming the flag.
    """
    for flag in own:
        if flag.value == "" and flag.default is None:
            raise UserError(f"--{flag.name} is empty; give it a value")
    if "" in positional:
        raise UserError("an argument is empty; give it a value")


def config_path(name: str) -> str:
    """The file, perhaps with :VARIANT, that `--config` names.

    Args:
        name: of a file; or of a configuration that comes with the package, such as gaze:tiny.
    """
    stem, colon, variant = name.partition(":")
    file = shipped().get(stem)
    return f"{file}{colon}{variant}" if file else name


def shipped() -> dict[str, Path]:
    """The files of the configurations that come with the package, by name."""
    files = (file for folder in configs.__path__ for file in sorted(Path(folder).glob("[!_]*.py")))
    return {file.stem: file for file in files}


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


def fail(message: str) -> NoReturn:
    """Prints one `simgan: ...` line on standard error and exits with status 2."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"simgan: {message}", markup=False)
    sys.exit(2)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    """Parses flags; a wrong flag or configuration value is a `UserError`."""
    try:
        rest = flags.FLAGS(with_paths(argv))
        # A configuration file that cannot be read says so when its content is asked for.
        if "config" in flags.FLAGS and flags.FLAGS["config"].value:
            flags.FLAGS["config"].value.get("name")
    except (flags.Error, AttributeError, TypeError, ValueError, KeyError, OSError) as error:
        raise UserError(explain(error, argv)) from error
    return rest


def with_paths(argv: Sequence[str]) -> list[str]:
    """Arguments with `=~/` of the user's home, and configurations given by name as their files.

    A configuration may import others that lie beside it.

    Raises:
        UserError: a configuration without a name.
    """
    home = str(Path("~").expanduser())
    result = [re.sub(r"^(--?[\w.]+=)~(?=/|$)", rf"\g<1>{home}", x) for x in argv]
    for i, argument in enumerate(result):
        flag, equals, name = argument.partition("=")
        if flag not in ("--config", "-config"):
            continue
        if not equals:
            name = "".join(result[i + 1 : i + 2])
        if not name:
            raise UserError(f"{flag} is empty; the package has {', '.join(shipped())}")
        if equals:
            result[i] = f"{flag}={config_path(name)}"
        else:
            result[i + 1] = config_path(name)
        if name.partition(":")[0].endswith(".py"):
            sys.path.append(str(Path(name).absolute().parent))
    return result


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
    for said, wanted in EXPECTED.items():
        if said in text and "Traceback" not in text:
            return f"{text.partition(': ')[0]}: {wanted}"
    lines = [line for line in text.splitlines() if line.strip()]
    if "Traceback" in text or isinstance(error, OSError):
        # The last line is what went wrong in the configuration file.
        said = re.sub(r"^\s*(\w+Error: |\[Errno \d+\] )", "", lines[-1])
        ours = f"; the package has {', '.join(shipped())}" if isinstance(error, OSError) else ""
        return said + ours
    return " ".join(text.split())
