"""Small classifiers as members of ensembles."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

from gan.evaluation.classifier.extractor import load_classifier
from gan.evaluation.classifier.network import build_classifier
from gan.evaluation.features import FEATURES
from gan.saving import files
from gan.saving.metadata import Calibration, ClassifierCard, ClassifierDataset


def constant_classifier(logits: Sequence[float], features: Sequence[float] = (1.0, 2.0)) -> keras.Model:
    """Returns a classifier of images [1, 1, 1] with the same logits, and the same features, for each image."""
    images = keras.Input((1, 1, 1))
    bias = keras.initializers.Constant
    hidden = layers.Dense(len(features), kernel_initializer="zeros", bias_initializer=bias(features), name=FEATURES)
    last = layers.Dense(len(logits), kernel_initializer="zeros", bias_initializer=bias(logits))
    return keras.Model(images, last(hidden(layers.Flatten()(images))))


def save_classifier(folder: Path, model: keras.Model, card: ClassifierCard) -> Path:
    """Writes a classifier with a card, whose SHA-256 and name it sets. Returns the folder."""
    folder.mkdir(parents=True)
    model.save(folder / "classifier.keras")
    digest = files.sha256(folder / "classifier.keras")
    files.write_json(folder / "config.json", replace(card, name=folder.name, sha256=digest).as_dict())
    return folder


def perturbed_classifier(folder: Path, classifier: Path, *, scale: float = 0.05, seed: int = 0) -> Path:
    """Writes a copy of a classifier with other weights: each changes by `scale` of the spread of its variable."""
    model, card = load_classifier(classifier)
    rng = np.random.default_rng(seed)
    changed = [
        weight if weight.dtype != np.float32 or (weight >= 0).all() else weight + scale * weight.std() * noise
        for weight in model.get_weights()
        for noise in [rng.normal(size=weight.shape).astype(np.float32)]
    ]
    model.set_weights(changed)
    return save_classifier(folder, model, card)


def untrained_classifier(
    folder: Path, *, seed: int, logits: int = 10, rejects: bool = False, **options: object
) -> Path:
    """Writes a classifier of the embedded digits with random weights. `options` replace those of the card's dataset."""
    keras.utils.set_random_seed(seed)
    data = {"name": "mnist5k", "image_shape": (28, 28, 1), "num_classes": 10, **options}
    card = ClassifierCard(
        data_sets=(str(data["name"]),),
        dataset=ClassifierDataset(**data),
        calibration=Calibration(rejects=rejects),
        sha256="",
    )
    return save_classifier(folder, build_classifier(data["image_shape"], logits, width=1, blocks=1, features=4), card)
