"""Work in other threads, whose results come in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(items: Iterator[Item], depth: int = 2) -> Generator[Item, None, None]:
    """The items of an iterator, up to `depth` of them made in a thread while one before them is used."""
    end = object()
    thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        coming = deque(thread.submit(next, items, end) for _ in range(depth))
        while (item := coming.popleft().result()) is not end:
            coming.append(thread.submit(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        thread.shutdown(cancel_futures=True)


def in_parallel(make: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Generator[Result, None, None]:
    """make(item) of each item, in their order, `workers` of them at the same time.

    `workers` + 2 results are there at most, the one in use included. Closing waits for those that are being made.
    """
    threads = ThreadPoolExecutor(workers, thread_name_prefix="parallel")
    coming: deque[Future[Result]] = deque()
    try:
        for item in items:
            coming.append(threads.submit(make, item))
            if len(coming) == workers + 2:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
