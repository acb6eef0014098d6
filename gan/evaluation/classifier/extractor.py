"""The reference classifier as a function: loading it, its features and logits, the classes that it sees."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gan.data import images
from gan.errors import InputError
from gan.evaluation.classifier.network import FEATURES
from gan.saving import models
from gan.saving.metadata import ClassifierCard
from gan.saving.models import FoundClassifier


def as_input(pictures: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> float32 in [-1, 1], what a classifier takes."""
    return images.from_uint8(pictures.astype(np.float32))


class Extractor:
    """A classifier as a function: images [B, H, W, C] in [-1, 1] -> {"features": [B, F], "logits": [B, classes]}.

    Compiled once, for any number of images; `arrays` takes as many as there are, in batches. `features` is F, `classes`
    the number of classes.
    """

    def __init__(self, classifier: keras.Model) -> None:
        self._both = keras.Model(
            classifier.input, {"features": classifier.get_layer(FEATURES).output, "logits": classifier.output}
        )
        self.features = int(self._both.output["features"].shape[-1])
        self.classes = int(self._both.output["logits"].shape[-1])
        self._graph = tf.function(
            lambda pictures: self._both(pictures, training=False),
            input_signature=[tf.TensorSpec(classifier.input.shape, tf.float32)],
        )

    def __call__(self, pictures: Any) -> dict[str, Any]:
        return self._graph(pictures)

    def arrays(self, pictures: np.ndarray, *, batch_size: int = 500) -> dict[str, np.ndarray]:
        """The same as float32 arrays, for images [N, H, W, C]."""
        parts = [self(pictures[i : i + batch_size]) for i in range(0, len(pictures), batch_size)]
        return {name: np.concatenate([part[name] for part in parts]) for name in ("features", "logits")}


def classify(classifier: keras.Model, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(labels int64 [N], their probability float32 [N]) of images [N, H, W, C] in [-1, 1]."""
    logits = Extractor(classifier).arrays(pictures)["logits"]
    return logits.argmax(axis=1), top_probability(logits)


def top_probability(logits: np.ndarray) -> np.ndarray:
    """The largest softmax of each row: [N, classes] -> [N]."""
    return 1.0 / np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1)


def load_classifier(checkpoint: str | Path | FoundClassifier) -> tuple[keras.Model, ClassifierCard]:
    """Loads (classifier, its card) by folder or pretrained name, once its file has the SHA-256 of the card.

    Takes what `saving.models.find_classifier` found, too.

    Raises `InputError` when there is none, or the file is not the one that the card describes, or no classifier.
    """
    file, card = models.find_classifier(checkpoint)
    model = models.load_model(file, expected="a classifier")
    shapes = [tuple(tensor.shape[1:]) for tensor in (*model.inputs, *model.outputs)]
    features = [layer for layer in model.layers if layer.name == FEATURES]
    if not (features and len(shapes) == 2 and shapes[0] == card.dataset.image_shape and len(shapes[1]) == 1):
        raise InputError(
            "This model is no classifier",
            expected=f"images {list(card.dataset.image_shape)} in, logits out, and a layer called {FEATURES}",
            received=str(file.path),
        )
    return model, card
