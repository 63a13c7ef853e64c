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

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from experiments.few_labels.__main__ import STEPS, WORKDIR
from experiments.flags import QUICK, command_line, results_folder
from experiments.machine import machine
from experiments.seeds import how_many
from simgan_jax import command
from simgan_jax.data import Arrays
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.errors import UserError
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.plan import Row
from simgan_jax.evaluation.rows import train_rows, without
from simgan_jax.evaluation.run import plan_of
from simgan_jax.evaluation.sets import load_sets
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics import angles
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.training import devices
from simgan_jax.training.provenance import read_config

HERE = Path(__file__).parent
BASES = ("synthetic", "refined", "real")
POSE = "target_head_yaw_deg"


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


def column(path: str, name: str) -> Shaped[np.ndarray, "n"]:
    """The numbers of a column of a table, that the data source leaves alone.

    Raises:
        UserError: there is no such column.
    """
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or name not in rows[0]:
        raise UserError(f"{path}: no column {name}; give the run of an experiment on these people")
    return np.array([float(row[name]) for row in rows])


def read(estimators: Sequence[Estimator], images: Arrays) -> dict[str, Any]:
    """Mean error of estimators, and their bias on each axis, degrees."""
    signed, targets = errors(estimators, images)
    error = np.mean([angles.angular_error(one(images.images), targets) for one in estimators])
    bias = signed.mean((0, 1))
    return {"error": float(error), "bias": dict(zip(("pitch", "yaw"), bias.tolist(), strict=True))}


def parts_of(
    estimators: Sequence[Estimator], test: Arrays, poses: Shaped[np.ndarray, "n"]
) -> dict[str, dict[str, float]]:
    """`parts` of the errors on each axis, means over estimators, as roots of mean squares.

    "answer" beside them is how much of a change of the label shows in what is read; 1 is all of it.
    """
    signed, targets = errors(estimators, test)
    true = np.degrees(angles.pitch_yaw(targets))
    people = test.labels["participant"]
    found = {}
    for axis, name in enumerate(("pitch", "yaw")):
        squares = [parts(each[:, axis], people, poses, true[:, axis]) for each in signed]
        found[name] = {
            part: math.sqrt(np.mean([square[part] for square in squares])) for part in squares[0]
        }
        found[name]["answer"] = float(
            1 + np.polyfit(true[:, axis], signed[..., axis].T, 1)[0].mean()
        )
    return found


def parts(
    signed: Float[np.ndarray, "n"],
    people: Shaped[np.ndarray, "n"],
    poses: Shaped[np.ndarray, "n"],
    true: Float[np.ndarray, "n"],
) -> dict[str, float]:
    """Mean squares of what errors are made of, each part taken from what those before have left.

    Args:
        signed: errors of images on one axis.
        people: who is in each image.
        poses: how the head is turned.
        true: the label on that axis.

    Returns:
        "bias" of all images, "people", "poses", "slope" against the label, the "rest", whose sum is
        "all".
    """
    line = true - true.mean()
    found, left = {"all": float(np.mean(signed**2))}, signed
    for name, fit in (
        ("bias", lambda x: np.full(len(x), x.mean())),
        ("people", lambda x: means(x, people)),
        ("poses", lambda x: means(x, poses)),
        ("slope", lambda x: line * (line @ x) / (line @ line)),
    ):
        part = fit(left)
        left = left - part
        found[name] = float(np.mean(part**2))
    return found | {"rest": float(np.mean(left**2))}


def means(
    values: Float[np.ndarray, "n"], member: Shaped[np.ndarray, "n"]
) -> Float[np.ndarray, "n"]:
    """The mean of each value's group."""
    _, group = np.unique(member, return_inverse=True)
    return (np.bincount(group, values) / np.bincount(group))[group]


def errors(
    estimators: Sequence[Estimator], images: Arrays
) -> tuple[Float[np.ndarray, "seeds n 2"], Float[np.ndarray, "n 3"]]:
    """Signed errors (pitch, yaw) in degrees, and the true directions."""
    targets = tasks.label_of("gaze", images, "the images")
    signed = [angles.signed_error(one(images.images), targets) for one in estimators]
    return np.stack(signed), targets


if __name__ == "__main__":
    command.run(main)
