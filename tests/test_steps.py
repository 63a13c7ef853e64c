"""One whole step against NumPy, with networks small enough to differentiate by hand."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simgan_jax import discriminator_step, history, refiner_step, train_step
from simgan_jax.setup import Setup
from simgan_jax.state import create_train_state
from simgan_jax.steps import pretrain_refiner_step

RATE = 0.1


class Shift(nn.Module):
    """R(x) = x + shift."""

    @nn.compact
    def __call__(self, images):
        return images + self.param("shift", nn.initializers.constant(0.25), ())


class Brightness(nn.Module):
    """Every pixel a patch with logits (0, slope * x + bias)."""

    @nn.compact
    def __call__(self, images):
        slope = self.param("slope", nn.initializers.constant(0.5), ())
        bias = self.param("bias", nn.initializers.constant(-0.125), ())
        margin = slope * images[..., 0] + bias
        return jnp.stack([jnp.zeros_like(margin), margin], -1)


def make_setup(**changes):
    base = Setup(
        refiner=Shift(),
        discriminator=Brightness(),
        refiner_optimizer=optax.sgd(RATE),
        discriminator_optimizer=optax.sgd(RATE),
        image_shape=(3, 4, 1),
        batch=8,
        refiner_updates=2,
        discriminator_updates=1,
        history_size=12,
        self_regularization=0.7,
    )
    return base.replace(**changes)


def make_batch(seed=0):
    rng = np.random.default_rng(seed)
    batch = {
        "synthetic": rng.integers(40, 100, (3, 8, 3, 4, 1), dtype=np.uint8),
        "real": rng.integers(120, 250, (1, 8, 3, 4, 1), dtype=np.uint8),
        "mask": rng.integers(0, 256, (3, 8, 3, 4), dtype=np.uint8),
    }
    return jax.tree.map(jnp.asarray, batch)


def unit(images):
    return np.asarray(images, np.float64) / 127.5 - 1


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(batch, past, outside, inside, lambda_=0.7):
    """Algorithm 1 with K_g 2, K_d 1 in float64 on the two networks above.

    `past` is None while the history cannot be drawn from. Returns parameters, losses, new images.
    """
    shift, slope, bias = 0.25, 0.5, -0.125
    losses = []
    for k in range(2):
        x = unit(batch["synthetic"][k])
        weight = (
            outside + (inside - outside) * np.asarray(batch["mask"][k], np.float64)[..., None] / 255
        )
        margin = slope * (x + shift) + bias
        # -log(1 - D) and lambda * weight * |shift|, differentiated by the shift.
        losses.append(np.log1p(np.exp(margin)).mean() + lambda_ * (weight * abs(shift)).mean())
        gradient = (sigmoid(margin) * slope).mean() + lambda_ * (weight * np.sign(shift)).mean()
        shift -= RATE * gradient
    now = unit(batch["synthetic"][2][:4]) + shift
    refined = np.concatenate([now, now if past is None else past])
    real = unit(batch["real"][0])
    on_real, on_refined = slope * real + bias, slope * refined + bias
    loss = (np.log1p(np.exp(on_real)).mean() + np.log1p(np.exp(-on_refined)).mean()) / 2
    towards = ((sigmoid(on_real) * real).mean() - (sigmoid(-on_refined) * refined).mean()) / 2
    bias_gradient = (sigmoid(on_real).mean() - sigmoid(-on_refined).mean()) / 2
    slope, bias = slope - RATE * towards, bias - RATE * bias_gradient
    return {"shift": shift, "slope": slope, "bias": bias}, np.mean(losses), loss, now


def params(state):
    return state.refiner.params | state.discriminator.params


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.5, 6.0)])
def test_a_whole_train_step_equals_numpy(weights):
    setup, batch = make_setup(mask_weights=weights), make_batch()
    state, metrics = train_step(create_train_state(jax.random.key(0), setup), batch, setup)
    expected, refiner_loss, discriminator_loss, now = reference(batch, None, *weights)
    for name, value in params(state).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(metrics["refiner/loss"], refiner_loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["discriminator/loss"], discriminator_loss, rtol=1e-5)
    assert state.step == 1
    assert (state.refiner.updates, state.discriminator.updates) == (2, 1)
    assert state.history.count == 4
    stored = np.round((now + 1) * 127.5)
    np.testing.assert_allclose(state.history.images[:4], stored, atol=1)
    assert not np.asarray(state.history.images[4:]).any()


def test_a_train_step_with_a_full_history_equals_numpy():
    setup, batch = make_setup(), make_batch()
    state = create_train_state(jax.random.key(0), setup)
    # All entries alike, so that the draw does not matter.
    full = history.History(jnp.full((12, 3, 4, 1), 51, jnp.uint8), jnp.int32(12))
    stepped, _ = train_step(state.replace(history=full), batch, setup)
    expected, *_ = reference(batch, np.full((4, 3, 4, 1), 51 / 127.5 - 1), 1.0, 1.0)
    for name, value in params(stepped).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, err_msg=name)
    changed = (np.asarray(stepped.history.images) != 51).any((1, 2, 3))
    assert changed.sum() == 4


def test_two_discriminators_add_up():
    """Each learns as if alone; the refiner follows the sum of both."""
    batch = make_batch()
    alone = make_setup(self_regularization=0.0, r1=0.5)
    both = alone.replace(second_discriminator=alone.discriminator)
    one = create_train_state(jax.random.key(0), alone)
    first = one.discriminator.params
    second = jax.tree.map(lambda x: x - 2.0, first)
    other = one.replace(discriminator=one.discriminator.replace(params=second))
    two = create_train_state(jax.random.key(0), both)
    assert set(two.discriminator.params) == {"first", "second"}
    two = two.replace(
        discriminator=two.discriminator.replace(params={"first": first, "second": second})
    )

    synthetic = {"synthetic": batch["synthetic"][0]}
    steps = [refiner_step(s, synthetic, p) for s, p in ((one, alone), (other, alone), (two, both))]
    shifts = [state.refiner.params["shift"] - one.refiner.params["shift"] for state, _ in steps]
    np.testing.assert_allclose(shifts[2], shifts[0] + shifts[1], rtol=1e-4)
    found = [metrics["refiner/adversarial"] for _, metrics in steps]
    assert found[0] != found[1]
    np.testing.assert_allclose(found[2], found[0], rtol=1e-6)
    np.testing.assert_allclose(steps[2][1]["refiner/adversarial_second"], found[1], rtol=1e-6)
    np.testing.assert_allclose(steps[2][1]["refiner/loss"], found[0] + found[1], rtol=1e-6)

    seen = {"synthetic": batch["synthetic"][2], "real": batch["real"][0]}
    steps = [discriminator_step(s, seen, p) for s, p in ((one, alone), (other, alone), (two, both))]
    (a, _), (b, _), (c, metrics) = steps
    learned = {"first": a.discriminator.params, "second": b.discriminator.params}
    close(c.discriminator.params, learned)
    for name in ("loss", "loss_real", "accuracy_real", "r1"):
        np.testing.assert_allclose(
            metrics[f"discriminator/{name}_second"],
            steps[1][1][f"discriminator/{name}"],
            rtol=1e-6,
        )


def test_pretraining_the_refiner_leaves_the_discriminator_out():
    setup, batch = make_setup(), make_batch()
    state = create_train_state(jax.random.key(0), setup)
    one = {"synthetic": batch["synthetic"][0]}
    stepped, metrics = pretrain_refiner_step(state, one, setup)
    np.testing.assert_allclose(stepped.refiner.params["shift"], 0.25 - RATE * 0.7, rtol=1e-6)
    assert "refiner/adversarial" not in metrics
    assert stepped.discriminator is state.discriminator


def test_each_step_moves_one_network_only():
    setup, batch = make_setup(), make_batch()
    state = create_train_state(jax.random.key(0), setup)
    one = {"synthetic": batch["synthetic"][0], "real": batch["real"][0]}
    after_refiner, _ = refiner_step(state, {"synthetic": one["synthetic"]}, setup)
    after_discriminator, _ = discriminator_step(state, one, setup)
    assert after_refiner.discriminator is state.discriminator
    assert after_discriminator.refiner is state.refiner


def test_no_gradient_reaches_the_refiner_through_the_discriminators_step():
    setup, batch = make_setup(), make_batch()
    state = create_train_state(jax.random.key(0), setup)
    one = {"synthetic": batch["synthetic"][0], "real": batch["real"][0]}

    def discriminator_after(shift):
        moved = state.replace(refiner=state.refiner.replace(params={"shift": shift}))
        return discriminator_step(moved, one, setup)[0].discriminator.params["slope"]

    assert jax.grad(discriminator_after)(jnp.float32(0.25)) == 0


def test_without_history_all_refined_images_are_new():
    setup, batch = make_setup(history_size=0), make_batch()
    state, metrics = train_step(create_train_state(jax.random.key(0), setup), batch, setup)
    assert "discriminator/accuracy_history" not in metrics
    assert state.history.images.shape == (0, 3, 4, 1)


@pytest.mark.parametrize("micro_batch", [2, 4])
def test_micro_batches_change_no_number(micro_batch):
    batch = make_batch()
    runs = []
    for setup in (make_setup(), make_setup(micro_batch=micro_batch)):
        step = jax.jit(train_step, static_argnums=2)
        runs.append(step(create_train_state(jax.random.key(0), setup), batch, setup))
    close(*runs)


def test_global_loss_has_one_term_an_image():
    setup, batch = make_setup(local=False), make_batch()
    state = create_train_state(jax.random.key(0), setup)
    logits = setup.discriminate(state.discriminator.params, jnp.zeros((5, 3, 4, 1)))
    assert logits.shape == (5, 1, 1, 2)
    _, metrics = train_step(state, batch, setup)
    assert metrics["discriminator/accuracy_real"] * 8 % 1 == 0


def test_averaged_parameters_follow_at_the_decay():
    setup, batch = make_setup(ema=0.9), make_batch()
    state = create_train_state(jax.random.key(0), setup)
    first, _ = refiner_step(state, {"synthetic": batch["synthetic"][0]}, setup)
    np.testing.assert_allclose(first.ema["shift"], first.refiner.params["shift"], rtol=1e-5)
    second, _ = refiner_step(first, {"synthetic": batch["synthetic"][1]}, setup)
    both = [x.refiner.params["shift"] for x in (first, second)]
    assert both[0] != both[1]
    expected = (0.9 * both[0] + both[1]) / 1.9
    np.testing.assert_allclose(second.ema["shift"], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["synthetic", "real"])
def test_a_batch_of_another_number_of_updates_is_an_error(name):
    setup, batch = make_setup(), make_batch()
    batch[name] = batch[name][:0]
    with pytest.raises(ValueError, match=f"batch\\['{name}'\\] has 0 leading rows"):
        train_step(create_train_state(jax.random.key(0), setup), batch, setup)


def test_lambda_is_a_leaf_that_vmaps():
    setup, batch = make_setup(), make_batch()
    state = create_train_state(jax.random.key(0), setup)

    def final_shift(weight):
        return train_step(state.replace(self_regularization=weight), batch, setup)[0].refiner.params

    lambdas = [0.0, 0.7, 5.0]
    shifts = jax.vmap(final_shift)(jnp.array(lambdas))["shift"]
    expected = [reference(batch, None, 1.0, 1.0, lambda_)[0]["shift"] for lambda_ in lambdas]
    np.testing.assert_allclose(shifts, expected, rtol=1e-5)


@pytest.mark.parametrize("adversarial", ["least_squares", "hinge"])
def test_other_losses_and_the_penalty_train(adversarial):
    setup, batch = make_setup(adversarial=adversarial, r1=2.0), make_batch()
    _, metrics = train_step(create_train_state(jax.random.key(0), setup), batch, setup)
    # Margin mean over 12 pixels: the gradient is slope / 12 a pixel.
    np.testing.assert_allclose(metrics["discriminator/r1"], 12 * (0.5 / 12) ** 2, rtol=1e-5)
    assert all(np.isfinite(value) for value in metrics.values())


def close(first, second):
    """Two results agree to float tolerance, integers exactly."""

    def compare(a, b):
        if jnp.issubdtype(a.dtype, jnp.floating):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        elif jnp.issubdtype(a.dtype, jnp.integer):
            # A stored grey level may round to its neighbour.
            np.testing.assert_allclose(np.int32(a), np.int32(b), atol=a.dtype == jnp.uint8)

    jax.tree.map(compare, first, second)
