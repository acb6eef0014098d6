"""The worst class: the one with the highest error rate, with bounds of the highest rate of all classes."""

from collections.abc import Sequence
from dataclasses import dataclass

from gan.errors import NotNegative, Positive, Whole, check
from gan.tolerance.error_rate import CONFIDENCE, check_confidence
from gan.tolerance.exact import WrongRange, clopper_pearson
from gan.tolerance.sequence import confidence_sequence


@dataclass(frozen=True, kw_only=True)
class WorstClass:
    """The class with the highest observed error rate, and bounds of the highest true rate of any class."""

    label: Whole
    """The class. Of equal rates, the one with the most outcomes; of those, the first."""
    wrong: Whole
    n: Positive
    """`wrong` outcomes among `n` of this class."""
    lower: NotNegative
    """At least one class has at least this error rate."""
    upper: NotNegative
    """All classes together have at most this error rate."""
    classes: Positive
    """Number of classes that have outcomes. The bounds of `worst_class` are about these."""
    empty: Whole = 0
    """Number of classes without outcomes, of which nothing is known."""
    confidence: NotNegative = CONFIDENCE

    @property
    def rate(self) -> float:
        """The observed error rate of the class."""
        return self.wrong / self.n


def worst_class(wrong: Sequence[int], n: Sequence[int], confidence: float = CONFIDENCE) -> WorstClass | None:
    """Returns the worst class, from the wrong outcomes among the `n` outcomes of each class 0, 1, ...

    With a = 1 - confidence, K classes with outcomes and Clopper and Pearson's one-sided bounds of each:

    * `upper` is the largest upper bound of any class, each at a / 2. It is below the highest true rate only if the
      bound of *that* class is, so it needs no correction for K (Berger 1982, doi:10.1080/00401706.1982.10487790). The
      class with the largest upper bound may be another one than the worst, with fewer outcomes.
    * `lower` is the largest lower bound of any class, each at a / 2K: any of the K can be too high (Bonferroni).

    Each bound is wrong with probability at most a / 2, for one look at planned numbers of outcomes.

    >>> worst = worst_class([2, 0, 12], [1_000, 1_000, 1_000])
    >>> worst.label, round(worst.lower, 4), round(worst.upper, 4)
    (2, 0.0053, 0.0209)

    Returns None without any outcome.
    """
    check(len(wrong) == len(n), "wrong", f"one number for each of {len(n)} classes", list(wrong))
    known = [label for label, total in enumerate(n) if total]
    if not known:
        return None
    bounds = {label: clopper_pearson(wrong[label], n[label], confidence) for label in known}
    at_once = 1 - (1 - confidence) / len(known)
    label = max(known, key=lambda label: (wrong[label] / n[label], n[label], -label))
    return WorstClass(
        label=label,
        wrong=int(wrong[label]),
        n=int(n[label]),
        lower=max(clopper_pearson(wrong[label], n[label], at_once)[0] for label in known),
        upper=max(upper for _, upper in bounds.values()),
        classes=len(known),
        empty=len(n) - len(known),
        confidence=confidence,
    )


def worst_class_so_far(called: Sequence[WrongRange], confidence: float = CONFIDENCE) -> WorstClass | None:
    """Returns the worst class of outcomes that arrive one by one, with bounds that hold at all looks together.

    With a = 1 - confidence, K classes and the confidence sequence of each:

    * `upper` is the largest upper bound of any class, each at a / 2. See `worst_class`: only that of the class with the
      highest true rate has to hold. It is 1 as long as a class has no outcomes.
    * `lower` is the largest lower bound of any class, each at a / 2K (Bonferroni).

    So both bounds hold at all looks together, with probability at least 1 - a. This needs classes that are asked
    without regard to earlier outcomes, and a number of classes that is fixed.

    >>> worst = worst_class_so_far([WrongRange(2, 2, 1_000), WrongRange(0, 5, 1_000), WrongRange(12, 12, 1_000)])
    >>> worst.label, round(worst.lower, 4), round(worst.upper, 4)
    (2, 0.0034, 0.0273)

    Args:
        called: the wrong outcomes of each class 0, 1, ... What is not known counts against both bounds.
        confidence: of both bounds together, between 0 and 1.

    Returns None if no outcome is known.
    """
    check_confidence(confidence)
    rates = {label: one.rate for label, one in enumerate(called) if one.rate is not None}
    if not rates:
        return None
    half = (1 - confidence) / 2
    label = max(rates, key=lambda label: (rates[label], called[label].n, -label))
    worst = called[label]
    with_outcomes = sum(one.n > 0 for one in called)
    return WorstClass(
        label=label,
        wrong=worst.least,
        n=worst.n - (worst.most - worst.least),
        lower=max(confidence_sequence(one.least, one.n, 1 - half / len(called))[0] for one in called),
        upper=max(confidence_sequence(one.most, one.n, 1 - half)[1] for one in called),
        classes=with_outcomes,
        empty=len(called) - with_outcomes,
        confidence=confidence,
    )
