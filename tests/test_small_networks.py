"""The loop that trains what measures, and the calls that apply it."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.metrics.small_networks import adam, fit, in_chunks, resident_updates, updates

KEY = jax.random.key(0)


@dataclass(frozen=True)
class Line:
    """y = slope * x; a batch is (x, y)."""

    noise: float = 0.0

    def prepare(self, key, batch):
        x, y = batch
        return x + self.noise * jax.random.normal(key, x.shape), y

    def loss(self, params, batch):
        x, y = batch
        return jnp.square(params["slope"] * x - y).mean()


def start():
    return {"slope": jnp.zeros(())}


def batches(count):
    x = np.float32([1, 2, 3, 4])
    return [(x, 3 * x)] * count


def test_the_first_update_of_adam_is_its_rate_downhill():
    (params,) = updates(Line(), start(), batches(1), adam(0.25), KEY)
    assert float(params["slope"]) == pytest.approx(0.25, rel=1e-5)


def test_the_rate_falls_to_nothing_along_a_cosine():
    steps = [float(p["slope"]) for p in updates(Line(), start(), batches(5), adam(0.01, 4), KEY)]
    # Far from the goal every step of Adam is its rate: 1/2 + 1/2 cos of 0, 45, 90, 135 and 180 degrees.
    sizes = np.diff([0.0, *steps]) / 0.01
    np.testing.assert_allclose(sizes, [1, 0.8536, 0.5, 0.1464, 0], atol=0.01)


def test_it_learns():
    assert float(fit(Line(), start(), batches(300), adam(0.1), KEY)["slope"]) == pytest.approx(3)


def test_many_updates_in_one_call_are_the_same_updates():
    x = np.arange(1, 9, dtype=np.float32)
    rows = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [0, 2]])
    one_by_one = [
        float(p["slope"])
        for p in updates(Line(0.1), start(), [(x[r], 3 * x[r]) for r in rows], adam(0.1, 5), KEY)
    ]
    calls = [rows[:2], rows[2:4], rows[4:]]
    examples = (jnp.asarray(x), jnp.asarray(3 * x))
    found = [
        float(p["slope"])
        for p in resident_updates(Line(0.1), start(), examples, calls, adam(0.1, 5), KEY)
    ]
    np.testing.assert_allclose(found, [one_by_one[1], one_by_one[3], one_by_one[4]], rtol=1e-6)


@pytest.mark.parametrize("micro_batch", [1, 2])
def test_micro_batches_change_nothing(micro_batch):
    whole, parts = (fit(Line(), start(), batches(3), adam(0.1), KEY, m) for m in (0, micro_batch))
    np.testing.assert_allclose(whole["slope"], parts["slope"], rtol=1e-6)


def test_every_update_draws_anew_and_the_same_key_the_same():
    def learned(key):
        return [float(p["slope"]) for p in updates(Line(9.0), start(), batches(2), adam(0.1), key)]

    assert learned(jax.random.key(1)) == learned(jax.random.key(1))
    assert learned(jax.random.key(1)) != learned(jax.random.key(2))


def test_chunks_are_of_one_shape_and_their_results_those_of_the_whole():
    seen = []

    def double(part):
        seen.append(part.shape)
        return 2 * part

    examples = np.arange(14).reshape(7, 2)
    np.testing.assert_array_equal(in_chunks(double, examples, chunk=3), 2 * examples)
    assert seen == [(3, 2)] * 3
