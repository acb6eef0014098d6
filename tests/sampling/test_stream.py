"""Pictures in batches, and the graph that draws them."""

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
from gan.sampling.samples import batch_for, compiled, stream
from gan.utils.parallel import ahead, in_parallel


def small(classes=10, side=28):
    keras.utils.set_random_seed(0)
    return build_generator((side, side, 1), 16, classes, width=8)


@pytest.fixture(scope="module")
def conditional():
    return small()


def test_batches_are_the_pictures_in_order(conditional):
    options = {"seed": 3, "start": 1_015, "truncation": 1.5, "latent_noise": 0.1}  # over the end of a block of latents
    batches = list(stream(conditional, 20, batch_size=7, **options))
    assert [batch.shape for batch in batches] == [(7, 28, 28, 1), (7, 28, 28, 1), (6, 28, 28, 1)]
    np.testing.assert_allclose(np.concatenate(batches), generate(conditional, 20, **options), atol=1e-5)


def test_each_batch_has_its_own_labels(conditional):
    asked = np.arange(20) * 3 % 10
    drawn = np.concatenate(list(stream(conditional, 20, labels=asked, batch_size=6)))
    np.testing.assert_allclose(drawn, conditional([latents(0, np.arange(20), 16), asked], training=False), atol=1e-5)
    sevens = np.concatenate(list(stream(conditional, 20, labels=7, batch_size=6)))
    np.testing.assert_allclose(sevens[asked == 7], drawn[asked == 7], atol=1e-5)


def test_an_unconditional_generator_streams():
    generator = small(classes=0)
    drawn = np.concatenate(list(stream(generator, 5, batch_size=2)))
    np.testing.assert_allclose(drawn, generator(latents(0, np.arange(5), 16), training=False), atol=1e-5)


def test_bad_options_are_refused_before_a_picture_is_asked_for(conditional):
    for options in ({"num": 0}, {"labels": 12}, {"labels": [1, 2]}, {"batch_size": 0}, {"truncation": -1.0}):
        with pytest.raises(InputError):
            stream(conditional, **{"num": 4, **options})


def test_a_stream_draws_no_more_than_is_asked_for(conditional):
    batches = stream(conditional, 2**31 - 1, batch_size=3)
    assert next(batches).shape == (3, 28, 28, 1)


def test_the_graph_draws_with_the_weights_of_the_moment():
    generator = small()
    before = generate(generator, 4)
    generator.set_weights([2 * weight for weight in generator.get_weights()])
    after = generate(generator, 4)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(
        after, generator([latents(0, np.arange(4), 16), np.arange(4)], training=False), atol=1e-5
    )


def test_a_graph_is_made_once_and_goes_with_its_generator():
    generator = small()
    graph = compiled(generator)
    for num in (1, 5, 64):
        generate(generator, num)
    assert compiled(generator) is graph
    assert graph.experimental_get_tracing_count() == 1
    known = weakref.ref(generator)
    del generator, graph
    gc.collect()
    assert known() is None


def test_larger_pictures_are_drawn_in_smaller_batches():
    def sized(side):
        inputs = keras.Input((4,))
        return keras.Model(inputs, keras.layers.Reshape((side, side, 1))(keras.layers.Dense(side * side)(inputs)))

    assert [batch_for(sized(side)) for side in (8, 28, 64, 600)] == [1_024, 512, 128, 1]


def test_latents_as_a_graph_are_those_of_single_calls():
    one_by_one = random._normal((samples.BLOCK, 3), 0, 9, 2).numpy()  # seed 9, third block
    np.testing.assert_array_equal(latents(9, np.arange(2_048, 3_072), 3), one_by_one)


def test_ahead_keeps_the_order_and_works_in_another_thread():
    threads = set()

    def items():
        for number in range(50):
            threads.add(threading.current_thread())
            yield number

    assert list(ahead(items(), 4)) == list(range(50))
    assert threading.current_thread() not in threads
    assert len(threads) == 1


def test_ahead_makes_a_few_items_and_stops_with_its_user():
    made = []
    items = ahead((made.append(number) or number for number in itertools.count()), 3)
    assert next(items) == 0
    items.close()
    assert len(made) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("ahead", "parallel"))]


def test_ahead_passes_errors_on_in_their_place():
    def items():
        yield 1
        raise KeyError("broken")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(KeyError, match="broken"):
        next(found)


def test_in_parallel_works_on_several_items_at_once_and_keeps_their_order():
    both = threading.Barrier(2)

    def late_when_even(number):
        both.wait(timeout=30)  # nobody passes alone
        if number % 2 == 0:
            time.sleep(0.01)
        return number

    assert list(in_parallel(late_when_even, range(20), 2)) == list(range(20))


def test_in_parallel_makes_a_few_items_and_stops_with_its_user():
    made = []
    items = in_parallel(lambda number: made.append(number) or number, itertools.count(), 3)
    assert next(items) == 0
    items.close()
    assert sorted(made) == list(range(len(made)))
    assert len(made) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("parallel")]


def test_in_parallel_passes_errors_on_in_their_place():
    found = in_parallel(lambda number: 1 // number, [1, 0, 1], 2)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)


def test_a_stream_keeps_its_generator_alive():
    drawn = stream(small(side=8), 3)
    gc.collect()
    assert len(next(drawn)) == 3
