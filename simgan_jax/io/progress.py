"""Progress of long work over images: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from threading import Lock

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Callable[[int], None]]:
    """Yields a function to call with the number of images done since the last call, from any thread.

    Args:
        what: is done, the first word shown.
        total: images.
        done: of them, before.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    start, first = time.perf_counter(), done
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} images/s"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        # What is printed meanwhile stands above the bar; in a file, where it belongs.
        redirect_stdout=sys.stdout.isatty(),
        disable=not console.is_terminal,
    )
    lock = Lock()
    # Before 14.3 Rich ends a bar that it does not show with a newline.
    with nullcontext() if bar.disable else bar:
        task = bar.add_task(what, total=total, completed=done, rate=0.0)
        said = start

        def advance(count: int = 1) -> None:
            nonlocal done, said
            with lock:
                done += count
                now = time.perf_counter()
                rate = (done - first) / max(now - start, 1e-6)
                bar.update(task, completed=done, rate=rate)
                if bar.disable and now - said >= SECONDS_BETWEEN_LINES:
                    said = now
                    left = timedelta(seconds=round((total - done) / rate)) if rate else "?"
                    line = f"{what} {done:,}/{total:,}, {rate:,.0f} images/s, {left} left"
                    console.print(line, markup=False)

        yield advance
