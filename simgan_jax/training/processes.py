"""Several processes of one run: which of them speaks, and how they begin and end together."""

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from simgan_jax.errors import UserError

# Key under which the first process that ends says how: "status rank".
ENDED = "simgan_jax/ended"
# Longer than any evaluation.
PATIENCE_MS = 30 * 24 * 3600 * 1000


def is_first() -> bool:
    """Whether this process is the one that writes files and speaks; the only one of most runs."""
    return jax.process_index() == 0


def from_first(number: int) -> int:
    """The first process's number, in every process."""
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


@contextmanager
def joined() -> Iterator[None]:
    """Joins the processes that the cluster's environment describes; they leave it together.

    Those that are through wait for the first one, as long as it takes. One that fails ends all with its
    own status, wherever they are: they would wait for it.

    Raises:
        UserError: this JAX hides the store by which they tell each other how they end.
    """
    jax.distributed.initialize()
    store = _store()
    end = threading.Thread(target=_await_end, args=(store,), daemon=True)
    end.start()
    try:
        yield
    except BaseException as error:
        _say_ended(store, 2 if isinstance(error, UserError) else 1)
        raise
    if is_first():
        _say_ended(store, 0)
    end.join()


@contextmanager
def preemptions() -> Iterator[Callable[[], bool]]:
    """Within it, SIGTERM to any process stops all.

    Yields:
        A function that every process asks equally often: whether to stop. All are told so by the same
        time of asking, or not at all if they do not ask long enough.
    """
    times = itertools.count()
    try:
        # JAX has taken SIGTERM when the processes joined.
        yield lambda: multihost_utils.reached_preemption_sync_point(next(times))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _store() -> Any:
    """The key-value store that JAX's own processes run on; it gives no public way to it."""
    try:
        from jax._src import distributed

        return distributed.global_state.client
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"several processes do not run with jax {jax.__version__} ({error}), only with 0.10 to "
            "0.11; install one of these, or start a single process"
        ) from error


def _say_ended(store: Any, status: int) -> None:
    with suppress(jax.errors.JaxRuntimeError):  # another one has said so before
        store.key_value_set(ENDED, f"{status} {jax.process_index()}")


def _await_end(store: Any) -> None:
    try:
        said = store.blocking_key_value_get(ENDED, PATIENCE_MS)
    except jax.errors.JaxRuntimeError:  # the first process, which holds the store, was killed
        said = "1 0"
    status, rank = (int(number) for number in said.split())
    if status and rank != jax.process_index():
        # Those that leave wait for each other; the main thread may never come so far.
        with suppress(Exception):
            jax.distributed.shutdown()
        sys.stdout.flush()
        os._exit(status)
