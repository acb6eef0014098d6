"""Prints what judgements say."""

from collections.abc import Sequence

from rich import box
from rich.table import Table

from gan.cli.output import print_result, print_table
from gan.deployment.feedback.gold import CorrectedSummary, JudgeSummary
from gan.deployment.feedback.summary import FeedbackSummary
from gan.errors import as_json
from gan.evaluation.report_text import percent
from gan.tolerance import WorstClass

MOST_JUDGES = 10
"""Most judges in the printed table."""


def print_summary(summary: FeedbackSummary, *, as_json_object: bool, class_names: Sequence[str] = ()) -> None:
    """Prints a summary as one JSON object, or for people: the judges, then the numbers and the verdict.

    class_names: names of the classes; empty: their numbers.
    """
    if as_json_object:
        print_result(as_json(summary), as_json=True)
        return
    if summary.judges:
        _print_judges(summary.judges)
    lines = _report_lines(summary) if summary.mode == "report" else _lines(summary, class_names)
    print_result(lines, as_json=False)


def _print_judges(judges: tuple[JudgeSummary, ...]) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("judge")
    for column in ("right", "wrong", "unsure", "waiting", "gold", "sensitivity", "specificity", "seconds"):
        table.add_column(column, justify="right")
    for one in judges[:MOST_JUDGES]:
        counts = (one.counts.right, one.counts.wrong, one.counts.unsure, one.counts.waiting, one.gold)
        seconds = "-" if one.milliseconds is None else f"{one.milliseconds / 1_000:.1f}"
        shares = ("-" if share is None else percent(share, 1) for share in (one.sensitivity, one.specificity))
        table.add_row(one.judge[:12], *(f"{count:,}" for count in counts), *shares, seconds)
    print_table(table)


def _report_lines(summary: FeedbackSummary) -> dict[str, object]:
    counts = summary.counts
    return {
        "flags": f"{counts.wrong:,} in {counts.n:,} impressions",
        "bad": "not known: no picture was shown, and flags give a lower bound only"
        if summary.flagged_share is None
        else f"of the pictures shown, at least {percent(summary.flagged_share)}: a lower bound only, since not "
        "everybody flags",
        "error rate": "not known: people chose what they saw",
        "file": _file(summary),
        "verdict": "none: flags are an alarm; --mode audit estimates the rate",
    }


def _lines(summary: FeedbackSummary, class_names: Sequence[str]) -> dict[str, object]:
    counts, corrected, agreement, strata = summary.counts, summary.corrected, summary.agreement, summary.strata
    lines: dict[str, object] = {
        "mode": summary.mode,
        "samples": f"{counts.judged:,} judged of {counts.n:,} shown: {counts.right:,} right, {counts.wrong:,} wrong, "
        f"{counts.unsure:,} unsure",
    }
    if strata is not None:
        lines["plan"] = (
            f"{strata.num:,} samples read by a classifier: all {strata.num_flagged:,} flagged ones and "
            f"{strata.num_unflagged:,} others are judged"
        )
    lines["error rate"] = f"{_rate(summary.rate, summary.lower, summary.upper)}, if judges make no mistakes"
    if summary.worst is not None:
        lines["worst class"] = _worst(summary.worst, class_names)
    if corrected is not None:
        lines["corrected"] = f"{_rate(corrected.rate, corrected.lower, corrected.upper)}, for mistakes of the judges"
        lines["judges"] = _mistakes(corrected)
        if corrected.upper - corrected.lower > summary.tolerance:
            lines["gold"] = _gold_needed(corrected)
    if summary.predicted is not None and strata is None:
        lines["with classifier"] = f"{percent(summary.predicted)}: prediction-powered (PPI++), without an interval"
    if agreement is not None:
        kappa = "not defined" if agreement.kappa is None else f"{agreement.kappa:.2f}"
        positive = "not defined" if agreement.positive is None else percent(agreement.positive, 1)
        lines["agreement"] = (
            f"{percent(agreement.same, 1)} of {agreement.n:,} pairs, Cohen's kappa {kappa}, on wrong ones {positive}"
        )
    lines["bounds"] = "95 %, valid at every look; unsure and waiting samples count against both bounds"
    lines["assumes"] = (
        "judges make the same mistakes with samples as with real images"
        if corrected
        else "judges make no mistakes: no gold was judged (--gold SHARE)"
    )
    lines["coverage"] = "not known to people who see single samples: gan evaluate measures it"
    lines["file"] = _file(summary)
    lines["tolerance"] = percent(summary.tolerance)
    if summary.verdict == "undecided":
        lines["would decide"] = (
            "no number of judgements in reach at these rates"
            if summary.more is None
            else f"{summary.more:,} more judgements at these rates"
        )
    lines["verdict"] = summary.verdict
    return lines


def _file(summary: FeedbackSummary) -> str:
    return f"seed {summary.seed}, overlap {summary.overlap:g}: a new file with these takes an export of this one"


def _worst(worst: WorstClass, class_names: Sequence[str]) -> str:
    found = "no class has a wrong sample"
    if worst.wrong:
        name = class_names[worst.label] if class_names else worst.label
        found = f"{name}, with {worst.wrong:,} of {worst.n:,} samples wrong"
    bounds = (
        f"the highest rate of all {worst.classes + worst.empty:,} classes is {_rate(None, worst.lower, worst.upper)}"
    )
    return f"{found}; {bounds}, if judges make no mistakes"


def _rate(rate: float | None, lower: float, upper: float) -> str:
    bounds = f"{percent(lower)} to {percent(upper)}"
    return bounds if rate is None else f"{percent(rate)}, {bounds}"


def _mistakes(corrected: CorrectedSummary) -> str:
    gold = corrected.gold
    sensitivity, specificity = (
        "not known" if share is None else percent(share, 1) for share in (corrected.sensitivity, corrected.specificity)
    )
    return (
        f"sensitivity {sensitivity} ({gold.wrong:,} real images with a wrong class), "
        f"specificity {specificity} ({gold.right:,} with their own)"
    )


def _gold_needed(corrected: CorrectedSummary) -> str:
    if corrected.more_gold is None:
        return "the corrected interval is wider than the tolerance; more gold pictures alone do not change that"
    return f"needs {corrected.more_gold:,} more gold pictures: the corrected interval is wider than the tolerance"
