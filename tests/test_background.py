import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from simgan_jax.io.background import ahead, prefetch


def test_items_come_in_order_from_another_thread():
    threads = set()

    def items():
        for i in range(5):
            threads.add(threading.current_thread())
            yield i

    assert list(prefetch(items(), 2)) == [0, 1, 2, 3, 4]
    assert len(threads) == 1
    assert threading.current_thread() not in threads


def test_the_thread_stays_so_many_items_ahead():
    made = threading.Semaphore(0)
    count = 0

    def items():
        nonlocal count
        while True:
            count += 1
            made.release()
            yield count

    taken = prefetch(items(), 3)
    assert [next(taken), next(taken)] == [1, 2]
    for _ in range(5):
        assert made.acquire(timeout=60)
    assert not made.acquire(timeout=0.2)
    assert count == 5
    taken.close()


def test_an_error_is_raised_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("the second")

    taken = prefetch(items(), 2)
    assert next(taken) == 1
    with pytest.raises(ValueError, match="the second"):
        next(taken)


def test_the_thread_ends_with_who_takes_its_items():
    before = threading.active_count()
    taken = prefetch(iter(range(100)), 2)
    assert next(taken) == 0
    assert threading.active_count() == before + 1
    taken.close()
    assert threading.active_count() == before


def test_ahead_keeps_order_and_bounds_what_is_under_way():
    started = []
    with ThreadPoolExecutor(2) as pool:
        results = ahead(pool, lambda x: started.append(x) or x, range(2000), lambda x: 1)
        assert next(results) == 0
        time.sleep(0.05)
        assert max(started) < 300
        assert list(results) == list(range(1, 2000))
