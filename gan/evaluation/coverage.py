"""Coverage of real images by samples, beside their coverage by as many other real images."""

from dataclasses import dataclass

import numpy as np

from gan.data.split import Split
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor, as_input


@dataclass(frozen=True)
class CoverageReference:
    """Features of real images, computed once for several sets of samples."""

    features: np.ndarray
    """Features of the covered images: [N, F]."""
    radii: np.ndarray
    real_coverage: float
    """Their coverage by `N` other real images."""

    @classmethod
    def of(cls, extractor: Extractor, covered: Split, others: Split, num: int) -> "CoverageReference":
        """Measures `num` images of a split, drawn at random, and their coverage by as many images of another split."""
        drawn = [part.take(np.random.default_rng(0).permutation(len(part))[:num]) for part in (covered, others)]
        features, other = (extractor.arrays(as_input(part.images))["features"] for part in drawn)
        radii = metrics.squared_radii(features)
        return cls(features, radii, _coverage(features, other, radii))

    def coverage(self, samples: np.ndarray) -> float:
        """Returns the coverage of the images by as many samples, the first ones: features [M, F], M >= N."""
        return _coverage(self.features, samples[: len(self.features)], self.radii)


def _coverage(real: np.ndarray, samples: np.ndarray, radii: np.ndarray) -> float:
    return metrics.precision_recall(real, samples, real_radii=radii)["coverage"]
