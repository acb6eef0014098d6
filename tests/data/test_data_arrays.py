"""Tests datasets from arrays, .npz files and tf.data.Dataset."""

import hashlib
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from gan.config import TrainConfig
from gan.data import storage
from gan.data.dataset import Dataset
from gan.data.load import load_dataset
from gan.data.sources import npz
from gan.data.split import Split
from gan.errors import InputError
from gan.saving import metadata
from gan.saving.metadata import RunDataset, RunMetadata
from gan.training import sync


def noise(count=24, shape=(6, 5, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape)).astype(np.uint8)


LABELS = np.arange(24) % 3


def splits_of(dataset):
    return (dataset.train, dataset.validation, dataset.test)


def pairs(dataset):
    """Returns {bytes of an image: its label} over all splits."""
    found = {}
    for part in splits_of(dataset):
        found |= {
            x.tobytes(): y for x, y in zip(part.images, [None] * len(part) if part.labels is None else part.labels)
        }
    return found


def expected(images, labels):
    return {x.tobytes(): y for x, y in zip(images, labels)}


def assert_same_data(one, two):
    assert (one.num_classes, one.image_shape) == (two.num_classes, two.image_shape)
    for left, right in zip(splits_of(one), splits_of(two)):
        np.testing.assert_array_equal(left.images, right.images)
        np.testing.assert_array_equal(left.labels, right.labels)


@pytest.mark.parametrize(
    ("shape", "image_shape"), [((6, 5), (6, 5, 1)), ((6, 5, 1), (6, 5, 1)), ((6, 5, 3), (6, 5, 3))]
)
@pytest.mark.parametrize("kind", ["arrays", "npz", "tf", "tf-batched"])
def test_arrays_files_and_tf_data_give_the_same_splits(tmp_path, kind, shape, image_shape):
    images = noise(shape=shape)
    whole = Dataset.from_arrays(images, LABELS)
    assert (whole.image_shape, whole.num_classes, whole.name) == (image_shape, 3, "arrays")
    assert [len(part) for part in splits_of(whole)] == [17, 3, 4]
    assert pairs(whole) == expected(images, LABELS)
    if kind == "npz":
        np.savez(tmp_path / "x.npz", images=images, labels=LABELS[:, None].astype(np.uint8), indices=LABELS)
        dataset = load_dataset(str(tmp_path / "x.npz"))
        assert (dataset.name, dataset.title) == (str(tmp_path / "x.npz"), "x")
    elif kind == "tf":
        dataset = Dataset.from_tf(tf.data.Dataset.from_tensor_slices((images, LABELS)), name="mine")
        assert dataset.name == "mine"
    elif kind == "tf-batched":
        dataset = Dataset.from_tf(
            tf.data.Dataset.from_tensor_slices((images.reshape(-1, *image_shape), LABELS)).batch(7)
        )
    else:
        order = np.random.default_rng(1).permutation(len(images))  # the order does not affect which images are held out
        dataset = Dataset.from_arrays(images[order], LABELS[order])
    assert_same_data(dataset, whole)


def test_datasets_without_labels_have_no_classes(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=noise())
    for dataset in (
        Dataset.from_arrays(noise()),
        load_dataset(str(tmp_path / "x.npz")),
        Dataset.from_tf(tf.data.Dataset.from_tensor_slices(noise())),
    ):
        assert (dataset.num_classes, dataset.train.labels) == (0, None)


@pytest.mark.parametrize(("image", "label", "test"), [("x_{}", "y_{}", "test"), ("{}_images", "{}_labels", "test")])
def test_keeps_the_splits_of_a_file(tmp_path, image, label, test):
    arrays = {image.format("train"): noise(), label.format("train"): LABELS}
    arrays |= {image.format(test): noise(5, seed=1), label.format(test): np.arange(5) % 3}
    np.savez(tmp_path / "x.npz", **arrays)
    dataset = load_dataset(str(tmp_path / "x.npz"))
    assert [len(part) for part in splits_of(dataset)] == [20, 4, 5]
    np.testing.assert_array_equal(dataset.test.images, noise(5, seed=1))
    arrays |= {image.format("val"): noise(3, seed=2), label.format("val"): np.arange(3)}
    np.savez(tmp_path / "x.npz", **arrays)
    assert [len(part) for part in splits_of(load_dataset(str(tmp_path / "x.npz")))] == [24, 3, 5]
    same = Dataset.from_arrays(
        noise(), LABELS, validation=(noise(3, seed=2), range(3)), test=(noise(5), [0, 1, 2, 0, 1])
    )
    assert [len(part) for part in splits_of(same)] == [24, 3, 5]


def test_reads_fortran_order_and_non_contiguous_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.asfortranarray(noise()), labels=LABELS)
    assert pairs(load_dataset(str(tmp_path / "x.npz"))) == expected(noise(), LABELS)
    assert set(pairs(Dataset.from_arrays(noise(48)[::2]))) == {x.tobytes() for x in noise(48)[::2]}


INVALID_IMAGES = {
    "floats": (noise() / np.float32(255), r"Bad range of `images`.*uint8 from 0 to 255.*float32 from 0 to 1\."),
    "scaled": (noise() / 127.5 - 1, "float64 from -1 to 1"),
    "integers": (noise().astype(np.int64) + 9, "int64 from 9 to 264"),
    "bits": (noise() // 128, "uint8 from 0 to 1"),
    "booleans": (noise() > 9, "bool from 0 to 1"),
    "channels first": (noise(shape=(3, 8, 8)), r"Bad shape of `images`.*\[24, 3, 8, 8\]"),
    "flat": (noise(shape=(784,)), r"\[24, 784\]"),
    "none": (noise(0), r"\[0, 6, 5, 1\]"),
    "few": (noise(2), "at least 3"),
    "NaN": (np.full((24, 6, 5), np.nan), "float64 from nan to nan"),
    "text": (np.full((24, 6, 5), "x"), "<U1"),
}
INVALID_LABELS = {
    "other length": (LABELS[:-1], "one label for each of 24 images"),
    "one hot": (np.eye(3)[LABELS], "one label for each of 24 images"),
    "halves": (LABELS * 0.5, "whole numbers >= 0. Received: float64"),
    "negative": (LABELS - 1, "numbers from -1 to 1"),
    "gap": (LABELS * 2, "Labels must be 0..K-1.*from 0 to 4.*no label 1, 3"),
    "from one": (LABELS + 1, "no label 0"),
    "huge": (LABELS * 10_000, "from 0 to at most 9999. Received: numbers from 0 to 20000"),
    "one class": (LABELS * 0, "Only one class"),
}


@pytest.mark.parametrize("kind", ["arrays", "npz"])
@pytest.mark.parametrize("case", [*INVALID_IMAGES, *INVALID_LABELS])
def test_rejects_invalid_images_and_labels(tmp_path, kind, case):
    images, message = INVALID_IMAGES.get(case, (noise(), None))
    labels, message = INVALID_LABELS.get(case, (None, message))
    np.savez(tmp_path / "x.npz", images=images, **({} if labels is None else {"labels": labels}))
    with pytest.raises(InputError, match=message):
        Dataset.from_arrays(images, labels) if kind == "arrays" else load_dataset(str(tmp_path / "x.npz"))


def test_rejects_inconsistent_splits():
    with pytest.raises(InputError, match=r"train: \(6, 5, 1\), test: \(6, 6, 1\)"):
        Dataset.from_arrays(noise(), test=(noise(shape=(6, 6)), None))
    with pytest.raises(InputError, match=r"Labels are missing.*test: none"):
        Dataset.from_arrays(noise(), LABELS, test=(noise(3), None))
    with pytest.raises(InputError, match="at most 2, the largest label of a training image"):
        Dataset.from_arrays(noise(), LABELS, test=(noise(3), [0, 1, 3]))


def test_rejects_files_without_images(tmp_path):
    path = tmp_path / "x.npz"
    with pytest.raises(InputError, match="No such image archive"):
        load_dataset(str(path))
    np.savez(path, photos=noise())
    with pytest.raises(InputError, match=r"No images in this file.*images or x_train.*with photos"):
        load_dataset(str(path))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match="damaged"):
        load_dataset(str(path))
    path.write_text("not an archive")
    with pytest.raises(InputError, match="damaged"):
        load_dataset(str(path))


def test_never_unpickles_python_objects(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    for arrays in ({"images": np.array([Trap()])}, {"images": noise(), "labels": np.array([Trap()])}):
        np.savez(tmp_path / "x.npz", **arrays)
        with pytest.raises(InputError, match="never unpickled"):
            load_dataset(str(tmp_path / "x.npz"))


def test_rejects_a_decompression_bomb(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", images=np.zeros((2_000, 100, 100), np.uint8))
    with pytest.raises(InputError, match="unpacks to far more"):
        load_dataset(str(tmp_path / "x.npz"))


def test_rejects_a_header_that_claims_more_data_than_stored(tmp_path):
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as file, file.open("images.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
        member.write(bytes(1_000))
    with pytest.raises(InputError, match="damaged"):
        load_dataset(str(tmp_path / "x.npz"))


def test_layouts_name_each_array_once():
    names = [name for layout in npz.LAYOUTS for pair in layout.values() for name in pair]
    assert len(set(names)) == len(names)


def square_images(*sizes):
    def generate():
        for size in sizes:
            yield np.zeros((size, size, 1), np.uint8)

    return tf.data.Dataset.from_generator(generate, output_signature=tf.TensorSpec((None, None, 1), tf.uint8))


def failing_dataset():
    def image(number):
        with tf.control_dependencies([tf.debugging.assert_less(number, tf.constant(10, tf.int64), "the tenth")]):
            return tf.zeros((4, 4, 1), tf.uint8)

    return tf.data.Dataset.range(20).map(image)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: tf.data.Dataset.from_tensor_slices(noise()).repeat(), "endless"),
        (lambda: tf.data.Dataset.from_tensor_slices({"image": noise()}), "Bad elements"),
        (lambda: tf.data.Dataset.range(20), "Bad elements"),
        (lambda: tf.data.Dataset.from_tensor_slices(noise(shape=(6, 5))).batch(8), "Bad elements"),
        (lambda: tf.data.Dataset.from_tensor_slices(noise() / np.float32(255)), "float32 from 0 to 1"),
        (lambda: square_images(4, 5), "Images of different sizes"),
        (failing_dataset, "The tf.data.Dataset raised an error.*the tenth"),
        (lambda: square_images(4, 5).batch(1), "Images of different sizes"),
        (lambda: square_images(), "Bad shape"),
    ],
)
def test_rejects_unsuitable_tf_data(data, message):
    with pytest.raises(InputError, match=message):
        Dataset.from_tf(data())


def test_fingerprint_hashes_training_images_and_labels_once(monkeypatch):
    train, other = Split(noise(), LABELS.astype(np.int32)), Split(noise()[:3], LABELS[:3].astype(np.int32))
    pixels, labels = b"uint8(24, 6, 5, 1)" + train.images.tobytes(), b"int32(24,)" + train.labels.tobytes()
    expected, computed = hashlib.sha256(pixels + labels).hexdigest(), []

    def counting_sha256():
        computed.append(1)
        return hashlib.sha256()

    monkeypatch.setattr("gan.data.dataset.hashlib", SimpleNamespace(sha256=counting_sha256))
    monkeypatch.setattr(storage, "CHUNK_BYTES", 100)
    data = Dataset("noise", 3, train, other, other, ("a", "b", "c"))
    assert data.describe() == RunDataset(
        name="noise",
        image_shape=(6, 5, 1),
        num_classes=3,
        class_names=("a", "b", "c"),
        train=24,
        validation=3,
        test=3,
        train_sha256=expected,
    )
    record = RunMetadata(config=TrainConfig(), dataset=data.describe(), total_steps=1)
    metadata.check_dataset(record.dataset, data.describe())
    all_workers_agree = SimpleNamespace(
        has_several_workers=True, broadcast=lambda content: content, broadcast_arrays=lambda arrays: arrays
    )
    sync.agree_on_start(all_workers_agree, data, None)
    assert data.fingerprint == expected
    assert len(computed) == 1
    unlabeled = Dataset("noise", 0, Split(noise(), None), other, other)
    assert unlabeled.fingerprint == hashlib.sha256(pixels).hexdigest()


def test_the_whole_fingerprint_hashes_all_splits():
    train, other, changed = (Split(noise()[first:], LABELS[first:].astype(np.int32)) for first in (0, 3, 4))
    data = Dataset("noise", 3, train, other, other)
    for splits in ((other, other, other), (train, changed, other), (train, other, changed)):
        assert Dataset("noise", 3, *splits).whole_fingerprint != data.whole_fingerprint
    assert Dataset("other name", 3, train, other, other).whole_fingerprint == data.whole_fingerprint


@pytest.mark.parametrize("names", [["a", "b"], ["a", "b", "c", "d"], ["a", "b", "b"]])
def test_names_in_an_archive_must_be_those_of_its_classes(names, tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8), np.arange(60) % 3
    path = tmp_path / "data.npz"
    np.savez(path, images=images, labels=labels, class_names=np.array(["x", "y", "z"]))
    assert load_dataset(str(path)).class_names == ("x", "y", "z")
    np.savez(path, images=images, labels=labels, class_names=np.array(names))
    with pytest.raises(InputError, match=rf"`class_names` does not name.*3 different names.*{len(names)} in"):
        load_dataset(str(path))
