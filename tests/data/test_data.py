"""Tests splits, batches and datasets of TensorFlow Datasets."""

import http.server
import itertools
import logging
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from gan.data import storage
from gan.data.dataset import Dataset
from gan.data.load import load_dataset
from gan.data.request import Request
from gan.data.sources import tfds as catalog
from gan.data.sources.stacked_mnist import load_stacked
from gan.data.split import Split, hold_out, order_by_content
from gan.errors import InputError


@pytest.fixture
def small():
    """20 images with one pixel each; pixel and label equal the index of the image."""
    numbers = np.arange(20)
    return Split(numbers.astype(np.uint8).reshape(20, 1, 1, 1), numbers.astype(np.int32))


def labels_of(batches):
    return [labels.numpy().tolist() for _, labels in batches]


def test_embedded_digits_have_disjoint_splits_balanced_by_class(digits):
    assert [len(part) for part in (digits.train, digits.validation, digits.test)] == [4_000, 500, 500]
    for part, per_class in ((digits.train, 400), (digits.validation, 50), (digits.test, 50)):
        assert np.bincount(part.labels).tolist() == [per_class] * 10
    seen = [image.tobytes() for part in (digits.train, digits.validation, digits.test) for image in part.images]
    assert len(set(seen)) == 5_000
    assert (digits.image_shape, digits.num_classes, digits.train.images.dtype) == ((28, 28, 1), 10, np.uint8)


def test_held_out_images_do_not_depend_on_storage_order(small):
    order = np.random.default_rng(0).permutation(20)
    for part, shuffled in zip(hold_out(small, 5), hold_out(small.take(order), 5)):
        np.testing.assert_array_equal(part.images, shuffled.images)
        np.testing.assert_array_equal(part.labels, shuffled.labels)
    assert sorted(order_by_content(small.images)) == list(range(20))


def test_batches_are_scaled_and_keep_images_with_their_labels(small):
    for real, labels in small.batches(4):
        np.testing.assert_allclose(real[:, 0, 0, 0], labels.numpy() / 127.5 - 1.0, rtol=1e-6)
        assert real.dtype == "float32"
        assert labels.dtype == "int32"


def test_each_pass_yields_every_image_once_in_a_new_order(small):
    batches = labels_of(small.batches(5, steps=8))
    first, second = (list(itertools.chain(*part)) for part in (batches[:4], batches[4:]))
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second != list(range(20))


@pytest.mark.parametrize("batch_size", [3, 5, 20])
@pytest.mark.parametrize("first_step", [0, 1, 6, 13])
def test_batches_from_any_first_step_equal_those_of_a_full_run(small, batch_size, first_step):
    whole = labels_of(small.batches(batch_size, steps=20, seed=4))
    assert (
        labels_of(small.batches(batch_size, steps=20 - first_step, seed=4, first_step=first_step)) == whole[first_step:]
    )


def test_batches_repeat_for_a_seed_and_differ_between_seeds(small):
    assert (
        labels_of(small.batches(5, seed=1))
        == labels_of(small.batches(5, seed=1))
        != labels_of(small.batches(5, seed=2))
    )


def test_cardinality_is_known(small):
    assert int(small.batches(3).cardinality()) == 6
    assert int(small.batches(3, steps=100).cardinality()) == 100


def test_batches_without_labels_contain_only_images():
    (batch,) = Split(np.zeros((3, 2, 2, 1), np.uint8), None).batches(3)
    assert batch.shape == (3, 2, 2, 1)


@pytest.mark.parametrize("batch_size", [0, -1, 21])
def test_rejects_batch_sizes_out_of_range(small, batch_size):
    with pytest.raises(InputError, match="from 1 to the 20 images of this split"):
        small.batches(batch_size)


@pytest.fixture
def empty_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    logging.getLogger("absl").setLevel(logging.ERROR)
    return tmp_path


def test_prepares_and_splits_a_tfds_dataset(empty_data_folder, monkeypatch):
    monkeypatch.setattr(tfds, "builder", lambda name, try_gcs: tfds.testing.DummyMnist())  # 20 images per split
    dataset = catalog.load_catalogued(Request("mnist"))
    assert (dataset.image_shape, dataset.num_classes) == ((28, 28, 1), 10)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [17, 3, 20]
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.labels.dtype == np.int32


class TinyColor(tfds.core.GeneratorBasedBuilder):
    """30 unlabeled RGB images of 8 x 12 in a train and a validation split."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(8, 12, 3)), "id": np.int64})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(24), "validation": self._generate_examples(6)}

    def _generate_examples(self, count):
        for number in range(count):
            yield number, {"image": np.full((8, 12, 3), number, np.uint8), "id": number}


def test_loads_a_color_dataset_without_labels_or_test_split(empty_data_folder):
    dataset = load_dataset("tiny_color")
    assert (dataset.name, dataset.image_shape, dataset.num_classes) == ("tiny_color", (8, 12, 3), 0)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [20, 6, 4]
    assert dataset.train.labels is None
    assert not set(dataset.train.images[:, 0, 0, 0]) & set(dataset.test.images[:, 0, 0, 0])


def test_reads_examples_in_chunks_of_bounded_size(empty_data_folder, monkeypatch, chunks):
    monkeypatch.setattr(storage, "CHUNK_BYTES", 5 * 8 * 12 * 3)
    load_dataset("tiny_color")
    assert chunks == [5 * 288] * 4 + [4 * 288] + [5 * 288] + [288]  # 24 training and 6 validation images


def test_builds_stacked_images_in_chunks_of_bounded_size(digits, monkeypatch, chunks):
    monkeypatch.setattr(storage, "CHUNK_BYTES", 100 * 28 * 28 * 3)
    chunked = load_stacked(Request("stacked-mnist5k"), digits)
    assert max(chunks) == storage.CHUNK_BYTES
    monkeypatch.undo()
    in_one_chunk = load_stacked(Request("stacked-mnist5k"), digits)
    np.testing.assert_array_equal(chunked.train.images, in_one_chunk.train.images)


class MixedSizes(tfds.core.GeneratorBasedBuilder):
    """30 labeled RGB images of 12 sizes; all pixels of an image have the same value, its index + 2."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        label = tfds.features.ClassLabel(names=["even", "odd"])
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"image": tfds.features.Image(), "label": label})
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(30):
            image = np.full((10 + number % 3, 8 + number % 4, 3), number + 2, np.uint8)
            yield number, {"image": image, "label": number % 2}


def test_resizes_a_dataset_of_mixed_sizes(empty_data_folder):
    with pytest.raises(InputError, match="--image-size"):
        load_dataset("mixed_sizes")
    for options, shape in (({}, (16, 12, 3)), ({"channels": 1}, (16, 12, 1))):
        dataset = load_dataset("mixed_sizes", image_size=(16, 12), **options)
        assert (dataset.image_shape, dataset.num_classes, dataset.class_names) == (shape, 2, ("even", "odd"))
        assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [21, 4, 5]
        for part in (dataset.train, dataset.validation, dataset.test):
            assert (part.images == part.images[:, :1, :1]).all()
            assert (part.images[:, 0, 0, 0] % 2 == part.labels).all()


def test_converts_size_and_channels_of_a_uniform_dataset(empty_data_folder, digits):
    small = load_dataset("tiny_color", image_size=(4, 4), channels=1)  # its RGB images are gray
    assert small.image_shape == (4, 4, 1)
    large = load_dataset("mnist5k", image_size=(32, 48), channels=3)
    assert large.image_shape == (32, 48, 3)
    np.testing.assert_array_equal(large.test.labels, digits.test.labels)
    assert (large.test.images == large.test.images[..., :1]).all()


def test_a_tfds_name_takes_precedence_over_a_folder(empty_data_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny_color").mkdir(exist_ok=True)
    assert load_dataset("tiny_color").image_shape == (8, 12, 3)
    with pytest.raises(InputError, match="No images in this folder"):
        load_dataset("./tiny_color/1.0.0")


def test_stacked_images_and_labels_match_their_three_digits(digits):
    stacked = load_stacked(Request("stacked-mnist5k"), digits)
    assert (stacked.name, stacked.num_classes, stacked.image_shape) == ("stacked-mnist5k", 1_000, (28, 28, 3))
    parts = [(getattr(stacked, name), getattr(digits, name)) for name in ("train", "validation", "test")]
    assert [len(part) for part, _ in parts] == [10_240, 500, 500]
    for part, single in parts:
        label_of = {image.tobytes(): label for image, label in zip(single.images, single.labels)}
        seen = np.array([[label_of[i[..., c].tobytes()] for c in range(3)] for i in part.images[:200]])
        np.testing.assert_array_equal(seen @ [100, 10, 1], part.labels[:200])
    assert len(np.unique(stacked.train.labels)) == 1_000
    poisson_std = np.sqrt(10.24)  # of the number of images per class, if classes are drawn uniformly
    assert np.bincount(stacked.train.labels).std() < 1.3 * poisson_std
    again = load_dataset("stacked-mnist5k", memory_limit=0)  # the name that config.json records
    assert stacked.fingerprint == again.fingerprint
    few = Dataset("mnist5k", 10, digits.validation, digits.validation, digits.test)
    assert load_stacked(Request("stacked-mnist5k", image_size=(32, 36)), few).image_shape == (32, 36, 3)


def test_stacked_mnist_falls_back_like_mnist(empty_data_folder, monkeypatch):
    monkeypatch.setattr(catalog, "answers", lambda url: False)
    with pytest.warns(UserWarning, match="USING mnist5k"):
        assert load_dataset("stacked-mnist").name == "stacked-mnist5k"
    with pytest.raises(InputError, match="its host does not answer"):
        load_dataset("stacked-mnist", fallback="none")


@pytest.mark.slow
def test_stacked_mnist_has_the_size_used_in_the_literature(full_mnist):
    stacked = load_dataset("stacked-mnist", fallback="none")
    assert [len(part) for part in (stacked.train, stacked.validation, stacked.test)] == [128_000, 10_000, 10_000]
    assert stacked.name == "stacked-mnist"
    digits = {image.tobytes() for image in full_mnist.test.images}
    assert all(image[..., 1].tobytes() in digits for image in stacked.test.images)


def test_mnist_falls_back_with_a_warning_only_if_allowed(empty_data_folder, monkeypatch):
    monkeypatch.setattr(catalog, "answers", lambda url: False)
    with pytest.warns(UserWarning, match="MNIST IS NOT AVAILABLE: USING mnist5k"):
        assert load_dataset("mnist").name == "mnist5k"
    with pytest.raises(InputError, match="its host does not answer"):
        load_dataset("mnist", fallback="none")
    with pytest.raises(InputError, match="its host does not answer"):
        load_dataset("kmnist")


def test_an_interrupted_download_counts_as_unreachable(empty_data_folder, monkeypatch):
    def fail(builder):
        raise OSError("connection reset")

    monkeypatch.setattr(catalog, "answers", lambda url: True)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(catalog.UnreachableError, match="connection reset"):
        load_dataset("mnist", fallback="none")


def test_rejects_a_damaged_prepared_dataset(empty_data_folder):
    load_dataset("tiny_color")
    file = next((empty_data_folder / "tiny_color").rglob("*train*record*"))
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(InputError, match="The prepared dataset is damaged"):
        load_dataset("tiny_color")


class TinyLabeled(tfds.core.GeneratorBasedBuilder):
    """30 labeled images of 3 x 4 pixels."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"image": tfds.features.Image(shape=(3, 4, 1)), "label": tfds.features.ClassLabel(num_classes=5)}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        pixels = np.random.default_rng(0).integers(0, 256, (30, 3, 4, 1), np.uint8)
        for number, image in enumerate(pixels):
            yield number, {"image": image, "label": number % 5}


@pytest.mark.parametrize("shards", [1, 2])
def test_reads_examples_in_tfds_order(empty_data_folder, shards):
    builder = TinyLabeled()
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=shards))
    assert builder.info.splits["train"].num_shards == shards
    batches = list(catalog._examples(builder, "train", catalog._Keys("image", "label", 8)))
    assert [len(batch["label"]) for batch in batches] == [8, 8, 8, 6]
    expected = list(tfds.as_numpy(builder.as_dataset(split="train")))
    assert len({example["image"].tobytes() for example in expected}) == 30
    for key in ("image", "label"):
        values = np.concatenate([batch[key] for batch in batches])
        np.testing.assert_array_equal(values, [example[key] for example in expected])
        assert values.dtype == expected[0][key].dtype


def test_examples_are_decoded_on_the_cpu():
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(4, 4, 1)), "label": tfds.features.ClassLabel(num_classes=3)}
    )
    graph = catalog._decoder(features, ["image", "label"]).get_concrete_function().graph
    loops = [op for op in graph.get_operations() if op.type.endswith("While")]
    bodies = [graph._get_function(loop.get_attr("body").name).graph for loop in loops]
    every = [op for part in (graph, *bodies) for op in part.get_operations()]
    placed = [op for op in every if op.type not in ("Placeholder", "Identity")]
    assert {"TensorListReserve", "TensorListSetItem", "DecodeImage"} <= {op.type for op in placed}
    assert {op.device for op in placed} == {"/device:CPU:0"}


def test_rejects_a_prepared_dataset_with_missing_examples(empty_data_folder):
    builder = TinyLabeled()
    builder.download_and_prepare()
    (file,) = builder.info.splits["train"].filepaths
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records[:-1]:
            writer.write(record)
    with pytest.raises(InputError, match="The prepared dataset is damaged"):
        load_dataset("tiny_labeled")


def test_rejects_an_unknown_fallback():
    with pytest.raises(InputError, match="mnist5k or none"):
        load_dataset("mnist", fallback="mnits5k")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", r"Unknown `dataset`.*such as.* mnist.*Received: dataset='mnits'"),
        ("imdb_reviews", "one image of a fixed size"),
        ("coco", "one image of a fixed size"),
    ],
)
def test_rejects_names_without_an_image_dataset(empty_data_folder, name, message):
    with pytest.raises(InputError, match=message):
        load_dataset(name)


def test_answers_distinguishes_live_and_dead_hosts():
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_HEAD(self):
            if "get-only" in self.path:
                self.send_error(501)
            else:
                super().do_HEAD()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        assert catalog.answers(url)
        assert catalog.answers(url + "get-only")
        assert not catalog.answers(url + "missing")
        server.shutdown()
    assert not catalog.answers(url)
    assert not catalog.answers("not a url")


def test_full_mnist_has_the_documented_splits(full_mnist):
    assert [len(part) for part in (full_mnist.train, full_mnist.validation, full_mnist.test)] == [
        50_000,
        10_000,
        10_000,
    ]
    assert set(range(10)) == set(full_mnist.validation.labels.tolist())
    assert Path(full_mnist.name).name == "mnist"


def test_at_most_selects_the_same_random_subset_each_time(digits):
    subset = digits.validation.at_most(100)
    assert len(subset) == len(subset.labels) == 100
    np.testing.assert_array_equal(digits.validation.at_most(100).images, subset.images)
    assert len(np.unique(subset.labels)) == 10  # a prefix would lack classes: images are sorted by content
    assert digits.validation.at_most(500) is digits.validation


def test_each_iteration_over_batches_has_a_new_order(small):
    batches = small.batches(5)
    passes = [labels_of(batches) for _ in range(3)]
    run = labels_of(small.batches(5, steps=12))
    assert passes == [run[:4], run[4:8], run[8:]]
    assert labels_of(small.batches(5)) == passes[0]


@pytest.mark.parametrize(("steps", "first_step"), [(2, 0), (3, 3), (6, 1), (9, 5)])
def test_later_iterations_take_later_passes(small, steps, first_step):
    batches = small.batches(5, steps=steps, first_step=first_step, seed=3)
    found = [labels_of(batches) for _ in range(3)]
    passes = -(-(first_step % 4 + steps) // 4)
    for number, one in enumerate(found):
        later = first_step + number * passes * 4
        assert one == labels_of(small.batches(5, steps=steps, first_step=later, seed=3))


def test_looking_at_some_batches_does_not_change_the_order(small):
    batches = small.batches(5)
    first = next(iter(batches))[1].numpy().tolist()
    for number, (_, labels) in enumerate(batches):
        assert number or labels.numpy().tolist() == first
        if number == 2:
            break
    assert next(iter(batches))[1].numpy().tolist() == first


def test_batches_repeat_if_asked(small):
    batches = small.batches(5, reshuffle_each_iteration=False)
    assert labels_of(batches) == labels_of(batches) == labels_of(small.batches(5))


def test_each_epoch_of_a_plain_fit_has_a_new_order(small):
    seen = []
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(20)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)

    def look(images, labels):
        noted = tf.numpy_function(lambda array: (seen.append(array.tolist()), array)[1], [labels], tf.int32)
        return images, tf.ensure_shape(noted, labels.shape)

    model.fit(small.batches(5).map(look), epochs=3, verbose=0, shuffle=False)
    taken = [seen[start : start + 4] for start in range(len(seen) - 12, len(seen), 4)]
    assert taken == [labels_of(small.batches(5, first_step=4 * number)) for number in range(3)]
