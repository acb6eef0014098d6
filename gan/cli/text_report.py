"""The report of generated texts, as lines for people."""

from gan.text.runs.report import TextReport


def report_lines(report: TextReport) -> dict[str, object]:
    """Returns the numbers of the report of generated texts as lines for people."""
    lower, upper = report.rate.interval
    found = report.metrics
    result: dict[str, object] = {
        "error rate": f"{report.error_rate:.1%} ({lower:.1%} to {upper:.1%}), "
        f"of real texts {found['real_error_rate']:.1%}; judge: {found['judge']}",
        "coverage": f"{found['coverage']:.3f}, of real texts {found['real_coverage']:.3f}",
        "new texts": f"{found['novelty']:.1%}; different ones {found['distinct']:.1%}",
        "Frechet distance": f"{found['frechet_distance']:.3g}, "
        f"of real texts that were held out {found['frechet_floor']:.3g}",
    }
    worst = found["worst_class"]
    if isinstance(worst, dict):
        result["worst category"] = f"{worst['category']}, {worst['wrong']} of {worst['n']} wrong"
    return result | verdict_lines(report, "texts")


def verdict_lines(report: TextReport, outcomes: str) -> dict[str, object]:
    """Returns the verdict as lines for people: nothing without a tolerance. `outcomes` is what is counted, in words."""
    if report.verdict is None:
        return {}
    result: dict[str, object] = {"verdict": f"{report.verdict}, tolerance {report.tolerance:.1%}"}
    if report.samples_needed is not None:
        result["to decide"] = f"{report.samples_needed:,} fresh {outcomes}, if the error rate stays the same"
    elif report.verdict == "undecided" and report.metrics.get("covers") is False:
        result["to decide"] = "a coverage of 0.8 of that of real texts or more: more texts do not decide it"
    return result
