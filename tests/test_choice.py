"""Which checkpoint is chosen, by which images, and how long the choice stands."""

import json
from functools import cache

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import gaze
from simgan_jax import data
from simgan_jax.data import Arrays
from simgan_jax.errors import UserError
from simgan_jax.estimators.estimator import Estimator
from simgan_jax.evaluation.choice import (
    Candidate,
    choose,
    competing,
    earlier_choice,
    judge_checkpoints,
    select,
)
from simgan_jax.metrics import label_shift
from simgan_jax.refinement.chosen_checkpoint import write_choice
from simgan_jax.refinement.loading import load_refiner
from simgan_jax.setup import make_setup
from simgan_jax.state import create_train_state
from simgan_jax.training import devices, provenance
from simgan_jax.training.checkpoint import Checkpoints
from simgan_jax.training.frozen import frozen_estimators

NAN = float("nan")


def candidate(step, kid=0.5, label_shift=0.1, followed=1.0, **more):
    return Candidate(step, kid, label_shift, followed, **more)


def test_the_most_real_checkpoint_that_keeps_labels_is_selected():
    candidates = [
        candidate(100, kid=0.9, label_shift=0.1),
        candidate(200, kid=0.4, label_shift=0.5),
        candidate(300, kid=0.2, label_shift=0.51),
    ]
    chosen, rule = select(candidates)
    assert chosen.step == 200
    assert rule.startswith("lowest KID")


def test_a_checkpoint_that_loses_images_is_not_selected_however_real_it_is():
    lost = candidate(200, kid=0.0, label_shift=0.1, followed=0.89)
    assert select([candidate(100), lost])[0].step == 100
    assert select([lost, candidate(300, label_shift=0.8)])[0].step == 300
    nothing_found = candidate(400, kid=0.0, label_shift=NAN, followed=0.0)
    assert select([nothing_found, lost])[0].step == 200


def test_the_rule_says_what_was_done():
    assert select([candidate(1, label_shift=0.8)])[1].startswith("smallest label shift of those")
    # Moved by 0.1 px, as far as it could be followed: that is no reason to trust it.
    chosen, rule = select([candidate(1, followed=0.2), candidate(2, followed=0.5, label_shift=9)])
    assert chosen.step == 2
    assert rule == "least content lost: none can be followed in 90% of the images or more"


def test_a_checkpoint_that_is_read_as_before_goes_before_a_more_real_one():
    drifts = [
        candidate(100, kid=0.9, drift=0.5),
        candidate(200, kid=0.4, drift=-0.5),
        candidate(300, kid=0.2, drift=-0.51),
    ]
    chosen, rule = select(drifts, 0.5, "degrees")
    assert chosen.step == 200
    assert rule.endswith("or more; each is read within 0.5 degrees of before")
    chosen, rule = select(drifts, 0.4, "degrees")
    assert chosen.step == 300, "none is, so the most real one"
    assert rule.endswith("; none is read within 0.4 degrees of before")
    moved = candidate(400, kid=0.1, label_shift=0.8, drift=0.1)
    assert select([*drifts, moved], 0.5)[0].step == 200, "content that moves comes first"


def test_a_checkpoint_that_has_not_come_nearer_to_real_images_is_the_last_to_be_selected():
    """It keeps what is read, as one does that changes nothing."""
    early, late = candidate(100, kid=6.1, drift=0.1), candidate(300, kid=1.2, drift=1.6)
    chosen, rule = select([early, late], 0.5, "degrees", 5.7)
    assert chosen.step == 300
    assert rule.endswith(
        "; each is more real than renderings; none is read within 0.5 degrees of before"
    )
    chosen, rule = select([early, candidate(200, kid=5.7)], 0.5, "degrees", 5.7)
    assert (chosen.step, "none is more real than renderings" in rule) == (200, True)


def test_a_checkpoint_that_paints_comes_after_one_that_does_not():
    painted = [candidate(1, kid=0.1, whites_lost=0.13), candidate(2, kid=0.2, pattern=0.04)]
    clean = candidate(3, kid=0.9, whites_lost=0.12, pattern=0.03)
    chosen, rule = select([*painted, clean])
    assert chosen.step == 3
    assert rule.endswith("; each is free of what refiners paint")
    assert select(painted)[0].step == 1
    assert select([*painted, clean._replace(drift=0.6)], 0.5)[0].step == 1, "labels come first"


def test_what_is_unknown_is_held_against_none():
    assert select([candidate(1, kid=0.1), candidate(2, kid=0.2, drift=0.1)], 0.5)[0].step == 1


def same(head):
    return head


def brighter(head):
    return {**head, "bias": head["bias"] + 0.5}


def scribbled(head):
    noise = np.random.default_rng(0).normal(0, 3, head["kernel"].shape)
    return {**head, "kernel": jnp.asarray(noise, head["kernel"].dtype)}


def small():
    config = gaze.get_config("tiny")
    config.data.synthetic.count = config.data.real.count = 48
    config.data.test.count = 16
    config.evaluate.estimator.update(batch=8, width=0.05)
    return config


def make_run(workdir, heads, psi="identity", matching=False, **train):
    """A run with a checkpoint for each of some changes of a refiner that changes nothing."""
    config = small()
    config.refiner.residual = True
    config.data.histogram_matching = matching
    config.loss.psi, config.loss.reading.estimators = psi, 1
    config.train.update(ema=0.0, pretrain_refiner=0, pretrain_discriminator=0, **train)
    setup = devices.distribute(make_setup(config))
    provenance.claim(workdir, config)
    state = create_train_state(jax.random.key(0), setup)
    if matching:
        values = jnp.arange(len(state.histograms)) % 128
        state = state.replace(histograms=state.histograms + values[:, None, None].astype(jnp.uint8))
    for step, head in sorted(heads.items()):
        params = state.refiner.params
        changed = {**params, "head": head(params["head"])}
        at = state.replace(
            step=jnp.asarray(step, state.step.dtype), refiner=state.refiner.replace(params=changed)
        )
        Checkpoints(workdir).save(devices.place(at, setup), setup)
    return rendered()


@cache
def rendered():
    """Synthetic and real images of all these runs; not to be changed."""
    config = small()
    return data.load(config.data.synthetic), data.load(config.data.real)


@pytest.mark.parametrize("good", [1, 2])
def test_the_better_checkpoint_is_chosen_wherever_it_stands(tmp_path, good):
    sets = make_run(tmp_path, {good: same, 3 - good: brighter})
    found = choose(tmp_path, *sets)
    assert found["step"] == good
    kids = {c["step"]: c["kid"] for c in found["candidates"]}
    assert kids[good] < kids[3 - good]
    assert found == json.loads((tmp_path / "chosen.json").read_text())


def test_a_refiner_that_destroys_the_eyes_is_found_out(tmp_path):
    sets = make_run(tmp_path, {1: brighter, 2: scribbled})
    found = choose(tmp_path, *sets)
    assert found["step"] == 1
    assert found["candidates"][1]["followed"] < label_shift.LEAST_FOLLOWED


class Brightness(nn.Module):
    """Reads a pitch of gain degrees for each grey value of the image's mean, from black at 0."""

    gain: float

    @nn.compact
    def __call__(self, images):
        pitch = jnp.radians(self.gain) * 127.5 * (images.mean((1, 2, 3)) + 1)
        return jnp.stack([jnp.zeros_like(pitch), -jnp.sin(pitch), -jnp.cos(pitch)], -1)


def test_readers_tell_how_far_labels_drift_if_they_have_learned_to_read(tmp_path):
    synthetic, real = make_run(tmp_path, {1: same, 2: brighter})
    # What it reads is the label, so that it errs by nothing.
    reader = Estimator("gaze", Brightness(0.05), {}, ())
    told = Arrays(synthetic.images, synthetic.labels | {"gaze": reader(synthetic.images)})
    still, moved = choose(tmp_path, told, real, [reader])["candidates"]
    assert still["drift"] == pytest.approx(0, abs=0.01)
    # Brighter by at most half of the range, some pixels are white before.
    assert 1 < moved["drift"] < 0.05 * 64
    assert json.loads((tmp_path / "chosen.json").read_text())["candidates"] == [still, moved]
    assert choose(tmp_path, synthetic, real, [reader])["candidates"][1]["drift"] is None
    assert choose(tmp_path, told, real)["candidates"][1]["drift"] is None


def test_labels_drift_from_where_grey_values_have_been_matched(tmp_path):
    synthetic, real = make_run(tmp_path, {1: same, 2: brighter}, matching=True)
    reader = Estimator("gaze", Brightness(0.05), {}, ())
    # Each image is of one grey, from black to half of white, before it is refined.
    read = reader(load_refiner(tmp_path, 1).match(synthetic.images))
    told = Arrays(synthetic.images, synthetic.labels | {"gaze": read})
    still, moved = judge_checkpoints(tmp_path, told, real.images, [reader])
    assert still.drift == pytest.approx(0, abs=1e-3)
    assert moved.drift == pytest.approx(0.05 * 63.75, abs=0.1)


def test_a_run_that_has_kept_to_estimators_asks_them(tmp_path):
    synthetic, real = make_run(tmp_path, {1: same, 2: brighter}, psi="estimator")
    setup = make_setup(provenance.read_config(tmp_path))
    state = Checkpoints(tmp_path).newest(setup)
    (reader,) = frozen_estimators("gaze", setup, state.estimators)
    told = Arrays(synthetic.images, synthetic.labels | {"gaze": reader(synthetic.images)})
    by_itself = choose(tmp_path, told, real)["candidates"]
    assert by_itself == choose(tmp_path, told, real, [reader])["candidates"]
    assert by_itself[0]["drift"] == pytest.approx(0, abs=1e-3)
    assert abs(by_itself[1]["drift"]) > 0.01


def test_the_choice_does_not_see_what_the_report_measures(tmp_path):
    synthetic, real = make_run(tmp_path, {1: same, 2: brighter})
    before = choose(tmp_path, synthetic, real)
    probe, compared = synthetic.images.copy(), real.images.copy()
    probe[-12:] = 255 - probe[-12:]
    compared[::2] = 255 - compared[::2]
    assert choose(tmp_path, Arrays(probe, synthetic.labels), Arrays(compared)) == before
    seen = Arrays(255 - synthetic.images, synthetic.labels)
    assert choose(tmp_path, seen, real)["candidates"] != before["candidates"]


def test_an_earlier_choice_stands_until_a_checkpoint_comes_or_its_own_goes(tmp_path):
    sets = make_run(tmp_path, {1: same, 2: brighter})
    assert earlier_choice(tmp_path) is None, "nothing has been chosen"
    found = choose(tmp_path, *sets)
    assert earlier_choice(tmp_path) == found
    other = json.dumps(found | {"step": 2})
    (tmp_path / "chosen.json").write_text(other)
    assert earlier_choice(tmp_path)["step"] == 2, "it is not judged again"
    (tmp_path / "chosen.json").write_text(json.dumps(found | {"step": 7}))
    assert earlier_choice(tmp_path) is None, "its checkpoint is gone"
    (tmp_path / "chosen.json").write_text(other)
    make_run(tmp_path, {3: same})
    assert earlier_choice(tmp_path) is None, "a checkpoint has come"
    (tmp_path / "chosen.json").write_text('{"step": 1')
    assert earlier_choice(tmp_path) is None, "half a file"


def test_checkpoints_that_no_discriminator_has_taught_do_not_compete(tmp_path):
    make_run(tmp_path, {1: same, 2: brighter})
    assert competing(tmp_path) == [1, 2]
    config = json.loads((tmp_path / "config.json").read_text())
    config["train"] |= {"pretrain_refiner": 1, "pretrain_discriminator": 0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert competing(tmp_path) == [2]
    config["train"] |= {"pretrain_discriminator": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert competing(tmp_path) == [1, 2], "there are no others"


def test_very_few_images_are_one_clear_line(tmp_path):
    synthetic, real = make_run(tmp_path, {1: same})
    for count in range(6):
        with pytest.raises(UserError, match=f"config.data.synthetic: {count} images?;"):
            choose(tmp_path, synthetic[:count], real)
        with pytest.raises(UserError, match=f"config.data.real: {count} images?;"):
            choose(tmp_path, synthetic, real[:count])


def test_a_run_without_a_checkpoint_is_one_clear_line(tmp_path):
    synthetic, real = make_run(tmp_path, {})
    with pytest.raises(UserError, match="no checkpoint yet"):
        choose(tmp_path, synthetic, real)


def test_a_label_shift_that_is_unknown_is_null_in_the_file_and_the_choice_stands(tmp_path):
    make_run(tmp_path, {1: same})
    unknown = candidate(1, label_shift=NAN, followed=0.0)._asdict()
    write_choice(tmp_path, {"step": 1, "candidates": [unknown]})
    nulls = dict.fromkeys(("label_shift", "drift", "pattern", "whites_lost"))
    assert earlier_choice(tmp_path)["candidates"] == [unknown | nulls]
