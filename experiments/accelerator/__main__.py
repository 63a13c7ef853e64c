"""All that is worth knowing on a GPU or TPU, in the minutes that one is at hand.

    python -m experiments.accelerator --minutes=10 [--output=DIR] [--parts=NAMES] [--quick]

Parts, most important first; what one leaves of its time, the next ones share:
    numbers   convolutions, steps and export on the device against the CPU; then their tests
    speed     the paper's gaze networks at batch 512 in bfloat16 and float32, beside PyTorch
    schedule  the paper's schedule on embedded eyes as far as the time goes, then estimators
    hands     the paper's hand networks at 224 x 224: the largest batch that fits, images/s

result.json is written after every step, so that nothing is lost when time runs out. README.md says what
must be installed. `--quick` tries everything in little: on a CPU in some minutes.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from experiments.accelerator.budget import FILE, Part
from experiments.flags import QUICK, command_line, require_known, results_folder
from simgan_jax import command
from simgan_jax.io.atomic import write_json

HERE = Path(__file__).parent
# Shares of the time, and what JAX is to take of the accelerator's memory: PyTorch needs some in speed,
# other processes run tests in numbers.
SHARES = {"numbers": 0.17, "speed": 0.33, "schedule": 0.33, "hands": 0.17}
SHARED_MEMORY = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
MEMORY = {
    "numbers": SHARED_MEMORY,
    "speed": SHARED_MEMORY,
    "schedule": {},
    "hands": {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.95"},
}
# Of the whole time, for starting and ending processes.
MARGIN = 10.0

MINUTES = flags.DEFINE_float("minutes", 10.0, "That may be taken in all.")
OUTPUT = flags.DEFINE_string("output", None, "Folder of the result; by default the code's.")
PARTS = flags.DEFINE_list("parts", list(SHARES), "Those to run, in their order.")


def main(argv: Sequence[str]) -> None:
    """Runs the parts one after another."""
    del argv
    end = time.perf_counter() + MINUTES.value * 60 - MARGIN
    require_known(PARTS, SHARES)
    folder = Path(OUTPUT.value) if OUTPUT.value else results_folder(HERE)
    about = {"command": command_line("accelerator"), "minutes": MINUTES.value}
    write_json(folder / FILE, about | {"parts": {}})
    for i, name in enumerate(PARTS.value):
        share = SHARES[name] / sum(SHARES[later] for later in PARTS.value[i:])
        run(name, share * (end - time.perf_counter()), QUICK.value, folder)
    print((folder / FILE).read_text())


def run(name: str, seconds: float, quick: bool, folder: Path) -> None:
    """Runs a part, and ends it with all that it has started when its time is over."""
    # Removed here, since a part that is killed cannot.
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch:
        part = Part(name, seconds, quick, folder, scratch)
        options = {"seconds": seconds, "quick": quick, "folder": str(folder), "scratch": scratch}
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.accelerator.part", name, json.dumps(options)],
            env=os.environ | MEMORY[name],
            start_new_session=True,
        )
        try:
            status = process.wait(seconds)
            if status:
                part.report(status=status)
        except subprocess.TimeoutExpired:
            part.report(ended=f"after {seconds:.0f} s, its share of the time")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


if __name__ == "__main__":
    command.run(main)
