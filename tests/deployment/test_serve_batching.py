import threading
import time
from concurrent.futures import Future, wait

import numpy as np
import pytest
from helpers.serving import SumEngine

from gan.deployment.serve.batching import BatchQueue, QueueClosedError, QueueFullError
from gan.errors import InputError


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


def test_a_request_whose_inputs_fail_leaves_the_others_of_its_batch(held):
    def broken(part):
        raise ValueError("no inputs")

    engine, queue, go, _ = held
    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    good, bad, last = queue.submit(2, rows(3, 0)), queue.submit(2, broken), queue.submit(1, rows(9, 0))
    go.set()
    assert good.result().ravel().tolist() == [3.0, 4.0]
    assert last.result().ravel().tolist() == [9.0]
    assert isinstance(bad.exception(), ValueError)
    assert engine.sizes == [1, 8]


def test_a_request_that_the_engine_does_not_compute_leaves_the_others_of_its_batch(held, monkeypatch):
    engine, queue, go, sizes = held

    def fails(latents, labels):
        if (latents == 77).any():
            raise MemoryError("no room")
        return engine(latents, labels)

    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    monkeypatch.setattr(queue, "_engine", fails)
    good, bad, other = queue.submit(2, rows(3, 0)), queue.submit(1, rows(77, 0)), queue.submit(1, lambda part: (0, 0))
    go.set()
    assert good.result().ravel().tolist() == [3.0, 4.0]
    assert isinstance(bad.exception(), MemoryError)
    assert isinstance(other.exception(), ValueError)  # inputs without rows
    assert sizes == [1, 2]


def test_only_the_request_with_samples_that_are_not_finite_is_refused(held):
    engine, queue, go, _ = held
    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    infinite = np.full((1, 2), np.inf, np.float32), np.zeros(1, np.int32)
    good, bad = queue.submit(2, rows(3, 0)), queue.submit(1, lambda part: infinite)
    go.set()
    assert good.result().ravel().tolist() == [3.0, 4.0]
    with pytest.raises(InputError, match="not finite"):
        bad.result()
    assert engine.sizes == [1, 8]


def test_requests_take_turns():
    go, sizes, ended = threading.Event(), [], []
    queue = BatchQueue(SumEngine(go.wait), capacity=1_000, workers=1, on_batch=sizes.append)
    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    for name, count in (("large", 5 * 64), ("other", 3 * 64), ("small", 1)):
        queue.submit(count, rows(0, 0)).add_done_callback(lambda _, name=name: ended.append(name))
    go.set()
    queue.close()
    assert ended == ["small", "other", "large"]
    assert sizes == [1, 64, 64, 1, 64, 64, 64, 64, 64, 64]


def test_a_part_that_does_not_fit_is_the_first_of_the_next_batch(held):
    _, queue, go, sizes = held
    queue.submit(1, rows(0, 0))
    wait_for_thread(queue)
    for count in (40, 30, 20):
        queue.submit(count, rows(0, 0))
    go.set()
    queue.close()
    assert sizes == [1, 60, 30]


def test_threads_outlive_parts_of_a_request_that_fail_at_the_same_time(monkeypatch):
    together, is_broken = threading.Barrier(3, timeout=10), True

    def before():
        if is_broken:
            together.wait()
            raise MemoryError("no room")

    def slowly(future, begin=Future.set_running_or_notify_cancel):
        time.sleep(0.005)  # all three threads are here, if they may be
        return begin(future)

    monkeypatch.setattr(Future, "set_running_or_notify_cancel", slowly)
    queue = BatchQueue(SumEngine(before), capacity=1_000, workers=3)
    for _ in range(3):  # three parts, one for each thread
        assert isinstance(queue.submit(3 * 64, rows(0, 0)).exception(), MemoryError)
    is_broken = False
    assert queue.submit(200, rows(0, 0)).result()[-1].item() == 199
    assert all(thread.is_alive() for thread in queue._threads)
    queue.close()


def test_a_thread_outlives_an_error_of_the_queue(monkeypatch, capsys):
    queue = BatchQueue(SumEngine(), capacity=1_000, workers=1)
    finish = queue._finish
    monkeypatch.setattr(queue, "_finish", lambda piece, images: finish(piece, None))
    assert isinstance(queue.submit(1, rows(0, 0)).exception(), TypeError)
    monkeypatch.setattr(queue, "_finish", finish)
    assert queue.submit(1, rows(3, 0)).result().item() == 3
    queue.close()
    assert '"event": "failure"' in capsys.readouterr().err


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
