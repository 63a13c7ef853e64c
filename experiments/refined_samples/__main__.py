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

from absl import flags

from experiments.flags import QUICK, results_folder
from experiments.results import origin
from experiments.samples import write_samples
from simgan_jax import command, data, load_refiner, ranges
from simgan_jax.data import Arrays
from simgan_jax.evaluation.label_preservation import measure_shift, summarize_shift
from simgan_jax.io.atomic import write_json
from simgan_jax.training import doctor
from simgan_jax.training.provenance import read_config

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/gaze", "Folder of a finished run of configs/gaze.py."
)

HERE = Path(__file__).parent
COLUMNS = 10


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

    write_samples(here, [synthetic.images[:COLUMNS], refined[:COLUMNS], camera.images[:COLUMNS]])

    shift = measure_shift(before, refined)
    result = origin("refined_samples") | {
        "seed": config.seed,
        "label_shift": summarize_shift(shift, before),
        **doctor.sample_statistics(ranges.to_unit(refined), ranges.to_unit(before.images)),
    }
    write_json(here / "result.json", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    command.run(main)
