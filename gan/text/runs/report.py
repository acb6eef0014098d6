"""The report of a text model: its error rate on the test split, with interval and verdict. File report.json."""

from dataclasses import dataclass, field
from pathlib import Path

from gan.errors import InputError, Json, Positive, Whole, as_json, check, convert
from gan.saving import files, run_folder
from gan.text.runs.text_run import Kind
from gan.tolerance import EXIT_STATUS, ErrorRate, Verdict, samples_needed, verdict


@dataclass(frozen=True, kw_only=True)
class TextReport:
    """Content of report.json of a text model."""

    kind: Kind
    sha256: str | None
    """SHA-256 of the file of the network."""
    wrong: Whole
    num: Positive
    """Outcomes, of which `wrong` are wrong."""
    error_rate: float
    error_rate_lower: float
    error_rate_upper: float
    """Wilson 95 % interval."""
    tolerance: float | None = None
    verdict: Verdict | None = None
    """None: without a tolerance."""
    samples_needed: Positive | None = None
    """Size of a fresh sample that would decide, if the rate stays the same. None: decided, or not known."""
    metrics: dict[str, Json] = field(default_factory=dict)
    """Further numbers, by name."""

    def __post_init__(self) -> None:
        check(self.wrong <= self.num, "wrong", f"at most num={self.num}", self.wrong)

    @classmethod
    def of(
        cls,
        kind: Kind,
        rate: ErrorRate,
        *,
        sha256: str | None,
        tolerance: float | None = None,
        covers: bool = True,
        metrics: dict[str, Json] | None = None,
    ) -> "TextReport":
        """Returns the report of an error rate.

        `covers` tells whether the coverage is high enough for the verdict `within`. Without it, a rate that would be
        within is `undecided`.
        """
        found = None if tolerance is None else verdict(rate, tolerance)
        if found == "within" and not covers:
            found = "undecided"
        needed = samples_needed(rate, tolerance) if tolerance is not None and found == "undecided" and covers else None
        lower, upper = rate.interval
        return cls(
            kind=kind,
            sha256=sha256,
            wrong=rate.wrong,
            num=rate.n,
            error_rate=rate.value,
            error_rate_lower=lower,
            error_rate_upper=upper,
            tolerance=tolerance,
            verdict=found,
            samples_needed=needed,
            metrics=metrics or {},
        )

    @property
    def rate(self) -> ErrorRate:
        """The error rate."""
        return ErrorRate(self.wrong, self.num)

    @property
    def exit_status(self) -> int:
        """Exit status of the verdict; 0 without a tolerance."""
        return 0 if self.verdict is None else EXIT_STATUS[self.verdict]

    def save(self, folder: Path) -> None:
        """Writes report.json, atomically. NaN becomes null."""
        files.write_json(folder / run_folder.REPORT, files.null_for_nan(as_json(self)))


def load_text_report(folder: Path) -> TextReport:
    """Reads report.json of a text model. Raises `InputError` if it is missing or damaged."""
    path = folder / run_folder.REPORT
    if not path.is_file():
        raise InputError("This run has no report", expected=path.name, received=str(folder))
    return convert(files.read_json(path), TextReport, path)
