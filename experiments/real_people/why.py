"""Why estimators err on people whom they have not seen: where the error lies, and what domains share.

    SIMGAN_DATA=... python -m experiments.real_people --variants=estimator
    python -m experiments.real_people.why [--workdir=RUN] [--seeds=3] [--steps=N] [--quick]

Estimators trained on a run's synthetic, refined and labelled real images, augmented. Of each:

- its error on the test people, the mean square of each axis cut into what adds up to it: one bias of
  all, each person's own, each head pose's own, a wrong slope (reading too little or too much of the
  way), and the rest;
- its error on synthetic, matched and refined images that none was trained on, whose labels are exact.
  One trained on real people knows no rendering: what it gains by matching and refining is how much more
  these look, with their labels, like people to it.

It describes: nothing is chosen by it. Adds the run to why.json.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments.finished_run import name_of, open_run
from experiments.flags import QUICK, results_folder
from experiments.real_people.error_parts import POSE, column, parts_of, read
from experiments.results import add, origin
from experiments.seeds import how_many
from simgan_jax import command
from simgan_jax.data import Arrays
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.training import devices

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/experiments/real_people/estimator-0", "Folder of a finished run."
)
STEPS = flags.DEFINE_integer("steps", 0, "Updates of each estimator; 0: the run's plan's.")

HERE = Path(__file__).parent
ROWS = ("synthetic_augmented", "refined_augmented", "real_augmented")


def main(argv: Sequence[str]) -> None:
    """Trains estimators, and takes their errors apart."""
    del argv
    devices.cores_as_devices()
    steps = 20 if QUICK.value else STEPS.value
    run = open_run(WORKDIR.value, ROWS, how_many(), steps=steps)
    probe, test, real = run.probe, run.sets.test, run.sets.real.images
    estimators = run.train()
    refined = run.refine(probe.images)
    others = {
        "synthetic": probe,
        "matched": Arrays(match_histograms(probe.images, real), probe.labels),
        "refined": Arrays(refined, probe.labels),
        "refined_matched": Arrays(match_histograms(refined, real), probe.labels),
        "test": test,
    }
    poses = column(run.config.data.test.path, POSE)
    found = {
        row.base: {
            "test": parts_of(many, test, poses),
            "read": {name: read(many, images) for name, images in others.items()},
        }
        for row, many in estimators.items()
    }
    about = {"seeds": run.plan.seeds, "steps": run.plan.estimator.steps}
    entry = origin("real_people.why") | about | {"rows": found}
    add(results_folder(HERE) / "why.json", {name_of(WORKDIR.value): entry})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    command.run(main)
