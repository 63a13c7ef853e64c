"""Trains, evaluates and reports: `simgan train --config=gaze`.

    simgan train --config=gaze              embedded eyes, minutes on a CPU; gaze:tiny takes seconds
    simgan train --config=hand              embedded hands
    simgan train --config=folder --config.data.synthetic.path=DIR --config.data.real.path=DIR
    simgan train --config=mine.py --config.train.batch=64      a file of your own, a setting changed

The same command again goes on where it was. Everything that can be refused is refused before training;
--dry_run looks for it and ends. --print_config shows every setting, with its meaning.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags
from rich.console import Console

from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.evaluation.label_distributions import first_look
from simgan_jax.evaluation.readiness import require_ready
from simgan_jax.evaluation.run import evaluate_and_print, is_evaluated
from simgan_jax.reporting.label_distributions import print_label_distributions
from simgan_jax.reporting.page import write_report
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, processes
from simgan_jax.training.dry_run import dry_run
from simgan_jax.training.loop import check_settings, train
from simgan_jax.training.print_config import described


def main(argv: Sequence[str]) -> None:
    """Kept to flags: the work is in the verbs."""
    del argv
    config = flags.FLAGS.config
    if not (flags.FLAGS["config"].present or flags.FLAGS.print_config):
        raise UserError("--config is missing: give --config=gaze or another, see --help")
    if flags.FLAGS.print_config:
        check_settings(config)
        print(*described(config), sep="\n")
        return
    workdir = Path(flags.FLAGS.workdir or Path("runs") / config.name)
    if flags.FLAGS.distributed:
        with processes.joined():
            work(config, workdir)
    else:
        devices.cores_as_devices(make_setup(config))
        work(config, workdir)


def work(config: ConfigDict, workdir: Path) -> None:
    """Trains in every process; the first one evaluates, on its own devices, and reports."""
    if flags.FLAGS.dry_run or flags.FLAGS.compare_labels:
        dry_run(config, workdir, require_ready)
        if flags.FLAGS.compare_labels:
            print_label_distributions(first_look(config))
    elif train(config, workdir, require_ready) and processes.is_first():
        if not is_evaluated(workdir):
            evaluate_and_print(workdir, "quick")
        page = write_report(workdir)
        Console(highlight=False, soft_wrap=True).print(f"done: open {page}", markup=False)


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    gaze = command.config_path("gaze")  # what --print_config shows where no other is named
    config_flags.DEFINE_config_file(
        "config", gaze, "gaze, hand or folder, or a file, perhaps with :VARIANT."
    )
    flags.DEFINE_string("workdir", None, "Folder of the run; runs/<config.name> by default.")
    flags.DEFINE_bool("dry_run", False, "Check settings and data, say what it takes, and end.")
    flags.DEFINE_bool(
        "compare_labels",
        False,
        "A dry run and half a minute more: how labels of the synthetic images differ from what "
        "estimators read off the real ones, which need no labels.",
    )
    flags.DEFINE_bool("print_config", False, "Show every setting with its meaning, and end.")
    flags.DEFINE_bool("distributed", False, "Join the processes of a cluster first.")
    command.run(main, argv=argv)


if __name__ == "__main__":
    run()
