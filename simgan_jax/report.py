"""One self-contained page about a run: `python -m simgan_jax.report --workdir=DIR`."""

from collections.abc import Sequence

from absl import flags

from simgan_jax import command
from simgan_jax.reporting.page import write_report


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    del argv
    print(write_report(flags.FLAGS.workdir))


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    flags.DEFINE_string("workdir", None, "Folder of the run.", required=True)
    command.run(main, argv=argv)


if __name__ == "__main__":
    run()
