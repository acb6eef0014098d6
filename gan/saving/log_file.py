"""Reads log.csv, the file with one row per interval. Does not import TensorFlow."""

import csv
from contextlib import suppress
from pathlib import Path


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


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Returns (header, rows) as text, including partial rows. Both are empty if the file does not exist."""
    if not path.exists():
        return [], []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    return header, lines
