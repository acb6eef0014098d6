"""What is checked before a generator is uploaded to the Hugging Face Hub. Does not import TensorFlow."""

import os
from pathlib import Path
from types import ModuleType

from gan.data.sources.emoji_set import emoji_folder, is_emoji, size_of
from gan.deployment.names import public_name
from gan.errors import InputError, check
from gan.saving import files, hub
from gan.saving.hub import PREFIX
from gan.saving.saved_generator import SavedGenerator, find_to_export
from gan.utils.extras import import_extra

CARD = "README.md"
"""The model card in a repository."""
NOTICE = "NOTICE.txt"
"""Origin, license and attribution of images, in the folder of a dataset."""


def repository_name(repository: str) -> str:
    """Returns USER/NAME of `hf://USER/NAME`. Raises `InputError` for anything else."""
    name = hub.repository_of(repository)
    if name is None:
        raise InputError("Bad name of a model on the Hub", expected=f"{PREFIX}USER/NAME", received=str(repository))
    return name


def find_publishable(checkpoint: str | os.PathLike[str]) -> SavedGenerator:
    """Finds a generator that can be uploaded. Raises `InputError` for one that is exported, and for a mixture."""
    saved = find_to_export(checkpoint)
    if saved.is_mixture:
        expected, received = "one of its generators, or `gan export` of the mixture", str(checkpoint)
        raise InputError("A mixture cannot be pushed", expected=expected, received=received)
    return saved


def check_license(license: str | None) -> None:
    """Raises `InputError` unless the name of a license is text on one line."""
    fits = license is None or (license.isprintable() and bool(license.strip()))
    check(fits, "license", "printable text on one line", license)


def check_empty(folder: Path) -> None:
    """Raises `InputError` unless a new folder can be written there."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError("The output exists", expected="a new or empty folder", received=str(folder))
    files.check_writable(folder / CARD)


def read_notice(saved: SavedGenerator, notice: str | os.PathLike[str] | None) -> str | None:
    """Reads the text on the origin of the training images. None: there is none.

    notice: the file. None: `NOTICE` in the folder of the dataset.

    Raises `InputError` if a given file does not exist or is not text.
    """
    if notice is None:
        folder = None if saved.dataset is None else _folder_of(saved.dataset)
        if folder is None or not (folder / NOTICE).is_file():
            return None
        found = folder / NOTICE
    else:
        found = files.as_path(notice, "notice")
        if not found.is_file():
            raise InputError("No such notice", expected="a text file", received=str(found))
    try:
        return found.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError("The notice is not text", expected="UTF-8", received=f"{found}: {error}") from error


def _folder_of(dataset: str) -> Path | None:
    """Returns the folder of a dataset: a path, or where `gan data emoji` drew it. None: it has none."""
    if is_emoji(dataset) and not Path(dataset).exists():
        return emoji_folder(size_of(dataset))
    return None if public_name(dataset) == dataset else Path(dataset)


def find_client(repository: str) -> ModuleType:
    """Returns the client of the Hub. Raises `InputError` if it is not installed, or has no token."""
    client = import_extra("huggingface_hub", extra=hub.EXTRA)
    if client.get_token() is None:
        raise InputError(
            "No token of the Hub",
            expected="`hf auth login`, or the environment variable HF_TOKEN",
            received=f"{repository} without a token",
        )
    return client
