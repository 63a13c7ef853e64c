"""Four times the images: the paper's "4x" rows for eyes ("3x" for hands), on embedded data.

    python -m experiments.embedded_eyes --variants=default
    python -m experiments.more_images [--workdirs=A,B,C]

Estimators trained on a quarter of the images of a report (1,500 eyes, 1,000 hands), and on all of them,
synthetic and refined, by the chosen checkpoint of each run, with at most as many updates in all rows:
they differ in the images alone. Puts the task's figures, means and sample standard deviations over GAN
seeds, and what rows differ by, seed by seed, into result.json beside this file, and its curves into
TASK.png.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments.curves import write_curves
from experiments.finished_run import open_run
from experiments.flags import QUICK, results_folder
from experiments.more_images.compare import compare
from experiments.results import add, origin
from experiments.summary import over_runs
from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.training import devices
from simgan_jax.training.provenance import read_config

WORKDIRS = flags.DEFINE_list(
    "workdirs",
    [f"runs/experiments/embedded_eyes/default-{seed}" for seed in range(3)],
    "Folders of finished runs of one task, separated by commas.",
)

HERE = Path(__file__).parent
ROWS = ("synthetic", "synthetic_4x", "refined", "refined_4x")


def main(argv: Sequence[str]) -> None:
    """Trains the rows of every run, and tests them."""
    del argv
    devices.cores_as_devices()
    configs = [read_config(workdir) for workdir in WORKDIRS.value]
    tasks = {config.task for config in configs}
    if len(tasks) > 1:
        raise UserError(f"--workdirs: of one task, please, not of {' and '.join(sorted(tasks))}")
    reports = []
    for workdir, config in zip(WORKDIRS.value, configs, strict=True):
        images = 100 if QUICK.value else config.evaluate.quick.images // 4
        run = open_run(workdir, ROWS, images=images)
        reports.append(run.test(run.train()))
    rows = {}
    for row in reports[0]:
        rows[row] = {"unit": reports[0][row]["unit"]}
        for figure in ("error", "within"):
            rows[row][figure] = over_runs([report[row][figure] for report in reports])
        error, within = rows[row]["error"]["mean"], rows[row]["within"]["mean"]
        print(f"{row:16s} {error:.2f}  within {within:.1%}")
    here, task = results_folder(HERE), tasks.pop()
    entry = origin("more_images") | {
        "gan_seeds": len(reports),
        "images": images,
        "rows": rows,
        "comparisons": compare(rows),
    }
    add(here / "result.json", {task: entry})
    write_curves(here / f"{task}.png", reports)


if __name__ == "__main__":
    command.run(main)
