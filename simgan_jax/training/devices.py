"""Devices: the only module that says pmap and device_put, and that donates the state of a run.

A step is mapped over one axis, "devices". Networks and counters are replicated; the history is cut into
one part a device; a batch is cut along its examples. On one device the same program runs.
"""

import math
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Key, PyTree

from simgan_jax.errors import UserError
from simgan_jax.gradients import Metrics, scan_mean
from simgan_jax.history import History
from simgan_jax.io.background import prefetch
from simgan_jax.setup import Setup
from simgan_jax.state import TrainState
from simgan_jax.steps import Batch, MiniBatches
from simgan_jax.training.sampling import Updates, sample, take

AXIS = "devices"
HOST_DEVICES = "xla_force_host_platform_device_count"
# A CPU's devices use arrays of the host that begin at a multiple of this many bytes without a copy.
ALIGNMENT = 64
AHEAD = 2  # streamed batches that are kept ready

# What of a TrainState is mapped: the history's images alone.
STATE_AXES = TrainState(
    key=None,
    step=None,
    refiner=None,
    discriminator=None,
    history=History(images=0, count=None),
    ema=None,
    self_regularization=None,
)

Step = Callable[[TrainState, Any, Setup], tuple[TrainState, Metrics]]
# (state, data or a step's batch) -> (state, metrics)
Program = Callable[[TrainState, Any], tuple[TrainState, Metrics]]


def cores_as_devices(*setups: Setup) -> None:
    """Lets every core of a CPU be a device, or as many as cut each setup's batch into equal parts.

    XLA computes a convolution of a micro-batch on one core; a device for each keeps them all busy. Does
    nothing once JAX has started, where the number is set already (JAX_NUM_CPU_DEVICES), and to
    accelerators.
    """
    if jax.config.jax_num_cpu_devices > 0 or HOST_DEVICES in os.environ.get("XLA_FLAGS", ""):
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    fitting = (n for n in range(cores, 1, -1) if not any(_obstacle(x, n) for x in setups))
    try:
        jax.config.update("jax_num_cpu_devices", next(fitting, 1))
    except RuntimeError:  # JAX has started
        return


def distribute(setup: Setup, devices: int | None = None) -> Setup:
    """The setup for the devices at hand: axis and shards.

    Args:
        setup: from `make_setup`.
        devices: how many to use, all by default.

    Raises:
        UserError: fewer devices, or the batch or the history cannot be cut into equal parts.
    """
    devices = devices or jax.device_count()
    if devices > jax.device_count():
        raise UserError(f"{devices} devices asked for, there are {jax.device_count()}")
    if obstacle := _obstacle(setup, devices):
        raise UserError(obstacle)
    return setup.replace(axis_name=AXIS, devices=devices)


@cache
def resident_program(step: Step, setup: Setup, updates: Updates, calls: int = 1) -> Program:
    """`calls` steps on device-resident data as one compiled program; the state is donated.

    Equal arguments share one: a second run of equal settings in a process is not traced again.

    Args:
        step: takes `MiniBatches`.
        setup: from `distribute`.
        updates: of a step.
        calls: steps in one call.

    Returns:
        (state, data) -> (state, mean metrics); data from `replicate`, a dict of whole sets [N, ...].
    """

    def program(state, data):
        sizes = jax.tree.map(len, data)

        def one(state, _):
            indices = sample(state.key, state.step, sizes, updates, setup)
            own = jax.tree.map(lambda index: index[lax.axis_index(AXIS)], indices)
            return step(state, take(data, own), setup)

        return scan_mean(one, state, jnp.arange(calls))

    return _pmap(program, None, setup)


@cache
def streaming_program(step: Step, setup: Setup) -> Program:
    """One step on a batch with an axis of devices first, as `stream` gives them; cached likewise."""
    return _pmap(lambda state, batch: step(state, batch, setup), 0, setup)


def stream(
    key: Key[Array, ""], steps: range, data: Batch, updates: Updates, setup: Setup
) -> Iterator[MiniBatches]:
    """Batches of the given steps, gathered on the host by a thread that stays a few batches ahead.

    A process gathers what its own devices take.

    Args:
        key: the state's.
        steps: of the run.
        data: sets [N, ...] in memory or memory-mapped.
        updates: of a step.
        setup: from `distribute`.
    """
    sizes = jax.tree.map(len, data)
    indices = jax.jit(lambda step: sample(key, step, sizes, updates, setup))
    sharding = NamedSharding(_mesh(setup), PartitionSpec(AXIS))

    def gather(name: str, index: np.ndarray) -> Array:
        images = data[name]
        shape = (*index.shape, *images.shape[1:])
        return jax.make_array_from_callback(shape, sharding, lambda own: images[index[own[0]]])

    def batches() -> Iterator[MiniBatches]:
        for step in steps:
            parts = jax.device_get(indices(np.int32(step)))
            yield MiniBatches(*({name: gather(name, x[name]) for name in x} for x in parts))

    return prefetch(batches(), AHEAD)


def place(state: TrainState, setup: Setup) -> TrainState:
    """Puts a state of `create_train_state` or `collect` on the devices, where programs expect it."""
    images, count = state.history.images, state.history.count
    # Dealt out in turn, so that the filled entries are each device's first ones too.
    parts = images.reshape(-1, setup.devices, *images.shape[1:]).swapaxes(0, 1)
    state = state.replace(history=History(parts, count // setup.devices))
    return jax.tree.map(_put, state, shardings(state, setup))


def collect(state: TrainState, setup: Setup) -> TrainState:
    """The state with its history in one array [B, H, W, C], whatever the number of devices."""
    if jax.process_count() > 1:  # pmap returns each process its own part
        specs = jax.tree.map(lambda sharding: sharding.spec, shardings(state, setup))
        mesh = _mesh(setup)
        state = multihost_utils.host_local_array_to_global_array(state, mesh, specs)
    images, count = state.history.images, state.history.count
    whole = images.swapaxes(0, 1).reshape(-1, *images.shape[2:])
    return state.replace(history=History(whole, count * setup.devices))


def shardings(state: TrainState, setup: Setup) -> PyTree[NamedSharding]:
    """Where each leaf of a state lies: the history cut along its first axis, the rest replicated."""
    mesh = _mesh(setup)
    everywhere = NamedSharding(mesh, PartitionSpec())
    tree = jax.tree.map(lambda _: everywhere, state)
    cut = NamedSharding(mesh, PartitionSpec(AXIS))
    return tree.replace(history=tree.history.replace(images=cut))


def replicate(tree: PyTree, setup: Setup) -> PyTree:
    """Every array on every device: a copy each, but one for all devices of a CPU."""
    everywhere = NamedSharding(_mesh(setup), PartitionSpec())
    return jax.tree.map(lambda x: _put(x, everywhere), tree)


def fetch(array: Array) -> np.ndarray:
    """The whole of an array on the host, also where its parts lie with other processes."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return multihost_utils.process_allgather(array, tiled=True)
    return np.asarray(array)


def spread(function: Callable, replicated: PyTree) -> Callable:
    """Cuts the first axis of arrays among the devices of this process; equal functions compile once.

    Args:
        function: (replicated, *arrays [b, ...]) -> array [b, ...], each example by itself.
        replicated: what every device needs, its parameters.

    Returns:
        (*arrays [b, ...]) -> array [devices, b / devices, ...] of as many devices as divide b.
    """
    programs = {}

    def call(*arrays):
        count = math.gcd(len(arrays[0]), jax.local_device_count())
        if count not in programs:
            mesh = Mesh(jax.local_devices()[:count], (AXIS,), axis_types=(AxisType.Auto,))
            copy = jax.device_put(replicated, NamedSharding(mesh, PartitionSpec()))
            programs[count] = partial(_spread(function, len(arrays), count), copy)
        parts = jax.tree.map(lambda x: x.reshape(count, -1, *x.shape[1:]), arrays)
        return programs[count](*parts)

    return call


def each_on_a_device(function: Callable[[Any], Any], jobs: Sequence[Any]) -> list[Any]:
    """Results of independent jobs, as many at a time as this process has devices.

    Args:
        function: of one job; runs in a thread, on an accelerator that no other job uses. A CPU's first
            device runs any number of threads: there what jobs share is compiled once.
        jobs: its arguments.

    Raises:
        Exception: of the first job in their order that failed, after all have ended.
    """
    free: queue.Queue = queue.Queue()
    for device in jax.local_devices():
        free.put(jax.local_devices()[0] if jax.default_backend() == "cpu" else device)

    def work(job: Any) -> Any:
        device = free.get()
        try:
            with jax.default_device(device):
                return function(job)
        finally:
            free.put(device)

    with ThreadPoolExecutor(jax.local_device_count()) as pool:
        return list(pool.map(work, jobs))


def _obstacle(setup: Setup, devices: int) -> str | None:
    """Why a run cannot use so many devices, if it cannot."""
    parts = 2 * devices if setup.history_size else devices
    if setup.batch % parts or setup.history_size % devices:
        return (
            f"config.train.batch {setup.batch} and config.history.size {setup.history_size} must be "
            f"multiples of {parts} and {devices} on {devices} devices"
        )
    local = setup.batch // devices
    if setup.micro_batch and local % setup.micro_batch:
        return (
            f"config.train.micro_batch is {setup.micro_batch}, but must divide the {local} images "
            f"of a batch that each of {devices} devices gets"
        )
    return None


def _put(leaf: Array, sharding: NamedSharding) -> Array:
    """An array of the host or of any devices, laid out anew; typed keys too."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_put(jax.random.key_data(leaf), sharding))
    host = fetch(leaf)
    if sharding.is_fully_replicated and jax.default_backend() == "cpu":
        host = _aligned(host)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def _aligned(array: np.ndarray) -> np.ndarray:
    """The array, copied if need be, where all devices of a CPU use it as it lies."""
    if not array.ctypes.data % ALIGNMENT and array.flags.c_contiguous:
        return array
    buffer = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -buffer.ctypes.data % ALIGNMENT
    copy = buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@cache
def _spread(function: Callable, arrays: int, count: int) -> Any:
    axes, devices = (None, *(0 for _ in range(arrays))), jax.local_devices()[:count]
    return jax.pmap(function, AXIS, in_axes=axes, devices=devices)


def _pmap(program: Callable, batch_axis: int | None, setup: Setup) -> Any:
    axes = {"in_axes": (STATE_AXES, batch_axis), "out_axes": (STATE_AXES, None)}
    devices = jax.devices()[: setup.devices]
    return jax.pmap(program, AXIS, devices=devices, donate_argnums=0, **axes)


def _mesh(setup: Setup) -> Mesh:
    return Mesh(jax.devices()[: setup.devices], (AXIS,), axis_types=(AxisType.Auto,))
