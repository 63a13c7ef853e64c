"""Flags that experiments share, and where experiments write."""

import shlex
from collections.abc import Collection
from pathlib import Path

from absl import flags

from simgan_jax.errors import UserError

QUICK = flags.DEFINE_bool("quick", False, "Little of everything: minutes, to try the program.")
RUNS = Path("runs/experiments")


def command_line(name: str) -> str:
    """The command that runs an experiment with the flags that this process was given.

    Args:
        name: of the experiment, a module of experiments/.
    """
    given = [flags.FLAGS[flag].serialize() for flag in flags.FLAGS if flags.FLAGS[flag].present]
    return shlex.join(["python", "-m", f"experiments.{name}", *given])


def require_known(flag: flags.FlagHolder[list[str]], names: Collection[str]) -> None:
    """Checks the names that a flag gives.

    Raises:
        UserError: there is no such name.
    """
    for name in flag.value:
        if name not in names:
            raise UserError(f"--{flag.name}: no {name!r}; there are {', '.join(names)}")


def results_folder(here: Path) -> Path:
    """The folder that an experiment writes to, and adds to what is there.

    With --quick it is below runs/ and made if missing: what is stored beside the code was measured.

    Args:
        here: folder of the experiment's code.
    """
    if not QUICK.value:
        return here
    folder = RUNS / "quick" / here.resolve().name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
