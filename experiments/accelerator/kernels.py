"""What an accelerator's time goes into, kernel by kernel."""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

MOST = 40


def kernels(task: Callable[[], None], iterations: int) -> list[dict[str, Any]]:
    """The kernels that a task runs, the longest first: name, milliseconds and launches an iteration.

    Empty where the profiler sees none, as on CPUs.

    Args:
        task: has run before.
        iterations: that it takes.
    """
    if jax.default_backend() == "cpu":
        return []
    times, launches = defaultdict(float), defaultdict(int)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            task()
        for file in Path(folder).rglob("*.xplane.pb"):
            for plane in jax.profiler.ProfileData.from_file(str(file)).planes:
                if not plane.name.startswith("/device:"):
                    continue
                for line in plane.lines:
                    # Others repeat the same time by module, by operation and by name.
                    if line.name.startswith(("Stream", "XLA Ops")):
                        for event in line.events:
                            times[event.name] += event.duration_ns
                            launches[event.name] += 1
    longest = sorted(times, key=times.get, reverse=True)[:MOST]
    return [
        {
            "name": name[:160],
            "milliseconds": times[name] / 1e6 / iterations,
            "launches": launches[name] / iterations,
        }
        for name in longest
    ]
