"""What judgements say: an error rate with bounds, a verdict against a tolerance, and how well people judge."""

from dataclasses import dataclass, replace
from typing import get_args

from gan.deployment.feedback.agreement import AgreementSummary, read_agreement
from gan.deployment.feedback.gold import CorrectedSummary, JudgeSummary, read_gold, read_judges
from gan.deployment.feedback.pictures import Kind, Mode
from gan.deployment.feedback.showing import Counts
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import Strata, load_strata
from gan.errors import InputError, check_share
from gan.tolerance import (
    IN_REACH,
    GoldCounts,
    PredictedCounts,
    StratifiedCounts,
    Verdict,
    WorstClass,
    WrongRange,
    confidence_sequence,
    corrected_bounds,
    corrected_rate,
    gold_needed,
    verdict_of_bounds,
    worst_class_so_far,
)

Called = WrongRange | StratifiedCounts
"""The samples that were called wrong, of pictures drawn one by one or of a plan."""


@dataclass(frozen=True, kw_only=True)
class FeedbackSummary:
    """The judgements of one mode. Modes are never merged: each has another way to choose its pictures."""

    mode: Mode
    seed: int
    """Seed of the file. With it and `overlap`, a new file takes an export."""
    overlap: float
    """Share of the samples of the file that a second judge is shown too."""
    counts: Counts
    """Each picture once. In the mode `report`: impressions, of which `wrong` are flagged."""
    tolerance: float
    lower: float
    upper: float
    """Bounds of the error rate that hold at every look, if judges make no mistakes. What is unsure or waits counts as
    right for the lower bound, and as wrong for the upper one. In the mode `report` they are 0 and 1: people choose
    freely what they see, so flags bound no rate of the generator."""
    rate: float | None
    """Wrong pictures among those that were called right or wrong; in the mode `stratified`, both parts weighted by
    their sizes. None: not known."""
    verdict: Verdict | None
    """That of the corrected bounds if gold was judged, otherwise that of `lower` and `upper`. None: mode `report`."""
    more: int | None
    """Judgements that would decide at the same rates: 0 if the verdict is not undecided, None if no number would."""
    worst: WorstClass | None
    """The class with the highest rate of `wrong`, with bounds of the highest rate of all classes that hold at every
    look, if judges make no mistakes, see `worst_class_so_far`. None: another mode than `audit`, or nothing is judged.
    """
    strata: Strata | None
    """The plan of the mode `stratified`."""
    predicted: float | None
    """The prediction-powered estimate (PPI++), which has no valid interval; see `PredictedCounts` and, in the mode
    `stratified`, `StratifiedCounts.rate`. None: no classifier has read the pictures."""
    judges: tuple[JudgeSummary, ...]
    """Those with the most judgements first, at most `MOST_JUDGES`."""
    corrected: CorrectedSummary | None
    """The error rate that is corrected for mistakes of the judges. None: no gold was judged."""
    agreement: AgreementSummary | None
    """None: no picture was judged twice."""
    flagged_share: float | None
    """Flags / impressions: of the pictures that were shown, each as often as it was shown, at least this share is bad
    in the eyes of those who saw it, since not everybody flags. None: nothing was shown, or another mode."""


def summarize(
    store: FeedbackStore,
    mode: Mode,
    tolerance: float,
    *,
    predicted: PredictedCounts | None = None,
    is_blind: bool = False,
    num_classes: int = 0,
) -> FeedbackSummary:
    """Summarizes the judgements of a mode.

    Audit: `confidence_sequence`, for pictures drawn one by one. Stratified: `StratifiedCounts`, whose bounds count what
    is not judged yet against the bound, so that they hold before the plan is finished. Nothing here knows the coverage
    of the generator. The time does not grow with the number of judgements.

    Args:
        store: the judgements.
        mode: the mode.
        tolerance: highest acceptable error rate, from 0 to 1.
        predicted: what a classifier says of the pictures of the mode `audit`; None: it has not read them.
        is_blind: whether every picture that waits counts as a sample whose judgement is not known, also gold and one
            that a second judge sees. So no number tells what a judge has on the screen. The bounds become no narrower.
        num_classes: that of the generator, for the worst class. 0: the worst class is not looked for.

    Raises `InputError` for a tolerance out of range, and for `stratified` if the file has no plan.
    """
    check_share("tolerance", tolerance)
    with store.snapshot():
        if mode == "report":
            return _summarize_report(store, tolerance)
        counts, strata, planned = store.counts(mode), None, None
        if is_blind:
            counts = replace(counts, waiting=count_waiting(store, mode))
        called: Called = WrongRange(counts.wrong, counts.most_wrong, counts.n)
        if mode == "stratified":
            strata = load_strata(store)
            if strata is None:
                expected = "a file with a plan of the mode stratified"
                raise InputError("No plan", expected=expected, received=str(store.path))
            called, planned = _stratified_counts(store, strata), _stratified_counts(store, strata, is_finished=True)
        gold = read_gold(store, mode, judged_only=is_blind)
        judges, agreement = read_judges(store, mode), read_agreement(store, mode)
        worst = _worst_class(store, num_classes) if mode == "audit" else None
    lower, upper = _bounds(called, None)
    bounds = _bounds(called, gold)
    verdict = verdict_of_bounds(bounds, tolerance)
    more: int | None = 0
    if verdict == "undecided":
        if strata is None or planned is None:
            more = _more_drawn(counts, gold, tolerance)
        else:
            more = _more_planned(planned, strata.size - counts.judged, gold, tolerance)
    return FeedbackSummary(
        mode=mode,
        seed=store.seed,
        overlap=store.overlap,
        counts=counts,
        tolerance=tolerance,
        lower=lower,
        upper=upper,
        rate=called.rate,
        verdict=verdict,
        more=more,
        worst=worst,
        strata=strata,
        predicted=called.rate if strata else predicted.rate if predicted else None,
        judges=judges,
        corrected=None if gold is None else _corrected(called, gold, bounds, tolerance),
        agreement=agreement,
        flagged_share=None,
    )


def count_waiting(store: FeedbackStore, mode: Mode) -> int:
    """Returns how many pictures judges were shown and have not judged: samples and gold, for a first judge or not."""
    samples, gold = (store.counts(mode, kind=kind, first=False) for kind in get_args(Kind))
    return samples.waiting + gold.waiting


def _summarize_report(store: FeedbackStore, tolerance: float) -> FeedbackSummary:
    counts = store.counts("report", first=False)
    return FeedbackSummary(
        mode="report",
        seed=store.seed,
        overlap=store.overlap,
        counts=counts,
        tolerance=tolerance,
        lower=0.0,
        upper=1.0,
        rate=None,
        verdict=None,
        more=None,
        worst=None,
        strata=None,
        predicted=None,
        judges=read_judges(store, "report"),
        corrected=None,
        agreement=None,
        flagged_share=counts.wrong / counts.n if counts.n else None,
    )


def _worst_class(store: FeedbackStore, num_classes: int) -> WorstClass | None:
    """Returns the worst class of the mode `audit`."""
    found = [store.counts_of_class("audit", label) for label in range(num_classes)]
    return worst_class_so_far([WrongRange(counts.wrong, counts.most_wrong, counts.n) for counts in found])


def _bounds(called: Called, gold: GoldCounts | None) -> tuple[float, float]:
    """Returns bounds of the error rate: corrected for mistakes of the judges, or as if there were none without gold."""
    if gold is not None:
        return corrected_bounds(called, gold)
    if isinstance(called, StratifiedCounts):
        return called.bounds()
    return confidence_sequence(called.least, called.n)[0], confidence_sequence(called.most, called.n)[1]


def _corrected(called: Called, gold: GoldCounts, bounds: tuple[float, float], tolerance: float) -> CorrectedSummary:
    return CorrectedSummary(
        rate=corrected_rate(called, gold),
        lower=bounds[0],
        upper=bounds[1],
        gold=gold,
        sensitivity=gold.sensitivity,
        specificity=gold.specificity,
        more_gold=gold_needed(called, gold, tolerance),
    )


def _stratified_counts(store: FeedbackStore, strata: Strata, *, is_finished: bool = False) -> StratifiedCounts:
    """Returns what was called wrong of a plan. is_finished: what it will be when all is judged, at the same rates."""

    def part(is_flagged: bool, size: int) -> WrongRange:
        counts = store.counts("stratified", is_flagged=is_flagged)
        if not is_finished:
            return WrongRange(counts.wrong, size - counts.right, size)
        times = size / max(counts.judged, 1)
        return WrongRange(round(counts.wrong * times), round((counts.wrong + counts.unsure) * times), size)

    return StratifiedCounts(
        num=strata.num, flagged=part(True, strata.num_flagged), unflagged=part(False, strata.num_unflagged)
    )


def _more_drawn(counts: Counts, gold: GoldCounts | None, tolerance: float) -> int | None:
    """Returns how many more judgements of pictures drawn one by one decide at the same rates."""
    judged = max(counts.judged, 1)
    least, most = counts.wrong / judged, (counts.wrong + counts.unsure) / judged

    def decides(total: int) -> bool:
        if gold is not None:
            bounds = corrected_bounds(WrongRange(round(least * total), round(most * total), total), gold)
        else:
            bounds = confidence_sequence(least * total, total)[0], confidence_sequence(most * total, total)[1]
        return verdict_of_bounds(bounds, tolerance) != "undecided"

    fewer, enough = counts.judged, max(counts.n, 1)
    while not decides(enough):
        fewer, enough = enough, 2 * enough
        if enough > IN_REACH:
            return None
    while enough - fewer > 1:  # the bounds move towards the rates as the number grows
        middle = (fewer + enough) // 2
        fewer, enough = (fewer, middle) if decides(middle) else (middle, enough)
    return max(enough, counts.n) - counts.judged


def _more_planned(planned: Called, left: int, gold: GoldCounts | None, tolerance: float) -> int | None:
    """Returns how many judgements are left of a plan, or None if they do not decide at the same rates."""
    return left if left and verdict_of_bounds(_bounds(planned, gold), tolerance) != "undecided" else None
