"""Selection: the cheapest generator within a tolerance, mixtures of generators, and rejection of samples."""

from typing import TYPE_CHECKING

from gan.utils.lazy import lazy_names

if TYPE_CHECKING:
    from gan.selection.fixed_sequence import CandidateTest, Outcome, SequenceResult, run_sequence
    from gan.selection.frontier import Frontier, ValidatedCandidate, find_frontier

_HOMES = {
    "CandidateTest": "gan.selection.fixed_sequence",
    "Frontier": "gan.selection.frontier",
    "Outcome": "gan.selection.fixed_sequence",
    "SequenceResult": "gan.selection.fixed_sequence",
    "ValidatedCandidate": "gan.selection.frontier",
    "find_frontier": "gan.selection.frontier",
    "run_sequence": "gan.selection.fixed_sequence",
}
__all__ = [
    "CandidateTest",
    "Frontier",
    "Outcome",
    "SequenceResult",
    "ValidatedCandidate",
    "find_frontier",
    "run_sequence",
]
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
