import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import monitoring
from jax.sharding import PartitionSpec
from test_steps import close

from simgan_jax.errors import UserError
from simgan_jax.models import Discriminator, Refiner
from simgan_jax.models.discriminator import Layer
from simgan_jax.setup import Setup
from simgan_jax.state import create_train_state
from simgan_jax.steps import train_step
from simgan_jax.training import devices
from simgan_jax.training.devices import AXIS, STATE_AXES

LEAD = {"synthetic": (2,), "real": (1,)}


def make_setup(**changes):
    return Setup(
        refiner=Refiner(features=3, blocks=1),
        discriminator=Discriminator((Layer(4, 3, 2),)),
        refiner_optimizer=optax.sgd(0.05),
        discriminator_optimizer=optax.sgd(0.05),
        image_shape=(8, 10, 1),
        batch=16,
        refiner_updates=1,
        discriminator_updates=1,
        history_size=32,
    ).replace(**changes)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return {
        "synthetic": rng.integers(0, 256, (50, 8, 10, 1), dtype=np.uint8),
        "real": rng.integers(0, 256, (30, 8, 10, 1), dtype=np.uint8),
        "mask": rng.integers(0, 256, (50, 8, 10), dtype=np.uint8),
    }


def run(setup, data, steps=4, program=None):
    """Some steps on device-resident data; the collected state and the last metrics."""
    program = program or devices.resident_program(train_step, setup, LEAD)
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    data = devices.replicate(data, setup)
    for _ in range(steps):
        state, metrics = program(state, data)
    return jax.device_get((devices.collect(state, setup), metrics))


@pytest.fixture(scope="module")
def four(data, four_devices):
    setup = devices.distribute(make_setup(), 4)
    return run(setup, data)


def test_four_devices_equal_one_that_plays_four(data, four):
    """The same picks from the history: one device maps the step over four parts with vmap."""
    setup = make_setup(axis_name=AXIS, devices=4)
    state = create_train_state(jax.random.key(0), setup)
    parts = state.history.images.reshape(4, 8, 8, 10, 1)
    state = state.replace(history=state.history.replace(images=parts))
    step = jax.jit(
        jax.vmap(
            lambda state, batch: train_step(state, batch, setup),
            in_axes=(STATE_AXES, 0),
            out_axes=(STATE_AXES, None),
            axis_name=AXIS,
        )
    )
    sizes = {name: len(data[name]) for name in LEAD}
    for i in range(4):
        indices = devices.sample(jax.random.key(0), jnp.int32(i), sizes, LEAD, setup)
        state, metrics = step(state, devices.take(data, indices))
    close((devices.collect(state, setup), metrics), four)


def test_one_device_equals_four_until_the_history_is_drawn_from(data, four):
    """Without a draw the global batch is all that counts."""
    one = run(devices.distribute(make_setup(history_size=0), 1), data)
    other = run(devices.distribute(make_setup(history_size=0), 4), data)
    close(one, other)


def test_shard_map_gives_the_same_numbers(data, four):
    setup = devices.distribute(make_setup(), 4)
    spec = jax.tree.map(
        lambda axis: PartitionSpec() if axis is None else PartitionSpec(AXIS),
        STATE_AXES,
        is_leaf=lambda x: x is None,
    )

    def step(state, batch):
        inside = state.replace(history=state.history.replace(images=state.history.images[0]))
        out, metrics = train_step(inside, jax.tree.map(lambda x: x[0], batch), setup)
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
    sizes = {name: len(data[name]) for name in LEAD}
    for i in range(4):
        indices = devices.sample(jax.random.key(0), jnp.int32(i), sizes, LEAD, setup)
        state, metrics = mapped(state, devices.take(data, indices))
    close(jax.device_get((devices.collect(state, setup), metrics)), four)


@pytest.mark.usefixtures("four_devices")
def test_streamed_batches_give_the_same_bits(data):
    setup = devices.distribute(make_setup(), 2)
    expected = run(setup, data, steps=3)
    program = devices.streaming_program(train_step, setup)
    state = devices.place(create_train_state(jax.random.key(0), setup), setup)
    for batch in devices.stream(jax.random.key(0), range(3), data, LEAD, setup):
        state, metrics = program(state, batch)
    equal(jax.device_get((devices.collect(state, setup), metrics)), expected)


def test_an_error_of_the_streaming_thread_reaches_the_loop(data):
    setup = devices.distribute(make_setup(), 1)
    broken = data | {"mask": data["mask"][:1]}
    with pytest.raises(IndexError):
        list(devices.stream(jax.random.key(0), range(3), broken, LEAD, setup))


def test_several_steps_in_a_call_equal_single_calls(data):
    setup = devices.distribute(make_setup(), 1)
    single, _ = run(setup, data, steps=4)
    program = devices.resident_program(train_step, setup, LEAD, calls=2)
    double, _ = run(setup, data, steps=2, program=program)
    close(single, double)


@pytest.mark.usefixtures("four_devices")
def test_an_iteration_needs_no_host_and_compiles_once(data):
    setup = devices.distribute(make_setup(), 4)
    program = devices.resident_program(train_step, setup, LEAD)
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


@pytest.mark.usefixtures("four_devices")
def test_collecting_undoes_placing():
    setup = devices.distribute(make_setup(), 4)
    state = create_train_state(jax.random.key(0), setup)
    images = jnp.arange(32 * 80, dtype=jnp.uint8).reshape(32, 8, 10, 1)
    state = state.replace(history=state.history.replace(images=images))
    expected = jax.device_get(state)
    equal(jax.device_get(devices.collect(devices.place(state, setup), setup)), expected)


@pytest.mark.usefixtures("four_devices")
@pytest.mark.parametrize("changes", [{"batch": 12}, {"history_size": 34}, {"micro_batch": 3}])
def test_what_cannot_be_cut_into_equal_parts_is_an_error(changes):
    with pytest.raises(UserError, match=r"config\.train"):
        devices.distribute(make_setup(**changes), 4)


def equal(first, second):
    """Two trees agree bit for bit."""

    def compare(a, b):
        if jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_array_equal(a, b)

    jax.tree.map(compare, first, second)


def test_jobs_run_at_once_each_on_a_device_of_its_own():
    together = threading.Barrier(jax.local_device_count(), timeout=60)
    jobs = range(2 * jax.local_device_count())

    def job(i):
        together.wait()  # passes when as many jobs are under way as there are devices
        return i, jnp.ones(3).device

    results = devices.each_on_a_device(job, jobs)
    assert [i for i, _ in results] == list(jobs)
    assert {device for _, device in results} == set(jax.local_devices())


def test_an_error_of_a_job_is_raised():
    def job(i):
        if i == 1:
            raise UserError("the second")
        return i

    with pytest.raises(UserError, match="the second"):
        devices.each_on_a_device(job, range(3))
