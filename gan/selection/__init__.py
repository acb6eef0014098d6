"""Selection: the cheapest generator within a tolerance, mixtures of generators, and rejection of samples."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.models.networks.mixture import build_mixture, chosen_components
    from gan.selection.candidate import Candidate, make_candidates
    from gan.selection.cost import CandidateCost, MeasuredCosts
    from gan.selection.fixed_sequence import CandidateTest, Outcome, SequenceResult, run_sequence
    from gan.selection.frontier import Frontier, ValidatedCandidate, find_frontier
    from gan.selection.halving import Budget, HalvingPlan, plan_halving, read_budget
    from gan.selection.mixture_folder import make_mixture
    from gan.selection.mixture_inputs import MixtureInputs
    from gan.selection.mixture_weights import MixtureFit, fit_mixture
    from gan.selection.plot import plot_selection
    from gan.selection.record import CandidateRecord, Selection, SelectionOptions, SelectionRecord, load_selection
    from gan.selection.rejection.comparison import compare_rejections
    from gan.selection.rejection.fitting import fit_classifier_rejection, fit_discriminator_rejection
    from gan.selection.rejection.sampling import RejectionSampler
    from gan.selection.saved import select_saved
    from gan.selection.selection import resume_selection, select
    from gan.selection.trial import Look
    from gan.selection.workers import LocalWorkers, Workers

_HOMES = {
    "Budget": "gan.selection.halving",
    "Candidate": "gan.selection.candidate",
    "CandidateCost": "gan.selection.cost",
    "CandidateRecord": "gan.selection.record",
    "CandidateTest": "gan.selection.fixed_sequence",
    "Frontier": "gan.selection.frontier",
    "HalvingPlan": "gan.selection.halving",
    "LocalWorkers": "gan.selection.workers",
    "Look": "gan.selection.trial",
    "MeasuredCosts": "gan.selection.cost",
    "MixtureFit": "gan.selection.mixture_weights",
    "MixtureInputs": "gan.selection.mixture_inputs",
    "Outcome": "gan.selection.fixed_sequence",
    "RejectionSampler": "gan.selection.rejection.sampling",
    "Selection": "gan.selection.record",
    "SelectionOptions": "gan.selection.record",
    "SelectionRecord": "gan.selection.record",
    "SequenceResult": "gan.selection.fixed_sequence",
    "ValidatedCandidate": "gan.selection.frontier",
    "Workers": "gan.selection.workers",
    "build_mixture": "gan.models.networks.mixture",
    "chosen_components": "gan.models.networks.mixture",
    "compare_rejections": "gan.selection.rejection.comparison",
    "find_frontier": "gan.selection.frontier",
    "fit_classifier_rejection": "gan.selection.rejection.fitting",
    "fit_discriminator_rejection": "gan.selection.rejection.fitting",
    "fit_mixture": "gan.selection.mixture_weights",
    "load_selection": "gan.selection.record",
    "make_candidates": "gan.selection.candidate",
    "make_mixture": "gan.selection.mixture_folder",
    "plan_halving": "gan.selection.halving",
    "plot_selection": "gan.selection.plot",
    "read_budget": "gan.selection.halving",
    "resume_selection": "gan.selection.selection",
    "run_sequence": "gan.selection.fixed_sequence",
    "select": "gan.selection.selection",
    "select_saved": "gan.selection.saved",
}
__all__ = [
    "Budget",
    "Candidate",
    "CandidateCost",
    "CandidateRecord",
    "CandidateTest",
    "Frontier",
    "HalvingPlan",
    "LocalWorkers",
    "Look",
    "MeasuredCosts",
    "MixtureFit",
    "MixtureInputs",
    "Outcome",
    "RejectionSampler",
    "Selection",
    "SelectionOptions",
    "SelectionRecord",
    "SequenceResult",
    "ValidatedCandidate",
    "Workers",
    "build_mixture",
    "chosen_components",
    "compare_rejections",
    "find_frontier",
    "fit_classifier_rejection",
    "fit_discriminator_rejection",
    "fit_mixture",
    "load_selection",
    "make_candidates",
    "make_mixture",
    "plan_halving",
    "plot_selection",
    "read_budget",
    "resume_selection",
    "run_sequence",
    "select",
    "select_saved",
]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
