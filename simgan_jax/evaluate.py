"""The report on a run: estimators, label preservation, realism, and which checkpoint to use.

    python -m simgan_jax.evaluate --workdir=runs/gaze [--level=quick] [--seeds=5] [--choose]

Writes evaluation.json, evaluation/*.png, chosen.json and report.html into the run's folder. Labels of
the test set are used for nothing but tests; the checkpoint is chosen without any label of a real
image, and on images that the report does not measure. It is chosen once: the end of a run has done
so, and a later report is of the same checkpoint, unless there are newer ones, it is gone, or --choose
asks for another choice.
"""

from collections.abc import Sequence

from absl import flags

from simgan_jax import command
from simgan_jax.evaluation.run import evaluate_and_print
from simgan_jax.reporting.page import write_report
from simgan_jax.training import devices


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    del argv
    devices.cores_as_devices()
    f = flags.FLAGS
    evaluate_and_print(f.workdir, f.level, f.seeds, choose_anew=f.choose)
    print(f"done: open {write_report(f.workdir)}")


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
    flags.DEFINE_string("level", "full", "quick or full, see config.evaluate.")
    flags.DEFINE_integer("seeds", None, "Estimators a row, instead of the level's number.")
    flags.DEFINE_bool("choose", False, "Choose the checkpoint anew.")
    command.run(main, argv=argv)


if __name__ == "__main__":
    run()
