"""Perturbation curves: error rates of generators and Keras classifiers against the severity of faults."""

from gan.evaluation.robustness.curve import (
    SEVERITIES,
    WEIGHT_FAULTS,
    Point,
    classifier_curve,
    generator_curve,
    perturbation_curve,
)
from gan.evaluation.robustness.faults import FAULTS, INPUT_FAULTS
from gan.evaluation.robustness.measures import error_rate, generator_error_rate
from gan.evaluation.robustness.perturbed import perturbed

__all__ = [
    "FAULTS",
    "INPUT_FAULTS",
    "SEVERITIES",
    "WEIGHT_FAULTS",
    "Point",
    "classifier_curve",
    "error_rate",
    "generator_curve",
    "generator_error_rate",
    "perturbation_curve",
    "perturbed",
]
