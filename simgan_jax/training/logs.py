"""What a run says: metrics.jsonl, TensorBoard, a progress bar. Only process 0 writes."""

import errno
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

from simgan_jax.io.atomic import replacing
from simgan_jax.training.processes import is_first

FILE = "metrics.jsonl"


class Log:
    """Writes metrics and progress of one run; a context manager."""

    def __init__(self, workdir: str | Path, step: int, last: int):
        """Continues a run's log, forgetting what was written after the step it resumes from.

        Args:
            workdir: of the run.
            step: steps done.
            last: steps of the whole run.
        """
        self._on = is_first()
        self.console = Console(highlight=False, soft_wrap=True, quiet=not self._on)
        self._workdir, self._step, self._last = Path(workdir), step, last

    def __enter__(self) -> "Log":
        """Opens the files and shows the bar."""
        if self._on:
            path = self._workdir / FILE
            rows = [row for row in read(path) if is_row(row) and row["step"] <= self._step]
            with replacing(path) as new:
                new.write_text("".join(json.dumps(row) + "\n" for row in rows))
            self._file = path.open("a")
            self._board = SummaryWriter(
                str(self._workdir / "tensorboard"), purge_step=self._step + 1
            )
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self.console,
            disable=not (self._on and self.console.is_terminal),
        )
        self._task = self._bar.add_task("train", total=self._last, completed=self._step, note="")
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes all."""
        self._bar.stop()
        if self._on:
            self._file.close()
            self._board.close()

    def write(self, step: int, phase: str, metrics: Mapping[str, float]) -> None:
        """One line in metrics.jsonl, one point a curve in TensorBoard, one move of the bar.

        Args:
            step: steps done.
            phase: of the run.
            metrics: by name, finite.

        Raises:
            OSError: the disk is full, or the run's folder was removed under it, which no write notices.
        """
        if not self._on:
            return
        if not os.fstat(self._file.fileno()).st_nlink:
            reason = "was removed while the run wrote to it"
            raise FileNotFoundError(errno.ENOENT, reason, str(self._workdir / FILE))
        self._file.write(json.dumps({"step": step, "phase": phase, **metrics}) + "\n")
        self._file.flush()
        for name, value in metrics.items():
            self._board.add_scalar(name, value, step)
        note = "  ".join(f"{label} {metrics[name]:.3g}" for name, label in NOTES if name in metrics)
        self._bar.update(self._task, completed=step, description=phase, note=note)
        if not self.console.is_terminal:
            self.console.print(f"{phase} {step}/{self._last}  {note}", markup=False)

    def say(self, line: str) -> None:
        """A line above the bar."""
        self.console.print(line, markup=False)


# What the bar shows of the metrics, and how it calls it.
NOTES = (
    ("images_per_second", "images/s"),
    ("refiner/loss", "R"),
    ("refiner/change", "change"),
    ("discriminator/loss", "D"),
    ("discriminator/accuracy_real", "acc real"),
    ("discriminator/accuracy_refined", "refined"),
)


def read(path: str | Path) -> list[dict]:
    """The rows of a metrics file up to a damaged one, such as a kill leaves; [] without a file."""
    rows = []
    if Path(path).exists():
        for line in Path(path).read_text(errors="replace").splitlines():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError):
                break
    return rows


def is_row(row: Any) -> bool:
    """Whether a line is what `Log.write` writes: a power cut may leave anything."""
    return isinstance(row, dict) and isinstance(row.get("step"), int) and "phase" in row


def first_not_finite(metrics: Mapping[str, float]) -> str | None:
    """Name of a metric that is NaN or infinite, None if all are finite.

    The refiner's come first, as its updates do: what it breaks, the discriminator then sees.
    """
    broken = [name for name, value in metrics.items() if not math.isfinite(value)]
    return min(broken, key=lambda name: not name.startswith("refiner/"), default=None)
