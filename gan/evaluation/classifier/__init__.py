"""The reference classifier: network, training, and feature extraction for metrics."""

from gan.evaluation.classifier.extractor import (
    Extractor,
    as_input,
    classify,
    load_classifier,
    top_probability,
)
from gan.evaluation.classifier.network import FEATURES, build_classifier
from gan.evaluation.classifier.training import Distortion, make_classifier, train_classifier, trained

__all__ = [
    "FEATURES",
    "Distortion",
    "Extractor",
    "as_input",
    "build_classifier",
    "classify",
    "load_classifier",
    "make_classifier",
    "top_probability",
    "train_classifier",
    "trained",
]
