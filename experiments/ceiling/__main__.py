"""What a perfect refiner of looks could reach on embedded eyes, and what frozen estimators read then.

    python -m experiments.ceiling [--seeds=3] [--workdirs=RUN,...] [--quick]

The simulator's people and poses, photographed as the camera photographs ("photographed"), are what a
refiner could at best make of its renderings: every label exact, the look the camera's own. Of each
seed:

- "error": of estimators trained on renderings, on those pictures, on renderings with the grey values
  ("matched") or low frequencies ("fda") of photographs and on labelled photographs, without and with
  augmentation, all tested on the camera's test set;
- "drift": how what the estimator of the row "synthetic_augmented" reads moves from renderings to each
  of these, and to what the refiners of finished runs make of them. Exact labels do not keep it still: a
  change of look moves it too.

Writes result.json beside this file. Nothing is chosen by it.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from configs.gaze import get_config
from experiments.finished_run import name_of
from experiments.flags import QUICK, results_folder
from experiments.results import origin
from experiments.seeds import how_many
from simgan_jax import command, data
from simgan_jax.data import Arrays
from simgan_jax.data.fourier_adaptation import adapt
from simgan_jax.data.histogram_matching import match_histograms
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import Estimator, train
from simgan_jax.evaluation.label_preservation import reading_drift
from simgan_jax.evaluation.plan import make_plan
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics import angles
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.training import devices

WORKDIRS = flags.DEFINE_list("workdirs", [], "Runs whose refiners are read too.")

HERE = Path(__file__).parent
AUGMENTED = "synthetic_augmented"


def main(argv: Sequence[str]) -> None:
    """Trains, tests and reads."""
    del argv
    devices.cores_as_devices()
    config = get_config("tiny" if QUICK.value else "")
    plan = make_plan(config.evaluate, "quick")
    settings = replace(plan.estimator, steps=10 if QUICK.value else plan.estimator.steps)
    test = data.load(config.data.test)
    real = data.load(config.data.real)
    probe = plan.probe
    looks = looks_of(config, plan.images + probe, real)
    training = {name: images[: plan.images] for name, images in looks.items()} | {"real": real}
    seen = {name: images[plan.images :] for name, images in looks.items()}
    for workdir in WORKDIRS.value:
        refined = load_refiner(workdir)(seen["synthetic"].images)
        seen[name_of(workdir)] = Arrays(refined, seen["synthetic"].labels)
    jobs = [
        (name, augmented, seed)
        for seed in range(how_many())
        for name in training
        for augmented in (0.0, 1.0)
    ]

    def train_one(job: tuple[str, float, int]) -> Estimator:
        name, augmented, seed = job
        return train(config.task, training[name], settings, seed, augmented)

    trained = dict(zip(jobs, devices.each_on_a_device(train_one, jobs), strict=True))
    found: dict[str, Any] = {"error": {}, "drift": {}}
    for (name, augmented, _), estimator in trained.items():
        row = f"{name}_augmented" if augmented else name
        targets = tasks.label_of(config.task, test, "the test set")
        error = float(np.mean(angles.angular_error(estimator(test.images), targets)))
        found["error"].setdefault(row, []).append(error)
        if row != AUGMENTED:
            continue
        for other, images in seen.items():
            if other != "synthetic":
                drift = reading_drift([estimator], seen["synthetic"], images.images)["axes"]
                biases = [axis["bias"] for axis in drift.values()]
                found["drift"].setdefault(other, []).append(biases)
    about = origin("ceiling") | {"unit": "degrees"}
    write_json(results_folder(HERE) / "result.json", about | found)
    print(json.dumps(found, indent=2))


def looks_of(config, count: int, real: Arrays) -> dict[str, Arrays]:
    """The same labelled eyes in every look."""
    source = dict(config.data.synthetic) | {"count": count}
    drawn = data.load(source)
    photographed = data.load(source | {"photographed": True})
    np.testing.assert_array_equal(drawn.labels["gaze"], photographed.labels["gaze"])
    return {
        "synthetic": drawn,
        "photographed": Arrays(photographed.images, drawn.labels),
        "matched": Arrays(match_histograms(drawn.images, real.images), drawn.labels),
        "fda": Arrays(adapt(drawn.images, real.images), drawn.labels),
    }


if __name__ == "__main__":
    command.run(main)
