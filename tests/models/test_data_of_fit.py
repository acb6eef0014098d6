"""Tests that the first batch is checked before the first step, and that every batch is read once and in its order."""

import warnings
from contextlib import contextmanager

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import dense_gan, sequential
from keras import layers

from gan import GAN, InputError
from gan.models.first_batch import BatchCheck

pytestmark = pytest.mark.slow  # test_first_batch.py has the quick tests of the same checks

IMAGES = np.random.default_rng(0).uniform(-1, 1, (12, 8, 8, 1)).astype(np.float32)
LABELS = np.arange(12) % 3
BYTES = ((IMAGES + 1) * 127.5).astype(np.uint8)


def conditional_network(shape, *body):
    first, labels = keras.Input(shape), keras.Input((), dtype="int32")
    outputs = layers.Concatenate()([layers.Flatten()(first), layers.Embedding(3, 2)(labels)])
    for layer in body:
        outputs = layer(outputs)
    return keras.Model([first, labels], outputs)


def make(classes=0, **options):
    """Returns a compiled GAN of images [B, 8, 8, 1] with dense networks, which runs eagerly."""
    bodies = [[layers.Dense(64, activation="tanh"), layers.Reshape((8, 8, 1))], [layers.Dense(1)]]
    if classes:
        gan = GAN(*(conditional_network(shape, *body) for shape, body in zip([(4,), (8, 8, 1)], bodies)))
    else:
        gan = GAN(sequential((4,), *bodies[0]), sequential((8, 8, 1), layers.Flatten(), *bodies[1]))
    gan.compile("sgd", "sgd", **{"penalties": [], "run_eagerly": True, **options})
    return gan


@pytest.fixture(scope="module")
def gans():
    """{number of classes: a GAN that these tests never train}."""
    return {classes: make(classes, metrics=[keras.metrics.MeanSquaredError()]) for classes in (0, 3)}


class Batches(keras.utils.PyDataset):
    """Batches that a function of their index returns."""

    def __init__(self, batch, count=3):
        super().__init__()
        self.batch, self.count = batch, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.batch(index)


def batched(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(4)


def of_unknown_shape(*batches):
    return tf.data.Dataset.from_generator(lambda: iter(batches), output_types=("float32", "int32"))


WRONG_IMAGES = {
    "bytes": (BYTES, "uint8 .12, 8, 8, 1.", "gan.images.from_uint8"),
    "floats to 255": (BYTES.astype(np.float32), "out of range", "gan.images.from_uint8"),
    "16 bits": (BYTES * np.float32(257), "out of range", "x / 32767.5 - 1.0"),
    "standardized": (2 * IMAGES, "out of range", "low"),
    "truth values": (IMAGES > 0, "bool", r"x \* 2.0 - 1.0"),
    "whole -1 and 1": (np.sign(IMAGES).astype(int), "int64", "floats in"),
    "complex": (IMAGES.astype(complex), "complex128", "floats in"),
    "text": (IMAGES.astype(str), "string", "floats in"),
    "NaN": (np.where(IMAGES > 0.9, np.nan, IMAGES), "must be finite", "NaN or infinite values"),
    "infinite": (np.where(IMAGES > 0.9, -np.inf, IMAGES), "must be finite", "no infinity"),
    "one image": (IMAGES[0], r"float32 \[8, 8, 1\]", r"x\[None\]"),
    "no channel": (IMAGES[..., 0], r"\[12, 8, 8\]", r"x\[..., None\]"),
    "channels first": (IMAGES.transpose(0, 3, 1, 2), r"\[12, 1, 8, 8\]", r"np.transpose\(x, \(0, 2, 3, 1\)\)"),
    "batch last": (IMAGES.transpose(1, 2, 3, 0), r"\[8, 8, 1, 12\]", r"np.transpose\(x, \(3, 0, 1, 2\)\)"),
    "flat": (IMAGES.reshape(12, 64), r"\[12, 64\]", r"np.reshape\(x, \(-1, 8, 8, 1\)\)"),
    "color": (IMAGES.repeat(3, -1), r"\[12, 8, 8, 3\]", "rgb_to_grayscale"),
    "size": (IMAGES.repeat(2, 1), r"\[12, 16, 8, 1\]", r"tf.image.resize\(x, \(8, 8\)\)"),
    "nothing": (IMAGES[:0], "no images", "at least one"),
    "None": (None, "No images", "x=images"),
    "nested lists": (IMAGES.tolist(), "a list of 12", r"np.asarray\(x, 'float32'\)"),
    "list of arrays": ([*IMAGES], "a list of 12", r"np.asarray\(x, 'float32'\)"),
    "tuple of arrays": ((*IMAGES,), "Unknown form", "a tuple of 12"),
    "tuple": ((IMAGES, LABELS), "a tuple of 1", r"fit\(x, y\)"),
    "dict": ({"image": IMAGES}, "dict with the keys", r"batch\['image'\]"),
    "path": ("digits", "Unknown form", "str 'digits'"),
    "number": (3, "Unknown form", "int '3'"),
    "function": (lambda: IMAGES, "Unknown form", r"`x\(\)`"),
    "class": (Batches, "Unknown form", "the class Batches"),
    "object": (object(), "Unknown form", "object"),
    "ragged": (tf.ragged.constant([[1.0], [1.0, 2.0]]), "Unknown form", "RaggedTensor"),
}
"""Name -> (images, two parts of the message: what came, and what is expected)."""

WRONG_LABELS = {
    "one-hot": (np.eye(3)[LABELS], "do not fit", r"np.argmax\(y, -1\)"),
    "from 1": (LABELS + 1, "with 3", "`y - 1`"),
    "negative": (LABELS - 1, "with -1", "from 0 to 2"),
    "one late": (np.r_[LABELS[:-1], 9], "with 9", "from 0 to 2"),
    "halves": (LABELS + 0.5, "0.5, 1.5, 2.5", "whole numbers"),
    "NaN": (np.where(LABELS == 0, np.nan, LABELS), "with nan", "whole numbers"),
    "text": (LABELS.astype(str), "string", "np.unique"),
    "objects": (np.array(["a"] * 12, object), "string", "np.unique"),
    "rank 3": (LABELS[:, None, None], r"\[12, 1, 1\]", "whole numbers"),
    "too few": (LABELS[:-1], "12 images, 11 labels", "one label per image"),
    "missing": (None, "Labels are missing", "conditional"),
    "list": (LABELS.tolist(), "Unknown form", r"np.asarray\(y\)"),
}

WRONG_BATCHES = {
    "generator of bytes": lambda: ((BYTES[:4], LABELS[:4]) for _ in range(2)),
    "generator of one image": lambda: zip(IMAGES, LABELS),
    "generator of lists": lambda: ([IMAGES[:4], LABELS[:4]] for _ in range(2)),
    "generator of nested lists": lambda: (IMAGES[:4].tolist() for _ in range(2)),
    "generator of dicts": lambda: ({"image": IMAGES[:4], "label": LABELS[:4]} for _ in range(2)),
    "generator of labels in a list": lambda: ((IMAGES[:4], [0, 1, 2, 0]) for _ in range(2)),
    "generator of images only": lambda: (IMAGES[:4] for _ in range(2)),
    "generator of nothing": lambda: iter([]),
    "generator of None": lambda: iter([None]),
    "generator of empty tuples": lambda: iter([()]),
    "tf.data of bytes": lambda: batched(BYTES, LABELS),
    "tf.data out of range": lambda: batched(2 * IMAGES, LABELS),
    "tf.data of wrong labels": lambda: batched(IMAGES, LABELS + 1),
    "tf.data without batches": lambda: tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)),
    "tf.data of dicts": lambda: batched({"image": IMAGES, "label": LABELS}),
    "tf.data of four parts": lambda: batched(IMAGES, LABELS, LABELS, LABELS),
    "tf.data of pairs in a tuple": lambda: batched((IMAGES, LABELS), LABELS),
    "tf.data of text": lambda: batched(np.array(["a.png"] * 8), LABELS[:8]),
    "tf.data without an element": lambda: batched(IMAGES, LABELS).take(0),
    "tf.data of data sets": lambda: tf.data.Dataset.from_tensor_slices(IMAGES).window(4),
    "tf.data of unknown shapes": lambda: of_unknown_shape((IMAGES[:4, :4], LABELS[:4])),
    "PyDataset of bytes": lambda: Batches(lambda index: (BYTES[:4], LABELS[:4])),
    "PyDataset of lists": lambda: Batches(lambda index: [IMAGES[:4], LABELS[:4]]),
    "PyDataset of dicts": lambda: Batches(lambda index: {"image": IMAGES[:4]}),
    "PyDataset of wrong labels": lambda: Batches(lambda index: (IMAGES[:4], LABELS[:4] + 7)),
}


@pytest.mark.parametrize("name", sorted(WRONG_IMAGES))
def test_wrong_images_are_refused_before_the_first_step(gans, name):
    images, *words = WRONG_IMAGES[name]
    images = (images,) if isinstance(images, tuple) and len(images) == 2 else images
    for use in (gans[0].fit, gans[0].evaluate):
        with pytest.raises(InputError) as error:
            use(images, batch_size=None if name == "None" else 12, verbose=0)
        for part in words:
            assert error.match(part)
    assert gans[0].step == 0


@pytest.mark.parametrize("name", sorted(WRONG_LABELS))
def test_wrong_labels_are_refused_before_the_first_step(gans, name):
    labels, *words = WRONG_LABELS[name]
    for use in (gans[3].fit, gans[3].evaluate):
        with pytest.raises(InputError) as error:
            use(IMAGES, labels, batch_size=4, verbose=0)
        for part in words:
            assert error.match(part)
    assert gans[3].step == 0


@pytest.mark.parametrize("name", sorted(WRONG_BATCHES))
def test_a_wrong_first_batch_is_refused_before_the_first_step(gans, name):
    with pytest.raises(InputError, match=r"Expected .*\. Received: "):
        gans[3].fit(WRONG_BATCHES[name](), shuffle=False, verbose=0)
    assert gans[3].step == 0
    with pytest.raises(InputError, match=r"Expected .*\. Received: "):
        gans[3].evaluate(WRONG_BATCHES[name](), verbose=0)


def test_the_line_for_a_dict_names_its_keys(gans):
    line = r"`data.map\(lambda batch: \(batch\['image'\], batch\['label'\]\)\)`"
    with pytest.raises(InputError, match=line):
        gans[3].fit(batched({"image": IMAGES, "label": LABELS}), verbose=0)
    with pytest.raises(InputError, match=r"`data.map\(lambda batch: batch\['x'\]\)`"):
        gans[0].fit(batched({"x": IMAGES}), verbose=0)


@pytest.mark.parametrize("name", ["bytes", "channels first", "no channel", "flat", "truth values", "16 bits"])
def test_the_line_of_the_message_mends_the_images(name):
    wrong, check = WRONG_IMAGES[name][0], BatchCheck((8, 8, 1), 0)
    with pytest.raises(InputError) as error:
        check.values(wrong)
    line = str(error.value).split("`")[1]
    import gan

    check.values(eval(line, {"x": wrong, "np": np, "gan": gan}))


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (IMAGES, LABELS),
        (IMAGES.astype(np.float64), LABELS.astype(np.uint8)),
        (IMAGES.astype(np.float16), LABELS.astype(np.float32)),
        (1.0005 * IMAGES, LABELS[:, None]),
        (tf.constant(IMAGES), tf.constant(LABELS)),
        (np.full_like(IMAGES, -1), LABELS > 1),
        (np.ones_like(IMAGES), LABELS),
        (IMAGES[:1], LABELS[:1]),
    ],
)
def test_right_batches_are_accepted_without_a_warning(images, labels):
    BatchCheck((8, 8, 1), 3).values((np.asarray(images), np.asarray(labels)))
    unpacked, classes = BatchCheck((8, 8, 1), 3).unpack((tf.convert_to_tensor(images), tf.convert_to_tensor(labels)))
    assert unpacked.dtype.is_floating
    assert classes.shape == (len(images),)
    BatchCheck((8, 8, 1), 0).values((np.asarray(images), "labels of an unconditional GAN have no meaning"))


@pytest.mark.parametrize("points", [[[0.0, 500.0]], [[3, -7]], [[0.5, 0.25]]])
def test_the_range_of_points_is_not_checked(points):
    check = BatchCheck((2,), 0)
    check.values(np.array(points))
    assert check.unpack(tf.constant(points))[0].dtype == "float32"


def test_images_from_0_to_1_give_one_warning():
    gan, images = make(), (IMAGES + 1) / 2
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        for _ in range(2):
            gan.fit(images, batch_size=6, verbose=0)
        gan.train_on_batch(images)
    said = [str(warning.message) for warning in given if "no pixel below 0" in str(warning.message)]
    assert len(said) == 1
    assert "`x * 2.0 - 1.0`. Received: float32 [6, 8, 8, 1] from 0" in said[0]


# Each batch is read once, and in its order


def numbered(count):
    """Batches of 4 points; all coordinates of batch n are n."""
    return [np.full((4, 2), number, np.float32) for number in range(count)]


def recorded(**options):
    """Returns a GAN of points, and the list to which each of its steps adds the first coordinate of its batch."""
    gan, seen = dense_gan(**{"run_eagerly": True, **options}), []
    step = gan.train_step

    def train_step(data):
        seen.append(float(gan._batch_check.unpack(data)[0][0, 0]))
        return step(data)

    gan.train_step = train_step
    return gan, seen


@contextmanager
def unchecked(method, **options):
    """Stands in for `DataWatch`: no check."""
    yield {name: value for name, value in options.items() if name != "self"}


def counted(batches, read):
    for batch in batches:
        read.append(float(batch[0, 0]))
        yield (batch,)


def test_a_generator_is_read_once_and_in_order():
    gan, seen = recorded()
    read = []
    generator = counted(numbered(50), read)
    gan.fit(generator, steps_per_epoch=3, shuffle=False, verbose=0)
    ahead = len(read)  # Keras reads ahead
    gan.fit(generator, steps_per_epoch=3, shuffle=False, verbose=0)
    assert seen == [0, 1, 2, *range(ahead, ahead + 3)]
    assert read == list(range(len(read)))


def test_an_endless_generator_over_several_epochs():
    gan, seen = recorded()
    read = []
    gan.fit(counted(iter(numbered(50)), read), steps_per_epoch=2, epochs=3, shuffle=False, verbose=0)
    assert seen == list(range(6))
    assert read == sorted(set(read))


def test_a_data_set_is_read_once_per_epoch_and_in_order():
    gan, seen = recorded()
    reads = tf.Variable(0)

    def counting(batch):
        reads.assign_add(1)
        return batch

    batches = tf.data.Dataset.from_tensor_slices(np.stack(numbered(4))).map(counting)
    for _ in range(2):
        gan.fit(batches, epochs=2, shuffle=False, verbose=0)
    assert seen == [0, 1, 2, 3] * 4
    assert reads.numpy() == 16


def test_a_shuffle_buffer_draws_the_same_batches_as_without_a_check():
    def shuffled():
        return tf.data.Dataset.from_tensor_slices(np.stack(numbered(8))).shuffle(4, seed=3)

    orders = []
    for watched in (True, False):
        gan, seen = recorded()
        if not watched:
            gan._watch = unchecked
        gan.fit(shuffled(), epochs=2, shuffle=False, verbose=0)
        orders.append(seen)
    assert orders[0] == orders[1]
    assert sorted(seen[:8]) == list(range(8))
    assert seen[:8] != seen[8:]


def test_a_data_set_of_unknown_shapes():
    gan, seen = recorded()
    batches = numbered(3)
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_types="float32")
    gan.fit(data, steps_per_epoch=3, shuffle=False, verbose=0)
    assert seen == [0, 1, 2]


def test_a_pydataset_is_read_as_without_a_check():
    batches = numbered(3)

    class Told(Batches):
        def __init__(self):
            self.calls = []
            super().__init__(lambda index: self.calls.append(index) or (batches[index],))

        def on_epoch_begin(self):
            self.calls.append("begin")

        def on_epoch_end(self):
            self.calls.append("end")

    calls = []
    for watched in (True, False):
        gan, seen = recorded()
        if not watched:
            gan._watch = unchecked
        data = Told()
        gan.fit(data, epochs=2, shuffle=False, verbose=0)
        assert seen == [0, 1, 2] * 2
        calls.append([call for call in data.calls if call in ("begin", "end")])
    assert calls[0] == calls[1]


def test_several_steps_per_execution():
    one, several = dense_gan(), dense_gan(steps_per_execution=2)
    for gan in (one, several):
        gan.fit(tf.data.Dataset.from_tensor_slices(np.stack(numbered(4))), shuffle=False, verbose=0)
        assert gan.step == 4
    for first, second in zip(one.weights, several.weights, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5)


def test_the_form_of_later_batches_of_python_is_checked_too():
    gan, seen = recorded()
    good = numbered(1)[0]
    for bad, words in ((good[:, :1], "shape of the networks"), ([good], "Unknown form"), (good.astype(str), "type")):
        with pytest.raises(InputError, match=words):
            gan.fit(iter([(good,), (good,), (bad,)]), shuffle=False, verbose=0)
        with pytest.raises(InputError, match=words):
            gan.fit(Batches(lambda index, bad=bad: (good if index < 2 else bad,)), shuffle=False, verbose=0)
    assert seen


def test_errors_of_a_generator_itself_pass():
    def broken():
        yield (numbered(1)[0],)
        raise ZeroDivisionError("of the generator")

    with pytest.raises(ZeroDivisionError, match="of the generator"):
        dense_gan(run_eagerly=True).fit(broken(), shuffle=False, verbose=0)


# Validation data and single batches


def test_validation_data_in_every_form():
    gan = make(3, metrics=[keras.metrics.MeanSquaredError()])
    every = {
        "tuple": (IMAGES, LABELS),
        "list": [IMAGES, LABELS],
        "tf.data": batched(IMAGES, LABELS),
    }
    found = []
    for data in every.values():
        history = gan.fit(IMAGES, LABELS, epochs=1, batch_size=12, validation_data=data, verbose=0).history
        found.append(history["val_mean_squared_error"][0])
    assert all(np.isfinite(found))
    for wrong in ((BYTES, LABELS), [BYTES, LABELS], batched(BYTES, LABELS)):
        steps = int(gan.step)
        with pytest.raises(InputError, match="type of the networks"):
            gan.fit(IMAGES, LABELS, batch_size=12, validation_data=wrong, verbose=0)
        assert gan.step == steps


def test_single_batches():
    gan = make(3, metrics=[keras.metrics.MeanSquaredError()])
    for batch, words in (
        ((IMAGES.tolist(), LABELS), "Unknown form"),
        ((BYTES, LABELS), "from_uint8"),
        ((IMAGES, LABELS + 1), "y - 1"),
        ((None, None), "Unknown form|No images"),
        ((3, None), "Unknown form"),
    ):
        for use in (gan.train_on_batch, gan.test_on_batch):
            with pytest.raises(InputError, match=words):
                use(*batch)
    for name in ("sample_weight", "class_weight"):
        with pytest.raises(InputError, match="cannot have weights"):
            gan.train_on_batch(IMAGES, LABELS, **{name: {0: 1.0}})
    with pytest.raises(InputError, match="unexpected keyword argument 'weights'"):
        gan.train_on_batch(IMAGES, LABELS, weights=None)
    assert gan.step == 0
    gan.train_on_batch(IMAGES, LABELS)
    assert gan.step == 1
    assert np.isfinite(gan.test_on_batch(IMAGES, LABELS))


def test_every_method_says_that_a_gan_was_not_compiled(gans):
    gan = GAN(*(keras.models.clone_model(network) for network in (gans[0].generator, gans[0].discriminator)))
    for method in (gan.fit, gan.evaluate, gan.train_on_batch, gan.test_on_batch):
        with pytest.raises(InputError, match=r"This GAN cannot train yet. Expected compile"):
            method(IMAGES)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("jit_compile", "yes", "True or False or auto"),
        ("jit_compile", None, "True or False or auto"),
        ("run_eagerly", "no", "True or False"),
        ("auto_scale_loss", 1, "True or False"),
        ("simultaneous", "no", "True or False"),
        ("steps_per_execution", 0, "a whole number >= 1"),
    ],
)
def test_bad_switches_of_compile(option, value, expected):
    with pytest.raises(InputError, match=f"Bad `{option}`. Expected {expected}"):
        dense_gan(**{option: value})
