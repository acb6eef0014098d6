"""What was measured of a saved generator: the report beside it, and its verdict. Does not import TensorFlow."""

from gan.deployment.names import public_name
from gan.errors import InputError
from gan.evaluation.report import EvaluationReport, load_report
from gan.saving import run_folder
from gan.saving.engines.card import GeneratorVerdict
from gan.saving.saved_generator import SavedGenerator
from gan.tolerance import CONFIDENCE, ErrorRate


def read_report(saved: SavedGenerator) -> EvaluationReport | None:
    """Returns the report beside a generator, or None without a report of this very generator."""
    if not (saved.folder / run_folder.REPORT).is_file():
        return None
    try:
        report = load_report(saved.folder)
    except InputError:  # of another program, or damaged: it says nothing about this generator
        return None
    if report.checkpoint is None or report.checkpoint.sha256 != saved.summary.sha256:
        return None
    return report


def verdict_of(report: EvaluationReport) -> GeneratorVerdict | None:
    """Returns the verdict of a report and the error rate that decided it, or None if the rate is not known."""
    if report.confirmed is not None:
        rate, confidence = report.confirmed.rate, report.confirmed.confidence
    else:
        measured = report.metrics.get("error_rate")
        if measured is None or measured.value is None:
            return None
        rate, confidence = ErrorRate(round(measured.value * report.num), report.num), CONFIDENCE
    lower, upper = rate.interval_at(confidence)
    return GeneratorVerdict(
        verdict=report.verdict,
        tolerance=report.tolerance,
        error_rate=rate.value,
        error_rate_lower=lower,
        error_rate_upper=upper,
        num=rate.n,
        dataset=public_name(report.dataset),
        classifier_sha256=report.classifier_sha256,
        train_sha256=report.train_sha256,
        real_rate=report.real_rate,
    )


def read_verdict(saved: SavedGenerator) -> GeneratorVerdict | None:
    """Returns the verdict in the report beside a generator, or None without a report of this generator."""
    report = read_report(saved)
    return None if report is None else verdict_of(report)
