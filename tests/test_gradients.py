import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.gradients import divisor, mean_gradients, scan_mean, split
from simgan_jax.setup import Setup

SETUP = Setup(None, None, None, None, (1, 1, 1))


@pytest.mark.parametrize(
    ("number", "at_least", "found"),
    [(12, 1, 1), (12, 3, 3), (12, 5, 6), (12, 7, 12), (12, 13, 12), (1, 1, 1), (7, 2, 7)],
)
def test_the_smallest_divisor_that_is_large_enough(number, at_least, found):
    assert divisor(number, at_least) == found


@pytest.mark.parametrize(
    ("micro_batch", "real", "now"),
    [
        (0, (1, 12), (1, 6)),
        (12, (1, 12), (1, 6)),
        (6, (2, 6), (2, 3)),
        # Four parts would do, but do not divide 6.
        (3, (6, 2), (6, 1)),
        # `now` cannot be cut into more than six.
        (1, (6, 2), (6, 1)),
    ],
)
def test_a_batch_is_cut_into_equal_parts_of_a_micro_batch_at_most(micro_batch, real, now):
    examples = {"real": jnp.arange(12), "now": jnp.arange(6), "noise": None}
    parts = split(examples, SETUP.replace(micro_batch=micro_batch))
    assert (parts["real"].shape, parts["now"].shape) == (real, now)
    assert parts["noise"] is None
    assert parts["real"].ravel().tolist() == list(range(12))


@pytest.mark.parametrize("micro_batch", [0, 1, 2, 4])
def test_gradients_and_terms_are_means_over_the_whole_batch(micro_batch):
    def loss(slope, part):
        error = slope * part["x"] - 1
        return (error**2).mean(), {"error": error}

    examples = {"x": jnp.array([1.0, 2.0, 3.0, 4.0])}
    setup = SETUP.replace(micro_batch=micro_batch)
    gradient, metrics = mean_gradients(loss, jnp.float32(2), examples, setup)
    # Mean of 2 x (2 x - 1) over 1..4, and of 2 x - 1.
    np.testing.assert_allclose(gradient, 25, rtol=1e-6)
    np.testing.assert_allclose(metrics["error"], 4, rtol=1e-6)
    np.testing.assert_allclose(metrics["gradient_norm"], 25, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_scan_carries_on_and_returns_the_mean_of_its_outputs(rows):
    carry, mean = scan_mean(lambda c, x: (c + x, {"twice": 2 * x}), 10.0, jnp.arange(1.0, rows + 1))
    assert carry == {1: 11, 3: 16}[rows]
    assert jax.tree.map(float, mean) == {"twice": {1: 2, 3: 4}[rows]}
