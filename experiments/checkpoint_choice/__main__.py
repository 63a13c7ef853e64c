"""Choosing without labels: how near the chosen checkpoint comes to the best by real test error.

    python -m experiments.embedded_eyes --variants=default
    python -m experiments.checkpoint_choice [--workdirs=A,B]

For every checkpoint of a run, what its evaluation has chosen by (`choice.select`: KID, label shift,
drift of readings, what is painted), and what it may not see: the error on the real test set of
estimators trained on images that the checkpoint has refined, and its bias. Nothing in the run changes.
Writes result.json and choice.png beside this file.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import flags
from matplotlib.figure import Figure

from experiments.finished_run import name_of
from experiments.flags import QUICK, results_folder
from experiments.results import origin
from simgan_jax import command, data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators import tasks
from simgan_jax.estimators.estimator import train
from simgan_jax.evaluation import image_split
from simgan_jax.evaluation.choice import earlier_choice
from simgan_jax.evaluation.plan import make_plan
from simgan_jax.evaluation.scores import score
from simgan_jax.io.atomic import write_json
from simgan_jax.metrics import label_shift
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.training import devices
from simgan_jax.training.provenance import read_config

WORKDIRS = flags.DEFINE_list(
    "workdirs",
    ["runs/experiments/embedded_eyes/default-1"],
    "Folders of finished runs of one task, separated by commas.",
)

HERE = Path(__file__).parent
SEEDS = 2


def main(argv: Sequence[str]) -> None:
    """Trains and tests estimators on every checkpoint's images."""
    del argv
    here = results_folder(HERE)
    devices.cores_as_devices()
    runs = {}
    for workdir in WORKDIRS.value:
        name = name_of(workdir)
        runs[name] = test_checkpoints(workdir)
        print(
            f"{name}: chosen step {runs[name]['chosen']}, best {runs[name]['best']}, lost "
            f"{runs[name]['lost']:.2f}",
            flush=True,
        )
        result = origin("checkpoint_choice") | {"estimator_seeds": SEEDS, "runs": runs}
        write_json(here / "result.json", result)
    unit = tasks.TASKS[read_config(workdir).task].unit
    draw(runs, unit).savefig(here / "choice.png", dpi=120)


def test_checkpoints(workdir: str) -> dict[str, Any]:
    """What the choice saw of each checkpoint, errors on the test set, and what the choice has cost.

    Raises:
        UserError: no checkpoint of the run is chosen.
    """
    config = read_config(workdir)
    plan = make_plan(config.evaluate, "quick")
    if QUICK.value:
        plan = replace(plan, images=500, estimator=replace(plan.estimator, steps=50))
    synthetic, real = data.load(config.data.synthetic), data.load(config.data.real)
    test = data.load(config.data.test)
    choice = earlier_choice(workdir)
    if choice is None:
        raise UserError(
            f"{workdir}: no choice that stands; evaluate first: python -m simgan_jax.evaluate "
            f"--workdir={workdir}"
        )
    chosen, candidates = choice["step"], choice["candidates"]
    if QUICK.value:
        candidates = candidates[-2:]
    training = image_split.to_report(synthetic, real, plan.probe)[0][: plan.images]
    refined = {
        c["step"]: Arrays(load_refiner(workdir, c["step"])(training.images), training.labels)
        for c in candidates
    }

    def test_one(job: tuple[int, int]) -> dict[str, Any]:
        step, seed = job
        estimator = train(config.task, refined[step], plan.estimator, seed)
        return score(config.task, [estimator(test.images)], test)

    jobs = [(step, seed) for step in refined for seed in range(SEEDS)]
    scored = dict(zip(jobs, devices.each_on_a_device(test_one, jobs), strict=True))
    for c in candidates:
        found = [scored[c["step"], seed] for seed in range(SEEDS)]
        c["errors"] = [x["error"] for x in found]
        c["error"] = sum(c["errors"]) / SEEDS
        axes = found[0]["axes"]
        c["bias"] = {a: sum(x["axes"][a]["bias"] for x in found) / SEEDS for a in axes}
    best = min(candidates, key=lambda c: c["error"])
    picked = next((c for c in candidates if c["step"] == chosen), candidates[-1])
    return {
        "chosen": picked["step"],
        "best": best["step"],
        "lost": picked["error"] - best["error"],
        "candidates": candidates,
    }


def draw(runs: dict[str, dict[str, Any]], unit: str) -> Figure:
    """A column a run: what the choice sees, and below it the error; a line marks the chosen step."""
    figure = Figure(figsize=(4 * len(runs), 6), layout="constrained")
    charts = figure.subplots(3, len(runs), sharex="col", sharey="row", squeeze=False)
    for column, (name, run) in zip(charts.T, runs.items(), strict=True):
        candidates = run["candidates"]
        steps = [c["step"] for c in candidates]
        for axes, key in zip(column, ("kid", "label_shift", "error"), strict=True):
            axes.plot(steps, [c[key] for c in candidates], "o-", color="#0072b2")
            axes.axvline(run["chosen"], color="#888888", linewidth=0.8)
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("")
        for errors in zip(*(c["errors"] for c in candidates), strict=True):
            column[2].plot(steps, errors, ".", color="#0072b2")
        column[1].axhline(label_shift.LARGEST, color="#888888", linestyle=":")
        column[0].set_title(name)
        column[2].set_xlabel("step of the run")
    labels = ("KID to real images", "label shift (px)", f"error on real ({unit})")
    for axes, label in zip(charts[:, 0], labels, strict=True):
        axes.set_ylabel(label)
    return figure


if __name__ == "__main__":
    command.run(main)
