"""Four times the images: the paper's "4x" rows, on embedded eyes.

    python -m experiments.embedded_eyes --variants=default
    python -m experiments.more_images [--workdirs=A,B,C]

Estimators trained on 1,500 and on 6,000 images, synthetic and refined, by the chosen checkpoint of each
run, with at most as many updates in all rows: they differ in the images alone. Writes result.json and
curves.png beside this file.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from absl import flags

from experiments.flags import QUICK, command_line
from experiments.machine import machine
from simgan_jax import command, data, evaluate, figures, parallel
from simgan_jax.checkpoint import read_config
from simgan_jax.refining import load_refiner

WORKDIRS = flags.DEFINE_list(
    "workdirs",
    [f"runs/experiments/embedded_eyes/default-{seed}" for seed in range(3)],
    "Folders of finished runs, separated by commas.",
)

HERE = Path(__file__).parent
IMAGES = 1500
ROWS = ("synthetic", "synthetic_4x", "refined", "refined_4x")


def main(argv: Sequence[str]) -> None:
    """Trains the rows of every run, and tests them."""
    del argv
    parallel.cores_as_devices()
    reports = []
    for workdir in WORKDIRS.value:
        config = read_config(workdir)
        plan = evaluate.make_plan(config.evaluate, "quick")
        plan = replace(plan, rows=ROWS, images=100 if QUICK.value else IMAGES)
        synthetic, real = data.load(config.data.synthetic), data.load(config.data.real)
        trained = synthetic[: len(synthetic) - plan.probe]
        refine = load_refiner(workdir)  # the chosen checkpoint
        estimators, _ = evaluate.train_rows(
            plan, config.task, trained, refine, real.images, real, config.seed, print
        )
        test = data.load(config.data.test)
        reports.append(evaluate.judge_rows(config.task, estimators, trained, test)["estimators"])
    rows = {}
    for row in reports[0]:
        errors = [report[row]["error"] for report in reports]
        shares = [report[row]["within"] for report in reports]
        rows[row] = {
            "error": statistics.fmean(errors),
            "std": statistics.stdev(errors) if len(errors) > 1 else None,
            "errors": errors,
            "within": statistics.fmean(shares),
            "unit": reports[0][row]["unit"],
        }
        print(f"{row:16s} {rows[row]['error']:.2f}  within {rows[row]['within']:.1%}")
    result = {
        "command": command_line("more_images"),
        "machine": machine(),
        "gan_seeds": len(reports),
        "images": plan.images,
        "rows": rows,
    }
    (HERE / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    figures.cumulative(figures.mean_curves(reports)).savefig(HERE / "curves.png", dpi=120)


if __name__ == "__main__":
    command.run(main)
