"""Whole steps of Algorithm 1 against an independent float64 program, history picks included.

The reference shares no code with the package but the draw of indices; it differentiates its losses by
central differences, so that no derivative is taken twice by the same means. The networks are not the
paper's, which also shows that `train_step` takes any others.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simgan_jax import Setup, create_train_state, train_step
from simgan_jax.shuffle import permute

BATCH, SIDE, HISTORY, K_G, K_D = 8, 6, 12, 2, 3
LAMBDA, OUTSIDE, INSIDE, EMA = 0.7, 0.5, 3.0, 0.9
# Learning rate and momentum of SGD.
REFINER_SGD, DISCRIMINATOR_SGD = (0.3, 0.9), (0.2, 0.5)
STEPS = 4


class Tint(nn.Module):
    """tanh(scale * x + shift)."""

    @nn.compact
    def __call__(self, x):
        scale = self.param("scale", nn.initializers.constant(0.8), ())
        shift = self.param("shift", nn.initializers.constant(0.1), ())
        return jnp.tanh(scale * x + shift)


class Blocks(nn.Module):
    """Logits linear * m + square * m^2 + bias of the mean m of each block of 3 x 3 pixels."""

    @nn.compact
    def __call__(self, x):
        linear = self.param("linear", lambda _: jnp.array([0.3, -0.4]))
        square = self.param("square", lambda _: jnp.array([-0.2, 0.5]))
        bias = self.param("bias", lambda _: jnp.array([0.1, -0.1]))
        m = x.reshape(len(x), SIDE // 3, 3, SIDE // 3, 3).mean((2, 4))[..., None]
        return linear * m + square * m**2 + bias


def batches() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    levels = np.uint8([0, 51, 255])
    return [
        {
            "synthetic": rng.integers(0, 200, (K_G + K_D, BATCH, SIDE, SIDE, 1), np.uint8),
            "real": rng.integers(60, 256, (K_D, BATCH, SIDE, SIDE, 1), np.uint8),
            "mask": rng.choice(levels, (K_G + K_D, BATCH, SIDE, SIDE)),
        }
        for _ in range(STEPS)
    ]


class Reference:
    """Algorithm 1 in NumPy and float64 on the two networks above."""

    def __init__(self):
        self.r = {"scale": 0.8, "shift": 0.1}
        self.d = {name: np.array(x) for name, x in zip("lsb", INITIAL, strict=True)}
        self.r_speed = dict.fromkeys(self.r, 0.0)
        self.d_speed = {name: np.zeros(2) for name in self.d}
        self.total = dict.fromkeys(self.r, 0.0)
        self.averaged = 0
        self.history = []
        self.updates = 0

    def step(self, batch):
        for k in range(K_G):
            x = batch["synthetic"][k] / 127.5 - 1
            weight = OUTSIDE + (INSIDE - OUTSIDE) * batch["mask"][k][..., None] / 255
            gradient = slope(self.refiner_loss, self.r, x, weight)
            descend(self.r, self.r_speed, gradient, *REFINER_SGD)
            self.total = {n: EMA * self.total[n] + (1 - EMA) * self.r[n] for n in self.r}
            self.averaged += 1
            self.ema = {n: x / (1 - EMA**self.averaged) for n, x in self.total.items()}
        for k in range(K_D):
            now = tint(self.r, batch["synthetic"][K_G + k][: BATCH // 2] / 127.5 - 1)
            refined = np.concatenate([now, self.exchange(now)])
            real = batch["real"][k] / 127.5 - 1
            gradient = slope(discriminator_loss, self.d, real, refined)
            descend(self.d, self.d_speed, gradient, *DISCRIMINATOR_SGD)

    def refiner_loss(self, r, x, weight):
        """Equation 1 with means: -log(1 - D(R(x))) + lambda |R(x) - x|."""
        refined = tint(r, x)
        change = (weight * abs(refined - x)).mean()
        return log_probability(self.d, refined, 0) + LAMBDA * change

    def exchange(self, now):
        """Half a batch of the past, or `now` again; then `now` goes in."""
        drawn, replaced = picks(self.updates, max(len(self.history), BATCH // 2))
        past = np.array([self.history[i] for i in drawn]) / 127.5 - 1 if self.history else now
        stored = list(np.rint((now + 1) * 127.5))
        if len(self.history) < HISTORY:
            self.history += stored
        else:
            for slot, image in zip(replaced, stored, strict=True):
                self.history[slot] = image
        self.updates += 1
        return past


@jax.jit
def picks(updates, filled):
    """Entries that the discriminator's update draws from the history, and those it replaces."""
    role_key = jax.random.fold_in(jax.random.fold_in(jax.random.key(7), 2), updates)
    _, draw, replace = jax.random.split(role_key, 3)
    half = jnp.arange(BATCH // 2)
    return permute(draw, half, filled), permute(replace, half, HISTORY)


INITIAL = ([0.3, -0.4], [-0.2, 0.5], [0.1, -0.1])


def tint(r, x):
    return np.tanh(r["scale"] * x + r["shift"])


def log_probability(d, images, label):
    """-log of the label's probability, mean over patches and images."""
    corners = [images[:, i : i + 3, j : j + 3].mean((1, 2, 3)) for i in (0, 3) for j in (0, 3)]
    m = np.stack(corners, 1)[..., None]
    logits = d["l"] * m + d["s"] * m**2 + d["b"]
    return -np.log(np.exp(logits[..., label]) / np.exp(logits).sum(-1)).mean()


def discriminator_loss(d, real, refined):
    """Equation 2 with means."""
    return (log_probability(d, refined, 1) + log_probability(d, real, 0)) / 2


def slope(function, params, *arguments, width=1e-5):
    """Gradient by the parameters, by central differences."""
    gradient = {}
    for name, value in params.items():
        sides = np.zeros((2, np.size(value)))
        for i, sign in enumerate((-1, 1)):
            for j in range(np.size(value)):
                moved = np.array(value, float)
                moved.flat[j] += sign * width
                sides[i, j] = function(params | {name: moved}, *arguments)
        gradient[name] = ((sides[1] - sides[0]) / (2 * width)).reshape(np.shape(value))
    return gradient


def descend(params, speed, gradient, rate, momentum):
    for name in params:
        speed[name] = momentum * speed[name] + gradient[name]
        params[name] = params[name] - rate * speed[name]


@pytest.fixture(scope="module")
def expected():
    """The reference after each step."""
    reference, after = Reference(), []
    for batch in batches():
        reference.step(batch)
        after.append({n: dict(getattr(reference, n)) for n in ("r", "d", "ema")})
        after[-1]["history"] = np.array(reference.history)
    return after


@pytest.mark.parametrize("micro_batch", [0, 4])
def test_steps_equal_the_reference_while_the_history_fills_and_after(expected, micro_batch):
    setup = Setup(
        refiner=Tint(),
        discriminator=Blocks(),
        refiner_optimizer=optax.sgd(REFINER_SGD[0], momentum=REFINER_SGD[1]),
        discriminator_optimizer=optax.sgd(DISCRIMINATOR_SGD[0], momentum=DISCRIMINATOR_SGD[1]),
        image_shape=(SIDE, SIDE, 1),
        batch=BATCH,
        refiner_updates=K_G,
        discriminator_updates=K_D,
        history_size=HISTORY,
        self_regularization=LAMBDA,
        mask_weights=(OUTSIDE, INSIDE),
        ema=EMA,
        micro_batch=micro_batch,
    )
    step = jax.jit(train_step, static_argnums=2)
    state = create_train_state(jax.random.key(7), setup)
    for batch, wanted in zip(batches(), expected, strict=True):
        state, metrics = step(state, batch, setup)
        near = {"rtol": 2e-5, "atol": 1e-6}
        for name in ("scale", "shift"):
            np.testing.assert_allclose(state.refiner.params[name], wanted["r"][name], **near)
            np.testing.assert_allclose(state.ema[name], wanted["ema"][name], **near)
        for name in ("linear", "square", "bias"):
            np.testing.assert_allclose(
                state.discriminator.params[name], wanted["d"][name[0]], err_msg=name, **near
            )
        stored = np.asarray(state.history.images)[: len(wanted["history"])]
        # Float32 may fall on the other side of half a grey level, for a few pixels.
        difference = abs(stored - wanted["history"])
        assert difference.max() <= 1
        assert difference.mean() < 0.01
    assert int(state.step) == STEPS
    assert int(state.history.count) == HISTORY
    assert all(np.isfinite(value) for value in metrics.values())
