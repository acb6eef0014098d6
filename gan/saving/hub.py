"""Models of the Hugging Face Hub: downloads a snapshot, and lays it out as a run folder. Does not import Keras."""

import os
import re
import shutil
import tempfile
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from gan.errors import InputError
from gan.saving import files, zip_safety
from gan.saving.run_folder import CONFIG, DISCRIMINATOR, GENERATOR, REPORT
from gan.utils.extras import import_extra
from gan.utils.user_folders import user_cache

PREFIX = "hf://"
"""Start of the name of a model on the Hub, as for `keras.saving.load_model`."""
EXTRA = "hub"
"""The extra that installs the client of the Hub."""
KERAS_FILES = ("config.json", "metadata.json", "model.weights.h5")
"""The files of a Keras model in a repository. Together they are the content of its `.keras` file."""
RECORD = "gan.json"
"""Name of the metadata of the run in a repository, where `config.json` is that of Keras."""
FILES = (*KERAS_FILES, GENERATOR, DISCRIMINATOR, RECORD, REPORT)
"""All files that are downloaded. Others, pickles among them, are left where they are."""
MOST_BYTES, MOST_JSON_BYTES = 2**31, 2**26
"""Largest size of a file, and of one of JSON."""

_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"


def repository_of(checkpoint: object) -> str | None:
    """Returns USER/NAME of a checkpoint `hf://USER/NAME`, also if it became a path. None: anything else.

    Raises `InputError` for another name behind the prefix.
    """
    if not isinstance(checkpoint, (str, os.PathLike)):
        return None
    text = os.fspath(checkpoint)
    found = re.match(r"hf:/{1,2}", text) if isinstance(text, str) else None
    if found is None:
        return None
    name = text[found.end() :].rstrip("/")
    if not re.fullmatch(f"{_NAME}/{_NAME}", name) or ".." in name or "--" in name or len(name) > 96:
        raise InputError("Bad name of a model on the Hub", expected=f"{PREFIX}USER/NAME", received=text)
    return name


def fetch(repository: str) -> Path:
    """Downloads the newest snapshot of a repository, USER/NAME, and returns it as a run folder in the user's cache.

    The folder holds `generator.keras`. If the repository was made by `gan push`, it also holds the discriminator, the
    metadata of the run and the report, as a run folder does, unless they belong to an earlier model. Nothing of it is
    executed. A snapshot that was downloaded before is used without a network.

    Raises `InputError` if there is no such repository, the Hub cannot be reached, or the snapshot is not a Keras model
    or is unsafe (`zip_safety.check_model`).
    """
    snapshot = _download(repository)
    user, name = repository.split("/")
    folder = _cache() / user / snapshot.name / name
    if not (folder / GENERATOR).is_file():
        _lay_out(snapshot, folder, f"{PREFIX}{repository}")
    return folder


fetch_once = cache(fetch)
"""The same, but always the snapshot that this process found first, also if the repository has a newer one by now."""


def _cache() -> Path:
    return user_cache("hub")


def _download(repository: str) -> Path:
    """Returns the folder of the newest snapshot in the cache of the Hub's client."""
    client = import_extra("huggingface_hub", extra=EXTRA)
    errors = import_extra("huggingface_hub.errors", extra=EXTRA)
    name = f"{PREFIX}{repository}"
    asked = {"repo_id": repository, "library_name": "keras", "allow_patterns": list(FILES)}
    try:
        with suppress(errors.DryRunError):  # without a network
            _check_sizes(
                {one.filename: one.file_size or 0 for one in client.snapshot_download(**asked, dry_run=True)}, name
            )
        return Path(client.snapshot_download(**asked))
    except InputError:
        raise
    except errors.RepositoryNotFoundError as error:
        raise InputError(
            "No such repository on the Hub, or it is private",
            expected="a public repository, or a token of its owner (`hf auth login`)",
            received=name,
        ) from error
    except Exception as error:  # its HTTP client has errors of its own
        raise InputError(
            "This model cannot be downloaded, and no earlier download is complete",
            expected="a network that reaches the Hub, or a local run folder",
            received=f"{name}: {first_line(error)}",
        ) from error


def _check_sizes(sizes: dict[str, int], name: str) -> None:
    """Raises `InputError` if a file of a repository is too large. sizes: of each file, in bytes."""
    for file, size in sizes.items():
        most = min(MOST_BYTES, MOST_JSON_BYTES) if file.endswith(".json") else MOST_BYTES
        if size > most:
            received = f"{name}: {file} of {size:,} bytes"
            raise InputError("A file of this model is too large", expected=f"at most {most:,} bytes", received=received)


def first_line(error: Exception) -> str:
    """Returns the first line of an error's text, in at most 200 characters, or the name of its class."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")[:200]


def _lay_out(snapshot: Path, folder: Path, name: str) -> None:
    """Writes a snapshot as a run folder. The folder appears when it is complete."""
    missing = [file for file in KERAS_FILES if not (snapshot / file).is_file()]
    if missing:
        raise InputError(
            "This repository is not a Keras model",
            expected=f"{', '.join(KERAS_FILES)}, as `model.save({name!r})` writes them",
            received=f"{name} without {', '.join(missing)}",
        )
    _check_sizes({file: (snapshot / file).stat().st_size for file in FILES if (snapshot / file).is_file()}, name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as scratch:
        draft = Path(scratch) / folder.name
        draft.mkdir()
        if _is_packed(snapshot):
            shutil.copyfile(snapshot / GENERATOR, draft / GENERATOR)
            beside = ((DISCRIMINATOR, DISCRIMINATOR), (RECORD, CONFIG), (REPORT, REPORT))
            for file, own in beside if _is_recorded(snapshot) else ():
                if (snapshot / file).is_file():
                    shutil.copyfile(snapshot / file, draft / own)
        else:
            _pack(snapshot, draft / GENERATOR)
        zip_safety.check_model(draft / GENERATOR)
        try:
            draft.rename(folder)
        except OSError:  # another process was faster
            if not (folder / GENERATOR).is_file():
                raise


def _is_packed(snapshot: Path) -> bool:
    """Returns whether the generator.keras of a snapshot holds exactly its Keras files. Only then they are one model.

    Raises `InputError` if it is unsafe.
    """
    packed = snapshot / GENERATOR
    if not packed.is_file():
        return False
    zip_safety.check_model(packed)
    with zipfile.ZipFile(packed) as archive:
        return all(_is_copy(archive, snapshot / file) for file in KERAS_FILES)


def _is_copy(archive: zipfile.ZipFile, file: Path) -> bool:
    """Returns whether an archive has the content of a file, a part at a time."""
    with archive.open(file.name) as first, file.open("rb") as second:
        while True:
            parts = first.read(2**20), second.read(2**20)
            if parts[0] != parts[1] or not parts[0]:
                return parts[0] == parts[1]


def _is_recorded(snapshot: Path) -> bool:
    """Returns whether the metadata of a run in a snapshot, if there are any, are those of its generator.keras.

    Without metadata, or before the end of a run, nothing tells another generator.
    """
    record = files.read_json(snapshot / RECORD) if (snapshot / RECORD).is_file() else None
    known = record.get("sha256") if isinstance(record, dict) else None
    return known is None or known == files.sha256(snapshot / GENERATOR)


def _pack(snapshot: Path, target: Path) -> None:
    """Writes the Keras files of a snapshot as a `.keras` file. The same files give the same bytes."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in KERAS_FILES:
            with (snapshot / file).open("rb") as source, archive.open(zipfile.ZipInfo(file), "w") as member:
                shutil.copyfileobj(source, member)


def unpack(generator: Path, folder: Path) -> None:
    """Writes the Keras files of a checked `.keras` file into a folder, the inverse of a download."""
    with zipfile.ZipFile(generator) as archive:
        for file in KERAS_FILES:
            (folder / file).write_bytes(archive.read(file))
