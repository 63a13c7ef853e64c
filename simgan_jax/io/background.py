"""Work in threads ahead of where its results are needed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

T, S = TypeVar("T"), TypeVar("S")

# What waits, decoded, for the device, and refined, to be written; and what a thread takes at a time.
VALUES_AHEAD, CHUNKS_AHEAD = 2**25, 32
CHUNK_ITEMS, CHUNK_VALUES = 8, 2**16


def prefetch(items: Iterator[T], number: int) -> Iterator[T]:
    """The items of an iterator, made by a thread that stays a few ahead of who takes them.

    Args:
        items: runs in the thread; what it raises is raised here, in its place.
        number: items to keep ready.
    """
    over = object()
    with ThreadPoolExecutor(1) as thread:
        pending = deque(thread.submit(next, items, over) for _ in range(number))
        try:
            while (item := pending.popleft().result()) is not over:
                pending.append(thread.submit(next, items, over))
                yield item
        finally:
            for future in pending:
                future.cancel()


def ahead(
    pool: Executor,
    function: Callable[[T], S],
    items: Iterable[T],
    values: Callable[[T], int],
    drain: bool = False,
) -> Iterator[S]:
    """`map` in a pool, in order, a few items at a time, with a bound on what is under way.

    Args:
        pool: of threads.
        function: to map.
        items: taken up to the bound before the first result is yielded.
        values: of an item that its result holds in memory.
        drain: yield results as soon as they are there instead, and look ahead no more than that.
    """
    pending: deque = deque()
    held = 0

    def results() -> Iterator[S]:
        nonlocal held
        future, size = pending.popleft()
        held -= size
        yield from future.result()

    try:
        for chunk, size in _chunks(items, values):
            pending.append((pool.submit(lambda chunk=chunk: [function(x) for x in chunk]), size))
            held += size
            while pending and (
                held > VALUES_AHEAD
                or len(pending) > CHUNKS_AHEAD
                or (drain and pending[0][0].done())
            ):
                yield from results()
        while pending:
            yield from results()
    finally:
        for future, _ in pending:
            future.cancel()


def _chunks(items: Iterable[T], values: Callable[[T], int]) -> Iterator[tuple[list[T], int]]:
    """Small items a few at a time: to hand one over costs as much as to decode it."""
    chunk, size = [], 0
    for item in items:
        chunk.append(item)
        size += values(item)
        if len(chunk) == CHUNK_ITEMS or size > CHUNK_VALUES:
            yield chunk, size
            chunk, size = [], 0
    if chunk:
        yield chunk, size
