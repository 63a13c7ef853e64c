"""One device against several, resident data against streamed: the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import monitoring
from jax.sharding import PartitionSpec
from test_steps import close

from simgan_jax import Setup, create_train_state, train_step
from simgan_jax.history import History
from simgan_jax.models import Discriminator, Refiner
from simgan_jax.models.discriminator import Layer
from simgan_jax.steps import iteration
from simgan_jax.training import devices
from simgan_jax.training.devices import AXIS, STATE_AXES
from simgan_jax.training.sampling import Updates, sample, take

SHAPE = (8, 10, 1)
UPDATES = Updates(refiner=2, discriminator=1)
SETUP = Setup(
    refiner=Refiner(features=3, blocks=1, padding="REFLECT"),
    discriminator=Discriminator((Layer(4, 3, 2),)),
    refiner_optimizer=optax.sgd(0.05),
    discriminator_optimizer=optax.adam(1e-3),
    image_shape=SHAPE,
    batch=16,
    refiner_updates=UPDATES.refiner,
    discriminator_updates=UPDATES.discriminator,
    history_size=32,
    mask_weights=(1.0, 4.0),
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return {
        "synthetic": rng.integers(0, 256, (50, *SHAPE), dtype=np.uint8),
        "real": rng.integers(0, 256, (30, *SHAPE), dtype=np.uint8),
        "mask": rng.integers(0, 256, (50, *SHAPE[:2]), dtype=np.uint8),
    }


def run(setup, data, steps=4, calls=1):
    """Some steps on device-resident data; the collected state and the last metrics."""
    program = devices.resident_program(iteration, setup, UPDATES, calls)
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    data = devices.replicate(data, setup)
    for _ in range(steps // calls):
        state, metrics = program(state, data)
    return jax.device_get((devices.collect(state, setup), metrics))


def batches(data, setup):
    """The batches of four steps, with an axis of devices first."""
    sizes = jax.tree.map(len, data)
    for step in range(4):
        yield take(data, sample(jax.random.key(0), jnp.int32(step), sizes, UPDATES, setup))


@pytest.fixture(scope="module")
def four(data, four_devices):
    """Four steps on four devices: from the second on the history is drawn from."""
    return run(devices.distribute(SETUP, 4), data)


def test_four_devices_equal_one_that_plays_four(data, four):
    """The same picks from the history: one device maps the step over four parts with vmap."""
    setup = SETUP.replace(axis_name=AXIS, devices=4)
    state = create_train_state(jax.random.key(0), setup)
    parts = state.history.images.reshape(4, 8, *SHAPE)
    state = state.replace(history=state.history.replace(images=parts))
    step = jax.jit(
        jax.vmap(
            lambda state, batch: iteration(state, batch, setup),
            in_axes=(STATE_AXES, 0),
            out_axes=(STATE_AXES, None),
            axis_name=AXIS,
        )
    )
    for batch in batches(data, setup):
        state, metrics = step(state, batch)
    close((devices.collect(state, setup), metrics), four)


@pytest.mark.usefixtures("four_devices")
def test_without_a_history_the_number_of_devices_changes_nothing(data):
    """The discriminator then sees the whole batch refined, whoever refines it."""
    setup = SETUP.replace(history_size=0)
    (one, one_metrics), other = (run(devices.distribute(setup, n), data) for n in (1, 4))
    close((one, one_metrics), other)
    start = create_train_state(jax.random.key(0), setup)
    for name in ("refiner", "discriminator"):
        before, after = getattr(start, name).params, getattr(one, name).params
        moved = jax.tree.map(lambda a, b: float(abs(a - b).max()), before, after)
        assert min(jax.tree.leaves(moved)) > 1e-4


def test_shard_map_gives_the_same_numbers(data, four):
    setup = devices.distribute(SETUP, 4)
    spec = jax.tree.map(
        lambda axis: PartitionSpec() if axis is None else PartitionSpec(AXIS),
        STATE_AXES,
        is_leaf=lambda x: x is None,
    )

    def step(state, batch):
        inside = state.replace(history=state.history.replace(images=state.history.images[0]))
        out, metrics = iteration(inside, jax.tree.map(lambda x: x[0], batch), setup)
        return out.replace(history=out.history.replace(images=out.history.images[None])), metrics

    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    mesh = jax.make_mesh((4,), (AXIS,), axis_types=(jax.sharding.AxisType.Auto,))
    mapped = jax.jit(
        jax.shard_map(
            step,
            mesh=mesh,
            in_specs=(spec, PartitionSpec(AXIS)),
            out_specs=(spec, PartitionSpec()),
            check_vma=False,
        )
    )
    for batch in batches(data, setup):
        state, metrics = mapped(state, batch)
    close(jax.device_get((devices.collect(state, setup), metrics)), four)


def test_streamed_batches_give_the_same_bits(data, four):
    setup = devices.distribute(SETUP, 4)
    program = devices.streaming_program(iteration, setup)
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    for batch in devices.stream(jax.random.key(0), range(4), data, UPDATES, setup):
        assert batch.discriminator["synthetic"].shape == (4, 1, 2, *SHAPE)
        state, metrics = program(state, batch)
    equal(jax.device_get((devices.collect(state, setup), metrics)), four)


def test_an_error_of_the_streaming_thread_reaches_the_loop(data):
    setup = devices.distribute(SETUP, 1)
    broken = data | {"mask": data["mask"][:1]}
    with pytest.raises(IndexError):
        list(devices.stream(jax.random.key(0), range(3), broken, UPDATES, setup))


def test_several_steps_in_a_call_equal_single_calls(data, four):
    double, _ = run(devices.distribute(SETUP, 4), data, calls=2)
    close(four[0], double)


@pytest.mark.usefixtures("four_devices")
def test_an_iteration_needs_no_host_and_compiles_once(data):
    setup = devices.distribute(SETUP, 4)
    program = devices.resident_program(iteration, setup, UPDATES)
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    data = devices.replicate(data, setup)
    state, _ = program(state, data)
    compiled = []
    monitoring.register_event_duration_secs_listener(lambda name, *_, **__: compiled.append(name))
    with jax.transfer_guard("disallow"):
        for _ in range(3):
            donated = state
            state, _ = program(state, data)
    assert not [name for name in compiled if "compile" in name]
    assert donated.history.images.is_deleted()


def global_batch() -> dict[str, np.ndarray]:
    """[updates, device, b / 4, ...]."""
    rng = np.random.default_rng(0)
    return {
        "synthetic": rng.integers(0, 256, (3, 4, 4, *SHAPE), np.uint8),
        "real": rng.integers(0, 256, (1, 4, 4, *SHAPE), np.uint8),
        "mask": rng.integers(0, 256, (3, 4, 4, *SHAPE[:2]), np.uint8),
    }


def alike():
    """A state whose history is full of one image: whoever draws, the picks are the same."""
    state = create_train_state(jax.random.key(0), SETUP)
    images = jnp.full((32, *SHAPE), 77, jnp.uint8)
    return state.replace(history=History(images, jnp.int32(32)))


@pytest.fixture(scope="module")
def one_step(four_devices):
    """The setup and program of four devices, and its state and metrics after one global batch."""
    setup = devices.distribute(SETUP, 4)
    program = devices.streaming_program(train_step, setup)
    batch = {name: np.moveaxis(x, 1, 0) for name, x in global_batch().items()}
    start = alike()
    state, metrics = program(devices.place(start, setup), batch)
    # The program takes the placed state's memory, never the caller's.
    assert not any(x.is_deleted() for x in jax.tree.leaves(start))
    return setup, program, devices.collect(state, setup), metrics


@pytest.mark.parametrize("micro_batch", [0, 4])
def test_one_device_equals_four_on_the_same_batch_and_picks(one_step, micro_batch):
    *_, state, metrics = one_step

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


def test_a_step_on_arrays_of_the_host_is_caught_by_the_transfer_guard(one_step):
    setup, program, state, _ = one_step
    placed = devices.place(state, setup)
    batch = {name: np.moveaxis(x, 1, 0) for name, x in global_batch().items()}
    with jax.transfer_guard("disallow"), pytest.raises(Exception, match="Disallowed"):
        program(placed, batch)


@pytest.mark.parametrize("offset", [0, 8, 24])
def test_the_devices_of_a_cpu_share_one_copy_of_a_set(offset):
    images = (np.arange(2000) % 256).astype(np.uint8)[offset:][:1024].reshape(16, 8, 8, 1)
    setup = devices.distribute(SETUP, 4)
    kept = devices.replicate({"real": images}, setup)["real"]
    np.testing.assert_array_equal(kept, images)
    assert len(kept.addressable_shards) == 4
    assert len({part.data.unsafe_buffer_pointer() for part in kept.addressable_shards}) == 1


def equal(first, second):
    """Two trees agree bit for bit."""

    def compare(a, b):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)

    jax.tree.map(compare, first, second)
