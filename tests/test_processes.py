"""Several processes, as a cluster starts them: two on this machine, which talk over loopback."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from simgan_jax.setup import make_setup
from simgan_jax.training import devices, logs
from simgan_jax.training.checkpoint import Checkpoints, read_config
from simgan_jax.training.loop import train

ROOT = Path(__file__).parents[1]
SECONDS = 200
# Algorithm 1 alone: one program to compile.
SETTINGS = {
    "image.height": 24,
    "image.width": 24,
    "data.synthetic.count": 32,
    "data.real.count": 32,
    "refiner.features": 2,
    "history.size": 16,
    "train.pretrain_refiner": 0,
    "train.pretrain_discriminator": 0,
    "train.refiner_updates": 1,
    "train.steps": 3,
    "watch.log_every": 1,
    "watch.sample_every": 3,
    "watch.checkpoint_every": 3,
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(rank, port, workdir):
    """One of two processes with two devices each; Slurm's variables say which."""
    cluster = {
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
        # Both compile the same at the same time: quickly rather than well.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    return subprocess.Popen(
        [
            sys.executable,
            str(ROOT / "tests" / "only_train.py"),
            f"--config={ROOT / 'configs' / 'gaze.py'}:tiny",
            f"--workdir={workdir}",
            "--distributed",
            *(f"--config.{key}={value}" for key, value in SETTINGS.items()),
        ],
        env=os.environ | cluster,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder that two processes have trained in, and what each of them said."""
    workdir, port = tmp_path_factory.mktemp("two"), free_port()
    processes = [start(rank, port, workdir) for rank in range(2)]
    try:
        said = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, (_, err) in zip(processes, said, strict=True):
        assert process.returncode == 0, err[-3000:]
    return workdir, [out for out, _ in said]


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
    first, second = (
        jax.device_get(devices.collect(Checkpoints(folder).restore(setup), setup))
        for folder in (workdir, tmp_path)
    )
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


def test_only_the_first_process_speaks(two):
    workdir, (first, second) = two
    assert "step 0 of 3" in first
    assert not without_gloo(second)
    assert sorted(path.name for path in (workdir / "samples").iterdir()) == ["000003.png"]
