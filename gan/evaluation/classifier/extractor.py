"""Loading a classifier, and computing its features, logits and predictions."""

import os
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf

from gan.data import images as pixels
from gan.data.dataset import Dataset
from gan.errors import InputError, check
from gan.evaluation.features import FEATURES, Features, FeaturesLike, load_features, random_features
from gan.evaluation.images import as_images
from gan.evaluation.report import FeatureSource
from gan.saving import models
from gan.saving.known_images import check_card
from gan.saving.metadata import ClassifierCard
from gan.saving.models import FoundClassifier
from gan.utils.arguments import check_axes, checked
from gan.utils.types import Tensor


def as_input(images: np.ndarray) -> np.ndarray:
    """Converts images uint8 [N, H, W, C] to the input of a classifier: float32 in [-1, 1]."""
    return pixels.from_uint8(images.astype(np.float32))


ClassifierLike = Annotated[
    keras.Model | str | os.PathLike[str] | FoundClassifier, "a classifier, its folder, or a pretrained name"
]
"""A classifier, or what `load_classifier` loads."""


def check_classifier(model: keras.Model) -> None:
    """Raises `InputError` unless a model has one input of images, one output of logits, and a layer of features."""
    known = [layer.name for layer in getattr(model, "layers", [])]
    shapes = [len(tensor.shape) for tensor in (*(model.inputs or ()), *(model.outputs or ()))]
    if FEATURES not in known or shapes != [4, 2]:
        raise InputError(
            "The model is not a classifier",
            expected=f"input images [B, H, W, C], output logits, and a layer named {FEATURES}",
            received=model.name,
        )


class Extractor:
    """A network as a function: images [B, H, W, C] in [-1, 1] -> {"features": [B, F], "logits": [B, classes]}.

    Without a classifier, there are no logits. Compiled once, for any number of images. `arrays` splits large arrays
    into batches. `features` is F, `classes` is the number of classes, 0 without a `classifier`.

    Args:
        classifier: decides which samples are wrong; its layer `features` gives the features. None: no classes.
        features: gives the features instead.
    """

    @checked
    def __init__(self, classifier: keras.Model | None, features: Features | None = None) -> None:
        if classifier is None:
            check(features is not None, "features", "a classifier, features, or both", None)
            inputs, outputs = features.network.input, {"features": features.network.output}  # type: ignore[union-attr]
        else:
            check_classifier(classifier)
            inputs = classifier.input
            found = classifier.get_layer(FEATURES).output if features is None else features.network(inputs)
            outputs = {"features": found, "logits": classifier.output}
        self._both = keras.Model(inputs, outputs)
        self.features = int(outputs["features"].shape[-1])
        self.classes = 0 if classifier is None else int(outputs["logits"].shape[-1])
        self.classifier, self.given = classifier, features
        self._graph = tf.function(
            lambda images: self._both(images, training=False),
            input_signature=[tf.TensorSpec(inputs.shape, tf.float32)],
            autograph=False,
        )

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        return self._graph(images)

    def source(self, classifier_sha256: str | None) -> FeatureSource:
        """Returns where the features are from: the given network, or the classifier, whose SHA-256 is known."""
        if self.given is not None:
            return self.given.source
        return FeatureSource("classifier", FEATURES, str(classifier_sha256), self.features)

    def arrays(self, images: np.ndarray, *, batch_size: int = 500) -> dict[str, np.ndarray]:
        """Computes the same outputs for images [N, H, W, C] in batches, as float32 arrays."""
        parts = [self(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@checked
def classify(classifier: ClassifierLike, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Classifies images [N, H, W, C] in [-1, 1]: (labels int64 [N], their probabilities float32 [N]).

    Raises `InputError` for images of another shape or range, and a model that is not a classifier.
    """
    network = load_classifier(classifier)[0] if not isinstance(classifier, keras.Model) else classifier
    logits = Extractor(network).arrays(as_images(images, network.input_shape[1:]))["logits"]
    return logits.argmax(axis=1), top_probability(logits)


@checked
def top_probability(logits: np.ndarray) -> np.ndarray:
    """Computes the largest softmax probability of each row: [N, classes] -> [N]."""
    check_axes("logits", logits, "NC")
    return 1.0 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)


def as_classifier(classifier: ClassifierLike, card: ClassifierCard | None = None) -> tuple[keras.Model, ClassifierCard]:
    """Returns (classifier, its card): the given ones, or what `load_classifier` loads.

    Raises `InputError` for a model without a card, and as `load_classifier` does.
    """
    if not isinstance(classifier, keras.Model):
        loaded, its_card = load_classifier(classifier)
        return loaded, card or its_card
    if card is None:
        expected = "a card too, or its folder or name: classifier, card = load_classifier(...)"
        raise InputError("The classifier has no card", expected=expected, received=f"the model {classifier.name}")
    return classifier, card


def make_extractor(
    dataset: Dataset, classifier: ClassifierLike | None, card: ClassifierCard | None, features: FeaturesLike | None
) -> tuple[Extractor, ClassifierCard | None]:
    """Returns what measures images of a dataset, and the card of its classifier; None without a classifier.

    The features are those of `features`, else of the classifier, else of the fixed random network.

    Raises `InputError` if the classifier or the features do not suit the dataset.
    """
    shape, network, found = dataset.image_shape, None, None
    if classifier is not None:
        network, card = as_classifier(classifier, card)
        check_card(dataset, card)
        classes = int(network.output_shape[-1])
        if classes < dataset.num_classes:
            expected = f"a classifier of {dataset.num_classes} classes"
            raise InputError("The classifier has too few classes", expected=expected, received=f"{classes} classes")
    if features is not None:
        found = load_features(features, shape)
    elif network is None:
        found = random_features(shape)
    return Extractor(network, found), None if network is None else card


@checked
def load_classifier(checkpoint: str | os.PathLike[str] | FoundClassifier) -> tuple[keras.Model, ClassifierCard]:
    """Loads (classifier, its card) and checks the SHA-256 of the file against the card.

    Args:
        checkpoint: a folder, a pretrained name, or the result of `saving.models.find_classifier`.

    Raises `InputError` if the classifier is not found, its SHA-256 differs, or the model is not a classifier.
    """
    file, card = models.find_classifier(checkpoint)
    model = models.load_model(file, expected="a classifier")
    shapes = [tuple(tensor.shape[1:]) for tensor in (*model.inputs, *model.outputs)]
    features = [layer for layer in model.layers if layer.name == FEATURES]
    if not (features and len(shapes) == 2 and shapes[0] == card.dataset.image_shape and len(shapes[1]) == 1):
        raise InputError(
            "The model is not a classifier",
            expected=f"input images {list(card.dataset.image_shape)}, output logits, and a layer named {FEATURES}",
            received=str(file.path),
        )
    return model, card
