"""The digit classifier: recognises digits, and is the reference feature extractor of the metrics."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from gan import checkpoints, images
from gan.checkpoints import FoundClassifier
from gan.checks import check_positive, check_seed, check_whole
from gan.data import Split
from gan.errors import InputError

FEATURES = "features"
"""Name of the layer before the logits, whose outputs the Frechet distance and its kin compare."""


def build_classifier(
    image_shape: tuple[int, int, int], num_classes: int, *, width: int = 32, blocks: int = 2, features: int = 128
) -> keras.Model:
    """A convolutional classifier: images [B, H, W, C] in [-1, 1] -> logits [B, num_classes]. Built-in layers only.

    Three stages of `blocks` 3x3 convolutions (width, 2 width, 4 width filters; batch normalisation, relu), a halving
    after each, and a dense layer of `features` units called `features`.
    """
    check_whole("width", width, 1)
    check_whole("blocks", blocks, 1)
    inputs = x = keras.Input(image_shape, name="images")
    for stage in range(3):
        for _ in range(blocks):
            x = layers.Conv2D(width * 2**stage, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=0.9)(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(x))
    x = layers.Dense(features, activation="relu", name=FEATURES)(x)
    logits = layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name="classifier")


@dataclass(frozen=True)
class Distortion:
    """How far training digits are turned, moved and scaled, each uniformly up to the number given.

    What digits survive: a 6 turned by 15 degrees is a 6. No flips (a mirrored 2 is no digit, and 5 would meet 2) and
    no large rotations (half a turn makes a 9 of a 6).
    """

    degrees: float = 12.0
    shift: float = 2.0
    """Pixels, in both directions."""
    zoom: float = 0.12
    """Share, in both directions; each axis has its own."""

    def __call__(self, pictures: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Distorts images [B, H, W, C] in [-1, 1], each in its own way, a function of `key` (two whole numbers)."""
        count = tf.shape(pictures)[0]
        height, width = pictures.shape[1], pictures.shape[2]
        drawn = tf.random.stateless_uniform((5, count), key, -1.0, 1.0)
        angle = drawn[0] * self.degrees * np.pi / 180
        zoom_x, zoom_y = 1 + drawn[1] * self.zoom, 1 + drawn[2] * self.zoom
        a, b = tf.cos(angle) * zoom_x, -tf.sin(angle) * zoom_y
        c, d = tf.sin(angle) * zoom_x, tf.cos(angle) * zoom_y
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2  # the middle of the picture stays, but for the shift
        shift_x = middle_x - a * middle_x - b * middle_y + drawn[3] * self.shift
        shift_y = middle_y - c * middle_x - d * middle_y + drawn[4] * self.shift
        nothing = tf.zeros(count)
        transforms = tf.stack([a, b, shift_x, c, d, shift_y, nothing, nothing], axis=1)
        return keras.ops.image.affine_transform(pictures, transforms, fill_mode="constant", fill_value=-1.0)


def train_classifier(
    train: Split,
    validation: Split,
    *,
    num_classes: int,
    width: int = 32,
    blocks: int = 2,
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 2e-3,
    distortion: Distortion | None = None,
    seed: int = 0,
    verbose: int = 0,
) -> keras.Model:
    """Trains a classifier and keeps the weights of the epoch that is best on `validation`.

    Adam with cosine decay; an average of the weights over the last steps (half-life 20,000 images, at most a 32nd of
    the run); `distortion` (default: `Distortion()`) of every training picture anew. Returns the model uncompiled.
    """
    check_whole("epochs", epochs, 1)
    check_positive("learning_rate", learning_rate)
    check_seed(seed)
    if train.labels is None or validation.labels is None:
        raise InputError("A classifier needs labels", expected="splits with labels", received="none")
    check_whole("batch_size", batch_size, 1, len(train))
    distortion = distortion or Distortion()
    keras.utils.set_random_seed(seed)
    classifier = build_classifier(train.images.shape[1:], num_classes, width=width, blocks=blocks)
    steps = len(train) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps, alpha=0.01)
    kept = 0.5 ** (batch_size / min(20_000, max(1, epochs * len(train) // 32)))
    classifier.compile(
        keras.optimizers.Adam(rate, use_ema=True, ema_momentum=kept, ema_overwrite_frequency=steps),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    best = _BestWeights("val_accuracy")
    for epoch in range(epochs):
        batches = train.batches(batch_size, steps=steps, seed=seed, first_step=epoch * steps)
        distorted = batches.enumerate(epoch * steps).map(
            lambda step, data: (distortion(data[0], tf.stack([tf.constant(seed, tf.int64), step])), data[1]),
            num_parallel_calls=2,
        )
        classifier.fit(
            distorted,
            validation_data=(as_input(validation.images), validation.labels),
            validation_batch_size=500,
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=[best],
            shuffle=False,
            verbose=verbose,
        )
    plain = keras.models.clone_model(classifier)  # without the optimizer, whose state is three times the weights
    plain.set_weights(best.weights)
    return plain


class _BestWeights(keras.callbacks.Callback):
    """Remembers the weights of the epoch with the highest value of a log, the first of equals."""

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor
        self.best = -np.inf
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = (logs or {})[self.monitor]
        if value > self.best:
            self.best, self.weights = value, self.model.get_weights()


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


def load_classifier(checkpoint: str | Path | FoundClassifier) -> tuple[keras.Model, dict[str, Any]]:
    """Loads (classifier, its card) by folder or shipped name, once its file has the SHA-256 of the card.

    Takes what `checkpoints.find_classifier` found, too.

    Raises `InputError` when there is none, or the file is not the one that the card describes, or no classifier.
    """
    file, card = checkpoints.find_classifier(checkpoint)
    model = checkpoints.load_model(file, expected="a classifier")
    shapes = [tuple(tensor.shape[1:]) for tensor in (*model.inputs, *model.outputs)]
    features = [layer for layer in model.layers if layer.name == FEATURES]
    if not (
        features and len(shapes) == 2 and shapes[0] == tuple(card["dataset"]["image_shape"]) and len(shapes[1]) == 1
    ):
        raise InputError(
            "This model is no classifier",
            expected=f"images {card['dataset']['image_shape']} in, logits out, and a layer called {FEATURES}",
            received=str(file.path),
        )
    return model, card
