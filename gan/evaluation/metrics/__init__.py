"""Metrics: streaming Keras metrics of (real, fake, labels), and functions of feature or image arrays."""

from gan.evaluation.metrics.diversity import PairwiseSSIM, pairwise_ssim
from gan.evaluation.metrics.error_rate import SURE, ClassifierErrorRate, ErrorRate, wrong_outcomes
from gan.evaluation.metrics.extracted import Extracted
from gan.evaluation.metrics.frechet import FrechetDistance, frechet_distance
from gan.evaluation.metrics.histogram import ClassHistogram, class_kl
from gan.evaluation.metrics.kernel import kernel_distance
from gan.evaluation.metrics.manifold import NEIGHBOURS, precision_recall, squared_radii
from gan.evaluation.metrics.neighbours import Neighbours, copied_share, nearest_neighbours
from gan.evaluation.metrics.paired import (
    WINDOW,
    MeanSquaredError,
    StructuralSimilarity,
    ssim,
    ssim_of_pairs,
    why_no_ssim,
)
from gan.evaluation.metrics.sliced import SLICED, SMALLEST_SIDE, sliced_wasserstein
from gan.models.means import WeightedMeans

__all__ = [
    "NEIGHBOURS",
    "SLICED",
    "SMALLEST_SIDE",
    "SURE",
    "WINDOW",
    "ClassHistogram",
    "ClassifierErrorRate",
    "ErrorRate",
    "Extracted",
    "FrechetDistance",
    "MeanSquaredError",
    "Neighbours",
    "PairwiseSSIM",
    "StructuralSimilarity",
    "WeightedMeans",
    "class_kl",
    "copied_share",
    "frechet_distance",
    "kernel_distance",
    "nearest_neighbours",
    "pairwise_ssim",
    "precision_recall",
    "sliced_wasserstein",
    "squared_radii",
    "ssim",
    "ssim_of_pairs",
    "why_no_ssim",
    "wrong_outcomes",
]
