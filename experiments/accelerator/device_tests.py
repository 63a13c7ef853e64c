"""The project's own tests of numbers, on the accelerator."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax

ROOT = Path(__file__).parents[2]
TESTS = ("test_convolution", "test_steps", "test_device_counts", "test_export")
# As JAX_PLATFORMS names them.
PLATFORMS = {"gpu": "cuda,cpu", "tpu": "tpu,cpu", "cpu": "cpu"}
WORKERS = 6
# What `pytest -v` says of a test as soon as it is through.
RESULT = re.compile(r"(PASSED|FAILED|ERROR|SKIPPED) (tests/\S+)")


def run_tests(seconds: float) -> dict[str, Any]:
    """How many passed, and which failed, of those that were through in time.

    Float32 is multiplied whole, as their tolerances ask for, and the compiler tries no algorithms: that
    would take longer than the tests.
    """
    backend = jax.default_backend()
    if backend == "tpu":
        return {"skipped": "one process at a time can use a TPU"}
    files = [f"tests/{name}.py" for name in TESTS]
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-n", str(WORKERS)]
    settings = {
        "JAX_PLATFORMS": PLATFORMS[backend],
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
        "XLA_FLAGS": "--xla_gpu_autotune_level=0",
    }
    done = subprocess.Popen(
        [*command, *files],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = done.communicate(timeout=max(1.0, seconds))
        ended = "all"
    except subprocess.TimeoutExpired:
        done.terminate()
        output, _ = done.communicate()
        ended = "time was over"
    outcomes = {test: status for status, test in RESULT.findall(output)}
    statuses = list(outcomes.values())
    return {
        "ended": ended,
        **{status.lower(): statuses.count(status) for status in sorted(set(statuses))},
        "not_passed": sorted(x for x, status in outcomes.items() if status in ("FAILED", "ERROR")),
        "last_lines": output[-1500:],
    }
