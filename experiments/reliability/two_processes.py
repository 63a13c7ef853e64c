"""Two processes train one run; one of them dies, and the other ends soon, with a line that says so.

Which of them dies, how (killed, or stopped as by a machine that hangs) and at which step differ. The
run then goes on with one process and with two.
"""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from experiments.reliability import runs
from experiments.reliability.outcome import Outcome
from experiments.reliability.processes import ROOT, environment
from simgan_jax.training import logs
from simgan_jax.training.checkpoint import Checkpoints

# Seconds that the survivor may take; and those that any process may take to begin.
SOON, BEGIN = 60, 600
# What JAX says where the first process dies, which holds what they share; no program can prevent it.
JAX = "Terminating process because the JAX distributed service detected fatal errors"
# Who dies, of what, and how many processes go on.
CASES = (
    (1, signal.SIGKILL, 1),
    (0, signal.SIGKILL, 2),
    (1, signal.SIGSTOP, 2),
    (0, signal.SIGSTOP, 1),
)
# Algorithm 1 alone, on two devices a process.
CHANGES = {
    "train.pretrain_refiner": 0,
    "train.pretrain_discriminator": 0,
    "watch.sample_every": 100_000,
    "watch.checkpoint_every": 2,
}
FURTHER = 3


def run(outcome: Outcome, times: int, rng: np.random.Generator, scratch: Path) -> None:
    """Lets one of two die `times` times."""
    for number in range(times):
        if outcome.over:
            break
        victim, how, after = CASES[number % len(CASES)]
        workdir = scratch / f"run{number}"
        fault, seconds = _lose(workdir, victim, how, int(rng.integers(3, 9)))
        fault = fault or _go_on(workdir, after)
        said = f"process {victim} {how.name}, {after} go on"
        outcome.add(fault and f"{said}: {fault}")
        outcome.notes.setdefault("seconds until the other ended", []).append(round(seconds, 1))


def _lose(workdir: Path, victim: int, how: signal.Signals, step: int) -> tuple[str | None, float]:
    """What was wrong with the end of the other one, and the seconds until then."""
    both = _start(workdir, 2, 100_000)
    try:
        deadline = time.monotonic() + BEGIN
        while len(logs.read(workdir / logs.FILE)) < step:
            if time.monotonic() > deadline or both[0].poll() is not None:
                return f"never began: {both[0].communicate()[1][-500:]}", 0
            time.sleep(0.05)
        both[victim].send_signal(how)
        began = time.monotonic()
        try:
            _, err = both[1 - victim].communicate(timeout=4 * SOON)
        except subprocess.TimeoutExpired:
            return "the other never ended", 4 * SOON
        seconds = time.monotonic() - began
        status = both[1 - victim].returncode
        said = [line for line in err.splitlines() if line.startswith("simgan: ") or JAX in line]
        if seconds > SOON:
            return f"the other ended after {seconds:.0f} s", seconds
        if not status or "Traceback" in err or len(said) != 1:
            return f"status {status}, says {err[-500:]!r}", seconds
        return None, seconds
    finally:
        for process in both:
            process.kill()
            process.wait()


def _go_on(workdir: Path, count: int) -> str | None:
    """Whether the run goes on from where it was, with one process or two."""
    steps = Checkpoints(workdir).steps()
    if not steps:
        return "no checkpoint was left"
    last = steps[-1] + FURTHER
    (workdir / "config.json").write_text(
        (workdir / "config.json").read_text().replace('"steps": 100000', f'"steps": {last}')
    )
    processes = _start(workdir, count, last)
    try:
        said = [process.communicate(timeout=BEGIN) for process in processes]
    finally:
        for process in processes:
            process.kill()
    if any(process.returncode for process in processes):
        return f"does not go on: {said[0][1][-500:]}"
    if f"resuming at step {steps[-1]} of {last}" not in said[0][0]:
        return f"does not resume at {steps[-1]}: {said[0][0][-300:]}"
    return None if (workdir / "report.html").exists() else "no report"


def _start(workdir: Path, count: int, steps: int) -> list[subprocess.Popen]:
    """The command as so many processes; Slurm's variables say which is which."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    changes = CHANGES | {"train.steps": steps}
    command = [
        *(sys.executable, "-m", "simgan_jax.main"),
        *runs.settings(),
        *(f"--config.{key}={x}" for key, x in changes.items()),
        f"--workdir={workdir}",
    ]
    started = []
    for rank in range(count):
        own = {
            "SLURM_JOB_ID": "1",
            "SLURM_STEP_NODELIST": "localhost",
            "SLURM_NTASKS": str(count),
            "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": str(rank),
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_COORDINATOR_BIND_ADDRESS": f"127.0.0.1:{port}",
            "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        }
        several = count > 1
        devices = {"JAX_NUM_CPU_DEVICES": "2" if several else "4"}
        started.append(
            subprocess.Popen(
                [*command, "--distributed"] if several else command,
                cwd=ROOT,
                env=environment() | devices | (own if several else {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    return started
