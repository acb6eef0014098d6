"""Tests that data of a wrong form, range or class is refused before the first step, and right data is read once."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same
from helpers.tiny import small_gan

from gan import InputError
from gan.models.first_batch import BatchCheck
from gan.models.watch import DataWatch

SHAPE, CLASSES, COUNT = (6, 4, 1), 3, 8
X = np.random.default_rng(0).uniform(-1, 1, (COUNT, *SHAPE)).astype(np.float32)
Y = (np.arange(COUNT) % CLASSES).astype(np.int32)
BYTES = ((X + 1) * 127.5).astype(np.uint8)
NAN = np.where(np.arange(COUNT)[:, None, None, None] == 2, np.nan, X).astype(np.float32)


class Batches(keras.utils.PyDataset):
    """Two batches, and the indices that were asked for."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y

    def __len__(self):
        return 2

    def __getitem__(self, index):
        part = slice(index * COUNT // 2, (index + 1) * COUNT // 2)
        return self.x[part], self.y[part]


FORMS = {
    "arrays": lambda x, y: {"x": x, "y": y, "batch_size": COUNT // 2},
    "tensors": lambda x, y: {"x": tf.constant(x), "y": tf.constant(y)},
    "tf.data": lambda x, y: {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(COUNT // 2)},
    "generator": lambda x, y: {"x": ((x[k : k + 4], y[k : k + 4]) for k in (0, 4))},
    "iterator": lambda x, y: {"x": iter([(x[:4], y[:4]), (x[4:], y[4:])])},
    "PyDataset": lambda x, y: {"x": Batches(x, y)},
}
WRONG = {
    "bytes": (BYTES, Y, r"type.*from_uint8.*uint8"),
    "floats up to 255": (BYTES.astype(np.float32), Y, r"out of range.*\[-1, 1\].*from_uint8.*from 0 to 2"),
    "standardized": (3 * X, Y, r"out of range.*\[-1, 1\]"),
    "truth values": (X > 0, Y, r"type.*x.* \* 2\.0 - 1\.0.*bool"),
    "16 bits": (BYTES.astype(np.float32) * 256, Y, r"out of range.*32767\.5"),
    "complex": (X.astype(np.complex64), Y, r"type.*complex64"),
    "NaN": (NAN, Y, r"finite.*24 NaN"),
    "no channels": (X[..., 0], Y, r"shape.*\[B, 6, 4, 1\].*x\[\.\.\., None\].*, 6, 4\]"),
    "channels first": (X.transpose(0, 3, 1, 2), Y, r"transpose\(x, \(0, 2, 3, 1\)\).*, 1, 6, 4\]"),
    "width first": (X.transpose(0, 2, 1, 3), Y, r"transpose\(x, \(0, 2, 1, 3\)\)"),
    "flat": (X.reshape(COUNT, -1), Y, r"reshape\(x, \(-1, 6, 4, 1\)\)"),
    "larger": (X.repeat(2, 1), Y, r"tf\.image\.resize\(x, \(6, 4\)\)"),
    "color": (X.repeat(3, 3), Y, r"rgb_to_grayscale"),
    "swapped": (Y, X, r"\(images, labels\).*in this order"),
    "one-hot": (X, np.eye(CLASSES, dtype=np.float32)[Y], r"0 to 2.*argmax\(y, -1\)"),
    "from 1": (X, Y + 1, r"0 to 2.*y - 1"),
    "negative": (X, Y - 1, r"0 to 2.*-1"),
    "fractions": (X, Y + 0.5, r"0 to 2.*0\.5, 1\.5, 2\.5"),
    "text": (X, np.array(["cat", "dog", "cow"])[Y], r"0 to 2.*np\.unique"),
    "NaN labels": (X, np.full(COUNT, np.nan), r"0 to 2.*nan"),
}


@pytest.fixture
def watch():
    return DataWatch(BatchCheck(SHAPE, CLASSES))


def read(watch, **arguments):
    """Returns the batches that Keras would read from the checked data."""
    with watch(keras.Model.fit, **arguments) as checked:
        x = checked["x"]
        if isinstance(x, keras.utils.PyDataset):
            return [x[index] for index in range(x.num_batches)]
        return [(x, checked["y"])] if hasattr(x, "shape") else list(x)


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("wrong", sorted(WRONG))
def test_refuses_a_wrong_batch(watch, form, wrong):
    x, y, message = WRONG[wrong]
    with pytest.raises(InputError, match=rf"(?s){message}"):
        read(watch, **FORMS[form](x, y))


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("labels", [Y, Y.astype(np.uint8), Y.astype(np.float64), Y[:, None], Y > 0], ids=range(5))
def test_passes_right_batches_on(watch, form, labels):
    parts = [[np.asarray(part) for part in batch] for batch in read(watch, **FORMS[form](X, labels))]
    assert_same([np.concatenate(part) for part in zip(*parts)], [X, labels])


@pytest.mark.parametrize("form", sorted(FORMS))
def test_warns_once_of_pixels_from_0_to_1(watch, form):
    with pytest.warns(UserWarning, match=r"\[-1, 1\].*x \* 2\.0 - 1\.0"):
        read(watch, **FORMS[form]((X + 1) / 2, Y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(watch, **FORMS[form]((X + 1) / 2, Y))
        read(DataWatch(BatchCheck(SHAPE, CLASSES)), **FORMS[form](np.zeros_like(X), Y))


OTHER = {
    "a name": ({"x": "mnist"}, "Unknown form"),
    "nothing": ({}, "Unknown form"),
    "a dict": ({"x": {"image": X, "label": Y}}, r"batch\['image'\]"),
    "a list of images": ({"x": list(X)}, "np.asarray"),
    "a list of labels": ({"x": X, "y": Y.tolist()}, "np.asarray"),
    "a pair": ({"x": [X, Y]}, r"fit\(x, y\)"),
    "no labels": ({"x": X}, "Labels are missing"),
    "fewer labels": ({"x": X, "y": Y[:3]}, "8 images, 3 labels"),
    "one image": ({"x": X[0], "y": Y}, r"x\[None\]"),
    "no images": ({"x": X[:0], "y": Y[:0]}, "no images"),
    "an empty data set": ({"x": tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).take(0)}, "no images"),
    "an empty iterator": ({"x": iter([])}, "no images"),
    "a late label": ({"x": X, "y": np.r_[Y[:-1], 7], "batch_size": 2}, "with 7"),
    "validation data": ({"x": X, "y": Y, "validation_data": (BYTES, Y)}, "from_uint8"),
}


@pytest.mark.parametrize("other", sorted(OTHER))
def test_refuses_other_data(watch, other):
    arguments, message = OTHER[other]
    with pytest.raises(InputError, match=message):
        read(watch, **arguments)


def test_points_have_no_range():
    points = 100 * np.ones((3, 2), np.int64)
    BatchCheck((2,), 0).values(points)
    images, labels = BatchCheck((2,), 0).unpack((tf.constant(points), None))
    assert (images.dtype, labels) == (tf.float32, None)


def test_a_source_is_read_once_and_in_order(watch):
    asked = []

    def batches():
        for number in range(5):
            asked.append(number)
            yield X[:4], np.full(4, number % CLASSES)

    spec = (tf.TensorSpec((4, *SHAPE)), tf.TensorSpec((4,), tf.int64))
    found = read(watch, x=tf.data.Dataset.from_generator(batches, output_signature=spec))
    assert [int(labels[0]) for _, labels in found] == [0, 1, 2, 0, 1]
    assert asked == [*range(5)]
    assert [int(labels[0]) for _, labels in read(watch, x=batches())] == [0, 1, 2, 0, 1]
    assert asked == [*range(5), *range(5)]


def test_later_batches_are_not_checked(watch):
    data = tf.data.Dataset.from_tensor_slices((np.concatenate([X, 9 * X]), np.r_[Y, Y])).batch(COUNT)
    assert len(read(watch, x=data)) == 2
    assert int(read(watch, x=data)[1][0].shape[0]) == COUNT


def test_fit_refuses_before_the_first_step_and_trains_as_without_the_check(monkeypatch):
    weights = []
    for watched in (True, False):
        gan = small_gan(CLASSES, shape=(8, 8, 1), steps_per_execution=2)
        images = np.resize(X, (COUNT, 8, 8, 1))
        if watched:
            with pytest.raises(InputError, match="out of range"):
                gan.fit(tf.data.Dataset.from_tensor_slices((300 * images, Y)).batch(4), shuffle=False, verbose=0)
            assert int(gan.step) == 0
        else:
            monkeypatch.setattr("gan.models.watch._looking_dataset", lambda batches, look: batches)
        gan.fit(tf.data.Dataset.from_tensor_slices((images, Y)).batch(4), shuffle=False, epochs=2, verbose=0)
        weights.append(gan.generator_ema.get_weights())
    assert_same(*weights)
    with pytest.raises(InputError, match="from_uint8"):
        small_gan(CLASSES, shape=(8, 8, 1)).train_on_batch(np.full((4, 8, 8, 1), 200, np.uint8), Y[:4])
