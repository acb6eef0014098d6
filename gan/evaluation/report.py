"""Reports of `gan evaluate`: content, loading, comparison and number format."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from typing import Literal

from gan.errors import InputError, Positive, Whole, check_whole, convert
from gan.evaluation.stopping import StoppingHistory
from gan.saving import files, models, run_folder
from gan.saving.renamed_keys import with_new_names
from gan.tolerance import Confirmation, ErrorRate, Verdict, WorstClass, errs_above, samples_needed, verdict
from gan.utils.arguments import checked
from gan.utils.commands import shell_command

MUST_AGREE = ("dataset", "compared", "classifier_sha256", "reference", "features_used", "conditional")
"""Fields that must be equal in reports to compare. The Frechet distance depends on all, the error rate on the last."""

FEWEST = 2
"""Minimum number of samples for a report: a covariance needs two."""

MOST_NUM = 10**7
"""Maximum number of samples of an error rate: hours, for a small generator on a CPU."""

FEW = 200
"""Number of samples below which a report proves little."""

Column = Literal["value", "real"]
"""`value`: the number of the samples. `real`: the same number for real images."""


@dataclass(frozen=True)
class FeatureSource:
    """The network whose outputs are the features: its name, the layer, the SHA-256, and the number of features.

    The name is `classifier`, `random` for the fixed random network, or that of a given file. The SHA-256 is that of the
    file, or of the random kernels.
    """

    name: str
    layer: str
    sha256: str
    dimension: Positive


@dataclass(frozen=True)
class MetricRow:
    """A number of the samples and the same number for real images. None: not known."""

    value: float | None
    real: float | None


@dataclass(frozen=True)
class CopiedShare:
    """The share of samples that copy training images, with its 95 % confidence interval. None: not known."""

    copied_share: float | None
    copied_share_lower: float | None
    copied_share_upper: float | None


@dataclass(frozen=True)
class FrechetFloor:
    """Mean and standard deviation of the Frechet distance over `draws` draws of training images."""

    mean: float
    spread: float
    draws: Positive


@dataclass(frozen=True)
class ClassCounts:
    """Number of images that the classifier assigns to each class, among the samples and among the test images."""

    samples: tuple[Whole, ...]
    real: tuple[Whole, ...]


@dataclass(frozen=True)
class ClassErrorRate:
    """The error rate of the `n` samples of a requested class."""

    label: Whole
    n: Positive
    error_rate: float
    error_rate_upper: float


@dataclass(frozen=True)
class PerturbationPoint:
    """The error rate of `n` samples with a fault of this severity, with its 95 % confidence interval."""

    fault: str
    severity: float
    n: Positive
    error_rate: float
    error_rate_lower: float
    error_rate_upper: float


@dataclass(frozen=True)
class Reconstruction:
    """Number of reconstructed test images, and the steps and restarts of the gradient descent."""

    num: Positive
    steps: Positive
    restarts: Positive


@dataclass(frozen=True)
class Checkpoint:
    """The file of the generator, and the name given by the user; see `gan.saving.models.describe`."""

    name: str
    bytes: Whole
    sha256: str
    latent_dim: Positive | None
    num_classes: Whole


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """The content of report.json: each number, the same number for real images, and a verdict.

    `metrics` is {name: row}. `meaning` explains each number; interval ends and standard errors have no entry.
    `not_known` states why a number is not known. `reconstruction` and `perturbation`: None if they were not measured.

    The samples of the report decide its verdict, unless it has a `confirmed`: the confirmation that early stopping made
    of this generator, for the same tolerance. Then that alone decides, since it has the error guarantee of the whole
    run; the samples of the report may agree with it or not. Only the report at the end of `gan train` has it. Later
    reports of the run, perhaps for another tolerance, do not. `stopping` shows the early stopping of the run, and
    decides nothing; None: the run had no tolerance.

    Without a tolerance, there is no verdict (None). Without a classifier, there is no tolerance either, and what it
    would measure is absent: `error_rate` and the like in `metrics`, `class_histogram`, `error_rate_by_class`,
    `worst_class` and `perturbation`. `features`: None in a report of an earlier revision, whose features are those of
    its classifier.

    `worst_class` is the class with the highest error rate, and `worst_class_real` that of as many validation images.
    It does not change the verdict. None: no classes were requested, or an earlier revision wrote the report.

    `num` is the number of samples of the error rate, of the error rate of each class, and of the worst class. All other
    numbers describe the first `compared` samples and as many real images. `real_rate` is what the classifier gets wrong
    of at most 10,000 test images: above the tolerance, the verdict is `undecided` because of `classifier`. It,
    `train_sha256` and `test_sha256`, those of the dataset's images, are None in reports of earlier revisions.
    `perturbation` and `reconstruction` contain their own numbers.
    """

    checkpoint: Checkpoint | None = None
    dataset: str
    train_sha256: str | None = None
    test_sha256: str | None = None
    reference: str
    classifier_sha256: str | None
    features: FeatureSource | None = None
    conventions: dict[str, str] = field(default_factory=dict)
    num: Positive
    compared: Whole = 0
    """0: all samples, also in a report of an earlier revision. It is replaced by `num`."""
    seed: Whole
    conditional: bool
    labels: str
    meaning: dict[str, str]
    metrics: dict[str, MetricRow]
    not_known: dict[str, str] = field(default_factory=dict)
    frechet_floor: FrechetFloor
    frechet_in_floors: float | None
    copied_share: float | None
    copied_share_lower: float | None
    copied_share_upper: float | None
    copied_share_real: CopiedShare | None = None
    nearest_num: Positive
    class_histogram: ClassCounts | None
    error_rate_by_class: tuple[ClassErrorRate, ...]
    worst_class: WorstClass | None = None
    worst_class_real: WorstClass | None = None
    tolerance: float | None
    real_rate: ErrorRate | None = None
    verdict: Verdict | None
    undecided_because_of: tuple[str, ...]
    samples_needed: Positive | None
    seconds: dict[str, float]
    summary: dict[str, str] = field(default_factory=dict)
    reconstruction: Reconstruction | None = None
    perturbation: tuple[PerturbationPoint, ...] | None = None
    stopping: StoppingHistory | None = None
    confirmed: Confirmation | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "compared", self.compared or self.num)
        check_whole("compared", self.compared, 1, self.num)

    @property
    def features_used(self) -> str:
        """The layer and the SHA-256 of the network whose features are compared."""
        if self.features is None:
            return f"layer features of SHA-256 {self.classifier_sha256}"
        return f"layer {self.features.layer} of SHA-256 {self.features.sha256}"

    @property
    def samples_verdict(self) -> Verdict | None:
        """The verdict by the samples of the report alone. It differs from `verdict` only if `confirmed` decides."""
        if self.confirmed is None or self.tolerance is None:
            return self.verdict
        rate, coverage = self.metrics["error_rate"].value, self.metrics.get("coverage", MetricRow(None, None))
        known = {"coverage": coverage.value, "real_coverage": coverage.real}
        return verdict(
            ErrorRate(round((rate or 0.0) * self.num), self.num),
            self.tolerance,
            **{name: math.nan if share is None else share for name, share in known.items()},
            real=self.real_rate,
        )

    @property
    def contradicts(self) -> bool:
        """Whether the samples of the report show the opposite of the confirmation that decides the verdict."""
        return {self.verdict, self.samples_verdict} == {"within", "exceeded"}

    @property
    def copied(self) -> CopiedShare:
        """The copied share of the samples, with its confidence interval."""
        return CopiedShare(self.copied_share, self.copied_share_lower, self.copied_share_upper)

    def decided_by(self, confirmed: Confirmation) -> "EvaluationReport":
        """Returns the report with the verdict of a confirmation for its tolerance. The summary is unchanged.

        `undecided_because_of` is then `error_rate` if the interval of the confirmation includes the tolerance, and
        `conditions` if other conditions, such as coverage, were not met; or only `classifier`. `samples_needed` is the
        size of a confirmation that would decide.
        """
        if self.tolerance is None:
            raise InputError("Nothing to confirm", expected="a report with a tolerance", received="tolerance=None")
        by_rate = verdict(confirmed.rate, self.tolerance, confidence=confirmed.confidence)
        reasons = []
        if confirmed.verdict == "undecided":
            reasons += ["error_rate"] * (by_rate == "undecided") + ["conditions"] * bool(confirmed.unmet)
            reasons = ["classifier"] if errs_above(self.real_rate, self.tolerance) else reasons
        needed = samples_needed(confirmed.rate, self.tolerance, confidence=confirmed.confidence)
        return replace(
            self,
            confirmed=confirmed,
            verdict=confirmed.verdict,
            undecided_because_of=tuple(reasons),
            samples_needed=needed if reasons == ["error_rate"] else None,
        )

    def as_dict(self) -> dict[str, object]:
        """Returns the content of report.json. Omits optional fields that were not measured."""
        optional = {part.name for part in fields(self) if part.default is None}
        return {name: part for name, part in asdict(self).items() if part is not None or name not in optional}


@checked
def load_report(checkpoint: str | os.PathLike[str]) -> EvaluationReport:
    """Loads the report of a run folder, a pretrained name or a report.json, also if an earlier revision wrote it.

    Raises `InputError` for a missing or damaged report, or one with wrong content.
    """
    path = given = files.as_path(checkpoint, "checkpoint")
    pretrained = models.pretrained_folder() / str(checkpoint) / run_folder.REPORT
    if path.is_dir():
        path = path / run_folder.REPORT
    elif not path.exists() and pretrained.is_file():
        path = pretrained
    if not path.is_file():
        command = shell_command("gan", "evaluate", given)
        expected = f"a report.json, written by: {command}" + " --output FOLDER" * (not given.is_dir())
        raise InputError("Report not found", expected=expected, received=f"no file {path}")
    return convert(with_new_names(files.read_json(path)), EvaluationReport, path)


@checked
def check_comparable(reports: Mapping[str, EvaluationReport]) -> None:
    """Raises `InputError` if the reports, by name, differ in a field of `MUST_AGREE` or in the SHA-256 of their images.

    Where all reports record the SHA-256 of their training images or of their test images, the names of the datasets
    do not matter.
    """
    same_images = False
    for split in ("train", "test"):
        found = {name: getattr(report, f"{split}_sha256") for name, report in reports.items()}
        if len(set(found.values()) - {None}) > 1:
            raise InputError(
                "Reports of different images cannot be compared",
                expected=f"one SHA-256 of the {split} images in all reports",
                received=", ".join(f"{name}: {digest}" for name, digest in found.items()),
            )
        same_images |= None not in found.values()
    for key in MUST_AGREE[same_images:]:
        values = {name: getattr(report, key) for name, report in reports.items()}
        first, *others = values.values()
        if any(other != first for other in others):
            raise InputError(
                "Reports cannot be compared",
                expected=f"the same {key} in all reports",
                received=", ".join(f"{name}: {value}" for name, value in values.items()),
            )


def numbers(report: EvaluationReport) -> dict[str, float | str | None]:
    """Returns {name: number} of a report: each number with a meaning, the samples, the tolerance and the verdict."""
    metrics = {name: report.metrics[name].value for name in report.meaning if name in report.metrics}
    worst = {} if report.worst_class is None else {"worst_class": report.worst_class.rate}
    return {
        **metrics,
        **worst,
        "copied_share": report.copied_share,
        "num": report.num,
        "tolerance": report.tolerance,
        "verdict": report.verdict,
    }


@checked
def rows(report: EvaluationReport) -> list[dict[str, str]]:
    """Returns the rows of a table: {name, value, real, meaning} of each number with a meaning, as text."""
    return [
        {
            "name": name,
            "value": written(name, report),
            "real": written(name, report, column="real"),
            "meaning": f"{meaning} Not known: {report.not_known[name]}." if name in report.not_known else meaning,
        }
        for name, meaning in report.meaning.items()
        if name in report.metrics or name == "copied_share" or (name == "worst_class" and report.worst_class)
    ]


def written(name: str, report: EvaluationReport, *, column: Column = "value") -> str:
    """Formats a number of a report, with its confidence interval or standard error if known. Unknown name: "".

    Args:
        name: name of the number.
        report: the report that contains it.
        column: `value` for the samples, `real` for real images.
    """
    if name == "copied_share":
        return _copied(report.copied if column == "value" else report.copied_share_real)
    if name == "worst_class":
        return _worst(report.worst_class if column == "value" else report.worst_class_real)
    if name not in report.metrics:
        source = "" if report.confirmed is None else " (by confirmation)"
        fields = {
            "num": f"{report.num:,}",
            "tolerance": "none" if report.tolerance is None else str(report.tolerance),
            "verdict": "none" if report.verdict is None else report.verdict + source,
        }
        return fields.get(name, "") if column == "value" else ""
    values = {key: getattr(row, column) for key, row in report.metrics.items()}
    if values[name] is None:
        return "not known"
    value = f"{values[name]:.4g}"
    lower, upper, error = (values.get(f"{name}_{part}") for part in ("lower", "upper", "stderr"))
    if lower is not None and upper is not None:
        return f"{value} ({lower:.3g} to {upper:.3g})"
    return value if error is None else f"{value} ± {error:.2g}"


def samples_text(num: int, compared: int) -> str:
    """Returns how many samples a report has, and how many of them it compares with test images."""
    return f"{num:,} samples" + (f", the first {compared:,} of them" if compared < num else "")


def _copied(share: CopiedShare | None) -> str:
    parts = () if share is None else astuple(share)
    return "not known" if not parts or None in parts else "{:.3f} ({:.3f} to {:.3f})".format(*parts)


def _worst(worst: WorstClass | None) -> str:
    if worst is None:
        return ""
    which = f", class {worst.label}" if worst.wrong else ""
    return f"{worst.rate:.4g} ({worst.lower:.3g} to {worst.upper:.3g}){which}"
