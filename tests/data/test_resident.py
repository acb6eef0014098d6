"""Tests of the order of batches, and of batches as functions of their numbers."""

import pickle

import numpy as np
import pytest
import tensorflow as tf

from gan.data.images import HALF, from_uint8, scale_bytes
from gan.data.order import Order
from gan.data.resident import bytes_on_device, gather, numbered_batches, resident_batches
from gan.data.split import Split

RANDOM = np.random.default_rng(0)
SPLIT = Split(RANDOM.integers(0, 256, (23, 2, 2, 1), np.uint8), RANDOM.integers(0, 9, 23).astype(np.int32))


def numbers_of(batches, together=3):
    """Returns the numbers of the batches of an iteration over a dataset of `Split.batches`."""
    numbers = resident_batches(batches).numbers(together)
    assert int(numbers.cardinality()) == int(batches.cardinality())
    return [int(number) for some in numbers.take(-(-int(batches.cardinality()) // together)) for number in some]


@pytest.mark.parametrize(
    ("steps", "first_step"),
    [(9, 5), *(pytest.param(*one, marks=pytest.mark.slow) for one in [(None, 0), (2, 0), (3, 3), (6, 1)])],
)
def test_numbers_and_streamed_batches_are_the_same_run(steps, first_step):
    batches = SPLIT.batches(5, steps=steps, first_step=first_step, seed=3)
    order = resident_batches(batches).order
    for _ in range(3):
        streamed = [labels.numpy().tolist() for _, labels in batches]
        iteration = resident_batches(batches).order.iteration
        iteration.start_at(iteration._done - 1)  # the same iteration again
        rows = order.look_up(np.array(numbers_of(batches)))
        assert SPLIT.labels[rows].tolist() == streamed
    assert numbers_of(SPLIT.batches(5, steps=steps, first_step=first_step))[0] == first_step


def test_a_pass_contains_each_image_at_most_once_and_depends_on_its_number():
    order = Order(count=23, batch_size=5, steps=1, seed=0, first_step=0, iteration=None)
    assert order.per_pass == 4
    passes = order.look_up(np.arange(8)).reshape(2, 20)
    assert all(len(set(one)) == 20 for one in passes.tolist())
    assert passes[0].tolist() != passes[1].tolist()
    np.testing.assert_array_equal(order.look_up(np.array([6, 1])), passes.reshape(8, 5)[[6, 1]])


def test_numbers_are_counted_as_batches_are():
    batches = SPLIT.batches(5, steps=4)
    assert numbers_of(batches) == [0, 1, 2, 3]
    assert numbers_of(batches) == [4, 5, 6, 7]
    next(iter(resident_batches(batches).numbers(1)))
    assert numbers_of(batches) == [8, 9, 10, 11]
    repeated = SPLIT.batches(5, steps=4, reshuffle_each_iteration=False)
    assert numbers_of(repeated) == numbers_of(repeated) == [0, 1, 2, 3]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gathered_batches_have_the_bits_of_streamed_ones(jit_compile):
    """A compiler multiplies by the reciprocal of a constant."""
    every_byte = Split(np.arange(256, dtype=np.uint8).reshape(16, 4, 4, 1), np.arange(16, dtype=np.int32))
    batches = every_byte.batches(16)
    data = every_byte.on_device("CPU:0")
    half = tf.constant(HALF)
    inside = tf.function(lambda rows: gather(data, rows, half), jit_compile=jit_compile, autograph=False)
    found = inside(tf.constant(resident_batches(batches).order.look_up(np.array([0]))[0]))
    (streamed,) = batches
    for one, other in zip(found, streamed, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(scale_bytes(np.float32([0, 255]), HALF), from_uint8(np.float32([0, 255])))


def test_the_first_batch_is_that_of_the_dataset():
    batches = SPLIT.batches(5, first_step=7)
    for one, other in zip(resident_batches(batches).first(), next(iter(batches)), strict=True):
        np.testing.assert_array_equal(one, other)
    bare = Split(SPLIT.images, None).batches(5)
    np.testing.assert_array_equal(resident_batches(bare).first(), next(iter(bare)))


def test_only_the_datasets_themselves_are_known():
    batches = SPLIT.batches(5)
    numbers = resident_batches(batches).numbers(2)
    assert numbered_batches(numbers) is resident_batches(batches)
    assert resident_batches(numbers) is numbered_batches(batches) is None
    assert resident_batches(batches.map(lambda *batch: batch)) is None
    assert resident_batches(SPLIT.images) is numbered_batches(None) is None


def test_a_pickled_split_has_its_arrays_only():
    split = Split(SPLIT.images, SPLIT.labels)
    bare = pickle.dumps(split)
    split.on_device("CPU:0")
    assert pickle.dumps(split) == bare
    loaded = pickle.loads(bare)
    np.testing.assert_array_equal(loaded.images, split.images)
    np.testing.assert_array_equal(loaded.on_device("CPU:0")[1], split.labels)


def test_bytes_and_tensors_on_a_device(tmp_path):
    assert bytes_on_device(SPLIT) == 23 * 4 + 23 * 8
    assert SPLIT.on_device("CPU:0")[0] is SPLIT.on_device("CPU:0")[0]
    assert SPLIT.on_device("CPU:0")[1].dtype == tf.int64
    in_file = np.memmap(tmp_path / "images", np.uint8, "w+", shape=(3, 2, 2, 1))
    assert bytes_on_device(Split(in_file, None)) is None
