"""How long estimators train, and what refinement is worth then.

    python -m experiments.embedded_eyes --variants=default,equalized
    python -m experiments.longer_estimators [--workdirs=A,B]

An estimator that has learned little is limited by itself, not by the domain that it learned on. Rows of
the report of each run, trained for at most 600, 2,500 and 8,000 updates; one seed, which does not tell
how others would end. "own" is the error on images of its own domain that it has not seen. Adds the runs
to result.json beside this file, and draws all that are there in errors.png.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags
from matplotlib.figure import Figure

from experiments.finished_run import FinishedRun, name_of, open_run
from experiments.flags import QUICK, results_folder
from experiments.results import add, origin, stored
from simgan_jax import command
from simgan_jax.estimators import tasks
from simgan_jax.evaluation import figures
from simgan_jax.evaluation.plan import BASES
from simgan_jax.training import devices

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
    runs = stored(file)
    for workdir in WORKDIRS.value:
        run, name = open_run(workdir, ROWS), name_of(workdir)
        entry = origin("longer_estimators") | {
            "seeds": 1,
            "unit": tasks.TASKS[run.config.task].unit,
            "rows": test_rows(run, name),
        }
        runs = add(file, {name: entry})
    draw(runs).savefig(here / "errors.png", dpi=120)


def test_rows(run: FinishedRun, name: str) -> list[dict[str, Any]]:
    """Errors of one run's rows at every length of training."""
    found = []
    for steps in (10, 20) if QUICK.value else STEPS:
        rows = run.test(run.train(steps))
        for row in ROWS:
            errors = {"own": rows[row]["own_error"], "error": rows[row]["error"]}
            found.append({"row": row, "steps": steps} | errors)
            print(name, found[-1], flush=True)
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
