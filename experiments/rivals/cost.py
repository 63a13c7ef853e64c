"""What a training has cost, kept in a file beside it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.results import stored
from simgan_jax.io.atomic import write_json

CPU_SECONDS = "training/cpu_seconds"


@contextmanager
def cpu_time(file: Path) -> Iterator[None]:
    """Adds the CPU seconds spent within it to those that a file knows of, however it ends."""
    before, start = stored(file).get(CPU_SECONDS, 0.0), time.process_time()
    try:
        yield
    finally:
        write_json(file, {CPU_SECONDS: before + time.process_time() - start})
