"""Which examples a step sees, whatever the number of devices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simgan_jax.setup import Setup
from simgan_jax.shuffle import batch_indices
from simgan_jax.steps import MiniBatches
from simgan_jax.training.sampling import Updates, sample, take

SIZES = {"synthetic": 50, "real": 30, "mask": 50}
BOTH = Updates(refiner=2, discriminator=1)


def make_setup(devices: int, history_size: int = 32) -> Setup:
    return Setup(
        *(None, None, None, None, (8, 10, 1)),
        batch=16,
        history_size=history_size,
        devices=devices,
    )


def drawn(updates, setup, step=5, sizes=SIZES):
    return jax.device_get(sample(jax.random.key(0), jnp.int32(step), sizes, updates, setup))


def whole(indices: np.ndarray) -> np.ndarray:
    """[devices, rows, b / devices] to [rows, b]."""
    return indices.swapaxes(0, 1).reshape(indices.shape[1], -1)


@pytest.mark.parametrize("devices", [1, 2, 4])
def test_the_devices_share_one_walk_through_the_data(devices):
    refiner, discriminator = drawn(BOTH, make_setup(devices, history_size=0))
    assert refiner["synthetic"].shape == (devices, 2, 16 // devices)
    data_key = jax.random.fold_in(jax.random.key(0), 3)
    walks = {
        name: batch_indices(jax.random.fold_in(data_key, number), 5, rows * 16, SIZES[name])
        for name, number, rows in (("synthetic", 987, 3), ("real", 420, 1))
    }
    synthetic, real = (np.asarray(walk).reshape(-1, 16) for walk in walks.values())
    np.testing.assert_array_equal(whole(refiner["synthetic"]), synthetic[:2])
    np.testing.assert_array_equal(whole(discriminator["synthetic"]), synthetic[2:])
    np.testing.assert_array_equal(whole(discriminator["real"]), real)


@pytest.mark.parametrize("devices", [1, 4])
def test_with_a_history_no_synthetic_image_is_drawn_that_is_not_refined(devices):
    every = drawn(BOTH, make_setup(devices, history_size=0))
    used = drawn(BOTH, make_setup(devices))
    local = 16 // devices
    assert used.discriminator["synthetic"].shape == (devices, 1, local // 2)
    first = every.discriminator["synthetic"][:, :, : local // 2]
    np.testing.assert_array_equal(used.discriminator["synthetic"], first)
    np.testing.assert_array_equal(used.discriminator["real"], every.discriminator["real"])
    np.testing.assert_array_equal(used.refiner["synthetic"], every.refiner["synthetic"])


def test_a_network_without_updates_gets_nothing():
    refiner, discriminator = drawn(Updates(1, 0), make_setup(2))
    assert discriminator == {}
    assert refiner["synthetic"].shape == (2, 1, 8)
    refiner, discriminator = drawn(Updates(0, 1), make_setup(2))
    assert refiner == {}
    assert discriminator["synthetic"].shape == (2, 1, 4)
    assert discriminator["real"].shape == (2, 1, 8)


def test_a_mask_goes_with_the_synthetic_images_of_the_refiner_alone():
    refiner, discriminator = drawn(BOTH, make_setup(1))
    np.testing.assert_array_equal(refiner["mask"], refiner["synthetic"])
    assert discriminator.keys() == {"synthetic", "real"}
    without = drawn(BOTH, make_setup(1), sizes={"synthetic": 50, "real": 30})
    assert without.refiner.keys() == {"synthetic"}


def test_examples_are_taken_from_their_own_sets():
    data = {"synthetic": np.arange(9), "real": np.arange(9) * 10, "mask": np.arange(9) * 100}
    first, second = np.array([[3, 1]]), np.array([[2, 8]])
    taken = take(
        data,
        MiniBatches({"synthetic": first, "mask": first}, {"synthetic": second, "real": first}),
    )
    assert jax.tree.map(np.ndarray.tolist, taken) == MiniBatches(
        {"synthetic": [[3, 1]], "mask": [[300, 100]]}, {"synthetic": [[2, 8]], "real": [[30, 10]]}
    )
