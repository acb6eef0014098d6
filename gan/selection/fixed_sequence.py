"""Fixed-sequence testing: candidates are tested one after the other until one does not pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gan.errors import InputError, Positive, Whole, check, check_different, check_whole
from gan.tolerance import EXIT_STATUS, ErrorRate, Verdict, binomial_p_value, covers, errs_above, passes_test, verdict


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a test measured on fresh samples of one candidate."""

    wrong: Whole
    """Number of wrong samples."""
    num: Positive
    """Number of samples."""
    coverage: float = 1.0
    """Coverage of the samples; 1 for a classifier, which has no coverage."""
    real_coverage: float = 1.0
    """Coverage of real images by other real images."""
    real: ErrorRate | None = None
    """What the classifier of the test gets wrong of real test images; None: not known."""

    def __post_init__(self) -> None:
        check_whole("num", self.num, 1)
        check_whole("wrong", self.wrong, 0, self.num)


@dataclass(frozen=True, kw_only=True)
class CandidateTest:
    """The test of one candidate: its outcome and what follows from it."""

    name: str
    wrong: Whole
    num: Positive
    p_value: float
    """P(Bin(num, tolerance) <= wrong)."""
    verdict: Verdict
    """Of Wilson's 95 % interval and the coverage."""
    coverage: float
    real_coverage: float
    real: ErrorRate | None = None
    """What the classifier of the test gets wrong of real test images; None: not known."""
    passed: bool
    """Whether the p-value is at most 0.025 and the verdict is `within`, which includes enough coverage."""

    def __post_init__(self) -> None:
        check_whole("wrong", self.wrong, 0, self.num)

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of Wilson's 95 % interval of the error rate."""
        return ErrorRate(self.wrong, self.num).interval


@dataclass(frozen=True, kw_only=True)
class SequenceResult:
    """The tests of a sequence, in their order, and the candidate that they choose."""

    tolerance: float
    num: Positive
    """Planned number of samples of each test."""
    tested: tuple[CandidateTest, ...]
    """All passed but the last one, which may have. Later candidates are not tested."""
    chosen: str | None
    """Name of the last one that passed; None if the first one did not."""
    verdict: Verdict
    """`within` if one was chosen; else `exceeded` if the first one is, and `undecided` if not."""

    @property
    def status(self) -> int:
        """Exit status of a program: 0, 3 or 4 (`gan.tolerance.EXIT_STATUS`)."""
        return EXIT_STATUS[self.verdict]


def run_sequence(
    names: Sequence[str],
    measure: Callable[[str], Outcome],
    *,
    tolerance: float,
    num: int,
    done: Mapping[str, Outcome] | None = None,
) -> SequenceResult:
    """Tests candidates in a fixed order, stops at the first that does not pass, and chooses the last that passed.

    A candidate passes if the exact test and the verdict agree that its error rate is within the tolerance
    (`gan.tolerance.passes_test`), and if its coverage is at least 0.8 of that of real images.

    **The guarantee**: the probability that a candidate is chosen whose error rate is above the tolerance is at most
    0.025, for any number of candidates, and whether or not their samples depend on each other. It is the probability of
    both together, not that of an error rate above the tolerance once one is chosen. For both to happen, the first
    candidate of the order that is not within the tolerance must pass, and the order says in advance which one this is.
    So no test needs a stricter level. It holds if

    * the order was fixed before the first test, by data that no test uses (`find_frontier` on validation data),
    * each test has `num` independent fresh samples, with `num` planned beforehand (`gan.tolerance.planned_samples`),
    * a measured outcome is final: repeating a test that did not pass, or another order, is a new choice.

    It is a guarantee of the error rate only, as the classifier of the test counts errors. It does not cover coverage,
    cost, or the classifier's own mistakes. If it errs on real images more often than the tolerance allows, no candidate
    passes (`errs_above`). Fixed-sequence testing as in Angelopoulos and others 2021, "Learn then
    Test", arXiv:2110.01052, and Laufer-Goldshtein and others 2022, arXiv:2210.07913.

    Args:
        names: candidates in the order of their tests, different names.
        measure: name -> outcome on fresh samples. It is called once for each candidate that is tested.
        tolerance: highest acceptable error rate, above 0 and at most 1.
        num: number of samples of each test.
        done: outcomes of an interrupted sequence, which are not measured again: those of the first candidates.

    Raises `InputError` without a name, for equal names, for an outcome with another number of samples than `num`, and
    for outcomes in `done` of candidates that this sequence does not test.
    """
    check(len(names) > 0, "names", "at least one candidate to test", list(names))
    check_different("names", names)
    check(0 < tolerance <= 1, "tolerance", "a number above 0 and at most 1", tolerance)
    check_whole("num", num, 1)
    done = done or {}
    tested: list[CandidateTest] = []
    for name in names:
        if name not in done:
            _check_all_used(done, tested)
        outcome = done[name] if name in done else measure(name)
        tested.append(_judge(name, outcome, tolerance, num))
        if not tested[-1].passed:
            break
    _check_all_used(done, tested)
    passed = [one.name for one in tested if one.passed]
    return SequenceResult(
        tolerance=tolerance,
        num=num,
        tested=tuple(tested),
        chosen=passed[-1] if passed else None,
        verdict="within" if passed else "exceeded" if tested[0].verdict == "exceeded" else "undecided",
    )


def _judge(name: str, outcome: Outcome, tolerance: float, num: int) -> CandidateTest:
    """Returns the test of an outcome. Raises `InputError` if it has another number of samples than planned."""
    check(outcome.num == num, "num", f"{num} samples of {name}, as planned", outcome.num)
    coverage, real_coverage = outcome.coverage, outcome.real_coverage
    rate, real = ErrorRate(outcome.wrong, num), outcome.real
    return CandidateTest(
        name=name,
        wrong=outcome.wrong,
        num=num,
        p_value=binomial_p_value(outcome.wrong, num, tolerance),
        verdict=verdict(rate, tolerance, coverage=coverage, real_coverage=real_coverage, real=real),
        coverage=coverage,
        real_coverage=real_coverage,
        real=real,
        passed=passes_test(outcome.wrong, num, tolerance)
        and covers(coverage, real_coverage)
        and not errs_above(real, tolerance),
    )


def _check_all_used(done: Mapping[str, Outcome], tested: Sequence[CandidateTest]) -> None:
    """Raises `InputError` for outcomes of candidates that are not the first ones of the order, up to the stop."""
    others = sorted(set(done) - {one.name for one in tested})
    if others:
        expected = f"outcomes of the first candidates only, which so far are {[one.name for one in tested]}"
        raise InputError("Outcomes of another sequence", expected=expected, received=f"outcomes of {others}")
