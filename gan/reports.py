"""Reports of `gan evaluate`: where they are, which may be compared, and how their numbers are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan import checkpoints
from gan.errors import InputError

MUST_AGREE = ("dataset", "num", "classifier_sha256", "reference", "conditional")
"""What two reports must have in common: a Frechet distance depends on all of it, and the error rate on the last."""

NEEDED = {*MUST_AGREE, "metrics", "meaning", "verdict", "tolerance", "copied_share"}


def load_report(checkpoint: str) -> dict[str, Any]:
    """The report of a run folder, a shipped name or a report.json. Raises `InputError` when there is none."""
    path = Path(checkpoint)
    shipped = checkpoints.shipped_folder() / checkpoint / checkpoints.REPORT
    if path.is_dir():
        path = path / checkpoints.REPORT
    elif not path.exists() and shipped.is_file():
        path = shipped
    if not path.is_file():
        raise InputError("No report", expected=f"one, made by: gan evaluate {checkpoint}", received=f"no {path}")
    report = checkpoints.read_json(path)
    if not (isinstance(report, dict) and set(report) >= NEEDED):
        raise InputError("This is no report", expected=f"JSON with {sorted(NEEDED)}", received=str(path))
    return report


def check_comparable(reports: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `InputError` unless the reports, by name, have been made alike."""
    for key in MUST_AGREE:
        values = {name: report[key] for name, report in reports.items()}
        if len(set(values.values())) > 1:
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


def written(name: str, report: Mapping[str, Any], *, side: str = "value") -> str:
    """A number of a report for people, with its interval or standard error where there is one.

    side: `value`, that of the pictures, or `real`, the same for real images.
    """
    if name == "copied_share":
        if side == "real":
            return "0"
        return f"{report[name]:.3f} ({report['copied_share_lower']:.3f} to {report['copied_share_upper']:.3f})"
    if name not in report["metrics"]:
        return "" if side == "real" else str(report[name])
    values = {key: row[side] for key, row in report["metrics"].items()}
    value = f"{values[name]:.4g}"
    if f"{name}_lower" in values:
        return f"{value} ({values[f'{name}_lower']:.3g} to {values[f'{name}_upper']:.3g})"
    return f"{value} ± {values[f'{name}_stderr']:.2g}" if f"{name}_stderr" in values else value


def check_card(dataset: str, card: Mapping[str, Any]) -> None:
    """Raises `InputError` unless the classifier of this card may judge that data set."""
    if dataset not in card["data_sets"]:
        raise InputError(
            "The extractor is for another data set",
            expected=f"one of {card['data_sets']}, or another --extractor",
            received=f"dataset={dataset!r}",
        )
