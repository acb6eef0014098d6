"""Extra fakes: images, besides the samples of G, that the loss of the discriminator D treats as fakes.

Each kind has a share of D's loss. A batch of some reals comes with as many extra fakes of each kind.
"""

import base64
import io
from abc import ABC, abstractmethod
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from gan.config.optimization import MISMATCHED_LABELS as MISMATCHED_LABELS
from gan.config.optimization import mismatched_share
from gan.data import images
from gan.errors import InputError, check, check_share_below_one, is_number
from gan.models import random
from gan.utils.types import Tensor

EVERY = 8
"""Every N-th real comes with extra fakes. N does not change their weight in D's loss, only the noise of that part."""


class ExtraFakes(ABC):
    """Images that are fakes to D, with a share of D's loss.

    Attributes:
        share: share of D's loss, in [0, 1).
        use: number of the random key of their augmentation. Each kind has its own.
    """

    use: ClassVar[int]
    share: float

    @abstractmethod
    def draw(self, real: Tensor, labels: Tensor, seed: int, step: Tensor) -> tuple[Tensor, Tensor]:
        """Returns as many extra fakes as there are reals, with the labels that D receives with them.

        Args:
            real: images [M, H, W, C] in [-1, 1], of this replica.
            labels: int32 [M], the labels of the reals; None: an unconditional GAN.
            seed, step: seed of the GAN and number of the D update. The choice is a function of them and the replica.

        Returns images [M, H, W, C] in [-1, 1], and labels int32 [M] or None.
        """


class MismatchedLabels(ExtraFakes):
    """Reals with a wrong label, after arXiv:1605.05396, section 4.2.

    share: weight in D's loss, in [0, 1).
    num_classes: number of classes, >= 2.
    """

    use, _choice = -2, -1

    def __init__(self, share: float, num_classes: int) -> None:
        self.share, self.num_classes = share, num_classes

    def draw(self, real: Tensor, labels: Tensor, seed: int, step: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the reals with wrong labels. All other classes are equally likely.

        One random offset per step is added to all labels, modulo the number of classes. All replicas use the same
        offset. Over many steps it gives each image each wrong label as often as one offset per image would.
        """
        others = self.num_classes - 1
        number = random.uniform((), random.training_key(seed, step, 0, self._choice), 0.0, float(others))
        moved = 1 + tf.cast(number, tf.int32)
        return real, tf.math.floormod(tf.cast(labels, tf.int32) + moved, self.num_classes)


def of_mismatched_labels(share: float | None, num_classes: int) -> list[ExtraFakes]:
    """Returns the reals with mismatched labels of a share, see `GAN.compile`. An empty list: the share is 0.

    Raises `InputError` if the share is not in [0, 1), or not 0 with fewer than two classes.
    """
    share = mismatched_share(share, num_classes)
    check_share_below_one("mismatched_labels", share)
    if share and num_classes < 2:
        raise InputError(
            "Mismatched labels need at least two classes",
            expected="mismatched_labels=0 (--mismatched-labels 0), or labels of two classes or more",
            received=f"{num_classes} classes, mismatched_labels={share}",
        )
    return [MismatchedLabels(share, num_classes)] if share else []


@keras.saving.register_keras_serializable(package="gan")
class RejectedSamples(ExtraFakes):
    """Samples that people called wrong: fixed images, each with the class that was asked. Chosen anew in each step.

    The images stay in memory as float32, on the device of the caller.

    Args:
        images: uint8 [N, H, W, C], or float [N, ...] in [-1, 1]. Other types of numbers are refused.
        labels: classes that were asked, whole numbers [N] from 0 to 2^31 - 1; None: of an unconditional generator.
        share: weight in D's loss, above 0 and below 1.

    Raises `InputError` for no image, for values or types out of these ranges, and for another number of labels.
    """

    use, _choice = -4, -3

    def __init__(self, images: np.ndarray, labels: np.ndarray | None = None, *, share: float = 0.1) -> None:
        check(is_number(share) and 0 < share < 1, "share", "a number > 0 and < 1", share)
        self.images = _checked_images(images)
        self.labels = None if labels is None else _checked_labels(labels, len(self.images))
        self.share = float(share)
        # Tensors of the eager mode are inputs of a graph: neither constants in it, which XLA would compile, nor
        # variables, which would be saved.
        self._images = tf.constant(_as_float(self.images))
        self._labels = None if self.labels is None else tf.constant(self.labels)

    def check_fit(self, image_shape: tuple[int, ...], num_classes: int) -> None:
        """Raises `InputError` unless the samples have the image shape and the classes of a discriminator."""
        shape = tuple(self.images.shape[1:])
        found = None if self.labels is None else (int(self.labels.min()), int(self.labels.max()))
        in_range = found is None if not num_classes else found is not None and 0 <= found[0] <= found[1] < num_classes
        if shape != tuple(image_shape) or not in_range:
            classes = f"classes 0 to {num_classes - 1}" if num_classes else "no classes"
            received = "no classes" if found is None else f"classes {found[0]} to {found[1]}"
            raise InputError(
                "The rejected samples do not fit the discriminator",
                expected=f"images of shape {tuple(image_shape)}, {classes}",
                received=f"images of shape {shape}, {received}",
            )

    def draw(self, real: Tensor, labels: Tensor, seed: int, step: Tensor) -> tuple[Tensor, Tensor]:
        """Returns as many of the samples as there are reals, each chosen independently, with their classes.

        The replicas together choose the samples that one device chooses for the whole batch.
        """
        context, rows = tf.distribute.get_replica_context(), tf.shape(real)[0]
        place, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
        key = random.training_key(seed, step, 0, self._choice)
        number = random.uniform((replicas * rows,), key, 0.0, float(len(self.images)))
        chosen = tf.reshape(tf.cast(number, tf.int32), [replicas, rows])[place]
        asked = None if self._labels is None else tf.gather(self._labels, chosen)
        return tf.cast(tf.gather(self._images, chosen), real.dtype), asked

    def get_config(self) -> dict[str, object]:
        labels = None if self.labels is None else self.labels.tolist()
        return {"images": _encode(self.images), "labels": labels, "share": self.share}

    @classmethod
    def from_config(cls, config: dict[str, Tensor]) -> "RejectedSamples":
        return cls(**{**config, "images": _decode(config["images"])})


def _as_array(name: str, given: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(given)
    except ValueError as error:  # rows of several lengths
        raise InputError(f"Bad `{name}`", expected="an array", received=" ".join(str(error).split())) from error


def _checked_images(given: np.ndarray) -> np.ndarray:
    """Returns images as an array. Raises `InputError` unless they are uint8, or floats in [-1, 1]."""
    found = _as_array("images", given)
    check(found.ndim > 1 and found.size > 0, "images", "one image or more", found.shape)
    if found.dtype == np.uint8:
        return found
    check(np.issubdtype(found.dtype, np.floating), "images", "uint8, or floats in [-1, 1]", f"{found.dtype} numbers")
    least, most = found.min(), found.max()
    check(-1 <= least <= most <= 1, "images", "floats in [-1, 1]", f"floats from {least:g} to {most:g}")  # or NaN
    return found


def _checked_labels(given: np.ndarray, count: int) -> np.ndarray:
    """Returns labels as int32 [count]. Raises `InputError` for others than whole numbers from 0 to 2^31 - 1."""
    found = _as_array("labels", given)
    check(found.shape == (count,), "labels", f"{count} labels", found.shape)
    expected = "whole numbers from 0 to 2^31 - 1"
    check(np.issubdtype(found.dtype, np.integer), "labels", expected, f"{found.dtype}: {found[:8].tolist()}")
    least, most = int(found.min()), int(found.max())
    check(0 <= least <= most < 2**31, "labels", expected, f"numbers from {least} to {most}")
    return found.astype(np.int32)


def _as_float(given: np.ndarray) -> np.ndarray:
    """Returns images in [-1, 1] as float32."""
    found = given.astype(np.float32)
    return np.asarray(images.from_uint8(found)) if given.dtype == np.uint8 else found


def _encode(array: np.ndarray) -> str:
    """Returns an array as text. `_decode` is the inverse."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=array)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _decode(text: str) -> np.ndarray:
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as content:
        return np.asarray(content["images"])
