"""Reports of `gan evaluate`: where they are, which may be compared, and how their numbers are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from gan.errors import InputError, Positive, convert
from gan.saving import files, models, run_folder

MUST_AGREE = ("dataset", "num", "classifier_sha256", "reference", "conditional")
"""What two reports must have in common: a Frechet distance depends on all of it, and the error rate on the last."""

COPIED = ("copied_share", "copied_share_lower", "copied_share_upper")


class Row(TypedDict):
    """A number of the pictures and the same for real images; None: it is not known."""

    value: float | None
    real: float | None


class CopiedShare(TypedDict):
    """The share of pictures that are copied, and its interval; None: it cannot be told."""

    copied_share: float | None
    copied_share_lower: float | None
    copied_share_upper: float | None


class Report(CopiedShare):
    """What is read of a report.json."""

    dataset: str
    num: Positive
    classifier_sha256: str
    reference: str
    conditional: bool
    meaning: dict[str, str]
    metrics: dict[str, Row]
    tolerance: float
    verdict: Literal["within", "exceeded", "undecided"]
    copied_share_real: NotRequired[CopiedShare | None]
    not_known: NotRequired[dict[str, str]]


def load_report(checkpoint: str) -> dict[str, Any]:
    """The report of a run folder, a pretrained name or a report.json.

    Raises `InputError` when there is none, or it is damaged or of the wrong shape.
    """
    path = Path(checkpoint)
    pretrained = models.pretrained_folder() / checkpoint / run_folder.REPORT
    if path.is_dir():
        path = path / run_folder.REPORT
    elif not path.exists() and pretrained.is_file():
        path = pretrained
    if not path.is_file():
        made = f"one, made by: gan evaluate {checkpoint} --output FOLDER"
        raise InputError("No report", expected=made, received=f"no {path}")
    report: Any = files.read_json(path)
    convert(report, Report, path)
    return report


def check_comparable(reports: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `InputError` unless the reports, by name, have been made alike."""
    for key in MUST_AGREE:
        values = {name: report[key] for name, report in reports.items()}
        first, *others = values.values()
        if any(other != first for other in others):
            raise InputError(
                "These reports cannot be compared",
                expected=f"the same {key} in all",
                received=", ".join(f"{name}: {value}" for name, value in values.items()),
            )


def numbers(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a report by name, those that have a meaning of their own, and its verdict."""
    metrics = {name: report["metrics"][name]["value"] for name in report["meaning"] if name in report["metrics"]}
    return {**metrics, "copied_share": report["copied_share"], "tolerance": report["tolerance"],
            "verdict": report["verdict"]}  # fmt: skip


def rows(report: Mapping[str, Any]) -> list[dict[str, str]]:
    """What a table for people shows: {name, value, real, meaning} of each number that has a meaning."""
    unknown = report.get("not_known", {})
    return [
        {
            "name": name,
            **{side: written(name, report, side=side) for side in ("value", "real")},
            "meaning": f"{meaning} Not known: {unknown[name]}." if name in unknown else meaning,
        }
        for name, meaning in report["meaning"].items()
        if name in report["metrics"] or name in report
    ]


def written(name: str, report: Mapping[str, Any], *, side: str = "value") -> str:
    """A number of a report for people, with its interval or standard error where there is one.

    side: `value`, that of the pictures, or `real`, the same for real images.
    """
    if name == "copied_share":
        return _copied(report if side == "value" else report.get("copied_share_real"))
    if name not in report["metrics"]:
        return "" if side == "real" else str(report.get(name, ""))
    values = {key: row[side] for key, row in report["metrics"].items()}
    if values[name] is None:
        return "not known"
    value = f"{values[name]:.4g}"
    lower, upper, error = (values.get(f"{name}_{part}") for part in ("lower", "upper", "stderr"))
    if lower is not None and upper is not None:
        return f"{value} ({lower:.3g} to {upper:.3g})"
    return value if error is None else f"{value} ± {error:.2g}"


def _copied(share: Mapping[str, Any] | None) -> str:
    numbers = [] if share is None else [share[name] for name in COPIED if share[name] is not None]
    return "{:.3f} ({:.3f} to {:.3f})".format(*numbers) if len(numbers) == len(COPIED) else "not known"
