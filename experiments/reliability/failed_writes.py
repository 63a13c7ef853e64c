"""No write that fails is silent: one line says why, and what was saved before stays readable.

Every command that writes meets a full disk (a limit on the size of files and, where one can be mounted,
a small file system), a folder that cannot be written, a file where a folder is wanted, and a folder
that goes away beneath it.
"""

import ctypes
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.reliability import runs
from experiments.reliability.commands import arguments, write_inputs
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import COMMANDS, Command
from simgan_jax.training.checkpoint import FOLDER

# Bytes; what a command says goes to files too, and is shorter.
SIZES = (4000, 8000, 16_000, 32_000, 64_000)
# Root reads and writes everything; without these two, as everybody else.
DAC_OVERRIDE, DAC_READ_SEARCH = 1, 2
CAPABILITY_VERSION = 0x20080522


class Case(NamedTuple):
    """A command that cannot write.

    Attributes:
        name: of what fails.
        module: whose command it is.
        output: folder or file that it is to write.
        before: what is done in its process first.
        during: what happens to it while it runs.
    """

    name: str
    module: str
    output: Path
    before: Callable[[], None] | None = None
    during: Callable[[Command], None] | None = None


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Tries the cases, at most `times` of them, spread over all."""
    inputs = write_inputs(scratch, 4, 4, rng)
    with ExitStack() as stack:
        every = list(_cases(scratch, inputs.run, stack, outcome))
        step = max(1, len(every) // times)
        for case in every[::step][:times]:
            if outcome.over:
                break
            given = arguments(case.module, inputs, case.output)
            process = Command(case.module, given, scratch / "said", case.before)
            if case.during:
                case.during(process)
            fault = _judge(case, *process.end())
            outcome.add(fault and f"{case.module}: {case.name}: {fault}")
            outcome.count("cases", case.module)


def _cases(scratch: Path, source: Path, stack: ExitStack, outcome: Outcome):
    """Every command with everything that can be wrong with where it writes."""
    for module in COMMANDS:

        def folder(what: str, module: str = module) -> Path:
            path = scratch / "out" / f"{module}_{what}"
            path.parent.mkdir(exist_ok=True)
            if module == "report":
                shutil.copytree(source, path)
            return path

        for size in SIZES:
            limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
            yield Case(f"files of at most {size} bytes", module, folder(str(size)), limit)
        closed = folder("closed")
        closed.mkdir(exist_ok=True)
        for path in (closed, *closed.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield Case("no permission", module, closed, as_everybody_else)
        taken = scratch / "out" / f"{module}_taken"
        taken.write_text("a file")
        yield Case("a file where the folder should be", module, taken)
        yield Case("a file above the folder", module, taken / "below")
        small = _small_disk(scratch / "out" / f"{module}_small", stack)
        if small is None:
            outcome.notes["no file system could be mounted"] = True
        else:
            if module == "report":
                shutil.copy(source / "config.json", small)
            yield Case("a full disk", module, small)
    removed = scratch / "out" / "removed"
    yield Case("removed", "main", removed, during=partial(_remove, removed))
    checkpoints = scratch / "out" / "no_checkpoints"
    yield Case("checkpoints removed", "main", checkpoints, during=partial(_block, checkpoints))


def _judge(case: Case, status: int, out: str, err: str) -> str | None:
    """What was wrong with how a command failed; its own success is right if all is there."""
    if status == 0:
        complete = {
            "main": "report.html",
            "report": "report.html",
            "refine": "refine_manifest.json",
        }
        name = complete.get(case.module)
        whole = not name or (case.output / name).exists()
        return None if whole else "status 0, and not all is there"
    lines = [line for line in err.splitlines() if not line.startswith("simgan: warning")]
    if status != 2 or "Traceback" in err or len(lines) != 1:
        return f"status {status}, {len(lines)} lines: {err[-300:]}"
    if (
        case.module == "main"
        and case.output.is_dir()
        and "step" in out
        and "checkpoint" not in lines[0]
    ):
        return f"does not name the last good step: {lines[0][:200]}"
    # Where the whole folder was removed, what came after it belongs to no run.
    if case.module == "main" and (case.output / FOLDER).is_dir() and "was removed" not in err:
        try:
            runs.states(case.output)
        except ValueError as error:
            return f"what was saved cannot be read: {error}"
    return None


def as_everybody_else() -> None:
    """Gives up root's right to write where permissions forbid it."""

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Data(ctypes.Structure):
        _fields_ = tuple(
            (name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")
        )

    header, sets = Header(CAPABILITY_VERSION, 0), (Data * 2)()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.capget(ctypes.byref(header), sets)
    sets[0].effective &= ~(1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH)
    if libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capset")


def _small_disk(folder: Path, stack: ExitStack) -> Path | None:
    """A file system of 64 kB; None if this process may mount none."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        return None
    stack.callback(subprocess.run, ["umount", str(folder)], check=True)
    return folder


def _remove(workdir: Path, process: Command) -> None:
    _wait_for("refiner 2/11", process)
    shutil.rmtree(workdir, ignore_errors=True)


def _block(workdir: Path, process: Command) -> None:
    """Puts a file where the checkpoints were."""
    _wait_for("refiner 2/11", process)
    while (workdir / FOLDER).is_dir():
        shutil.rmtree(workdir / FOLDER, ignore_errors=True)
    (workdir / FOLDER).write_text("a file")


def _wait_for(text: str, process: Command) -> None:
    while text not in process.output() and process.wait(0) is None:
        time.sleep(0.02)
