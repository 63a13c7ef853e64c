"""Where photographs lie that do not come with the package."""

import os
from pathlib import Path

from simgan_jax.errors import UserError

DATA = "SIMGAN_DATA"


def photographs(*names: str) -> list[Path]:
    """Folders of photographs that do not come with the package, below $SIMGAN_DATA.

    Raises:
        UserError: one is not there.
    """
    folders = [Path(os.environ.get(DATA, "")) / name for name in names]
    for folder in folders:
        if DATA not in os.environ or not folder.is_dir():
            raise UserError(
                f"{folder}: no such folder; set {DATA} to the folder of {', '.join(names)} "
                "(what they hold: the experiment's docstring; how to prepare MPIIGaze: "
                "simgan_jax/data/README.md)"
            )
    return folders
