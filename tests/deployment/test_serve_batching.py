import threading
import time
from concurrent.futures import wait

import numpy as np
import pytest
from helpers.serving import SumEngine

from gan.deployment.serve.batching import BatchQueue, QueueClosedError, QueueFullError


def rows(first, label):
    """Returns the inputs of a request whose sample i is first + i + 10 label."""

    def inputs(part):
        numbers = np.arange(first + part.start, first + part.stop, dtype=np.float32)
        return np.stack([numbers, 0 * numbers], axis=1), np.full(len(part), label, np.int32)

    return inputs


@pytest.fixture
def held():
    """An engine whose batches wait until the event is set, and a queue of one thread, with capacity 100."""
    go, sizes = threading.Event(), []
    engine = SumEngine(go.wait)
    queue = BatchQueue(engine, capacity=100, workers=1, on_batch=sizes.append)
    yield engine, queue, go, sizes
    go.set()
    queue.close()


def wait_for_thread(queue):
    """Waits until the thread has taken all that waits."""
    while queue.queued:
        time.sleep(0.001)


def test_requests_that_wait_share_a_batch_that_is_padded(held):
    engine, queue, go, sizes = held
    alone = queue.submit(1, rows(5, 0))
    wait_for_thread(queue)
    together = [queue.submit(3, rows(100 * number, number)) for number in range(3)]
    assert queue.queued == 9
    go.set()
    assert alone.result().ravel().tolist() == [5.0]
    for number, found in enumerate(together):
        first = 100 * number + 10 * number
        assert found.result().ravel().tolist() == [first, first + 1, first + 2]
    assert engine.sizes == [1, 64]
    assert sizes == [1, 9]


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 8), (8, 8), (9, 64), (64, 64)])
def test_batches_are_padded_to_the_next_size(count, size):
    engine = SumEngine()
    queue = BatchQueue(engine, capacity=100)
    assert len(queue.submit(count, rows(0, 1)).result()) == count
    queue.close()
    assert engine.sizes == [size]


def test_a_large_request_is_split_and_joined_in_order():
    engine = SumEngine()
    queue = BatchQueue(engine, capacity=10)
    found = queue.submit(200, rows(0, 2)).result()
    assert found.ravel().tolist() == [20.0 + number for number in range(200)]
    queue.close()
    assert sorted(engine.sizes) == [8, 64, 64, 64]


def test_requests_are_computed_alone_if_asked():
    go = threading.Event()
    engine = SumEngine(go.wait)
    queue = BatchQueue(engine, capacity=100, workers=1, together=False)
    found = [queue.submit(2, rows(0, 0)) for _ in range(3)]
    go.set()
    wait(found)
    queue.close()
    assert engine.sizes == [8, 8, 8]


def test_a_full_queue_refuses_and_an_empty_one_takes_any_request(held):
    _, queue, go, _ = held
    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    queue.submit(90, rows(0, 0))
    with pytest.raises(QueueFullError):
        queue.submit(11, rows(0, 0))
    last = queue.submit(10, rows(0, 0))
    go.set()
    assert len(last.result()) == 10
    assert len(queue.submit(1_000, rows(0, 0)).result()) == 1_000


def test_a_cancelled_request_is_not_computed(held):
    _, queue, go, sizes = held
    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    cancelled, kept = queue.submit(64, rows(0, 0)), queue.submit(2, rows(7, 0))
    assert cancelled.cancel()
    go.set()
    assert kept.result().ravel().tolist() == [7.0, 8.0]
    assert sizes == [1, 2]
    assert queue.queued == 0


def test_cancelled_requests_leave_room_for_others(held):
    _, queue, go, _ = held
    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    cancelled = queue.submit(64, rows(0, 0))
    queue.submit(30, rows(0, 0))
    with pytest.raises(QueueFullError):
        queue.submit(64, rows(0, 0))
    cancelled.cancel()
    last = queue.submit(64, rows(3, 0))
    assert queue.queued == 94
    go.set()
    assert last.result()[0].item() == 3


def test_an_error_reaches_its_batch_and_the_next_batch_is_computed():
    def broken(part):
        raise ValueError("no inputs")

    queue = BatchQueue(SumEngine(), capacity=100)
    with pytest.raises(ValueError, match="no inputs"):
        queue.submit(200, broken).result()
    assert queue.submit(1, rows(3, 0)).result().ravel().tolist() == [3.0]
    queue.close()


def test_closing_computes_what_was_accepted_and_refuses_more(held):
    _, queue, go, _ = held
    accepted = [queue.submit(50, rows(0, 0)), queue.submit(50, rows(0, 0))]
    go.set()
    queue.close()
    assert all(found.done() for found in accepted)
    with pytest.raises(QueueClosedError):
        queue.submit(1, rows(0, 0))


def test_warming_up_runs_every_size():
    engine = SumEngine()
    queue = BatchQueue(engine, capacity=1)
    queue.warm_up()
    queue.close()
    assert engine.sizes == [1, 8, 64]
