"""Selection: the cheapest generator within a tolerance, mixtures of generators, and rejection of samples."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.models.networks.mixture import build_mixture, chosen_components
    from gan.selection.mixture_folder import make_mixture
    from gan.selection.mixture_inputs import MixtureInputs
    from gan.selection.mixture_weights import MixtureFit, fit_mixture

_HOMES = {
    "MixtureFit": "gan.selection.mixture_weights",
    "MixtureInputs": "gan.selection.mixture_inputs",
    "build_mixture": "gan.models.networks.mixture",
    "chosen_components": "gan.models.networks.mixture",
    "fit_mixture": "gan.selection.mixture_weights",
    "make_mixture": "gan.selection.mixture_folder",
}
__all__ = [
    "MixtureFit",
    "MixtureInputs",
    "build_mixture",
    "chosen_components",
    "fit_mixture",
    "make_mixture",
]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
