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
    """Error on real test images against KID, a point a checkpoint."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for c in result["candidates"]:
        chosen = c["step"] == result["chosen"]
        axes.plot(c["kid"], c["error"], "o", color="#0072b2" if chosen else "#888888")
        label = f"step {c['step']}, shift {c['label_shift']:.2f} px" + " (chosen)" * chosen
        axes.annotate(
            label, (c["kid"], c["error"]), xytext=(4, 4), textcoords="offset points", fontsize=8
        )
    axes.set(
        xscale="log",
        xlabel="KID of refined to real images",
        ylabel=f"error on real test images ({unit})",
    )
    return figure


if __name__ == "__main__":
    command.run(main)
