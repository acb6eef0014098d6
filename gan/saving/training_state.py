"""state/ in a run folder: all that resume needs, two files an interval, and the newest whole pair after any fault.

`000032000.npz` holds arrays, by the number of images seen; `000032000.json` is its manifest, written after it, with its
SHA-256. A state counts when its manifest is there and both checksums fit. Nothing here is pickled. No TensorFlow.
"""

import hashlib
import io
import json
import re
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import lock_descriptor

from gan.errors import InputError, Json, Positive, as_json, convert
from gan.saving import files, zip_safety
from gan.saving.metadata import with_new_names

FOLDER, LOCK = "state", "lock"
FORMAT = 2
"""Version of a state. Format 1 is read as well: it has no counters among its arrays. Others are refused."""
COUNTERS = ("step", "images_seen")
"""Names of the arrays, int64 [], that count train steps and the images seen in them."""
KEPT = 2
"""How many states stay: the newest, and the one before it in case the newest is damaged later."""


@dataclass(frozen=True)
class Manifest:
    """What the JSON beside a state says of it, of this version; `sha256` is that of the arrays' file."""

    format: int
    interval: Positive
    step: Positive
    images: Positive
    stopped: bool
    callbacks: dict[str, dict[str, Json]]
    sha256: str


@dataclass(frozen=True)
class State:
    """A training run at the end of a complete interval.

    `interval` counts from 1, `step` G updates, `images` the reals that D saw; `stopped` says that a callback ended the
    training there. `callbacks` holds the JSON state of each by its name, `arrays` what has a shape, by name.
    """

    interval: int
    step: int
    images: int
    stopped: bool = False
    callbacks: dict[str, dict[str, Json]] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)


def save(run: Path, state: State) -> None:
    """Writes a state, atomically, reads it back, and only then removes all but the newest `KEPT`.

    Raises `OSError` when it cannot be written, or does not read back as written; older states stay as they are.
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
    files.write(arrays, lambda beside: _write(beside, buffer))
    if files.sha256(arrays) != manifest.sha256:
        raise OSError(f"{arrays} does not read back as it was written")
    files.write_json(arrays.with_suffix(".json"), {"content": content, "sha256": _sha256(_text(content))})
    for old in _manifests(run)[KEPT:]:
        _remove(old)


def latest(run: Path) -> tuple[State | None, list[str]]:
    """The newest whole state of a run folder, None when there is none; and a line about each newer one that is not.

    Raises `InputError` for a state of another format version, which is whole as far as one can tell.
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
            damaged.append(f"the state {manifest.stem} is damaged: {_reason(error)}")
    return None, damaged


def discard_after(run: Path, kept: State | None) -> None:
    """Removes every state but `kept` and those before it, and what was being written when a process was killed."""
    folder = run / FOLDER
    files.remove_partial(folder)
    whole = {manifest.stem for manifest in _manifests(run) if kept and int(manifest.stem) <= kept.images}
    for file in folder.iterdir():
        if file.suffix in (".npz", ".json") and file.stem not in whole:
            file.unlink()


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Holds the run folder for this process, on Windows too. The lock goes with the process, however that ends.

    The file RUN/state/lock stays. Only the operating system's lock on it counts.

    Raises `InputError` when another process holds it, or when the folder cannot be written.
    """
    folder = run / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise InputError(
            "The run folder cannot be written", expected="a place one can write to", received=f"{folder}: {error}"
        ) from error
    with file:
        deadline = time.monotonic() + 1.0  # `is_locked` of another process holds it for a moment
        while not lock_descriptor(file.fileno(), blocking=False):
            if time.monotonic() > deadline:
                raise InputError(
                    "Another process trains in this folder", expected="one process a run", received=str(run)
                )
            time.sleep(0.05)
        yield


def is_locked(run: Path) -> bool:
    """Whether a process trains in this folder now. Reading the folder is enough, and nothing in it changes."""
    try:
        with (run / FOLDER / LOCK).open("r") as file:
            return not lock_descriptor(file.fileno(), blocking=False)
    except OSError:
        return False


def _manifests(run: Path) -> list[Path]:
    """Manifests of states, whole or not, newest first."""
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
            "Unknown format of a state", expected=f"version 1 or {FORMAT}", received=f"{manifest}: {content['format']}"
        )
    try:
        facts = convert(with_new_names(content), Manifest, manifest, "content")
    except InputError as error:  # no other version, but damage
        raise ValueError(str(error)) from error
    if facts.images != int(manifest.stem):
        raise ValueError(f"it is of {facts.images} images")
    packed = manifest.with_suffix(".npz").read_bytes()
    if facts.sha256 != _sha256(packed):
        raise ValueError(f"{len(packed):,} bytes with another checksum than its manifest's")
    with zipfile.ZipFile(io.BytesIO(packed)) as unopened:
        zip_safety.check_expansion(str(manifest), len(packed), unopened)
    with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if facts.format == 1:
        arrays |= dict(zip(COUNTERS, (np.array(facts.step), np.array(facts.images))))
    return State(facts.interval, facts.step, facts.images, facts.stopped, facts.callbacks, arrays)


def _remove(manifest: Path) -> None:
    manifest.unlink()  # first: arrays without a manifest are no state, a manifest without arrays would be a damaged one
    manifest.with_suffix(".npz").unlink(missing_ok=True)


def _write(path: Path, buffer: io.BytesIO) -> None:
    path.write_bytes(buffer.getbuffer())


def _text(content: Mapping[str, Json]) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _reason(error: BaseException) -> str:
    return "its arrays are missing" if isinstance(error, FileNotFoundError) else str(error).partition("\n")[0]
