"""Loads image datasets of tensorflow-datasets, either prepared or downloaded."""

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlparse

import numpy as np

from gan.data import storage
from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.split import Split, three_ways
from gan.errors import InputError, near_names
from gan.utils.global_state import restored

PROBE_SECONDS = 3.0
"""Seconds to wait for the host of a dataset. The library itself tries for minutes."""


class UnreachableError(InputError):
    """The dataset is not prepared on this machine and cannot be downloaded now."""


def is_catalogued(name: str) -> bool:
    """Returns whether tensorflow-datasets has a dataset of this name."""
    return _builder_name(name) in _known()


@restored()
def load_catalogued(request: Request) -> Dataset:
    """Loads the image dataset `request.name` of tensorflow-datasets, batch by batch.

    Raises `UnreachableError` when the dataset is not prepared and cannot be downloaded. Raises `InputError` for an
    unknown name, for a dataset without exactly one image per example, and for images of different sizes when no
    `image_size` is requested.
    """
    import tensorflow_datasets as tfds

    name = request.name
    if not is_catalogued(name):
        raise _unknown(name)
    try:
        builder = tfds.builder(name, try_gcs=False)
    except (tfds.core.registered.DatasetNotFoundError, AssertionError, ValueError) as error:
        raise _unknown(name) from error
    keys = _keys(request, builder.info.features, tfds)
    if not builder.is_prepared():
        _download(builder)
    splits = [split for split in ("train", "validation", "test") if split in builder.info.splits]
    if "train" not in splits:
        raise InputError(
            f"No training split in {name!r}", expected="a split named train", received=f"{list(builder.info.splits)}"
        )
    parts = three_ways({split: _read(builder, split, request, keys) for split in splits})
    classes = builder.info.features[keys.label] if keys.label else None
    num_classes = classes.num_classes if classes else 0
    return Dataset(name, num_classes, *parts, tuple(classes.names or ()) if classes else ())


def _builder_name(name: str) -> str:
    return name.split("/")[0].split(":")[0]


@restored()  # the import sets up the root logger
def _known() -> list[str]:
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)  # community datasets need minutes of network requests


def _unknown(name: str) -> InputError:
    near = near_names(name, ["mnist5k", "stacked-mnist", "emoji", "photos", *_known()])
    hint = f", such as {', '.join(near)}" if near else ""
    files = "a folder of images, a .zip, .csv, .npz or .npy file"
    expected = f"mnist5k, stacked-mnist, emoji, photos, {files} or a dataset of tensorflow-datasets{hint}"
    return InputError("Unknown `dataset`", expected=expected, received=f"dataset={name!r}")


class _Keys(NamedTuple):
    """Keys of the image and of the class label in an example, and the number of examples to read at once."""

    image: str
    label: str | None
    at_once: int


def _keys(request: Request, features: Any, tfds: Any) -> _Keys:
    items = dict(features.items()) if hasattr(features, "items") else {}
    images = [key for key, feature in items.items() if isinstance(feature, tfds.features.Image)]
    classes = [key for key, feature in items.items() if isinstance(feature, tfds.features.ClassLabel)]
    shape: Any = items[images[0]].shape if len(images) == 1 else (None, None, None)
    fits = len(images) == 1 and items[images[0]].np_dtype == np.uint8 and shape[2] in (1, 3, 4)
    if not fits or (None in shape and request.image_size is None):
        raise InputError(
            f"The dataset {request.name!r} is not supported",
            expected="one image of a fixed size (or --image-size) with 8 bits per channel in each example",
            received=", ".join(f"{key}: {type(feature).__name__} {feature.shape}" for key, feature in items.items()),
        )
    at_once = 1 if None in shape else storage.rows_per_chunk(shape)
    return _Keys(images[0], classes[0] if len(classes) == 1 else None, at_once)


def _read(builder: Any, split: str, request: Request, keys: _Keys) -> Split:
    import tensorflow as tf

    labels: list[np.ndarray] = []

    def chunks() -> Iterator[np.ndarray]:
        for example in _examples(builder, split, keys):
            if keys.label:
                labels.append(example[keys.label])
            yield example[keys.image]

    try:
        images = request.store(chunks())
    except tf.errors.OpError as error:
        folder = builder.data_dir
        raise InputError("The prepared dataset is damaged", expected="readable files", received=str(folder)) from error
    return Split(images, np.concatenate(labels).astype(np.int32) if labels else None)


def _examples(builder: Any, split: str, keys: _Keys) -> Iterator[dict[str, np.ndarray]]:
    """Yields a split, `keys.at_once` examples at a time, in the order of tensorflow-datasets: {key: [n, ...]}."""
    import tensorflow_datasets as tfds

    wanted = [key for key in (keys.image, keys.label) if key]
    info = builder.info.splits[split]
    is_records = builder.info.file_format == tfds.core.FileFormat.TFRECORD
    if is_records and info.num_shards == 1 and keys.at_once > 1:
        yield from _records(builder.info.features, info, wanted, keys.at_once)
        return
    examples = builder.as_dataset(
        split=split,
        shuffle_files=False,
        read_config=tfds.ReadConfig(try_autocache=False),
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(wanted, True)),
    )
    yield from tfds.as_numpy(examples.batch(keys.at_once))


def _records(features: Any, info: Any, wanted: list[str], at_once: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the examples of a split in a single file, where the order is fixed. Parses whole batches.

    This takes half the time of `as_dataset`.
    """
    import tensorflow as tf

    decode = _decoder(features, wanted)
    records = tf.data.TFRecordDataset([str(path) for path in info.filepaths])
    records = records.apply(tf.data.experimental.assert_cardinality(info.num_examples))
    for batch in records.batch(at_once):
        yield {key: value.numpy() for key, value in decode(batch).items()}


def _decoder(features: Any, wanted: list[str]) -> Any:
    """Returns a `tf.function` that parses serialized examples [N] and decodes them: {key: [N, ...]}.

    All of it runs on the CPU. TensorFlow decodes images and extends lists of 8-bit images only there. But it has a GPU
    kernel that begins such a list, and would then move whole lists between the devices, image by image.
    """
    import tensorflow as tf

    kinds = {key: features[key].get_serialized_info() for key in wanted}
    spec = {key: tf.io.FixedLenFeature(kind.shape, kind.tf_dtype) for key, kind in kinds.items()}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
    def decode(records: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.device("CPU:0"):
            parsed = tf.io.parse_example(records, spec)
            return {key: decode_batch(features[key], value) for key, value in parsed.items()}

    def decode_batch(feature: Any, values: tf.Tensor) -> tf.Tensor:
        if values.dtype != tf.string:
            return feature.decode_batch_example(values)
        return tf.map_fn(feature.decode_example, values, fn_output_signature=feature.tf_dtype)  # theirs logs a warning

    return decode


def _download(builder: Any) -> None:
    urls = sorted(builder.url_infos or ())  # None for a generated dataset
    if urls and not answers(urls[0]):
        raise UnreachableError(
            f"The dataset {builder.name!r} is not prepared and its host does not answer",
            expected=f"the dataset in {builder.data_dir} (see TFDS_DATA_DIR), or an answer of "
            f"{urlparse(urls[0]).hostname} within {PROBE_SECONDS:.0f} s",
            received="neither",
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # the library raises many types: a wrong checksum is a plain Exception
        raise UnreachableError(
            f"The dataset {builder.name!r} could not be downloaded",
            expected="a complete download",
            received=f"{type(error).__name__}: {error}",
        ) from error


def answers(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Returns whether a HEAD request for `url` succeeds within `seconds`, including DNS lookup and proxies."""
    answered = threading.Event()

    def probe() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
                answered.set()
        except urllib.error.HTTPError as error:
            if error.code in (405, 501):  # the host answers but does not support HEAD
                answered.set()
        except (OSError, ValueError, http.client.HTTPException):
            pass

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()
