"""Work in other threads, whose results come in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import count, takewhile
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(items: Iterator[Item], depth: int = 2) -> Generator[Item, None, None]:
    """The items of an iterator, up to `depth` of them made in a thread while one before them is used."""
    end = object()
    with closing(in_parallel(lambda _: next(items, end), count(), 1, depth)) as made:
        yield from takewhile(lambda item: item is not end, made)


def in_parallel(
    make: Callable[[Item], Result], items: Iterable[Item], workers: int, depth: int | None = None
) -> Generator[Result, None, None]:
    """make(item) of each item, in their order, `workers` of them at the same time.

    Up to `depth` results (None: `workers` + 1) are made or waiting while one before them is used. Closing waits for
    those that are being made.
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
