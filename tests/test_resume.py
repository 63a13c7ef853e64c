"""A run that is killed, stopped or damaged goes on as if nothing had happened."""

import shutil
import signal
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from forks import Process
from tiny import NETWORKS, ROOT, VARIANT, arguments, config

from simgan_jax.errors import UserError
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, logs
from simgan_jax.training.checkpoint import FOLDER, Checkpoints
from simgan_jax.training.digest import digest
from simgan_jax.training.loop import train
from simgan_jax.training.provenance import read_config

# A whole run in seconds: 11 steps, a checkpoint every second one.
SETTINGS = NETWORKS | {
    "train.pretrain_refiner": 2,
    "train.pretrain_discriminator": 1,
    "train.steps": 8,
    "watch.sample_every": 4,
    "watch.checkpoint_every": 2,
    "watch.keep": 20,
}
LAST = 11


def start(workdir: Path) -> Process:
    """The run as a process of its own, which only trains."""
    program = [ROOT / "tests" / "only_train.py", f"--config={ROOT / VARIANT}"]
    said = workdir.with_name(f"{workdir.name} said")
    return Process([*program, f"--workdir={workdir}", *arguments(SETTINGS)], said)


def wait_for_step(workdir, step):
    """Waits until a run has logged a step."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        rows = logs.read(Path(workdir) / logs.FILE)
        if rows and rows[-1]["step"] >= step:
            return
        time.sleep(0.02)
    pytest.fail(f"no step {step} within 200 s")


def final_state(workdir, number=1):
    setup = devices.distribute(make_setup(read_config(workdir)), number)
    state = Checkpoints(workdir).resume(setup)
    return jax.device_get(devices.collect(state, setup))


def assert_equal(first, second):
    def compare(a, b):
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)

    jax.tree.map(compare, first, second)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("unbroken")
    assert train(config(SETTINGS), workdir)
    return workdir


def snapshots(process, workdir, folder, number):
    """Copies of a running process's folder as a kill at so many random instants would leave it.

    From its first save on.
    """
    rng = np.random.default_rng(0)
    taken, instant = [], 0
    while process.poll() is None:
        time.sleep(rng.exponential(0.01))
        if not (workdir / FOLDER).exists():
            continue
        # Each instant is as likely as any other to be among them in the end.
        place = instant if instant < number else rng.integers(instant + 1)
        instant += 1
        if place >= number:
            continue
        copy = folder / str(place)
        shutil.rmtree(copy, ignore_errors=True)
        process.stop()
        shutil.copytree(workdir, copy)
        process.send(signal.SIGCONT)
        taken = sorted({*taken, copy})
    return taken


def test_what_a_kill_leaves_at_any_of_twenty_instants_is_a_whole_step_of_the_run(
    unbroken, tmp_path
):
    process = start(tmp_path / "run")
    left = snapshots(process, tmp_path / "run", tmp_path / "left", 20)
    assert (process.wait(), process.err) == (0, "")
    assert len(left) == 20
    setup, steps = make_setup(config(SETTINGS)), {}
    for workdir in left:
        checkpoints = Checkpoints(workdir)
        for step in checkpoints.steps()[-1:]:
            found = digest(checkpoints.read(setup, step))  # which is an error if it is not whole
            assert found == steps.setdefault(step, (found, workdir))[0]
    assert len(steps) > 1
    for step, (found, _) in steps.items():
        assert found == digest(Checkpoints(unbroken).read(setup, step))
    _, workdir = steps[sorted(steps)[len(steps) // 2]]
    assert train(config(SETTINGS), workdir)
    assert_equal(final_state(workdir), final_state(unbroken))


def test_a_killed_run_ends_as_an_unbroken_one(unbroken, tmp_path):
    process = start(tmp_path)
    wait_for_step(tmp_path, 1)
    process.kill()
    assert process.poll() == -signal.SIGKILL, "it was over before it could be killed"
    assert train(config(SETTINGS), tmp_path)
    assert_equal(final_state(tmp_path), final_state(unbroken))
    steps = [row["step"] for row in logs.read(tmp_path / logs.FILE)]
    assert steps == list(range(1, LAST + 1))


def test_sigterm_saves_and_ends_cleanly(unbroken, tmp_path):
    process = start(tmp_path)
    wait_for_step(tmp_path, 5)
    process.send(signal.SIGTERM)
    assert process.wait() == 0, process.err
    assert "the same command goes on from there" in process.out
    stopped = Checkpoints(tmp_path).steps()[-1]
    assert 5 <= stopped < LAST
    assert train(config(SETTINGS), tmp_path)
    assert_equal(final_state(tmp_path), final_state(unbroken))


def copied(source, target):
    """A copy of a run."""
    shutil.copytree(source, target, dirs_exist_ok=True)
    return target


def largest_file(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [flip, lambda path: path.write_bytes(path.read_bytes()[:100]), Path.unlink],
    ids=["flipped", "truncated", "deleted"],
)
def test_a_damaged_checkpoint_falls_back_to_the_one_before(unbroken, tmp_path, damage, capfd):
    workdir = copied(unbroken, tmp_path)
    damage(largest_file(workdir / FOLDER / str(LAST)))
    assert final_state(workdir).step == 10
    assert f"{FOLDER}/{LAST} is damaged" in capfd.readouterr().err
    assert not (workdir / FOLDER / str(LAST)).exists()


def test_a_half_written_checkpoint_is_not_seen(unbroken, tmp_path):
    workdir = copied(unbroken, tmp_path)
    (workdir / FOLDER / "99.orbax-checkpoint-tmp").mkdir()
    assert final_state(workdir).step == LAST


def test_without_a_whole_checkpoint_there_is_one_clear_line(unbroken, tmp_path):
    workdir = copied(unbroken, tmp_path)
    for folder in (workdir / FOLDER).iterdir():
        largest_file(folder).unlink()
    with pytest.raises(UserError, match="no whole checkpoint"):
        final_state(workdir)


def test_a_checkpoint_restores_on_other_numbers_of_devices(unbroken):
    one = final_state(unbroken)
    assert_equal(final_state(unbroken, number=4), one)
    assert_equal(final_state(unbroken, number=2), one)


def test_a_finished_run_is_left_alone(unbroken):
    before = (unbroken / logs.FILE).read_text()
    assert train(read_config(unbroken), unbroken)
    assert (unbroken / logs.FILE).read_text() == before


def test_estimators_their_weight_projections_histograms_and_a_second_discriminator_go_on(
    tmp_path, tiny_config
):
    tiny_config.loss.psi = "estimator"
    tiny_config.discriminator.second = "wide"
    tiny_config.data.histogram_matching = True
    tiny_config.loss.contrast.update(weight=1.0, places=16)
    # No drift is as small: the weight grows at every look.
    tiny_config.loss.reading.update(weight=40.0, steps=2, images=32, of="features", target=1e-9)
    tiny_config.evaluate.estimator.update(batch=8, width=0.05)
    # Algorithm 1 alone: one program to compile.
    tiny_config.train.update(pretrain_refiner=0, pretrain_discriminator=0, steps=4)
    tiny_config.watch.update(sample_every=1, checkpoint_every=2, keep=20)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert train(tiny_config, whole)
    assert Checkpoints(whole).steps() == [0, 2, 4]
    # What is left where a run is killed before its third look.
    left = shutil.ignore_patterns("4", "samples", "*.jsonl")
    shutil.copytree(whole, resumed, ignore=left)
    assert Checkpoints(resumed).steps() == [0, 2]
    assert train(tiny_config, resumed)
    state = final_state(whole)
    assert_equal(final_state(resumed), state)
    assert {len(leaf) for leaf in jax.tree.leaves(state.estimators)} == {2}
    assert int(state.projections.updates) == int(state.refiner.updates)
    kept = np.asarray(state.histograms)
    assert kept.any()
    np.testing.assert_array_equal(kept, load_refiner(resumed).histograms)
    assert float(state.reading_weight) == pytest.approx(40 * 1.5**4)
    weights = [row.get("samples/reading_weight") for row in logs.read(whole / logs.FILE)]
    assert weights == pytest.approx([60, 90, 135, 202.5])
