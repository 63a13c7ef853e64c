"""What is wrong with a run or a folder of images, in lines: `simgan doctor PATH`.

    simgan doctor runs/gaze            settings, files, every checkpoint, the training, the images
    simgan doctor my_photographs       damaged files, mixed sizes, channels and depths

Nothing is changed. Exit status: 0 nothing to complain of, 1 complaints, 2 no such path. What else a
training would refuse, such as labels, `simgan train --dry_run` says.
"""

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path

from simgan_jax import command
from simgan_jax.data.checkup import check_folder
from simgan_jax.errors import UserError
from simgan_jax.reporting.findings import check_images
from simgan_jax.training.checkup import check_run


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    if len(argv) != 2:
        raise UserError("name a run or a folder of images: simgan doctor PATH")
    path = Path(argv[1])
    if not path.is_dir():
        is_file = "is a file; simgan train --dry_run looks at what a CSV file names"
        raise UserError(f"{path}: {is_file if path.exists() else 'no such folder'}")
    a_run = (path / "config.json").exists()
    found = itertools.chain(check_run(path), check_images(path)) if a_run else check_folder(path)
    complaints = 0
    for complaint in found:
        complaints += 1
        print(complaint, flush=True)
    if complaints:
        sys.exit(1)
    print(f"{path}: nothing to complain of")


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    command.run(main, 1, argv)


if __name__ == "__main__":
    run()
