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
from dataclasses import replace
from pathlib import Path

from absl import flags

from experiments.flags import QUICK, command_line, results_folder
from experiments.machine import machine
from experiments.real_people.error_parts import POSE, column, parts_of, read
from experiments.seeds import how_many
from simgan_jax import command
from simgan_jax.data import Arrays
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.plan import Row
from simgan_jax.evaluation.rows import train_rows, without
from simgan_jax.evaluation.run import plan_of
from simgan_jax.evaluation.sets import load_sets
from simgan_jax.io.atomic import write_json
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.training import devices
from simgan_jax.training.provenance import read_config

WORKDIR = flags.DEFINE_string(
    "workdir", "runs/experiments/real_people/estimator-0", "Folder of a finished run."
)
STEPS = flags.DEFINE_integer("steps", 0, "Updates of each estimator; 0: the run's plan's.")

HERE = Path(__file__).parent
BASES = ("synthetic", "refined", "real")


def main(argv: Sequence[str]) -> None:
    """Trains estimators, and takes their errors apart."""
    del argv
    devices.cores_as_devices()
    config = read_config(WORKDIR.value)
    plan = plan_of(config, "quick", seeds=how_many())
    steps = 20 if QUICK.value else STEPS.value or plan.estimator.steps
    rows = tuple(Row(base, augmented=True) for base in BASES)
    plan = replace(plan, rows=rows, estimator=replace(plan.estimator, steps=steps))
    sets = load_sets(config, plan)
    refine = load_refiner(WORKDIR.value)  # the chosen checkpoint
    trained, probe, _ = image_split.to_report(sets.synthetic, sets.real, plan.probe)
    labelled = without(sets.labelled or sets.real, sets.test)
    real = sets.real.images
    estimators, _ = train_rows(
        plan, config.task, trained, refine, real, labelled, config.seed, print
    )
    refined = refine(probe.images)
    others = {
        "synthetic": probe,
        "matched": Arrays(match_histograms(probe.images, real), probe.labels),
        "refined": Arrays(refined, probe.labels),
        "refined_matched": Arrays(match_histograms(refined, real), probe.labels),
        "test": sets.test,
    }
    poses = column(config.data.test.path, POSE)
    found = {
        row.base: {
            "test": parts_of(many, sets.test, poses),
            "read": {name: read(many, images) for name, images in others.items()},
        }
        for row, many in estimators.items()
    }
    file = results_folder(HERE) / "why.json"
    runs = json.loads(file.read_text()) if file.exists() else {}
    runs["/".join(Path(WORKDIR.value).parts[-2:])] = {
        "command": command_line("real_people.why"),
        "machine": machine(),
        "seeds": plan.seeds,
        "steps": steps,
        "rows": found,
    }
    write_json(file, runs)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    command.run(main)
