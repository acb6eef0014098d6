"""Reconstruction of test images by a generator: how near its samples come to images that it has not seen."""

from dataclasses import dataclass, field

import numpy as np

from gan.data.dataset import Dataset
from gan.evaluation import metrics, projection
from gan.evaluation.classifier.extractor import as_input
from gan.evaluation.report import MetricRow, Reconstruction
from gan.sampling.generators import KerasEngine
from gan.saving.engines.engine import Engine

RECONSTRUCTED = 64
"""Number of test images to reconstruct."""


@dataclass(frozen=True)
class Reconstructions:
    """Numbers and images of the reconstructions of test images."""

    rows: dict[str, MetricRow]
    images: dict[str, np.ndarray]
    reconstruction: Reconstruction | None = None
    not_known: dict[str, str] = field(default_factory=dict)


def reconstruct(engine: Engine, dataset: Dataset, conditional: bool, num: int, seed: int) -> Reconstructions:
    """Reconstructs test images. An exported generator has no gradients, so its numbers are not known."""
    test = dataset.test.take(np.random.default_rng([seed, 2]).permutation(len(dataset.test))[:num])
    originals = as_input(test.images)
    if not isinstance(engine, KerasEngine):
        names = ("reconstruction_mse", "reconstruction_ssim")
        not_known = dict.fromkeys(names, "an exported generator has no gradients")
        return Reconstructions(dict.fromkeys(names, MetricRow(None, None)), {}, not_known=not_known)
    nearest = metrics.nearest_neighbours(originals, as_input(dataset.train.images))
    real = {"reconstruction_mse": float(nearest.mse.mean()), "reconstruction_ssim": float(nearest.ssim.mean())}
    found = projection.project(engine.network, originals, labels=test.labels if conditional else None, seed=seed)
    value = {"reconstruction_mse": float(found.mse.mean()), "reconstruction_ssim": float(found.ssim.mean())}
    return Reconstructions(
        {name: MetricRow(number, real[name]) for name, number in value.items()},
        {"reconstructions": projection.comparison(originals, found, columns=16, scale=2)},
        Reconstruction(len(originals), found.steps, found.restarts),
    )
