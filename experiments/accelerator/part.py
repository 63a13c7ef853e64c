"""Runs one part: python -m experiments.accelerator.part NAME OPTIONS, the options as JSON.

Each part is a process of its own: it has the whole accelerator, and can fail or be ended alone.
"""

import importlib
import json
import sys
import time
import traceback

import jax

from experiments.accelerator.budget import Part
from experiments.machine import machine


def main(name: str, options: dict) -> int:
    """Measures; what went wrong is reported too. Returns the exit status."""
    part, start = Part(name, **options), time.perf_counter()
    # Compiling is timed here.
    jax.config.update("jax_enable_compilation_cache", False)
    part.report(machine=machine())
    try:
        importlib.import_module(f"experiments.accelerator.{name}").measure(part)
    except Exception as error:
        traceback.print_exc()
        part.report(error=f"{type(error).__name__}: {error}"[:2000])
        return 1
    finally:
        part.report(seconds=round(time.perf_counter() - start, 1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2])))
