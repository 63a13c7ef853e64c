"""Whether renderings shaped more like the people make estimators err less on people.

    SIMGAN_DATA=... python -m experiments.real_people.shapes [--shapes=described,varied] [--quick]

No refiner: estimators of gaze, augmented, are trained on renderings alone and tested on the people of
`choice` (29-36), whose labels are there to choose by; the people of the test are not looked at. Shapes:

- "described": `DESCRIBED`, as the other experiments have it;
- "scale": 1.6 px/mm, as the photographs, and irises of 11.7 mm as they are seen, both of
  which `DESCRIBED` has 9 and 5 % too large;
- "middle": besides, eyes lie where estimators of landmarks find them in unlabelled photographs: lower,
  more arched, the eyeball higher over the corners;
- "varied": like those, but people differ twice as much in lids, framing, eyeballs and distance;
- "travel": "scale", whose eyes turn for a gaze as far as those of `choice` (`real_people.travel`).

Errors are taken apart as in `real_people.why`. One estimator a shape. Adds to shapes.json.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from configs.gaze import get_config
from experiments.flags import QUICK, require_known, results_folder
from experiments.photographs import photographs
from experiments.real_people.configurations import DESCRIBED, SCALE, VARIED, changed
from experiments.real_people.error_parts import POSE, column, parts_of, read
from experiments.results import origin, stored
from simgan_jax import command, data
from simgan_jax.data.procedural import eyes
from simgan_jax.estimators.estimator import train
from simgan_jax.evaluation.plan import make_plan
from simgan_jax.io.atomic import write_json
from simgan_jax.training import devices

MIDDLE = SCALE | {
    "person_shift_x": {"mean": -0.4},
    "person_shift_y": {"mean": 1.5},
    "eyeball_up": {"mean": 2.9},
    "upper_lid": {"mean": 6.3, "std": 0.8, "low": 4.0, "high": 9.0},
    "lower_lid": {"mean": 3.7, "std": 0.6, "low": 2.0, "high": 6.0},
}
# What to change in DESCRIBED, and how far eyes turn.
SHAPES: dict[str, tuple[dict[str, dict[str, float]], tuple[float, float]]] = {
    "described": ({}, (1.0, 1.0)),
    "scale": (SCALE, (1.0, 1.0)),
    "middle": (MIDDLE, (1.0, 1.0)),
    "varied": (VARIED, (1.0, 1.0)),
    "travel": (SCALE, (0.66, 0.83)),
}
NAMES = flags.DEFINE_list("shapes", list(SHAPES), "Of them, separated by commas.")

HERE = Path(__file__).parent


def main(argv: Sequence[str]) -> None:
    """Trains an estimator a shape, and tests it."""
    del argv
    require_known(NAMES, SHAPES)
    devices.cores_as_devices()
    (folder,) = photographs("columbia")
    path = str(folder / "choice.csv")
    people = data.load({"source": "table", "path": path, "height": 36, "width": 60, "channels": 1})
    poses = column(path, POSE)
    plan = make_plan(get_config("pixels").evaluate, "quick")
    # As in real_people: 80,000 samples of 24,000 images.
    settings = replace(
        plan.estimator, steps=20 if QUICK.value else 5000, batch=16, micro_batch=16, looks=6
    )

    def test_one(name: str) -> dict[str, Any]:
        changes, travel = SHAPES[name]
        drawn = eyes.load(
            count=640 if QUICK.value else 24000,
            height=36,
            width=60,
            travel=travel,
            distributions=changed(DESCRIBED, changes),
        )
        estimator = train("gaze", drawn, settings, seed=0, augmented=1.0)
        return {
            "error": read([estimator], people)["error"],
            "own_error": float(np.min(estimator.validation)),
            "parts": parts_of([estimator], people, poses),
        }

    found = dict(zip(NAMES.value, devices.each_on_a_device(test_one, NAMES.value), strict=True))
    file = results_folder(HERE) / "shapes.json"
    about = origin("real_people.shapes") | {"unit": "degrees"}
    write_json(file, about | {"shapes": stored(file).get("shapes", {}) | found})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    command.run(main)
