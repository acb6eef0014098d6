"""Writes files atomically, reads and writes JSON, computes SHA-256. No TensorFlow."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from gan.errors import InputError, Json, check_levels

T = TypeVar("T")


def read_json(path: Path) -> Json:
    """Reads JSON. Raises `InputError` if it is damaged or nested too deeply."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # fails for half a character, which nobody could print
    except (ValueError, RecursionError) as error:
        raise InputError(f"Damaged {path.name}", expected="JSON", received=f"{path}: {error}") from error
    check_levels(content, path)
    return content


def check_writable(file: Path) -> None:
    """Raises `InputError` unless `file` could be written, with folders made on the way; writes nothing."""
    if file.is_dir():
        raise InputError("The output cannot be written", expected="a file", received=f"{file}, which is a folder")
    parent = file.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError("The output cannot be written", expected="a place one can write to", received=str(file.parent))


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and puts it in place at the end: readers see the old file or the new one.

    The file keeps its suffix, since writers choose a format by it. On an error nothing is left behind.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
        _sync_folder(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Lets a new name in `folder` survive a loss of power, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_partial(folder: Path) -> None:
    """Removes what processes that were killed left of `atomically` in `folder`."""
    for leftover in folder.glob(".*.partial*"):
        leftover.unlink(missing_ok=True)


def write_json(path: Path, content: Json) -> None:
    """Writes JSON atomically."""
    with atomically(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write(path: Path, writer: Callable[[Path], object]) -> None:
    """Lets `writer` write a file, atomically."""
    with atomically(path) as beside:
        writer(beside)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def null_for_nan(value: T) -> T:
    """Returns the same JSON value, or dataclass of such, with None for NaN and infinity, which JSON does not have."""
    part: Any = value
    if is_dataclass(part) and not isinstance(part, type):
        names = [one.name for one in fields(part)]
        found: Any = replace(cast(Any, value), **{name: null_for_nan(getattr(part, name)) for name in names})
        return found
    if isinstance(part, Mapping):
        return {name: null_for_nan(inner) for name, inner in part.items()}  # type: ignore[return-value]
    if isinstance(part, (list, tuple)):
        return type(part)(map(null_for_nan, part))  # type: ignore[return-value]
    return None if isinstance(part, float) and not math.isfinite(part) else part  # type: ignore[return-value]
