"""Ordered parallel work: iterators that compute ahead in other threads."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import count, takewhile
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(items: Iterator[Item], depth: int = 2) -> Generator[Item, None, None]:
    """Yields the items of an iterator and computes up to `depth` of them ahead, in another thread."""
    end = object()
    with closing(in_parallel(lambda _: next(items, end), count(), 1, depth)) as made:
        yield from takewhile(lambda item: item is not end, made)


def in_parallel(
    make: Callable[[Item], Result], items: Iterable[Item], workers: int, depth: int | None = None
) -> Generator[Result, None, None]:
    """Yields make(item) for each item, in order, with `workers` calls at the same time.

    Closing the generator waits for the calls in progress.

    Args:
        make: Function of an item. It runs in other threads.
        items: Items, which are read in the caller's thread.
        workers: Number of threads.
        depth: Results that are computed or waiting ahead of the one in use. None: `workers` + 1.
    """
    depth = workers + 1 if depth is None else depth
    threads = ThreadPoolExecutor(workers, thread_name_prefix="parallel")
    coming: deque[Future[Result]] = deque()
    try:
        for item in items:
            coming.append(threads.submit(make, item))
            if len(coming) > depth:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
