"""Where a state lies, what cannot be cut into equal parts, and jobs on devices of their own."""

import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_device_counts import equal
from tiny import environment

from simgan_jax import Setup, create_train_state
from simgan_jax.errors import UserError
from simgan_jax.history import History
from simgan_jax.models import Discriminator, Refiner
from simgan_jax.models.discriminator import Layer
from simgan_jax.setup import make_setup
from simgan_jax.steps import iteration
from simgan_jax.training import devices
from simgan_jax.training.sampling import Updates

SHAPE = (8, 10, 1)
SETUP = Setup(
    refiner=Refiner(features=2, blocks=1),
    discriminator=Discriminator((Layer(2, 3, 2),)),
    refiner_optimizer=optax.sgd(0.05),
    discriminator_optimizer=optax.adam(1e-3),
    image_shape=SHAPE,
    batch=16,
    history_size=32,
)

# On a machine of four cores: the devices that runs of such batches, without a history, can share.
SHARED = """
import os, sys
os.sched_getaffinity = lambda pid: range(4)
import jax
from configs.gaze import get_config
from simgan_jax.setup import make_setup
from simgan_jax.training import devices
config = get_config("tiny")
config.history.size = 0
setup = make_setup(config)
devices.cores_as_devices(*(setup.replace(batch=int(batch)) for batch in sys.argv[1:]))
print(jax.device_count())
"""


def numbered(count: int):
    """A state with `count` filled entries in its history, each holding its own number, from 1."""
    entries = np.where(np.arange(32) < count, np.arange(1, 33), 0).astype(np.uint8)
    images = jnp.asarray(np.broadcast_to(entries.reshape(-1, 1, 1, 1), (32, *SHAPE)))
    state = create_train_state(jax.random.key(0), SETUP)
    return state.replace(history=History(images, jnp.int32(count)))


def entries(images) -> np.ndarray:
    return np.asarray(images)[..., 0, 0, 0]


@pytest.mark.usefixtures("four_devices")
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


def test_runs_of_equal_settings_share_their_programs_and_others_do_not(tiny_config):
    def programs(config):
        setup, updates = devices.distribute(make_setup(config), 1), Updates(2, 1)
        one = devices.streaming_program(iteration, setup)
        return one, devices.resident_program(iteration, setup, updates)

    first, second = programs(tiny_config), programs(tiny_config.copy_and_resolve_references())
    assert [a is b for a, b in zip(first, second, strict=True)] == [True, True]
    tiny_config.loss.r1 = 1.0
    assert not {*first} & {*programs(tiny_config)}


@pytest.mark.usefixtures("four_devices")
def test_a_history_moves_from_four_devices_to_two_to_one_without_loss():
    state = devices.place(numbered(20), devices.distribute(SETUP, 4))
    for before, after in ((4, 2), (2, 1)):
        collected = devices.collect(state, devices.distribute(SETUP, before))
        state = devices.place(collected, devices.distribute(SETUP, after))
    assert int(state.history.count) == 20
    assert sorted(entries(state.history.images)[0, :20]) == list(range(1, 21))


@pytest.mark.usefixtures("four_devices")
def test_collecting_undoes_placing():
    setup = devices.distribute(SETUP, 4)
    state = numbered(32)
    expected = jax.device_get(state)
    equal(jax.device_get(devices.collect(devices.place(state, setup), setup)), expected)


def test_more_devices_than_there_are_is_an_error():
    with pytest.raises(UserError, match=rf"^64 devices asked for, there are {jax.device_count()}$"):
        devices.distribute(SETUP.replace(batch=128, history_size=64), 64)


@pytest.mark.usefixtures("four_devices")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"batch": 12},
            "config.train.batch 12 and config.history.size 32 must be multiples of 8 and 4 "
            "on 4 devices",
        ),
        (
            {"history_size": 34},
            "config.train.batch 16 and config.history.size 34 must be multiples of 8 and 4 "
            "on 4 devices",
        ),
        # Without a history no half is needed.
        (
            {"batch": 18, "history_size": 0},
            "config.train.batch 18 and config.history.size 0 must be multiples of 4 and 4 "
            "on 4 devices",
        ),
        (
            {"micro_batch": 3},
            "config.train.micro_batch is 3, but must divide the 4 images of a batch that each of 4 "
            "devices gets",
        ),
    ],
)
def test_what_cannot_be_cut_into_equal_parts_is_an_error(changes, said):
    with pytest.raises(UserError) as caught:
        devices.distribute(SETUP.replace(**changes), 4)
    assert str(caught.value) == said


@pytest.mark.usefixtures("four_devices")
@pytest.mark.parametrize("changes", [{}, {"batch": 12, "history_size": 0}, {"micro_batch": 2}])
def test_what_can_be_cut_knows_its_axis_and_devices(changes):
    setup = devices.distribute(SETUP.replace(**changes), 4)
    assert (setup.axis_name, setup.devices) == ("devices", 4)


def test_jobs_run_at_once_on_a_cpus_first_device_or_each_on_an_accelerator_of_its_own():
    together = threading.Barrier(jax.local_device_count(), timeout=60)
    jobs = range(2 * jax.local_device_count())

    def job(i):
        together.wait()  # passes when as many jobs are under way as there are devices
        return i, jnp.ones(3).device

    results = devices.each_on_a_device(job, jobs)
    assert [i for i, _ in results] == list(jobs)
    every = jax.local_devices()
    used = every[:1] if jax.default_backend() == "cpu" else every
    assert {device for _, device in results} == set(used)


def test_an_error_of_a_job_is_raised():
    def job(i):
        if i == 1:
            raise UserError("the second")
        return i

    with pytest.raises(UserError, match="the second"):
        devices.each_on_a_device(job, range(3))


@pytest.mark.parametrize(("batches", "count"), [(["8"], 4), (["8", "6"], 2), (["6", "8"], 2)])
def test_as_many_cores_are_devices_as_cut_the_batch_of_every_run(batches, count):
    variables = environment()
    del variables["JAX_NUM_CPU_DEVICES"]
    command = [sys.executable, "-c", SHARED, *batches]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    assert int(done.stdout) == count
