"""Flags that experiments share."""

import shlex

from absl import flags

QUICK = flags.DEFINE_bool("quick", False, "Little of everything: minutes, to try the program.")


def command_line(name: str) -> str:
    """The command that runs an experiment with the flags that this process was given.

    Args:
        name: of the experiment, a module of experiments/.
    """
    given = [flags.FLAGS[flag].serialize() for flag in flags.FLAGS if flags.FLAGS[flag].present]
    return shlex.join(["python", "-m", f"experiments.{name}", *given])
