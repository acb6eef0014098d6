"""The estimate of a mode in words, for the page of the judges."""

from gan.deployment.feedback.summary import FeedbackSummary
from gan.evaluation.report_text import percent

Lines = list[tuple[str, str]]
"""Names of numbers, and the numbers."""


def estimate_lines(summary: FeedbackSummary) -> Lines:
    """Returns what the page shows of a summary."""
    return _flag_lines(summary) if summary.mode == "report" else _rate_lines(summary)


def _flag_lines(summary: FeedbackSummary) -> Lines:
    counts = summary.counts
    lines = [("Flagged", f"{counts.wrong:,} of {counts.n:,} pictures that were shown")]
    if summary.flagged_share is not None:
        bound = f"of the pictures shown, at least {percent(summary.flagged_share)}"
        lines.append(("Bad", f"{bound}: only a lower bound, since not everybody flags"))
    return lines


def _rate_lines(summary: FeedbackSummary) -> Lines:
    counts, corrected = summary.counts, summary.corrected
    lines = [
        ("Samples judged", f"{counts.judged:,}"),
        ("Not judged yet", f"{counts.waiting:,}, which count against both bounds"),
        ("Error rate", _rate(summary.rate, summary.lower, summary.upper)),
    ]
    if corrected is not None:
        lines.append(("Corrected for mistakes", _rate(corrected.rate, corrected.lower, corrected.upper)))
        if corrected.more_gold:
            lines.append(("Real images", f"{corrected.more_gold:,} more make this interval as narrow as the tolerance"))
    lines.append(("Tolerance", f"{percent(summary.tolerance)}: {summary.verdict}"))
    if summary.verdict == "undecided":
        more = "no number in reach" if summary.more is None else f"{summary.more:,} more judgements at the same rate"
        lines.append(("Would decide", more))
    return lines


def _rate(rate: float | None, lower: float, upper: float) -> str:
    """Returns a rate with its bounds."""
    bounds = f"from {percent(lower)} to {percent(upper)}"
    return bounds if rate is None else f"{percent(rate)}, {bounds}"
