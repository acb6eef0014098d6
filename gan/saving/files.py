"""Writes files atomically, reads and writes JSON, computes SHA-256. Does not import TensorFlow."""

import hashlib
import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

from gan.errors import InputError, Json, check_levels

T = TypeVar("T")


def as_path(given: str | os.PathLike[str], name: str) -> Path:
    """Returns a path. A leading `~` in text is the home folder, unless that is not known. A `Path` stays as it is.

    Raises `InputError`, about the argument `name`, for anything else than a path that the file system can look up.
    """
    try:
        text = os.fspath(given)
        if not isinstance(text, str) or not text or "\0" in text:
            raise TypeError
        path = Path(text)
        if isinstance(given, str):
            with suppress(RuntimeError):
                path = path.expanduser()
        path.exists()
    except TypeError:
        raise InputError(f"Bad `{name}`", expected="a path", received=f"{name}={given!r}") from None
    except OSError as error:  # too long, or in a folder without permission
        raise InputError(f"Bad `{name}`", expected="a path that exists or can exist", received=str(error)) from error
    return path


def read_json(path: Path) -> Json:
    """Reads a JSON file. Raises `InputError` if it is damaged or nested too deeply."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        # fails for a lone surrogate, which cannot be printed, unless it stands for a byte of a file name
        json.dumps(content, ensure_ascii=False).encode(errors="surrogateescape")
    except (ValueError, RecursionError) as error:
        raise InputError(f"Damaged {path.name}", expected="JSON", received=f"{path}: {error}") from error
    check_levels(content, path)
    return content


def check_writable(file: Path) -> None:
    """Raises `InputError` unless `file` can be written, after creating missing folders. Does not write anything."""
    if file.is_dir():
        raise InputError("The output cannot be written", expected="a file", received=f"{file}, which is a folder")
    parent = file.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError("The output cannot be written", expected="a writable folder", received=str(file.parent))


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder, and moves the file from there to `path` at the end.

    Readers see either the old or the new file, never a part. The temporary file has the suffix of `path`, since writers
    choose the format by it. On an error it is removed.
    """
    writer = f"{os.getpid()}-{threading.get_ident()}"
    partial = path.with_name(f".{path.stem}.{writer}.partial{path.suffix}")
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes a new name in `folder` survive a power failure. Does nothing on Windows, which cannot open folders."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_partial(folder: Path) -> None:
    """Removes the temporary files of `atomically` in `folder`, which remain if a process was killed."""
    for leftover in folder.glob(".*.partial*"):
        leftover.unlink(missing_ok=True)


def write_json(path: Path, content: Json) -> None:
    """Writes a JSON file atomically."""
    with atomically(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write(path: Path, writer: Callable[[Path], object]) -> None:
    """Writes a file atomically with `writer`, which takes the path to write to."""
    with atomically(path) as partial:
        writer(partial)


def sha256(path: Path) -> str:
    """Returns the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def null_for_nan(value: T) -> T:
    """Returns a JSON value, or a dataclass of JSON values, with None for NaN and infinity, which JSON cannot hold."""
    part: Any = value
    if is_dataclass(part) and not isinstance(part, type):
        names = [field.name for field in fields(part)]
        found: Any = replace(cast(Any, value), **{name: null_for_nan(getattr(part, name)) for name in names})
        return found
    if isinstance(part, Mapping):
        return {name: null_for_nan(inner) for name, inner in part.items()}  # type: ignore[return-value]
    if isinstance(part, (list, tuple)):
        return type(part)(map(null_for_nan, part))  # type: ignore[return-value]
    return None if isinstance(part, float) and not math.isfinite(part) else part  # type: ignore[return-value]
