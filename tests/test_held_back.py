"""What estimators read, and what projections tell apart, hold the refiner back."""

import flax.linen as nn
import jax
import numpy as np
from test_steps import RATE, make_batch, make_setup

from simgan_jax import refiner_step
from simgan_jax.models.projections import Projections
from simgan_jax.models.refiner import Refiner
from simgan_jax.psi import Contrast, Reading
from simgan_jax.state import create_train_state


class MeanBrightness(nn.Module):
    """Reads gain * mean brightness."""

    @nn.compact
    def __call__(self, images):
        gain = self.param("gain", nn.initializers.constant(3.0), ())
        return gain * images.mean((1, 2, 3))[:, None]


def test_what_estimators_read_holds_the_refiner_back():
    """R(x) = x + shift; the estimator reads 3 x, so its part of the gradient is 3 times the pixels'."""
    reading = Reading(MeanBrightness(), lambda outputs: outputs, count=1)
    setup = make_setup(history_size=0, reading=reading, reading_weight=2.0)
    state = create_train_state(jax.random.key(0), setup)
    batch = {"synthetic": make_batch()["synthetic"][0]}
    after, metrics = refiner_step(state, batch, setup, adversarial=False)
    # lambda * (|shift| + 2 * |3 * shift|), lambda 0.7, shift 0.25
    np.testing.assert_allclose(metrics["refiner/reading"], 0.75, rtol=1e-5)
    np.testing.assert_allclose(metrics["refiner/loss"], 0.7 * (0.25 + 2 * 0.75), rtol=1e-5)
    moved = after.refiner.params["shift"] - state.refiner.params["shift"]
    np.testing.assert_allclose(moved, -RATE * 0.7 * (1 + 2 * 3), rtol=1e-5)
    jax.tree.map(np.testing.assert_array_equal, after.estimators, state.estimators)
    held = create_train_state(jax.random.key(0), setup.replace(hold_reading=True))
    held = held.replace(reading_weight=held.reading_weight * 1.5)
    _, metrics = refiner_step(held, batch, setup, adversarial=False)
    np.testing.assert_allclose(metrics["refiner/loss"], 0.7 * (0.25 + 3 * 0.75), rtol=1e-5)


def test_projections_learn_with_the_refiner_that_they_hold_back():
    step = jax.jit(refiner_step, static_argnames=("setup", "adversarial"))
    contrast = Contrast(Projections(8), places=6, temperature=0.5)
    setup = make_setup(refiner=Refiner(features=4, blocks=1), history_size=0)
    batch = {"synthetic": make_batch()["synthetic"][0]}
    state = create_train_state(jax.random.key(0), setup)
    _, without = step(state, batch, setup, adversarial=False)
    setup = setup.replace(contrast=contrast, contrast_weight=2.0)
    state = create_train_state(jax.random.key(0), setup)
    after, metrics = step(state, batch, setup, adversarial=False)
    # What is there beside it is as it was: the same refiner from the same key.
    pixels = metrics["refiner/self_regularization"]
    np.testing.assert_allclose(pixels, without["refiner/self_regularization"], rtol=1e-6)
    np.testing.assert_allclose(
        metrics["refiner/loss"], 0.7 * (pixels + 2 * metrics["refiner/contrast"]), rtol=1e-6
    )
    for network in ("refiner", "projections"):
        before, now = (getattr(x, network) for x in (state, after))
        assert int(now.updates) == 1
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), before.params, now.params)
        assert all(jax.tree.leaves(moved)), network
    for _ in range(30):
        after, metrics_later = step(after, batch, setup, adversarial=False)
    assert metrics_later["refiner/loss"] < metrics["refiner/loss"]
