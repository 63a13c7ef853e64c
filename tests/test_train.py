"""The host loop: what a run leaves, whatever way its data take, and when it stops."""

import math
import os
import re
import signal

import jax
import numpy as np
import pytest
from PIL import Image
from tiny import NETWORKS, config

from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.setup import make_setup
from simgan_jax.training import devices, dry_run, logs
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.interruptions import interruptions
from simgan_jax.training.loop import (
    calls,
    check_images,
    fit_on_devices,
    load_sets,
    select,
    train,
)
from simgan_jax.training.phases import phases

LAST = 6


def tiny():
    """Six steps: two of each phase."""
    return config(
        NETWORKS
        | {f"train.{phase}": 2 for phase in ("pretrain_refiner", "pretrain_discriminator", "steps")}
        | {"watch.sample_every": 3, "watch.checkpoint_every": 3}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on all devices, its data on them."""
    workdir = tmp_path_factory.mktemp("run")
    assert train(tiny(), workdir)
    return workdir


def final(workdir):
    """The last state of a run, its key as numbers."""
    setup = devices.distribute(make_setup(tiny()))
    state = Checkpoints(workdir).newest(setup)
    return state.replace(key=jax.random.key_data(state.key))


SAMPLES = ("change", "correlation", "diversity", "followed", "label_shift", "lambda")
REFINER = {"loss", "self_regularization", "change", "gradient_norm"}
DISCRIMINATOR = {
    *("loss", "loss_real", "gradient_norm"),
    *("accuracy_real", "accuracy_refined", "accuracy_history"),
}
BY_PHASE = {
    "refiner": {f"refiner/{name}" for name in REFINER},
    "discriminator": {f"discriminator/{name}" for name in DISCRIMINATOR},
    "adversarial": {
        *(f"refiner/{name}" for name in {*REFINER, "adversarial"}),
        *(f"discriminator/{name}" for name in DISCRIMINATOR),
    },
}


def test_every_step_is_logged_with_what_its_phase_measures(run):
    rows = logs.read(run / logs.FILE)
    found = [(row["step"], row["phase"]) for row in rows]
    assert found == list(enumerate(np.repeat(list(BY_PHASE), 2).tolist(), 1))
    for row in rows:
        assert BY_PHASE[row["phase"]] | {"images_per_second"} <= row.keys()
        numbers = {name: value for name, value in row.items() if name != "phase"}
        assert all(math.isfinite(value) for value in numbers.values())
        for name in numbers:
            if "accuracy" in name:
                assert 0 <= row[name] <= 1
            if "norm" in name or "change" in name or name == "images_per_second":
                assert row[name] > 0
    for row in rows[2::3]:
        assert {f"samples/{name}" for name in SAMPLES} <= row.keys()


def test_a_phase_measures_nothing_of_a_network_that_it_leaves_alone(run):
    for row in logs.read(run / logs.FILE):
        if row["phase"] != "adversarial":
            absent = {"refiner": "discriminator/", "discriminator": "refiner/"}[row["phase"]]
            assert not [name for name in row if name.startswith(absent)]


def test_a_run_leaves_settings_events_and_the_whole_state(run):
    names = {str(path.relative_to(run)) for path in run.rglob("*.*")}
    assert {"config.json", "environment.json"} <= names
    assert any("events.out.tfevents" in name for name in names)
    assert Checkpoints(run).steps() == [3, LAST]
    state = final(run)
    assert state.step == LAST
    assert (state.refiner.updates, state.discriminator.updates) == (6, 4)
    assert state.history.count == 16


def test_rows_of_samples_show_the_same_images_over_time(run):
    first, last = (np.asarray(Image.open(run / "samples" / f"{n:06d}.png")) for n in (3, LAST))
    assert first.shape == last.shape
    # Of synthetic | refined | real only the refined ones have changed.
    changed = np.flatnonzero((first != last).any(0)) / (first.shape[1] / 3)
    assert len(changed)
    assert changed.min() > 0.95
    assert changed.max() < 2.05


def test_a_streamed_run_ends_as_a_resident_one(run, tmp_path):
    streamed = tiny()
    streamed.data.resident_gib = 0.0
    assert train(streamed, tmp_path)
    jax.tree.map(np.testing.assert_array_equal, final(tmp_path), final(run))
    ours, theirs = (logs.read(folder / logs.FILE) for folder in (tmp_path, run))
    for a, b in zip(ours, theirs, strict=True):
        assert a | {"images_per_second": 0} == b | {"images_per_second": 0}


def test_the_loop_hands_no_array_of_the_host_to_a_step(run):
    """The guard lies around the call: sets left on the host are stopped, those on devices are not."""
    config = tiny()
    setup = devices.distribute(make_setup(config))
    adversarial = phases(config)[-1]
    synthetic, real = load_sets(config, setup)
    sets = select(config, synthetic, real)

    def first_call(sets):
        state = Checkpoints(run).resume(setup)
        advance, steps = next(calls(adversarial, 4, sets, setup, config, resident=True))
        assert steps == 1
        return advance(state)

    state, _ = first_call(devices.replicate(sets, setup))
    assert state.step == LAST + 1
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        first_call(sets)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(tmp_path):
    config = tiny()
    # The discriminator learns undisturbed; the refiner's first loss is too large for a float32.
    config.train.pretrain_refiner = 0
    config.watch.checkpoint_every = 2
    config.loss.self_regularization = 3e38
    with pytest.raises(
        UserError,
        match=r"^(refiner|discriminator)/\w+ is (nan|inf) at step 3; the last good checkpoint is 2\. ",
    ):
        train(config, tmp_path)
    assert [row["step"] for row in logs.read(tmp_path / logs.FILE)] == [1, 2]
    setup = devices.distribute(make_setup(config))
    kept = Checkpoints(tmp_path)
    assert kept.steps() == [2]
    state = kept.newest(setup)
    assert state.step == 2
    for network in (state.refiner, state.discriminator):
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(network.params))


def test_samples_and_checkpoints_need_no_line_of_the_log(tmp_path):
    config = tiny()
    config.watch.update(log_every=100, sample_every=3, checkpoint_every=5)
    assert train(config, tmp_path)
    assert sorted(path.stem for path in (tmp_path / "samples").iterdir()) == ["000003", "000006"]
    assert Checkpoints(tmp_path).steps() == [5, LAST]
    assert [row["step"] for row in logs.read(tmp_path / logs.FILE)] == [2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((0, 24, 24, 1), np.uint8), "config.data.real: no images"),
        (np.zeros((2, 24, 25, 1), np.uint8), r"images are \(24, 25, 1\).*says \(24, 24, 1\)"),
        (np.zeros((2, 24, 24, 3), np.uint8), r"images are \(24, 24, 3\)"),
        (
            np.zeros((2, 24, 24, 1), np.uint16),
            "images are uint16, config.image.dtype says uint8; set that to uint16 or, of a folder, "
            "config.data.real.dtype to uint8",
        ),
        (np.full((2, 24, 24, 1), 7, np.uint8), "config.data.real: all of 2 images are the same"),
    ],
)
def test_images_that_do_not_fit_the_configuration_are_an_error(tiny_config, images, said):
    with pytest.raises(UserError, match=said):
        check_images("data.real", Arrays(images), make_setup(tiny_config))


def test_the_mask_must_be_a_label_of_the_synthetic_set(tiny_config):
    mask = np.ones((2, 24, 24), np.uint8)
    synthetic = Arrays(np.zeros((2, 24, 24, 1), np.uint8), {"iris_mask": mask})
    real = Arrays(np.zeros((3, 24, 24, 1), np.uint8))
    assert {name: x.shape for name, x in select(tiny_config, synthetic, real).items()} == {
        "synthetic": (2, 24, 24, 1),
        "real": (3, 24, 24, 1),
        "mask": (2, 24, 24),
    }
    tiny_config.loss.weight.label = "hand_mask"
    with pytest.raises(UserError, match=r"'hand_mask'.*has labels \['iris_mask'\]"):
        select(tiny_config, synthetic, real)
    tiny_config.loss.weight.label = ""
    assert set(select(tiny_config, synthetic, real)) == {"synthetic", "real"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_is_noted_once_and_the_handlers_come_back(number):
    outside = signal.signal(number, signal.SIG_DFL)  # ignored where the tests run in the background
    try:
        with interruptions() as interrupted:
            assert not interrupted()
            os.kill(os.getpid(), number)
            assert interrupted()
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, outside)


def test_a_dry_run_says_what_a_run_takes_and_makes_nothing(tiny_config, tmp_path, capsys):
    dry_run.dry_run(tiny_config, tmp_path / "run")
    out = capsys.readouterr().out
    # 3x3 stem 1 -> 2, one block of two 3x3 convolutions 2 -> 2, 1x1 head: 20 + 2 x 38 + 3.
    assert "99 parameters" in out
    assert "75,906 parameters" in out
    assert "refiner 2, discriminator 1, adversarial 3" in out
    assert "synthetic 32, real 32, mask 32" in out
    assert re.search(r"labels +pitch -?\d+\.\d ± \d+\.\d, yaw .* degrees; --compare_labels", out)
    # 3 sets of 32 x 24 x 24 bytes.
    assert "0.1 MiB, one copy for all" in out
    # 76,005 parameters, two moments of each, an average of 99; a history of 16 x 24 x 24 bytes.
    assert "0.9 MiB on each device, 3.5 MiB in all" in out
    assert not (tmp_path / "run").exists()


def test_a_dry_run_names_the_estimators_that_are_trained_first(tiny_config, tmp_path, capsys):
    tiny_config.loss.psi = "estimator"
    tiny_config.evaluate.estimator.width = 0.001  # a feature of each layer, 1 x 2 x 1 of the last
    dry_run.dry_run(tiny_config, tmp_path / "run")
    found = " ".join(capsys.readouterr().out.split())
    # Five 3x3 convolutions 1 -> 1, 4 -> 1 (2 x 2 pixels), 1 -> 3: 50 + 5 + 6.
    assert (
        "2 x 61 parameters, trained first for 2,500 updates each, images changed by 1, 0.5" in found
    )


def test_sets_are_kept_on_the_devices_up_to_the_size_that_is_set(tiny_config):
    sets = {"synthetic": np.zeros((3, 2**20), np.uint8), "real": np.zeros((1, 2**20), np.uint8)}
    tiny_config.data.resident_gib = 4 / 1024
    assert fit_on_devices(tiny_config, sets)
    tiny_config.data.resident_gib = 3.99 / 1024
    assert not fit_on_devices(tiny_config, sets)
