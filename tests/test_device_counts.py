"""One device against several: the same batches, the same gradients, a history that moves along."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from simgan_jax import Setup, create_train_state, train_step
from simgan_jax.errors import UserError
from simgan_jax.history import History
from simgan_jax.models import Discriminator, Refiner
from simgan_jax.models.discriminator import Layer
from simgan_jax.training import devices

SHAPE = (8, 10, 1)
SETUP = Setup(
    refiner=Refiner(features=3, blocks=1, padding="REFLECT"),
    discriminator=Discriminator((Layer(4, 3, 2),)),
    refiner_optimizer=optax.sgd(0.05),
    discriminator_optimizer=optax.adam(1e-3),
    image_shape=SHAPE,
    batch=16,
    refiner_updates=2,
    discriminator_updates=1,
    history_size=32,
    mask_weights=(1.0, 4.0),
)


def numbered(count: int):
    """A state with `count` filled entries in its history, each holding its own number, from 1."""
    entries = np.where(np.arange(32) < count, np.arange(1, 33), 0).astype(np.uint8)
    images = jnp.asarray(np.broadcast_to(entries.reshape(-1, 1, 1, 1), (32, *SHAPE)))
    state = create_train_state(jax.random.key(0), SETUP)
    return state.replace(history=History(images, jnp.int32(count)))


def entries(images) -> np.ndarray:
    return np.asarray(images)[..., 0, 0, 0]


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 8, 32])
def test_each_device_gets_an_equal_part_of_what_the_history_holds(number, count):
    setup = devices.distribute(SETUP, number)
    placed = devices.place(numbered(count), setup)
    parts = entries(placed.history.images)
    filled = count // number
    assert int(placed.history.count) == filled
    assert sorted(parts[:, :filled].ravel()) == list(range(1, count + 1))
    assert not parts[:, filled:].any()
    collected = devices.collect(placed, setup)
    assert int(collected.history.count) == count
    np.testing.assert_array_equal(collected.history.images, numbered(count).history.images)


def test_a_history_moves_from_four_devices_to_two_to_one_without_loss():
    state = devices.place(numbered(20), devices.distribute(SETUP, 4))
    for before, after in ((4, 2), (2, 1)):
        collected = devices.collect(state, devices.distribute(SETUP, before))
        state = devices.place(collected, devices.distribute(SETUP, after))
    assert int(state.history.count) == 20
    assert sorted(entries(state.history.images)[0, :20]) == list(range(1, 21))


def test_the_devices_share_one_walk_through_the_data():
    lead = {"synthetic": (3,), "real": (1,)}
    sizes = {"synthetic": 50, "real": 30}
    setups = [devices.distribute(SETUP, number) for number in (1, 2, 4)]

    @jax.jit
    def draw(key, step):
        return [devices.sample(key, step, sizes, lead, setup) for setup in setups]

    batches = []
    for number, drawn in zip((1, 2, 4), draw(jax.random.key(0), 5), strict=True):
        assert drawn["synthetic"].shape == (number, 3, 16 // number)
        # [devices, lead, b / devices] to [lead, b].
        batches.append({n: np.moveaxis(x, 0, 1).reshape(*lead[n], 16) for n, x in drawn.items()})
    for batch in batches[1:]:
        jax.tree.map(np.testing.assert_array_equal, batch, batches[0])
    assert (batches[0]["synthetic"][:1] != batches[0]["real"]).any()


def test_a_mask_goes_with_its_synthetic_image():
    data = {"synthetic": np.arange(9), "real": np.arange(9) * 10, "mask": np.arange(9) * 100}
    batch = devices.take(data, {"synthetic": np.array([[3, 1]]), "real": np.array([[2, 8]])})
    assert {name: x.tolist() for name, x in batch.items()} == {
        "synthetic": [[3, 1]],
        "real": [[20, 80]],
        "mask": [[300, 100]],
    }


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(UserError, match="64 devices asked for, there are 4"):
        devices.distribute(SETUP.replace(batch=128, history_size=64), 64)


def global_batch() -> dict[str, np.ndarray]:
    """[updates, device, b / 4, ...]."""
    rng = np.random.default_rng(0)
    return {
        "synthetic": rng.integers(0, 256, (3, 4, 4, *SHAPE), np.uint8),
        "real": rng.integers(0, 256, (1, 4, 4, *SHAPE), np.uint8),
        "mask": rng.integers(0, 256, (3, 4, 4, *SHAPE[:2]), np.uint8),
    }


@pytest.fixture(scope="module")
def four():
    """The setup and program of four devices, and its state and metrics after one global batch."""
    setup = devices.distribute(SETUP, 4)
    program = devices.streaming_program(train_step, setup)
    batch = {name: np.moveaxis(x, 1, 0) for name, x in global_batch().items()}
    start = alike()
    state, metrics = program(devices.place(start, setup), batch)
    # The program takes the placed state's memory, never the caller's.
    assert not any(x.is_deleted() for x in jax.tree.leaves(start))
    return setup, program, devices.collect(state, setup), metrics


def alike():
    """A state whose history is full of one image: whoever draws, the picks are the same."""
    state = create_train_state(jax.random.key(0), SETUP)
    images = jnp.full((32, *SHAPE), 77, jnp.uint8)
    return state.replace(history=History(images, jnp.int32(32)))


@pytest.mark.parametrize("micro_batch", [0, 4])
def test_one_device_equals_four_on_the_same_batch_and_picks(four, micro_batch):
    *_, state, metrics = four

    # The images refined for the discriminator are the first half of every device's.
    batch = {}
    for name, x in global_batch().items():
        halves = [x[:, :, :2], x[:, :, 2:]]
        batch[name] = np.concatenate([h.reshape(len(x), 8, *x.shape[3:]) for h in halves], 1)
    step = jax.jit(train_step, static_argnums=2)
    one, one_metrics = step(alike(), batch, SETUP.replace(micro_batch=micro_batch))
    near = {"rtol": 2e-4, "atol": 2e-6}
    for name in ("refiner", "discriminator"):
        ours, theirs = getattr(one, name), getattr(state, name)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **near), ours, theirs)
    for name, value in one_metrics.items():
        np.testing.assert_allclose(value, metrics[name], err_msg=name, **near)
    for history in (one.history, state.history):
        replaced = (np.asarray(history.images) != 77).any((1, 2, 3))
        assert replaced.sum() == 8


def test_a_step_on_arrays_of_the_host_is_caught_by_the_transfer_guard(four):
    setup, program, state, _ = four
    placed = devices.place(state, setup)
    batch = {name: np.moveaxis(x, 1, 0) for name, x in global_batch().items()}
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match="Disallowed"):
        program(placed, batch)
