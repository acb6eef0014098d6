"""Tests that the data room understands what people give, or refuses it with an `InputError`."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from helpers.painting import paint_noise
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from gan.data import images
from gan.data.dataset import Dataset
from gan.data.load import as_dataset, load_dataset
from gan.data.sources.tfds import near_names
from gan.data.split import Split
from gan.errors import InputError

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 6, 5), np.uint8)
LABELS = np.arange(24) % 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return paint_noise(tmp_path_factory.mktemp("kinds"), 12, size=(8, 8))


@pytest.mark.parametrize(
    "size", [4, "4", "4x4", "4X4", (4, 4), [4, 4], np.int64(4), np.array([4, 4]), (np.int32(4), np.uint8(4))]
)
def test_kinds_of_image_sizes(folder, size):
    assert load_dataset(folder, image_size=size, channels=np.int64(1)).image_shape == (4, 4, 1)


def test_a_path_is_a_path_whatever_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paint_noise(tmp_path / "mnist5k", 12)
    for path in (Path("mnist5k"), tmp_path / "mnist5k"):
        assert load_dataset(path).name == str(tmp_path / "mnist5k")


@pytest.mark.parametrize(
    "given",
    [
        Dataset.from_arrays(PIXELS, LABELS),
        (PIXELS, LABELS),
        [PIXELS, LABELS.tolist()],
        PIXELS,
        tf.constant(PIXELS),
        (tf.constant(PIXELS), tf.constant(LABELS)),
        list(PIXELS),
        [Image.fromarray(image) for image in PIXELS],
        tf.data.Dataset.from_tensor_slices((PIXELS, LABELS)),
    ],
)
def test_as_dataset_takes_arrays_of_any_kind(given):
    dataset = as_dataset(given)
    whole = Dataset.from_arrays(PIXELS, LABELS if dataset.num_classes else None)
    assert dataset.fingerprint == whole.fingerprint


def test_as_dataset_loads_a_name(folder):
    assert as_dataset(folder).title == folder.name
    assert as_dataset(str(folder)).title == folder.name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Dataset.from_arrays([PIXELS[0], PIXELS[1][:3]]), r"Bad `images`.*a list of arrays of one shape.*list"),
        (lambda: Dataset.from_arrays(None), r"Bad shape of `images`"),
        (lambda: Dataset.from_arrays(PIXELS, ["a", "b"] * 12), r"whole numbers.*np\.unique\(labels, return_inverse"),
        (lambda: Dataset.from_arrays(PIXELS, np.eye(2)[LABELS]), r"np\.argmax\(labels, axis=1\)"),
        (lambda: Dataset.from_arrays(PIXELS, test=PIXELS), r"Bad `test`.*a pair.*ndarray"),
        (lambda: Dataset.from_arrays(PIXELS, validation=(PIXELS,)), r"Bad `validation`.*tuple of 1"),
        (lambda: Dataset.from_arrays(PIXELS, name=3), "Bad `name`"),
        (lambda: Dataset.from_arrays(PIXELS.reshape(24, 30)[:, :25]), r"reshape\(-1, 5, 5\)"),
        (lambda: Dataset.from_arrays(np.zeros((4, 3, 8, 8), np.uint8)), r"np\.moveaxis\(images, 1, 3\)"),
        (lambda: Dataset.from_tf((PIXELS, LABELS)), r"a tf.data.Dataset \(Dataset.from_arrays.*Received: tuple"),
        (lambda: as_dataset(7), r"Bad `dataset`.*arrays \(images, labels\).*Received: int"),
        (lambda: load_dataset(""), "a name or a path"),
        (lambda: load_dataset(b"mnist5k"), "a name or a path"),
        (lambda: load_dataset("mnist5k", image_size=(4, 4.5)), "height x width"),
        (lambda: load_dataset("mnist5k", channels=True), "1 or 3"),
        (lambda: load_dataset("mnist5k", corrupt_share="1%"), "a number from 0 to 1"),
        (lambda: load_dataset("mnist5k", memory_limit="1G"), "a whole number"),
        (lambda: load_dataset("mnist5k", pixel_range=(0, np.inf)), "two numbers"),
        (lambda: images.read_image("x.png", 28), r"\(height, width, channels\)"),
    ],
)
def test_refuses_other_kinds_with_the_line_that_helps(call, message):
    with pytest.raises(InputError, match=message):
        call()


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.floats(),
    st.text(max_size=8),
    st.binary(max_size=4),
    st.sampled_from([Path("nowhere"), object(), len, {}, {"a": 1}, set(), PIXELS, LABELS, PIXELS[:0], 1j, ...]),
    st.lists(st.integers(-1, 9) | st.text(max_size=2) | st.none(), max_size=4),
    st.tuples(st.integers(-1, 9), st.floats()),
)
RUN = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def runs_or_refuses(call):
    with contextlib.suppress(InputError):
        call()


@RUN
@given(junk=JUNK, field=st.sampled_from(["image_size", "channels", "background", "pixel_range", "corrupt_share"]))
def test_load_dataset_refuses_junk_options(folder, junk, field):
    runs_or_refuses(lambda: load_dataset(folder, **{field: junk}))


@RUN
@given(junk=JUNK)
@pytest.mark.filterwarnings("ignore")
def test_load_dataset_and_open_image_refuse_junk_names(junk):
    runs_or_refuses(lambda: load_dataset(junk, fallback="none"))
    runs_or_refuses(lambda: images.open_image(junk))


@RUN
@given(junk=JUNK, other=JUNK)
@pytest.mark.filterwarnings("ignore")
def test_from_arrays_and_from_tf_refuse_junk(junk, other):
    runs_or_refuses(lambda: Dataset.from_arrays(junk, other))
    runs_or_refuses(lambda: Dataset.from_arrays(PIXELS, other))
    runs_or_refuses(lambda: Dataset.from_arrays(PIXELS, LABELS, test=junk, validation=other))
    runs_or_refuses(lambda: Dataset.from_tf(junk))
    runs_or_refuses(lambda: as_dataset({"x": junk}))


@RUN
@given(junk=JUNK, field=st.sampled_from(["batch_size", "steps", "seed", "first_step"]))
def test_batches_refuses_junk(junk, field):
    split = Split(PIXELS[..., None], None)
    runs_or_refuses(lambda: split.batches(**{"batch_size": 8, field: junk}))


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8])
def test_batches_takes_numbers_of_numpy(kind):
    split = Split(PIXELS[..., None], None)
    batches = split.batches(kind(8), steps=kind(2), seed=kind(1), first_step=kind(1))
    expected = split.batches(8, steps=2, seed=1, first_step=1)
    for given_batch, expected_batch in zip(batches, expected, strict=True):
        np.testing.assert_array_equal(given_batch, expected_batch)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("CIFAR10", "cifar10"),
        ("cifar-10", "cifar10"),
        ("MNIST", "mnist"),
        ("Fashion-MNIST", "fashion_mnist"),
        ("FashionMnist", "fashion_mnist"),
        ("MNIST5K", "mnist5k"),
        ("stacked_mnist", "stacked-mnist"),
        ("mnits", "mnist"),
    ],
)
def test_near_names_ignore_case_and_punctuation(name, near):
    known = ["mnist5k", "stacked-mnist", "cifar10", "cifar100", "fashion_mnist", "kmnist", "mnist", "emnist", "coco"]
    assert near_names(name, known)[0] == near
    assert near_names("zebra", known) == []
