"""Reports of `gan evaluate`: where they are, which may be compared, and how their numbers are written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan import checkpoints
from gan.errors import InputError

MUST_AGREE = ("dataset", "num", "classifier_sha256", "reference", "conditional")
"""What two reports must have in common: a Frechet distance depends on all of it, and the error rate on the last."""

COPIED = ("copied_share", "copied_share_lower", "copied_share_upper")


def load_report(checkpoint: str) -> dict[str, Any]:
    """The report of a run folder, a shipped name or a report.json. Raises `InputError` when there is none."""
    path = Path(checkpoint)
    shipped = checkpoints.shipped_folder() / checkpoint / checkpoints.REPORT
    if path.is_dir():
        path = path / checkpoints.REPORT
    elif not path.exists() and shipped.is_file():
        path = shipped
    if not path.is_file():
        made = f"one, made by: gan evaluate {checkpoint} --output FOLDER"
        raise InputError("No report", expected=made, received=f"no {path}")
    report = checkpoints.read_json(path)
    if not _is_report(report):
        raise InputError("This is no report", expected="what gan evaluate writes", received=str(path))
    return report


def _is_report(report: Any) -> bool:
    if not isinstance(report, dict) or not {*MUST_AGREE, *COPIED, "metrics", "meaning", "verdict", "tolerance"} <= set(
        report
    ):
        return False
    rows = report["metrics"].values() if isinstance(report["metrics"], dict) else [None]
    numbers = [row.get(side, "") if isinstance(row, dict) else "" for row in rows for side in ("value", "real")]
    shares = [report[name] for name in COPIED if report[name] is not None]
    return (
        isinstance(report["meaning"], dict)
        and all(isinstance(report[name], str) for name in ("dataset", "classifier_sha256", "reference", "verdict"))
        and isinstance(report["num"], int)
        and all(number is None or isinstance(number, (int, float)) for number in numbers)
        and all(isinstance(number, (int, float)) for number in (*shares, report["tolerance"]))
        and len(shares) in (0, len(COPIED))
    )


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
    if f"{name}_lower" in values:
        return f"{value} ({values[f'{name}_lower']:.3g} to {values[f'{name}_upper']:.3g})"
    return f"{value} ± {values[f'{name}_stderr']:.2g}" if f"{name}_stderr" in values else value


def _copied(share: Mapping[str, Any] | None) -> str:
    if share is None or share["copied_share"] is None:
        return "not known"
    return "{:.3f} ({:.3f} to {:.3f})".format(*(share[name] for name in COPIED))
