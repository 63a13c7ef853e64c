"""Prepares a real data set: python -m simgan_jax.data.prepare NAME --manual_dir=DIR [--data_dir=DIR].

NAME is unity_eyes, mpii_gaze or nyu_hand, or one configuration of it, such as unity_eyes/colour.
Stopped at any time, the same command goes on where it was. simgan_jax/data/README.md says which files
go where.
"""

import importlib
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from rich.console import Console

from simgan_jax import command
from simgan_jax.data import prepared
from simgan_jax.data.builder import SKIPPED, ManualBuilder
from simgan_jax.data.jobs import processors
from simgan_jax.errors import UserError

# The builder of each set, and the configurations that are prepared when none is named.
BUILDERS = {
    "mpii_gaze": ("MpiiGaze", ("",)),
    "nyu_hand": ("NyuHand", ("real_1", "synthetic_1")),
    "unity_eyes": ("UnityEyes", ("grey",)),
}


def prepare(
    name: str,
    manual_dir: str | Path,
    data_dir: str | Path | None = None,
    on_error: str = "stop",
    workers: int = 0,
) -> None:
    """Prepares a set, or goes on with it; says what it did.

    Args:
        name: of a set, or "set/configuration".
        manual_dir: folder with the set's files.
        data_dir: where to write it; TFDS's own by default.
        on_error: "stop" at damaged input, or "skip" it and say how much.
        workers: processes; 0 takes all cores.

    Raises:
        UserError: an unknown name, missing or damaged files.
    """
    console = Console(highlight=False, soft_wrap=True)
    for builder in builders(name, data_dir):
        start, done = time.perf_counter(), builder.is_prepared()
        faults = builder.prepare(Path(manual_dir), workers or processors(), on_error)
        prepared.open_set(builder)  # makes the arrays that `data.load` reads
        counts = {split: info.num_examples for split, info in builder.info.splits.items()}
        seconds = time.perf_counter() - start
        speed = f"{seconds:.1f} s, {sum(counts.values()) / seconds:,.0f} images/s"
        told = ", ".join(f"{split} {count:,}" for split, count in sorted(counts.items()))
        note = "was prepared before" if done else speed
        console.print(f"{builder.data_dir}: {told}; {note}", markup=False)
        if faults:
            console.print(
                f"left out {len(faults):,}, damaged or without labels, listed in "
                f"{Path(builder.data_dir) / SKIPPED}; "
                f"first {faults[0]}",
                markup=False,
            )


def builders(name: str, data_dir: str | Path | None) -> list[ManualBuilder]:
    """The builders that a name stands for.

    Raises:
        UserError: there is none.
    """
    name, _, config = name.partition("/")
    if name not in BUILDERS:
        raise UserError(f"no set is called {name!r}; one of {', '.join(BUILDERS)}")
    class_name, usual = BUILDERS[name]
    kind = getattr(importlib.import_module(f"simgan_jax.data.{name}"), class_name)
    known = tuple(kind.builder_configs)
    if config and config not in known:
        have = f"one of {', '.join(known)}" if known else "it has none"
        raise UserError(f"{name} has no configuration {config!r}; {have}")
    return [
        prepared.make_builder(kind, data_dir, c or None) for c in ([config] if config else usual)
    ]


def main(argv: Sequence[str]) -> None:
    """Kept to flags."""
    options = flags.FLAGS
    if len(argv) != 2 or not options.manual_dir:
        raise UserError(
            f"name one set of {', '.join(BUILDERS)} and where its files are: python -m "
            "simgan_jax.data.prepare NAME --manual_dir=DIR"
        )
    prepare(argv[1], options.manual_dir, options.data_dir, options.on_error, options.workers)


def run(argv: Sequence[str] | None = None) -> None:
    """The command."""
    flags.DEFINE_string("manual_dir", None, "Folder with the set's files.")
    flags.DEFINE_string("data_dir", None, "Where to write it; TFDS's own folder by default.")
    flags.DEFINE_enum("on_error", "stop", ["stop", "skip"], "What to do at damaged input.")
    flags.DEFINE_integer("workers", 0, "Processes; 0 takes all cores.", lower_bound=0)
    command.run(main, 1, argv)


if __name__ == "__main__":
    run()
