"""Several processes of one run: which of them speaks, and how they begin and end together."""

import itertools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from simgan_jax.errors import UserError

# Key under which the first process that ends says how: "status rank".
ENDED = "simgan_jax/ended"
# Longer than any evaluation.
PATIENCE_MS = 30 * 24 * 3600 * 1000
# Each process counts under its rank here every few seconds. JAX itself notices the death of another one
# after minutes, and a collective that waits for it never does.
BEATS = "simgan_jax/beats/{}"
BEAT_SECONDS, SILENCE_SECONDS = 4, 40
# What one process cannot do, the others mostly cannot either: time to say so themselves.
OWN_WORDS_SECONDS = 2
# For the rest of an end. JAX waits there for the others, and for one that is gone until it aborts.
LAST_SECONDS = 10
# What collectives and the store say when the other end of a connection is gone.
GONE = re.compile("gloo|nccl|connection|peer|unavailable|heartbeat|coordination", re.IGNORECASE)


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
    own status, wherever they are: they would wait for it. One that dies or hangs is missed within a
    minute, and ends all the others with status 2.

    Raises:
        UserError: this JAX hides the store by which they tell each other how they end; or another
            process is gone.
    """
    jax.distributed.initialize()
    shared = _shared()
    failed = threading.Event()
    end = threading.Thread(target=_await_end, args=(shared, failed), daemon=True)
    end.start()
    listening = threading.Thread(target=_listen, args=(shared, end), daemon=True)
    listening.start()
    try:
        yield
    except BaseException as error:
        status = _status(error)
        _say_ended(shared, status)
        if _is_of_one_that_is_gone(error):
            end.join(BEAT_SECONDS)  # the other one may have said how it ended
            _leave("another process")
        failed.set()
        _end_soon(status)
        end.join(BEAT_SECONDS)
        listening.join(BEAT_SECONDS)
        raise
    if shared.process_id == 0:
        _say_ended(shared, 0)
    # JAX takes the store down when the process ends; who asks it then is aborted.
    end.join()
    listening.join()


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


def _shared() -> Any:
    """What JAX's own processes share, a key-value store above all; it gives no public way to it."""
    try:
        from jax._src import distributed

        return distributed.global_state
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"several processes do not run with jax {jax.__version__} ({error}), only with 0.10 to "
            "0.12; install one of these, or start a single process"
        ) from error


def _say_ended(shared: Any, status: int) -> None:
    with suppress(jax.errors.JaxRuntimeError):  # another one has said so before
        shared.client.key_value_set(ENDED, f"{status} {shared.process_id}")


def _status(error: BaseException) -> int:
    """That of a command which ends with an error."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return 2 if isinstance(error, UserError) else 1


def _is_of_one_that_is_gone(error: BaseException | None) -> bool:
    """Whether an error, or what it was raised from, says that nobody is at the other end."""
    while error is not None:
        if isinstance(error, jax.errors.JaxRuntimeError) and GONE.search(str(error)):
            return True
        error = error.__cause__
    return False


def _end_soon(status: int) -> None:
    timer = threading.Timer(LAST_SECONDS, os._exit, (status,))
    timer.daemon = True
    timer.start()


def _listen(shared: Any, end: threading.Thread) -> None:
    """Leaves when another process no longer beats; until they all end."""
    others = (rank for rank in range(shared.num_processes) if rank != shared.process_id)
    heard = {rank: ("", time.monotonic()) for rank in others}
    # In a thread of its own: asking a store that hangs never returns.
    beating = threading.Thread(target=_beat, args=(shared, heard, end), daemon=True)
    beating.start()
    while end.is_alive():
        end.join(BEAT_SECONDS)
        for rank, (_, since) in heard.items():
            if end.is_alive() and time.monotonic() - since > SILENCE_SECONDS:
                _leave(f"process {rank}")
    beating.join(BEAT_SECONDS)


def _beat(shared: Any, heard: dict[int, tuple[str, float]], end: threading.Thread) -> None:
    """Beats, and notes in `heard` what the others have last said, and when."""
    with suppress(jax.errors.JaxRuntimeError):  # the store is gone, and `_await_end` says so
        for beat in itertools.count():
            if not end.is_alive():
                return
            own = BEATS.format(shared.process_id)
            shared.client.key_value_set(own, str(beat), allow_overwrite=True)
            found = dict(shared.client.key_value_dir_get(BEATS.format("")))
            for rank, (last, _) in heard.items():
                if (said := found.get(BEATS.format(rank), "")) != last:
                    heard[rank] = (said, time.monotonic())
            end.join(BEAT_SECONDS)


def _leave(who: str) -> NoReturn:
    """Ends this process at once: what is under way waits for one that will not come."""
    print(
        f"simgan: {who} of this run is gone or hangs; start all of them again, and the run goes on "
        "from its last checkpoint",
        file=sys.stderr,
        flush=True,
    )
    sys.stdout.flush()
    os._exit(2)


def _await_end(shared: Any, failed: threading.Event) -> None:
    """Ends this process as the first one that ended did, unless its main thread has `failed` too.

    `jax.process_index` would wait here for devices that the main thread never asked for.
    """
    try:
        said = shared.client.blocking_key_value_get(ENDED, PATIENCE_MS)
    except jax.errors.JaxRuntimeError:  # it was killed, and with it the store
        if shared.process_id == 0:
            return
        _leave("the first process")
    status, rank = (int(number) for number in said.split())
    if status and rank != shared.process_id and not failed.wait(OWN_WORDS_SECONDS):
        # Those that leave wait for each other; the main thread may never come so far.
        _end_soon(status)
        with suppress(Exception):
            jax.distributed.shutdown()
        sys.stdout.flush()
        os._exit(status)
