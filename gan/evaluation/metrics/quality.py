"""Quality of samples by features and classes, for validation during training and for reports."""

from collections.abc import Mapping

import keras
import numpy as np

from gan.errors import check
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor
from gan.utils.arguments import checked


@checked
def quality_metric(extractor: Extractor) -> metrics.Extracted:
    """Returns the streaming form of `quality`: a metric of (real, fake, labels) for `GAN.compile(metrics=[...])`."""
    return metrics.Extracted(extractor, _parts(extractor))


@checked
def quality(
    extractor: Extractor,
    real: Mapping[str, np.ndarray],
    fake: Mapping[str, np.ndarray],
    labels: np.ndarray | None = None,
) -> dict[str, float]:
    """Computes the error rate, the Frechet distance, the class divergence and their uncertainties.

    The keys are those of `ErrorRate`, `FrechetDistance` and `ClassHistogram`. An extractor without a classifier has
    only the Frechet distance.

    Args:
        extractor: the extractor of `real` and `fake`.
        real: `extractor.arrays` of real images.
        fake: `extractor.arrays` of samples.
        labels: int [N], requested labels of the samples. None: unconditional samples.
    """
    for name, arrays in (("real", real), ("fake", fake)):
        needed = {"features", "logits"} if extractor.classes else {"features"}
        check(needed <= arrays.keys(), name, f"{' and '.join(sorted(needed))}: `extractor.arrays`", list(arrays))
    metric = metrics.Extracted(lambda outputs: outputs, _parts(extractor))
    metric.update_state(dict(real), dict(fake), labels)
    return {name: float(value) for name, value in metric.result().items()}


def _parts(extractor: Extractor) -> list[keras.metrics.Metric]:
    distance = metrics.FrechetDistance(lambda outputs: outputs["features"], extractor.features)
    if not extractor.classes:
        return [distance]
    return [
        metrics.ErrorRate(lambda outputs: outputs["logits"]),
        distance,
        metrics.ClassHistogram(lambda outputs: outputs["logits"], extractor.classes),
    ]
