"""Scores of images that decide which are kept: by a classifier, or by the discriminator."""

from abc import ABC, abstractmethod

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor
from gan.models.networks.inputs import NetworkInputs, format_shape
from gan.saving.engines.engine import Engine


class ImageScore(ABC):
    """Scores images for the classes that were asked of them. A higher score is better."""

    @abstractmethod
    def __call__(self, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Computes the scores.

        Args:
            images: float32 [B, *image_shape].
            labels: requested classes, int32 [B], or None without classes.

        Returns float64 [B].
        """


class ClassifierScore(ImageScore):
    """The margin of the requested class: its logit less the largest logit of the other classes.

    It is above zero if the classifier reads the requested class. Without requested classes, it is the log odds
    log(p / (1 - p)) of the largest probability p of a class.

    Args:
        classifier: images -> logits [B, classes], with a layer of features, see `load_classifier`.
        rejects: whether the last logit stands for images of none of the classes. It is one of the others, and never the
            class that is read.
    """

    def __init__(self, classifier: keras.Model, *, rejects: bool = False) -> None:
        self.extractor = Extractor(classifier)
        self.rejects = rejects

    def __call__(self, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Computes the margins or log odds, see `ImageScore`."""
        logits = np.asarray(self.extractor(images)["logits"], np.float64)
        rows = np.arange(len(logits))
        classes = logits[:, :-1] if self.rejects else logits
        chosen = classes.argmax(axis=1) if labels is None else labels
        others = logits.copy()
        others[rows, chosen] = -np.inf
        top = others.max(axis=1)
        if labels is None:  # log of the sum of the other powers, for the log odds
            top = top + np.log(np.exp(others - top[:, None]).sum(axis=1))
        return logits[rows, chosen] - top


class DiscriminatorScore(ImageScore):
    """The logit of the discriminator, in inference mode and without augmentation.

    It is no log density ratio until it is calibrated: D was trained with penalties, other fakes than the averaged
    generator's and, perhaps, mismatched labels.

    Args:
        discriminator: images [B, H, W, C](, labels [B]) -> logits [B, 1].
    """

    def __init__(self, discriminator: keras.Model) -> None:
        self.inputs = NetworkInputs.of(discriminator, "images")
        specs = self.inputs.specs

        def call(*values: tf.Tensor) -> tf.Tensor:
            return discriminator(self.inputs.arrange(**dict(zip(specs, values))), training=False)

        self._graph = tf.function(call, input_signature=list(specs.values()), autograph=False)

    def __call__(self, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Computes the logits, see `ImageScore`."""
        values = self.inputs.in_order(images=images, labels=labels)
        return np.asarray(self._graph(*values), np.float64)[:, 0]

    def check_suits(self, engine: Engine) -> None:
        """Raises `InputError` unless the discriminator takes the images and the classes of a generator."""
        own = self.inputs.image_shape, self.inputs.num_classes
        needed = tuple(engine.image_shape), engine.num_classes
        if own != needed:
            expected, received = (f"images {format_shape((None, *s))} of {n} classes" for s, n in (needed, own))
            raise InputError("The discriminator is not this generator's", expected=expected, received=received)
