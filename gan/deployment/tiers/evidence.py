"""What a classifier measured of a generator: bounds of its error rate, and its coverage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gan.deployment.names import public_name
from gan.deployment.verdicts import read_report, verdict_of
from gan.errors import InputError, Json, as_json
from gan.evaluation.report import EvaluationReport
from gan.saving.engines.card import GeneratorVerdict
from gan.saving.known_images import is_fixed
from gan.saving.saved_generator import SavedGenerator
from gan.tolerance import ErrorRate, covers, errs_above
from gan.utils.commands import shell_command

Source = Literal["confirmation", "report", "card", "people", "people_planned"]
"""Where a bound is from: the confirmation at the end of the training, a report, the card of an exported file, or people
who judged random pictures or those of a plan."""


@dataclass(frozen=True, kw_only=True)
class RateBound:
    """An error rate of `num` samples, with its bounds."""

    source: Source
    error_rate: float | None
    """None: not known."""
    lower: float
    upper: float
    num: int

    def as_dict(self) -> dict[str, Json]:
        """Returns the bound in JSON types."""
        return as_json(self)


@dataclass(frozen=True)
class Measured:
    """What a classifier measured of a generator."""

    bound: RateBound
    dataset: str
    unmet: tuple[str, ...] = ()
    """Conditions of a verdict `within` that are not met, or not known to be: coverage, and those of a confirmation."""
    real: ErrorRate | None = None
    """Error rate of the classifier on real test images; None: not known."""


def find_measured(saved: SavedGenerator, given: str, tolerance: float) -> Measured:
    """Returns what a classifier measured of a generator: in the report beside it, else in the card of an exported one.

    The confirmation at the end of the training counts instead of the samples of its report, as in the report itself. A
    card counts only for float32: rounded weights are another generator than the one that was measured.

    Args:
        saved: the generator.
        given: its name as the user wrote it, for the commands in messages.
        tolerance: highest acceptable error rate. The classifier must not err more often on real images.

    Raises `InputError` if there is no report of this very file, or if it is of another dataset than the training. The
    message contains the command that makes one.
    """
    evaluate = evaluation_command(saved, given)
    report = read_report(saved)
    verdict = None if report is None else verdict_of(report)
    if report is not None and verdict is not None:
        source: Source = "report" if report.confirmed is None else "confirmation"
        unmet = _unmet_conditions(report)
    elif saved.card is not None and saved.card.verdict is not None and saved.card.weights == "float32":
        verdict, source = saved.card.verdict, "card"
        unmet = _unmet_by_card(verdict, evaluate)
    else:
        expected = f"a report of this file: {evaluate}"
        if report is not None:
            expected = f"a report with a classifier: {evaluate} --classifier FOLDER"
        raise InputError("The error rate is not known", expected=expected, received=given)
    if saved.dataset is not None and not _is_of_training(saved, report, verdict):
        raise InputError(
            "The report is of another dataset than the training",
            expected=f"a report for {public_name(saved.dataset)}: {evaluate}",
            received=f"one for {verdict.dataset}",
        )
    bound = RateBound(
        source=source,
        error_rate=verdict.error_rate,
        lower=verdict.error_rate_lower,
        upper=verdict.error_rate_upper,
        num=verdict.num,
    )
    real = verdict.real_rate
    if real is not None and errs_above(real, tolerance):
        unmet = (*unmet, f"the classifier is wrong on {100 * real.value:.3g} % of {real.n:,} real test images")
    return Measured(bound, verdict.dataset, unmet, real)


def _is_of_training(saved: SavedGenerator, report: EvaluationReport | None, verdict: GeneratorVerdict) -> bool:
    """Returns whether the report, or a verdict without one, is of the images of the training, wherever they lie.

    Known SHA-256 decide, except for a part of a fixed data set. Names decide where one is not known.
    """
    digest, own = verdict.train_sha256, saved.images and saved.images.fingerprint
    if digest is not None and own is not None:
        names = (verdict.dataset if report is None else report.dataset, saved.dataset or "")
        if digest == own or not all(map(is_fixed, names)):
            return digest == own
    return saved.dataset is None or is_same_data(verdict.dataset, public_name(saved.dataset))


def is_same_data(one: str, other: str) -> bool:
    """Returns whether two names of datasets mean the same images. `mnist5k` is a part of `mnist`, and replaces it."""
    return one == other or one.replace("mnist", "mnist5k") == other or other.replace("mnist", "mnist5k") == one


def evaluation_command(saved: SavedGenerator, given: str) -> str:
    """Returns the command that writes a report beside a generator."""
    is_run = saved.card is None and Path(given).is_dir()
    return shell_command("gan", "evaluate", Path(given), *(() if is_run else ("--output", saved.folder)))


def _unmet_conditions(report: EvaluationReport) -> tuple[str, ...]:
    coverage = report.metrics.get("coverage")
    unmet = () if report.confirmed is None else report.confirmed.unmet
    if coverage is None or coverage.value is None or coverage.real is None:
        return (*unmet, "the coverage is not known")
    if covers(coverage.value, coverage.real):
        return unmet
    return (*unmet, f"the coverage is {coverage.value:.3g}, that of real images {coverage.real:.3g}")


def _unmet_by_card(verdict: GeneratorVerdict, evaluate: str) -> tuple[str, ...]:
    """Returns what a card lets unmet. It has no coverage, but its verdict `within` needs enough of it."""
    if verdict.verdict == "within":
        return ()
    own = verdict.tolerance
    if own is not None and verdict.error_rate_upper <= own and not errs_above(verdict.real_rate, own):
        return ("the coverage is too low",)
    return (f"the card does not tell the coverage: {evaluate}",)
