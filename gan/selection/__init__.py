"""Selection: the cheapest generator within a tolerance, mixtures of generators, and rejection of samples."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.selection.rejection.comparison import compare_rejections
    from gan.selection.rejection.fitting import fit_classifier_rejection, fit_discriminator_rejection
    from gan.selection.rejection.sampling import RejectionSampler

_HOMES = {
    "RejectionSampler": "gan.selection.rejection.sampling",
    "compare_rejections": "gan.selection.rejection.comparison",
    "fit_classifier_rejection": "gan.selection.rejection.fitting",
    "fit_discriminator_rejection": "gan.selection.rejection.fitting",
}
__all__ = [
    "RejectionSampler",
    "compare_rejections",
    "fit_classifier_rejection",
    "fit_discriminator_rejection",
]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
