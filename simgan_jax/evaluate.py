"""The report on a run: estimators, label preservation, realism, and which checkpoint to use.

    python -m simgan_jax.evaluate --workdir=runs/gaze [--level=quick] [--seeds=5]

Writes evaluation.json, evaluation/*.png and chosen.json into the run's folder. Labels of the test set
are used for nothing but tests; the checkpoint is chosen without any label of a real image.
"""

from collections.abc import Sequence

from absl import flags

from simgan_jax import command
from simgan_jax.evaluation.run import evaluate_and_print
from simgan_jax.training import devices


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    del argv
    devices.cores_as_devices()
    evaluate_and_print(flags.FLAGS.workdir, flags.FLAGS.level, flags.FLAGS.seeds)


def run() -> None:
    """The command."""
    flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
    flags.DEFINE_string("level", "full", "quick or full, see config.evaluate.")
    flags.DEFINE_integer("seeds", None, "Estimators a row, instead of the level's number.")
    command.run(main)


if __name__ == "__main__":
    run()
