"""Several processes, as a cluster starts them: two on this machine, which talk over loopback."""

import itertools
import json
import re
import shutil
import signal
import socket
import sys
import time

import jax
import numpy as np
import pytest
from forks import Process
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


# Two that fail when a file is there, by themselves or since the other one is gone.
FAILING = """
import os, sys, time
from simgan_jax import command
from simgan_jax.errors import UserError
from simgan_jax.training import processes
def main(argv):
    with processes.joined():
        print("joined", flush=True)
        while not os.path.exists(argv[0]):
            time.sleep(0.05)
        raise UserError("no space left")
command.run(main, argv=sys.argv[1:])
"""
# What two processes do, which of them is lost, and how.
LOSSES = {
    "killed": (WAITING, 1, signal.SIGKILL),
    "hangs": (WAITING, 0, signal.SIGSTOP),
    "killed, and the other one fails": (FAILING, 1, signal.SIGKILL),
}


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The process that is left after each loss, when it has ended; all wait at the same time."""
    folder = tmp_path_factory.mktemp("losses")
    pairs = {}
    for how, (script, _, _) in LOSSES.items():
        port = free_port()
        program = ["-c", script, folder / "now"]
        pairs[how] = [
            Process(program, folder / how / str(rank), **cluster(rank, port)) for rank in range(2)
        ]
    try:
        for process in itertools.chain(*pairs.values()):
            process.wait_for("joined\n")
        for how, (_, victim, number) in LOSSES.items():
            pairs[how][victim].send(number)
        (folder / "now").touch()
        ends = {how: pairs[how][1 - victim] for how, (_, victim, _) in LOSSES.items()}
        for process in ends.values():
            process.wait(40)
    finally:
        for process in itertools.chain(*pairs.values()):
            process.kill()
    return ends


def test_a_process_that_fails_does_not_wait_for_one_that_is_gone(left):
    failed = left["killed, and the other one fails"]
    assert failed.poll() == 2
    assert failed.err == "simgan: no space left\n"


@pytest.mark.parametrize(("victim", "how"), [(1, "killed"), (0, "hangs")])
def test_a_process_that_waits_for_one_that_is_gone_says_so_and_ends(left, victim, how):
    assert left[how].poll() == 2, left[how].err
    assert f"simgan: process {victim} of this run is gone or hangs; start all" in left[how].err


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
    }


def start(rank, port, workdir, said, **changes):
    """The command as one of two processes with two devices each."""
    command = ["-m", "simgan_jax.main", "--distributed", f"--config={ROOT / VARIANT}"]
    command += [f"--workdir={workdir}", *arguments(SETTINGS | changes)]
    return Process(command, said / str(rank), **cluster(rank, port))


def together(workdir, said, **changes):
    """Both processes, when they have ended."""
    port = free_port()
    processes = [start(rank, port, workdir, said, **changes) for rank in range(2)]
    try:
        for process in processes:
            process.wait(SECONDS)
    finally:
        for process in processes:
            process.kill()
    return processes


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder that two processes have trained in, and what each of them said."""
    workdir = tmp_path_factory.mktemp("two")
    ends = together(workdir, tmp_path_factory.mktemp("said"))
    for process in ends:
        assert process.poll() == 0, process.err[-3000:]
    return workdir, [process.out for process in ends]


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
    workdir = tmp_path / "run"
    processes = [start(rank, port, workdir, tmp_path, **endless) for rank in range(2)]
    try:
        deadline = time.monotonic() + SECONDS
        while not logs.read(workdir / logs.FILE):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        processes[1].send(signal.SIGTERM)
        statuses = [process.wait(SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert statuses == [0, 0], processes[0].err[-3000:]
    (step,) = Checkpoints(workdir).steps()
    assert f"stopped at step {step}; the same command goes on from there" in processes[0].out
    assert not (workdir / "evaluation.json").exists()


def test_what_fails_in_the_first_process_ends_both(two, tmp_path):
    """The run is over: both restore it, and the first one's evaluation has rows that do not exist."""
    workdir = tmp_path / "run"
    shutil.copytree(two[0], workdir)
    (workdir / "evaluation.json").unlink()
    config = json.loads((workdir / "config.json").read_text())
    config["evaluate"]["quick"]["rows"] = ["refinde"]
    (workdir / "config.json").write_text(json.dumps(config))
    began = time.monotonic()
    first, second = together(workdir, tmp_path, **{"evaluate.quick.rows": "('refinde',)"})
    assert (first.poll(), second.poll()) == (2, 2), first.err
    assert "refinde" in without_gloo(first.err)
    assert time.monotonic() - began < SECONDS / 2
    assert not (workdir / "evaluation.json").exists()


def test_what_fails_in_another_process_ends_both(two, tmp_path):
    """The first one would wait for it in the first step."""
    workdir = tmp_path / "run"
    workdir.mkdir()
    shutil.copy(two[0] / "config.json", workdir)
    port = free_port()
    first = start(0, port, workdir, tmp_path)
    second = start(1, port, workdir, tmp_path, **{"data.real.count": 0})
    try:
        assert (first.wait(SECONDS), second.wait(SECONDS)) == (2, 2)
    finally:
        first.kill()
        second.kill()
    assert "procedural_eyes: 0 images" in second.err
