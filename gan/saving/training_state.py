"""Training states in the folder state/ of a run: everything that resume needs. Does not import TensorFlow.

A training state consists of two files per interval, named by the number of images seen. `000032000.npz` contains the
arrays. `000032000.json`, written after it, is its manifest and contains the SHA-256 of both. A state is valid if both
files exist and both checksums match. After a failure, the newest valid state is used. Nothing is pickled.
"""

import hashlib
import io
import json
import re
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import lock_descriptor

from gan.errors import InputError, Json, Positive, as_json, convert
from gan.saving import files, zip_safety
from gan.saving.renamed_keys import with_new_names

FOLDER, LOCK = "state", "lock"
FORMAT = 2
"""Format version of training states. Version 1, without counters among the arrays, can also be read."""
COUNTERS = ("step", "images_seen")
"""Names of the arrays, int64 [], with the number of train steps and of images seen."""
KEPT = 2
"""Number of training states kept: the newest, and the one before it in case the newest gets damaged."""


@dataclass(frozen=True)
class Manifest:
    """Content of the manifest of a training state. `sha256` is the SHA-256 of the file with the arrays."""

    format: int
    interval: Positive
    step: Positive
    images: Positive
    stopped: bool
    callbacks: dict[str, dict[str, Json]]
    sha256: str


@dataclass(frozen=True)
class State:
    """Training state of a run at the end of a complete interval."""

    interval: int
    """Number of the interval, from 1."""
    step: int
    """Number of train steps."""
    images: int
    """Number of real images that D received."""
    stopped: bool = False
    """Whether a callback ended the training in this interval."""
    callbacks: dict[str, dict[str, Json]] = field(default_factory=dict)
    """JSON state of each callback, by its class name."""
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    """Weights, optimizer variables and other arrays, by name."""


def save(run: Path, state: State) -> None:
    """Writes a training state atomically, verifies it, and then removes all but the newest `KEPT` states.

    Raises `OSError` if it cannot be written, or if the arrays read back differ. Older states then remain unchanged.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **state.arrays)
    manifest = Manifest(
        format=FORMAT,
        interval=state.interval,
        step=state.step,
        images=state.images,
        stopped=state.stopped,
        callbacks=state.callbacks,
        sha256=_sha256(buffer.getvalue()),
    )
    content = as_json(manifest)
    arrays = run / FOLDER / f"{state.images:09d}.npz"
    files.write(arrays, lambda path: _write(path, buffer))
    if files.sha256(arrays) != manifest.sha256:
        raise OSError(f"{arrays} does not read back as it was written")
    files.write_json(arrays.with_suffix(".json"), {"content": content, "sha256": _sha256(_text(content))})
    for old in _manifests(run)[KEPT:]:
        _remove(old)


def latest(run: Path) -> tuple[State | None, list[str]]:
    """Returns the newest valid training state of a run folder, and one message per newer state that is damaged.

    The state is None if no state is valid. Raises `InputError` for a state with an unknown format version.
    """
    damaged: list[str] = []
    for manifest in _manifests(run):
        try:
            return _read(manifest), damaged
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            EOFError,
            MemoryError,
            RecursionError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            if isinstance(error, InputError):
                raise
            damaged.append(f"the training state {manifest.stem} is damaged: {_reason(error)}")
    return None, damaged


def discard_after(run: Path, kept: State | None) -> None:
    """Removes every training state after `kept` (None: all states), and partial files of a killed process."""
    folder = run / FOLDER
    files.remove_partial(folder)
    whole = {manifest.stem for manifest in _manifests(run) if kept and int(manifest.stem) <= kept.images}
    for file in folder.iterdir():
        if file.suffix in (".npz", ".json") and file.stem not in whole:
            file.unlink()


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Locks a run folder for this process, also on Windows. The lock ends with the process, even after a crash.

    The lock is the operating system's lock on the file RUN/state/lock. The file itself remains and has no meaning.

    After an exception, a new folder state/ that holds no state is removed.

    Raises `InputError` if another process holds the lock, or if the folder cannot be written.
    """
    folder = run / FOLDER
    is_new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / LOCK).open("a", encoding="ascii")
    except OSError as error:
        raise InputError(
            "The run folder cannot be written", expected="a writable folder", received=f"{folder}: {error}"
        ) from error
    with file, _removed_after_an_error(folder) if is_new else nullcontext():
        deadline = time.monotonic() + 1.0  # `is_locked` in another process takes the lock for a moment
        while not lock_descriptor(file.fileno(), blocking=False):
            if time.monotonic() > deadline:
                raise InputError(
                    "Another process trains in this folder", expected="one process per run", received=str(run)
                )
            time.sleep(0.05)
        yield


@contextmanager
def _removed_after_an_error(folder: Path) -> Iterator[None]:
    """Removes a folder after an exception if it holds nothing but the lock."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            if [file.name for file in folder.iterdir()] == [LOCK]:
                (folder / LOCK).unlink()
                folder.rmdir()
        raise


def is_locked(run: Path) -> bool:
    """Returns whether a process is training in a run folder. Needs only read access, and changes nothing."""
    try:
        with (run / FOLDER / LOCK).open("r", encoding="ascii") as file:
            return not lock_descriptor(file.fileno(), blocking=False)
    except OSError:
        return False


def _manifests(run: Path) -> list[Path]:
    """Returns the manifests of all training states, valid or not, newest first."""
    found = (run / FOLDER).glob("*.json")
    return sorted(
        (manifest for manifest in found if re.fullmatch(r"\d{9,}", manifest.stem)), key=lambda c: -int(c.stem)
    )


def _read(manifest: Path) -> State:
    parts = json.loads(manifest.read_text(encoding="utf-8"))
    content = parts["content"]
    if parts["sha256"] != _sha256(_text(content)):
        raise ValueError("its manifest was changed")
    if content["format"] not in (1, FORMAT):
        raise InputError(
            "Unknown training state format",
            expected=f"version 1 or {FORMAT}",
            received=f"{manifest}: {content['format']}",
        )
    try:
        facts = convert(with_new_names(content), Manifest, manifest, "content")
    except InputError as error:  # the version is known, so the content is damaged
        raise ValueError(str(error)) from error
    if facts.images != int(manifest.stem):
        raise ValueError(f"its manifest says {facts.images} images")
    packed = manifest.with_suffix(".npz").read_bytes()
    if facts.sha256 != _sha256(packed):
        raise ValueError(f"the checksum of its arrays ({len(packed):,} bytes) differs from the one in its manifest")
    with zipfile.ZipFile(io.BytesIO(packed)) as unopened:
        zip_safety.check_expansion(str(manifest), len(packed), unopened)
    with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if facts.format == 1:
        arrays |= dict(zip(COUNTERS, (np.array(facts.step), np.array(facts.images))))
    return State(facts.interval, facts.step, facts.images, facts.stopped, facts.callbacks, arrays)


def _remove(manifest: Path) -> None:
    manifest.unlink()  # first, since arrays without manifest are ignored, but a manifest without arrays means damage
    manifest.with_suffix(".npz").unlink(missing_ok=True)


def _write(path: Path, buffer: io.BytesIO) -> None:
    path.write_bytes(buffer.getbuffer())


def _text(content: Mapping[str, Json]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _reason(error: BaseException) -> str:
    return "its arrays are missing" if isinstance(error, FileNotFoundError) else str(error).partition("\n")[0]
