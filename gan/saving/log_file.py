"""Reads log.csv, the file with one row per interval. Does not import TensorFlow."""

import csv
from contextlib import suppress
from pathlib import Path

from gan.saving import files


def last_row(path: Path) -> dict[str, float]:
    """Returns the last complete row of a log file as numbers. Empty if there is none."""
    return (rows(path) or [{}])[-1]


def images_at(path: Path, interval: int | None) -> int:
    """Returns the images seen at the end of an interval (None: the last) of a log file. 0 if there is no row for it."""
    found = [row for row in rows(path) if interval in (None, row["interval"])]
    return int(found[-1]["images"]) if found else 0


def rows(path: Path) -> list[dict[str, float]]:
    """Returns the complete rows as numbers. Skips rows with other text; files without a run's columns have no rows."""
    header, lines = table(path)
    if not {"interval", "images"} <= set(header):
        return []
    found = []
    for row in lines:
        if len(row) == len(header):
            with suppress(ValueError):
                found.append({k: int(v) if k in ("interval", "images") else float(v) for k, v in zip(header, row)})
    return found


def cut_back(path: Path, interval: int) -> int:
    """Keeps the complete rows 1, ..., `interval` of a log file, atomically. Returns the number of removed rows.

    Without such rows, the file is removed.
    """
    header, lines = table(path)
    kept = [row for row in lines if len(row) == len(header) and row[0].isdecimal() and int(row[0]) <= interval]
    if not kept:
        path.unlink(missing_ok=True)
        return len(lines)
    with files.atomically(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *kept])
    return len(lines) - len(kept)


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns (header, rows) as text, including partial rows. Both are empty if the file does not exist."""
    if not path.exists():
        return [], []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    return header, lines
