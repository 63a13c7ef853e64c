"""Choosing without labels: how near the chosen checkpoint comes to the best by real test error.

    python -m simgan_jax.main --config=configs/gaze.py --config.watch.keep=100
    python -m experiments.checkpoint_choice --workdir=runs/gaze

For every checkpoint of a run, what the choice sees (KID and label shift, see `evaluate.select`) and
what it may not see: the error on the real test set of estimators trained on images that the checkpoint
has refined. Writes result.json and choice.png beside this file.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from matplotlib.figure import Figure

from experiments.flags import QUICK, command_line
from experiments.machine import machine
from simgan_jax import command, data, estimate, evaluate, parallel
from simgan_jax.checkpoint import read_config
from simgan_jax.data import Arrays
from simgan_jax.refining import load_refiner

WORKDIR = flags.DEFINE_string("workdir", "runs/gaze", "Folder of a finished run.")

HERE = Path(__file__).parent
SEEDS = 2


def main(argv: Sequence[str]) -> None:
    """Trains and tests estimators on every checkpoint's images."""
    del argv
    parallel.cores_as_devices()
    workdir = WORKDIR.value
    config = read_config(workdir)
    plan = evaluate.make_plan(config.evaluate, "quick")
    synthetic, real = data.load(config.data.synthetic), data.load(config.data.real)
    test = data.load(config.data.test)
    chosen = evaluate.choose(workdir, synthetic, real)
    candidates = json.loads((Path(workdir) / evaluate.CHOSEN).read_text())["candidates"]
    if QUICK.value:
        candidates = candidates[-2:]
    training = synthetic[: min(plan.images, len(synthetic) - plan.probe)]
    refined = {
        c["step"]: Arrays(load_refiner(workdir, c["step"])(training.images), training.labels)
        for c in candidates
    }

    def test_one(job: tuple[int, int]) -> float:
        step, seed = job
        estimator = estimate.train(config.task, refined[step], plan.estimator, seed)
        return estimate.score(config.task, [estimator(test.images)], test)["error"]

    jobs = [(step, seed) for step in refined for seed in range(SEEDS)]
    errors = dict(zip(jobs, parallel.each_on_a_device(test_one, jobs), strict=True))
    for c in candidates:
        c["errors"] = [errors[c["step"], seed] for seed in range(SEEDS)]
        c["error"] = sum(c["errors"]) / SEEDS
    best = min(candidates, key=lambda c: c["error"])
    picked = next((c for c in candidates if c["step"] == chosen), candidates[-1])
    result = {
        "command": command_line("checkpoint_choice"),
        "machine": machine(),
        "gan_seed": config.seed,
        "estimator_seeds": SEEDS,
        "chosen": picked["step"],
        "best": best["step"],
        "lost": picked["error"] - best["error"],
        "candidates": candidates,
    }
    (HERE / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    draw(result, estimate.TASKS[config.task].unit).savefig(HERE / "choice.png", dpi=120)
    print(
        f"chosen: step {picked['step']}, error {picked['error']:.2f}; best: step {best['step']}, "
        f"{best['error']:.2f}"
    )


def draw(result: dict[str, Any], unit: str) -> Figure:
    """What the choice sees, and below it the error, against steps; a line marks the chosen one."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    charts = figure.subplots(3, 1, sharex=True)
    candidates = result["candidates"]
    steps = [c["step"] for c in candidates]
    shown = {
        "KID to real images": [c["kid"] for c in candidates],
        "label shift (px)": [c["label_shift"] for c in candidates],
        f"error on real ({unit})": [c["error"] for c in candidates],
    }
    for axes, (name, values) in zip(charts, shown.items(), strict=True):
        axes.plot(steps, values, "o-", color="#0072b2")
        axes.axvline(result["chosen"], color="#888888", linewidth=0.8)
        axes.set(yscale="log", ylabel=name)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
    charts[1].axhline(evaluate.LARGEST_SHIFT, color="#888888", linestyle=":")
    for errors in zip(*(c["errors"] for c in candidates), strict=True):
        charts[2].plot(steps, errors, ".", color="#0072b2")
    charts[2].set(xlabel="step of the run")
    return figure


if __name__ == "__main__":
    command.run(main)
