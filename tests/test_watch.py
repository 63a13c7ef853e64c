"""What a run looks at: metrics, the label shift that moves lambda, the doctor's complaints."""

import jax.numpy as jnp
import pytest

from simgan_jax.training import logs
from simgan_jax.training.loop import train
from simgan_jax.training.watch import Meter, NotFinite


@pytest.fixture
def destroyed(tiny_config, tmp_path, capsys):
    """Rows and words of a run whose refiner forgets the images, while lambda aims at 50 px."""
    tiny_config.optimizer.refiner.learning_rate = 0.03
    tiny_config.loss.label_shift_target = 50.0
    # Algorithm 1 alone: one program to compile.
    tiny_config.train.update(pretrain_refiner=0, pretrain_discriminator=0, steps=6)
    tiny_config.watch.sample_every = 1
    assert train(tiny_config, tmp_path)
    return logs.read(tmp_path / logs.FILE), capsys.readouterr().out


def test_a_refiner_that_loses_most_images_is_held_back_and_told_off_once(destroyed):
    rows, said = destroyed
    adversarial = [row for row in rows if row["phase"] == "adversarial"]
    assert min(row["samples/followed"] for row in adversarial) < 0.9
    before = 0.5
    for row in adversarial:
        factor = 1.5 if row["samples/followed"] < 0.9 else 1 / 1.5
        assert row["samples/lambda"] == pytest.approx(before * factor)
        before = row["samples/lambda"]
    # Both have the same setting to move first.
    assert said.count("doctor: refined images are inverted") == 1
    assert said.count("doctor: refined images look alike") == 1


def test_a_meter_gives_the_means_of_the_calls_since_the_last_look():
    meter = Meter()
    meter.add(1, {"b": jnp.float32(1), "a": jnp.float32(-1)}, images=8)
    meter.restart()
    meter.add(2, {"b": jnp.float32(3), "a": jnp.float32(0.5)}, images=8)
    meter.add(5, {"b": jnp.float32(4), "a": jnp.float32(1.5)}, images=24)
    row = meter.read()
    assert list(row) == ["a", "b", "images_per_second"]
    assert (row["a"], row["b"]) == (1, 3.5)
    assert row["images_per_second"] > 0
    meter.restart()
    assert meter.read() == {"images_per_second": 0}


def test_a_meter_names_the_first_step_whose_metric_is_not_finite():
    meter = Meter()
    for step, value in ((2, 1.0), (4, jnp.nan), (6, jnp.inf)):
        meter.add(step, {"refiner/loss": jnp.float32(value)}, images=8)
    with pytest.raises(NotFinite, match=r"^refiner/loss is nan at step 4$"):
        meter.read()
