"""Any image set of tensorflow-datasets: prepared, or downloaded when its host answers."""

import difflib
import http.client
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlparse

import numpy as np

from gan.data.dataset import Dataset, Split, hold_out
from gan.errors import InputError

PROBE_SECONDS = 3.0
"""How long to wait for the host of a data set. The library itself tries for minutes."""

VALIDATION_SHARE = 1 / 6
"""Share of the training split that is held out when a set has no validation split: MNIST's 10,000 of 60,000."""


class UnreachableError(InputError):
    """The data set is neither prepared on this machine nor to be had from its host now."""


def load_catalogued(name: str) -> Dataset:
    """Loads the image set `name` of tensorflow-datasets.

    Raises `UnreachableError` when it is not prepared and cannot be downloaded, and `InputError` when there is no such
    set, or it holds no images of one size.
    """
    import tensorflow_datasets as tfds

    known = tfds.list_builders(with_community_datasets=False)  # with them, it would ask the network, for minutes
    if name.split("/")[0].split(":")[0] not in known:
        raise _unknown(name, known)
    try:
        builder = tfds.builder(name, try_gcs=False)
    except (tfds.core.registered.DatasetNotFoundError, AssertionError, ValueError) as error:
        raise _unknown(name, known) from error
    image_key, label_key = _keys(name, builder.info.features, tfds)
    if not builder.is_prepared():
        _download(builder)
    parts = {
        split: _read(builder, split, image_key, label_key)
        for split in ("train", "validation", "test")
        if split in builder.info.splits
    }
    if "train" not in parts:
        raise InputError(
            f"No training images in {name!r}", expected="a split named train", received=f"{list(builder.info.splits)}"
        )
    train = parts["train"]
    if "test" not in parts:
        train, parts["test"] = hold_out(train, round(len(train) * VALIDATION_SHARE))
    if "validation" not in parts:
        train, parts["validation"] = hold_out(train, round(len(train) * VALIDATION_SHARE))
    num_classes = builder.info.features[label_key].num_classes if label_key else 0
    return Dataset(name, num_classes, train, parts["validation"], parts["test"])


def _unknown(name: str, known: list[str]) -> InputError:
    near = difflib.get_close_matches(name, ["mnist5k", *known], n=3)
    hint = f", such as {', '.join(near)}" if near else ""
    expected = f"mnist5k or a set of tensorflow-datasets{hint}"
    return InputError("Unknown `dataset`", expected=expected, received=f"dataset={name!r}")


def _keys(name: str, features: Any, tfds: Any) -> tuple[str, str | None]:
    """Names of the image and of the class label in an example."""
    items = dict(features.items()) if hasattr(features, "items") else {}
    pictures = [key for key, feature in items.items() if isinstance(feature, tfds.features.Image)]
    classes = [key for key, feature in items.items() if isinstance(feature, tfds.features.ClassLabel)]
    if len(pictures) != 1 or None in items[pictures[0]].shape or items[pictures[0]].np_dtype != np.uint8:
        raise InputError(
            f"The data set {name!r} does not fit",
            expected="one image of a fixed size and 8 bits in each example",
            received=", ".join(f"{key}: {type(feature).__name__} {feature.shape}" for key, feature in items.items()),
        )
    return pictures[0], classes[0] if len(classes) == 1 else None


def _read(builder: Any, split: str, image_key: str, label_key: str | None) -> Split:
    import tensorflow as tf
    import tensorflow_datasets as tfds

    try:
        examples = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, shuffle_files=False))
    except tf.errors.OpError as error:
        folder = builder.data_dir
        raise InputError("The prepared data set is damaged", expected="readable files", received=str(folder)) from error
    return Split(examples[image_key], examples[label_key].astype(np.int32) if label_key else None)


def _download(builder: Any) -> None:
    urls = sorted(builder.url_infos or ())  # None for a set that is made, not downloaded
    if urls and not answers(urls[0]):
        raise UnreachableError(
            f"The data set {builder.name!r} is not prepared, and its host does not answer",
            expected=f"it in {builder.data_dir} (see TFDS_DATA_DIR), or {urlparse(urls[0]).hostname} "
            f"within {PROBE_SECONDS:.0f} s",
            received="neither",
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # that library raises what it likes: a wrong checksum is a plain Exception
        raise UnreachableError(
            f"The data set {builder.name!r} could not be downloaded",
            expected="a complete download",
            received=f"{type(error).__name__}: {error}",
        ) from error


def answers(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a HEAD request for `url` succeeds within `seconds`, name look-up and proxies included."""
    found = threading.Event()

    def probe() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
                found.set()
        except urllib.error.HTTPError as error:
            if error.code in (405, 501):  # it answers, and only HEAD is not to its taste
                found.set()
        except (OSError, ValueError, http.client.HTTPException):
            pass

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return found.is_set()
