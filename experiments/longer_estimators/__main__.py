"""How long estimators train, and what refinement is worth then.

    python -m experiments.embedded_eyes --variants=default,equalized
    python -m experiments.longer_estimators [--workdirs=A,B]

An estimator that has learned little is limited by itself, not by the domain that it learned on. Rows of
the report of each run, trained for at most 600, 2,500 and 8,000 updates; one seed, which does not tell
how others would end. "own" is the error on images of its own domain that it has not seen. Adds the runs
to result.json beside this file, and draws all that are there in errors.png.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from absl import flags
from matplotlib.figure import Figure

from experiments.flags import QUICK, command_line, results_folder
from experiments.machine import machine
from simgan_jax import command, data
from simgan_jax.estimators import tasks
from simgan_jax.evaluation import figures
from simgan_jax.evaluation.plan import BASES, Row, make_plan
from simgan_jax.evaluation.rows import judge_rows, train_rows
from simgan_jax.io.atomic import write_json
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.training import devices
from simgan_jax.training.provenance import read_config

WORKDIRS = flags.DEFINE_list(
    "workdirs",
    [f"runs/experiments/embedded_eyes/{variant}-0" for variant in ("default", "equalized")],
    "Folders of finished runs, separated by commas.",
)

HERE = Path(__file__).parent
STEPS = (600, 2500, 8000)
ROWS = (*BASES, "synthetic_augmented", "refined_augmented")


def main(argv: Sequence[str]) -> None:
    """Trains and tests the rows."""
    del argv
    devices.cores_as_devices()
    here = results_folder(HERE)
    file = here / "result.json"
    runs = json.loads(file.read_text()) if file.exists() else {}
    for workdir in WORKDIRS.value:
        runs["/".join(Path(workdir).parts[-2:])] = {
            "command": command_line("longer_estimators"),
            "machine": machine(),
            "seeds": 1,
            "unit": tasks.TASKS[read_config(workdir).task].unit,
            "rows": test_rows(workdir, ROWS),
        }
        write_json(file, runs)
    draw(runs).savefig(here / "errors.png", dpi=120)


def test_rows(workdir: str, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Errors of one run's rows at every length of training."""
    config = read_config(workdir)
    synthetic, real = data.load(config.data.synthetic), data.load(config.data.real)
    labelled = data.load(config.data.labelled) if config.data.labelled else real
    test = data.load(config.data.test)
    refine = load_refiner(workdir)  # the chosen checkpoint
    found = []
    for steps in (10, 20) if QUICK.value else STEPS:
        plan = make_plan(config.evaluate, "quick")
        rows = tuple(map(Row.parse, names))
        plan = replace(plan, rows=rows, estimator=replace(plan.estimator, steps=steps))
        trained = synthetic[: len(synthetic) - plan.probe]
        estimators, _ = train_rows(
            plan, config.task, trained, refine, real.images, labelled, config.seed, print
        )
        rows = judge_rows(config.task, estimators, trained, test)["estimators"]
        for name in names:
            row = {"row": name, "steps": steps, "own": rows[name]["own_error"]}
            found.append(row | {"error": rows[name]["error"]})
            print(Path(workdir).name, found[-1], flush=True)
    return found


def draw(runs: dict[str, dict[str, Any]]) -> Figure:
    """Error against updates, a chart a run: a line a row on real images, thin on its own domain."""
    figure = Figure(figsize=(4 * len(runs), 4), layout="constrained")
    charts = figure.subplots(1, len(runs), squeeze=False)[0]
    for axes, (name, run) in zip(charts, runs.items(), strict=True):
        for row in dict.fromkeys(point["row"] for point in run["rows"]):
            line = [point for point in run["rows"] if point["row"] == row]
            steps = [point["steps"] for point in line]
            style = figures.style(row) | {"marker": "o"}
            axes.plot(steps, [point["error"] for point in line], label=row, **style)
            axes.plot(steps, [point["own"] for point in line], linewidth=0.5, **style)
        axes.set(xscale="log", xlabel="updates of the estimator", title=name)
        axes.set_ylabel(f"error ({run['unit']}); thin: own domain")
        axes.set_xticks(steps, [f"{step:,}" for step in steps])
        axes.minorticks_off()
    charts[0].legend(fontsize="small")
    return figure


if __name__ == "__main__":
    command.run(main)
