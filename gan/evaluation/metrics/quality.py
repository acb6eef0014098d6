"""The numbers that a classifier gives of fakes: those of training (probe, validation) and of reports come from here."""

from collections.abc import Mapping

import keras
import numpy as np

from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor


def quality_metric(extractor: Extractor) -> metrics.Extracted:
    """One metric of (real, fake, labels), for `GAN.compile(metrics=[...])`: what `quality` gives, batch by batch."""
    return metrics.Extracted(extractor, _parts(extractor))


def quality(
    extractor: Extractor,
    real: Mapping[str, np.ndarray],
    fake: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
) -> dict[str, float]:
    """Error rate, Frechet distance, class KL and what belongs to them, of `extractor.arrays` of reals and of fakes.

    labels: int [N], what the fakes were asked for; None: nothing was. For the names see `ErrorRate`, `FrechetDistance`
    and `ClassHistogram`.
    """
    metric = metrics.Extracted(lambda outputs: outputs, _parts(extractor))
    metric.update_state(dict(real), dict(fake), labels)
    return {name: float(value) for name, value in metric.result().items()}


def _parts(extractor: Extractor) -> list[keras.metrics.Metric]:
    return [
        metrics.ErrorRate(lambda outputs: outputs["logits"]),
        metrics.FrechetDistance(lambda outputs: outputs["features"], extractor.features),
        metrics.ClassHistogram(lambda outputs: outputs["logits"], extractor.classes),
    ]
