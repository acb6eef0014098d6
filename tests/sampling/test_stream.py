"""Tests batches of samples, the compiled graph of a generator, and work in threads."""

import gc
import itertools
import threading
import time
import weakref

import keras
import numpy as np
import pytest

from gan import build_generator, generate, latents
from gan.errors import InputError
from gan.models import random
from gan.sampling import samples
from gan.sampling.generators import compiled
from gan.sampling.samples import batch_for, stream
from gan.utils.parallel import ahead, in_parallel


def small_generator(classes=10, side=28):
    keras.utils.set_random_seed(0)
    return build_generator((side, side, 1), 16, classes, width=8)


@pytest.fixture(scope="module")
def conditional():
    return small_generator()


def test_batches_yield_the_samples_in_order(conditional):
    options = {"seed": 3, "start": 1_015, "truncation": 1.5, "latent_noise": 0.1}  # crosses a block of latents
    batches = list(stream(conditional, 20, batch_size=7, **options))
    assert [batch.shape for batch in batches] == [(7, 28, 28, 1), (7, 28, 28, 1), (6, 28, 28, 1)]
    np.testing.assert_allclose(np.concatenate(batches), generate(conditional, 20, **options), atol=1e-5)


def test_each_batch_uses_its_own_labels(conditional):
    labels = np.arange(20) * 3 % 10
    result = np.concatenate(list(stream(conditional, 20, labels=labels, batch_size=6)))
    np.testing.assert_allclose(result, conditional([latents(0, np.arange(20), 16), labels], training=False), atol=1e-5)
    sevens = np.concatenate(list(stream(conditional, 20, labels=7, batch_size=6)))
    np.testing.assert_allclose(sevens[labels == 7], result[labels == 7], atol=1e-5)


def test_streams_an_unconditional_generator():
    generator = small_generator(classes=0)
    result = np.concatenate(list(stream(generator, 5, batch_size=2)))
    np.testing.assert_allclose(result, generator(latents(0, np.arange(5), 16), training=False), atol=1e-5)


def test_rejects_invalid_options_before_the_first_batch(conditional):
    for options in ({"num": 0}, {"labels": 12}, {"labels": [1, 2]}, {"batch_size": 0}, {"truncation": -1.0}):
        with pytest.raises(InputError):
            stream(conditional, **{"num": 4, **options})


def test_stream_generates_batches_lazily(conditional):
    batches = stream(conditional, 2**31 - 1, batch_size=3)
    assert next(batches).shape == (3, 28, 28, 1)


def test_compiled_graph_uses_the_current_weights():
    generator = small_generator()
    before = generate(generator, 4)
    generator.set_weights([2 * weight for weight in generator.get_weights()])
    after = generate(generator, 4)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(
        after, generator([latents(0, np.arange(4), 16), np.arange(4)], training=False), atol=1e-5
    )


def test_a_graph_is_compiled_once_and_freed_with_its_generator():
    generator = small_generator()
    graph = compiled(generator)
    for num in (1, 5, 64):
        generate(generator, num)
    assert compiled(generator) is graph
    assert graph.experimental_get_tracing_count() == 1
    reference = weakref.ref(generator)
    del generator, graph
    gc.collect()
    assert reference() is None


def test_larger_images_use_smaller_batches():
    def generator_of_side(side):
        inputs = keras.Input((4,))
        return keras.Model(inputs, keras.layers.Reshape((side, side, 1))(keras.layers.Dense(side * side)(inputs)))

    assert [batch_for(generator_of_side(side)) for side in (8, 28, 64, 600)] == [1_024, 512, 128, 1]


def test_graph_latents_equal_eager_latents():
    one_by_one = random._normal((samples.BLOCK, 3), 0, 9, 2).numpy()  # seed 9, third block
    np.testing.assert_array_equal(latents(9, np.arange(2_048, 3_072), 3), one_by_one)


def test_ahead_keeps_the_order_and_uses_another_thread():
    threads = set()

    def items():
        for number in range(50):
            threads.add(threading.current_thread())
            yield number

    assert list(ahead(items(), 4)) == list(range(50))
    assert threading.current_thread() not in threads
    assert len(threads) == 1


def test_ahead_buffers_a_few_items_and_stops_when_closed():
    created = []
    items = ahead((created.append(number) or number for number in itertools.count()), 3)
    assert next(items) == 0
    items.close()
    assert len(created) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("ahead", "parallel"))]


def test_ahead_raises_errors_at_their_position():
    def items():
        yield 1
        raise KeyError("broken")

    results = ahead(items())
    assert next(results) == 1
    with pytest.raises(KeyError, match="broken"):
        next(results)


def test_in_parallel_runs_concurrently_and_keeps_the_order():
    barrier = threading.Barrier(2)

    def delay_even_numbers(number):
        barrier.wait(timeout=30)  # passes only with two concurrent calls
        if number % 2 == 0:
            time.sleep(0.01)
        return number

    assert list(in_parallel(delay_even_numbers, range(20), 2)) == list(range(20))


def test_in_parallel_buffers_a_few_items_and_stops_when_closed():
    created = []
    items = in_parallel(lambda number: created.append(number) or number, itertools.count(), 3)
    assert next(items) == 0
    items.close()
    assert sorted(created) == list(range(len(created)))
    assert len(created) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("parallel")]


def test_in_parallel_raises_errors_at_their_position():
    results = in_parallel(lambda number: 1 // number, [1, 0, 1], 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_stream_keeps_its_generator_alive():
    batches = stream(small_generator(side=8), 3)
    gc.collect()
    assert len(next(batches)) == 3
