"""What the commands of the campaign are given: files to read, and the arguments that name them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.reliability import runs
from experiments.reliability.unity_files import write_unity_files


class Inputs(NamedTuple):
    """What commands read.

    Attributes:
        run: folder of a run with two checkpoints.
        images: folder of pictures to refine.
        eyes: folder of files of UnityEyes to prepare.
    """

    run: Path
    images: Path
    eyes: Path


def write_inputs(folder: Path, images: int, eyes: int, rng: np.random.Generator) -> Inputs:
    """Writes so many pictures and eyes, and a run, into a folder."""
    return Inputs(
        runs.write_run(folder / "run", (1, 2)),
        runs.pictures(folder / "images", images, rng),
        write_unity_files(folder / "eyes", eyes),
    )


def arguments(module: str, inputs: Inputs, folder: Path) -> list[str]:
    """Of a command that writes into a folder, a file there if it is "export".

    Args:
        module: of `processes.COMMANDS`.
        inputs: that it reads.
        folder: of a run to train or to report on, of refined pictures, of prepared sets, or of
            refiner.npz.
    """
    return {
        "main": [*runs.settings(), f"--workdir={folder}"],
        "refine": [f"--workdir={inputs.run}", f"--input={inputs.images}", f"--output={folder}"],
        "export": [
            *(f"--workdir={inputs.run}", "--format=npz", f"--output={folder / 'refiner.npz'}")
        ],
        "report": [f"--workdir={folder}"],
        "data.prepare": [
            *("unity_eyes", f"--manual_dir={inputs.eyes}", f"--data_dir={folder}", "--workers=1")
        ],
    }[module]
