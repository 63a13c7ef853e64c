"""A process may end at any write, rename, mkdir or unlink: it leaves the old or the new, never a mix.

A preloaded library (crash_points.c) copies the folder before every one of them, and in the middle of
every write: each copy is what a process that ends there leaves behind. It is then gone on from.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from experiments.reliability.crash_subjects import SUBJECTS
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import environment
from simgan_jax.errors import UserError

SOURCE = Path(__file__).with_name("crash_points.c")
# Does a subject's work under the library: name, folder, where the copies go, the library.
WORK = """
import ctypes, sys
from pathlib import Path
from experiments.reliability.crash_subjects import SUBJECTS
name, folder, copies, library = sys.argv[1:]
subject = SUBJECTS[name]
subject.before(Path(folder))
crash = ctypes.CDLL(library)
crash.crash_begin(folder.encode(), copies.encode())
subject.work(Path(folder))
print("operations", crash.crash_end())
"""


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Goes on from about `times` copies, spread evenly over each subject's."""
    del rng
    library = scratch / "crash_points.so"
    build = ["-shared", "-fPIC", "-O1", "-w", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or subprocess.run([compiler, *build], check=False).returncode:
        outcome.notes["not tried"] = "no C compiler"
        return
    for name, subject in SUBJECTS.items():
        # One place for all copies of a subject: paths stand in what is written.
        folder, copies = scratch / name / "folder", scratch / name / "copies"
        copies.mkdir(parents=True)
        folder.mkdir()
        _work(name, folder, copies, library)
        left = sorted(copies.iterdir())
        outcome.notes.setdefault("points", {})[name] = len(left)
        whole = folder.with_name("whole")
        folder.rename(whole)
        wanted = subject.told(whole)
        share = max(1, times // len(SUBJECTS))
        for copy in left[:: max(1, -(-len(left) // share))]:
            if outcome.over:
                break
            shutil.copytree(copy, folder, symlinks=True)
            try:
                fault = subject.check(folder, wanted)
            except UserError as error:
                fault = f"is not gone on from: {error}"
            except Exception as error:
                fault = f"{type(error).__name__}: {str(error)[:200]}"
            outcome.add(fault and f"{name}, operation {copy.name}: {fault}")
            shutil.rmtree(folder)


def _work(name: str, folder: Path, copies: Path, library: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK, name, str(folder), str(copies), str(library)],
        env=environment() | {"LD_PRELOAD": os.fspath(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
