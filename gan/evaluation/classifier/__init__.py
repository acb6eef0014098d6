"""The reference classifier: network, training, and feature extraction for metrics."""

from gan.evaluation.classifier.answers import Answer, Reading, answer, read_digits
from gan.evaluation.classifier.calibration import choose_bound, fit_temperature, probabilities
from gan.evaluation.classifier.ensemble import build_ensemble
from gan.evaluation.classifier.extractor import (
    Extractor,
    as_input,
    classify,
    load_classifier,
    top_probability,
)
from gan.evaluation.classifier.fitting import fit_ensemble, make_ensemble
from gan.evaluation.classifier.network import build_classifier
from gan.evaluation.classifier.training import Distortion, make_classifier, train_classifier, trained
from gan.evaluation.features import FEATURES

__all__ = [
    "FEATURES",
    "Answer",
    "Distortion",
    "Extractor",
    "Reading",
    "answer",
    "as_input",
    "build_classifier",
    "build_ensemble",
    "choose_bound",
    "classify",
    "fit_ensemble",
    "fit_temperature",
    "load_classifier",
    "make_classifier",
    "make_ensemble",
    "probabilities",
    "read_digits",
    "top_probability",
    "train_classifier",
    "trained",
]
