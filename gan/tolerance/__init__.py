"""Error rates with confidence intervals, verdicts against a tolerance, and the sample size that a verdict needs.

The *tolerance* is the highest error rate that is acceptable. An error rate is a count of wrong outcomes among `n`. Its
Wilson 95 % interval bounds the true rate. The verdict compares the tolerance with this interval, never with the
observed rate alone. A classifier that errs on real images more often than the tolerance allows decides nothing.

A run that is measured again and again, until a measurement is good enough, would pass by chance. So each *confirmation*
of a run uses fresh outcomes and a share of the 5 % error (`next_confidence`): all its upper bounds hold together with
95 % confidence. Outcomes that arrive one by one, and that are looked at after each, have a *confidence sequence*
instead: its bounds hold at all numbers of outcomes together (`confidence_sequence`).
"""

from gan.tolerance.binomial import LEVEL, POWER, binomial_p_value, passes_test, planned_samples
from gan.tolerance.classes import WorstClass, worst_class, worst_class_so_far
from gan.tolerance.confirmation import (
    LAST_SHARE,
    MOST_CONFIDENCE,
    Confirmation,
    check_confirmation,
    confirmation_size,
    fewest_outcomes,
    lowest_tolerance,
    most_wrong,
    next_confidence,
    planned_outcomes,
)
from gan.tolerance.error_rate import (
    CONFIDENCE,
    COVERAGE_SHARE,
    EXIT_STATUS,
    IN_REACH,
    ErrorRate,
    Verdict,
    covers,
    errs_above,
    samples_needed,
    verdict,
    verdict_of_bounds,
    wilson_bounds,
    wilson_interval,
)
from gan.tolerance.exact import WrongRange, clopper_pearson, hypergeometric_bounds
from gan.tolerance.judges import GoldCounts, corrected_bounds, corrected_rate, gold_needed
from gan.tolerance.predictions import PredictedCounts
from gan.tolerance.sequence import PRIOR, confidence_sequence, outcomes_needed
from gan.tolerance.strata import StratifiedCounts, plan_unflagged

__all__ = [
    "CONFIDENCE",
    "COVERAGE_SHARE",
    "EXIT_STATUS",
    "IN_REACH",
    "LAST_SHARE",
    "LEVEL",
    "MOST_CONFIDENCE",
    "POWER",
    "PRIOR",
    "Confirmation",
    "ErrorRate",
    "GoldCounts",
    "PredictedCounts",
    "StratifiedCounts",
    "Verdict",
    "WorstClass",
    "WrongRange",
    "binomial_p_value",
    "check_confirmation",
    "clopper_pearson",
    "confidence_sequence",
    "confirmation_size",
    "corrected_bounds",
    "corrected_rate",
    "covers",
    "errs_above",
    "fewest_outcomes",
    "gold_needed",
    "hypergeometric_bounds",
    "lowest_tolerance",
    "most_wrong",
    "next_confidence",
    "outcomes_needed",
    "passes_test",
    "plan_unflagged",
    "planned_outcomes",
    "planned_samples",
    "samples_needed",
    "verdict",
    "verdict_of_bounds",
    "wilson_bounds",
    "wilson_interval",
    "worst_class",
    "worst_class_so_far",
]
