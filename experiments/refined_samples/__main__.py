"""Rows of synthetic, refined and camera images, as the paper shows them, on embedded eyes.

    python -m simgan_jax.main --config=configs/gaze.py
    python -m experiments.refined_samples --workdir=runs/gaze

Writes samples.png and result.json beside this file; what it measures is measured from where grey values
have been matched. The images are of the test split: the refiner has
seen neither their people nor, of the camera, anything of that split.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from experiments.flags import QUICK, command_line, results_folder
from experiments.machine import machine
from simgan_jax import command, data, load_refiner, ranges
from simgan_jax.data import Arrays
from simgan_jax.evaluation.label_preservation import measure_shift, summarize_shift
from simgan_jax.io import image_files
from simgan_jax.io.atomic import write_json
from simgan_jax.io.image_files import write_image
from simgan_jax.training import doctor
from simgan_jax.training.provenance import read_config

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/gaze", "Folder of a finished run of configs/gaze.py."
)

HERE = Path(__file__).parent
COLUMNS, SCALE = 10, 2


def main(argv: Sequence[str]) -> None:
    """Refines images of the simulator's test split and lays them between the two domains."""
    del argv
    here = results_folder(HERE)
    config = read_config(WORKDIR.value)
    count = 64 if QUICK.value else 512
    synthetic = data.load(config.data.synthetic.to_dict() | {"split": "test", "count": count})
    camera = data.load(config.data.test.to_dict() | {"count": COLUMNS})
    refine = load_refiner(WORKDIR.value)
    refined = refine(synthetic.images)
    before = Arrays(refine.match(synthetic.images), synthetic.labels)

    rows = [synthetic.images[:COLUMNS], refined[:COLUMNS], camera.images[:COLUMNS]]
    write_image(here / "samples.png", image_files.grid(np.stack(rows), scale=SCALE))

    shift = measure_shift(before, refined)
    result = {
        "command": command_line("refined_samples"),
        "machine": machine(),
        "seed": config.seed,
        "label_shift": summarize_shift(shift, before),
        **doctor.sample_statistics(ranges.to_unit(refined), ranges.to_unit(before.images)),
    }
    write_json(here / "result.json", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    command.run(main)
