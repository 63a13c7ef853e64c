"""Several processes, as a cluster starts them: two on this machine, which talk over loopback."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from tiny import EVALUATION, NETWORKS, ROOT, VARIANT, arguments

from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, logs
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.loop import train
from simgan_jax.training.processes import is_first, joined
from simgan_jax.training.provenance import read_config

SECONDS = 240
# Algorithm 1 alone: one program to compile.
SETTINGS = (
    NETWORKS
    | EVALUATION
    | {
        "train.pretrain_refiner": 0,
        "train.pretrain_discriminator": 0,
        "train.refiner_updates": 1,
        "train.steps": 3,
        "watch.sample_every": 3,
        "watch.checkpoint_every": 3,
        "evaluate.quick.rows": "('synthetic',)",
    }
)


@pytest.mark.parametrize(
    ("place", "name"), [("jax._src", "distributed"), ("jax._src.distributed", "global_state")]
)
def test_a_jax_that_hides_its_store_is_named_with_the_versions_that_do_not(
    place, name, monkeypatch
):
    monkeypatch.setattr(jax.distributed, "initialize", lambda: None)
    monkeypatch.delattr(f"{place}.{name}")
    monkeypatch.setitem(sys.modules, f"{place}.{name}", None)
    assert is_first()
    said = rf"jax {jax.__version__} .*{name}.*0\.10 to 0\.12"
    with pytest.raises(UserError, match=said), joined():
        pass


# Two processes that have joined and wait, as in a collective that the other one never enters.
WAITING = """
import time
from simgan_jax.training import processes
processes.BEAT_SECONDS, processes.SILENCE_SECONDS = 0.5, 8
with processes.joined():
    print("joined", flush=True)
    time.sleep(1000)
"""


# One that has failed, by itself or since the other one is gone.
FAILING = """
import sys
from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.training import processes
def main(argv):
    with processes.joined():
        print("joined", flush=True)
        sys.stdin.readline()
        raise UserError("no space left")
command.run(main, argv=["x"])
"""


def two_of(script):
    port = free_port()
    return [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env=os.environ | cluster(rank, port),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def test_a_process_that_fails_does_not_wait_for_one_that_is_gone():
    both = two_of(FAILING)
    try:
        assert [process.stdout.readline() for process in both] == ["joined\n"] * 2
        both[1].kill()
        began = time.monotonic()
        _, said = both[0].communicate("go on\n", timeout=120)
    finally:
        for process in both:
            process.kill()
    assert both[0].returncode == 2
    assert said == "simgan: no space left\n"
    assert time.monotonic() - began < 40


@pytest.mark.parametrize(
    ("victim", "how"), [(1, signal.SIGKILL), (0, signal.SIGSTOP)], ids=["killed", "hangs"]
)
def test_a_process_that_waits_for_one_that_is_gone_says_so_and_ends(victim, how):
    both = two_of(WAITING)
    try:
        assert [process.stdout.readline() for process in both] == ["joined\n"] * 2
        both[victim].send_signal(how)
        _, said = both[1 - victim].communicate(timeout=60)
    finally:
        for process in both:
            process.kill()
    assert both[1 - victim].returncode == 2, said
    assert f"simgan: process {victim} of this run is gone or hangs; start all" in said


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def cluster(rank, port):
    """Slurm's variables for one of two processes."""
    return {
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
        "JAX_COORDINATOR_BIND_ADDRESS": f"127.0.0.1:{port}",
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        "JAX_NUM_CPU_DEVICES": "2",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
    }


def start(rank, port, workdir, **changes):
    """The command as one of two processes with two devices each."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "simgan_jax.main", "--distributed"),
            f"--config={VARIANT}",
            f"--workdir={workdir}",
            *arguments(SETTINGS | changes),
        ],
        cwd=ROOT,
        env=os.environ | cluster(rank, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def together(workdir, **changes):
    """Status, output and errors of both processes."""
    port = free_port()
    processes = [start(rank, port, workdir, **changes) for rank in range(2)]
    try:
        said = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [(p.returncode, out, err) for p, (out, err) in zip(processes, said, strict=True)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder that two processes have trained in, and what each of them said."""
    workdir = tmp_path_factory.mktemp("two")
    ends = together(workdir)
    for status, _, err in ends:
        assert status == 0, err[-3000:]
    return workdir, [out for _, out, _ in ends]


def test_two_processes_of_two_devices_equal_one_of_four(two, tmp_path):
    workdir, _ = two
    config = read_config(workdir)
    assert jax.device_count() == 4
    assert train(config, tmp_path)

    near = {"rtol": 2e-4, "atol": 2e-6}
    ours, theirs = (logs.read(folder / logs.FILE) for folder in (workdir, tmp_path))
    assert [row["step"] for row in ours] == [1, 2, 3]
    for a, b in zip(ours, theirs, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"phase", "images_per_second"}:
            np.testing.assert_allclose(a[name], b[name], err_msg=name, rtol=2e-4, atol=2e-4)

    setup = devices.distribute(make_setup(config))
    first, second = (Checkpoints(folder).newest(setup) for folder in (workdir, tmp_path))
    assert first.step == second.step == 3
    for name in ("refiner", "discriminator"):
        ours, theirs = getattr(first, name).params, getattr(second, name).params
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **near), ours, theirs)
    assert first.history.count == second.history.count
    # A grey level apart where a value lies between two.
    apart = np.abs(first.history.images.astype(int) - second.history.images.astype(int))
    assert apart.max() <= 1


def without_gloo(text):
    """What we said: Gloo reports its connections from several threads, whose words mix."""
    gloo = (
        r"\[Gloo\] |Rank |\d+ is connected to \d+ peer ranks\. "
        r"|Expected number of connected peer ranks is : \d+"
    )
    return re.sub(gloo, "", text).strip()


def test_the_first_process_alone_speaks_evaluates_and_reports(two):
    workdir, (first, second) = two
    assert "step 0 of 3" in first
    assert first.count("evaluation.json") == 1
    assert without_gloo(first).splitlines()[-1] == f"done: open {workdir / 'report.html'}"
    assert not without_gloo(second)
    assert sorted(path.name for path in (workdir / "samples").iterdir()) == ["000003.png"]
    evaluation = json.loads((workdir / "evaluation.json").read_text())
    assert evaluation["checkpoint"] == 3
    assert evaluation["estimators"].keys() == {"synthetic", "mean_predictor"}
    assert (workdir / "report.html").read_text().startswith("<!doctype html>")


def test_sigterm_to_one_process_stops_both_after_the_same_step(tmp_path):
    never = {f"watch.{what}_every": 100_000 for what in ("sample", "checkpoint")}
    endless = {"train.steps": 100_000} | never
    port = free_port()
    processes = [start(rank, port, tmp_path, **endless) for rank in range(2)]
    try:
        deadline = time.monotonic() + SECONDS
        while not logs.read(tmp_path / logs.FILE):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        processes[1].terminate()
        ends = [
            (*process.communicate(timeout=SECONDS), process.returncode) for process in processes
        ]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [status for _, _, status in ends] == [0, 0], ends[0][1][-3000:]
    (step,) = Checkpoints(tmp_path).steps()
    assert f"stopped at step {step}; the same command goes on from there" in ends[0][0]
    assert not (tmp_path / "evaluation.json").exists()


def test_what_fails_in_the_first_process_ends_both(two, tmp_path):
    """The run is over: both restore it, and the first one's evaluation has rows that do not exist."""
    workdir = tmp_path / "run"
    shutil.copytree(two[0], workdir)
    (workdir / "evaluation.json").unlink()
    config = json.loads((workdir / "config.json").read_text())
    config["evaluate"]["quick"]["rows"] = ["refinde"]
    (workdir / "config.json").write_text(json.dumps(config))
    began = time.monotonic()
    (status, _, said), (other, _, _) = together(workdir, **{"evaluate.quick.rows": "('refinde',)"})
    assert (status, other) == (2, 2), said
    assert "refinde" in without_gloo(said)
    assert time.monotonic() - began < SECONDS / 2
    assert not (workdir / "evaluation.json").exists()


def test_what_fails_in_another_process_ends_both(two, tmp_path):
    """The first one would wait for it in the first step."""
    config = two[0] / "config.json"
    (tmp_path / "config.json").write_text(config.read_text())
    port = free_port()
    first, second = start(0, port, tmp_path), start(1, port, tmp_path, **{"data.real.count": 0})
    try:
        _, said = second.communicate(timeout=SECONDS)
        first.communicate(timeout=SECONDS)
    finally:
        first.kill()
        second.kill()
    assert "procedural_eyes: 0 images" in said
    assert (first.returncode, second.returncode) == (2, 2)
