"""Formats of exported generators, and checked files of a format. Does not import TensorFlow."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gan.errors import InputError
from gan.saving import files
from gan.saving.engines.card import ExportCard, FormatName
from gan.utils.extras import import_extra

Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""Computes images float32 [B, H, W, C] from {name of an input: array}: `latents`, and `labels` if there are classes."""


class ExportFormat(ABC):
    """A format of exported generators: how its file is recognized, carries a card, and runs."""

    name: FormatName
    title: str
    """Name for people."""
    suffix: str
    """Suffix of the file; "" for a folder."""
    engine: str
    """Name of the engine for people."""
    modules: tuple[str, ...] = ()
    """Modules of the engine, which the extra `export` installs."""
    uses_tensorflow: bool = False
    """Whether the engine is TensorFlow."""

    @abstractmethod
    def resolve(self, path: Path) -> Path | None:
        """Returns the file or folder of the model that `path` means, or None if it is not of this format."""

    @abstractmethod
    def read(self, path: Path) -> tuple[str | None, str]:
        """Returns the text of the card (None without one), and the SHA-256 of everything but the card.

        Raises `InputError` if the file is damaged or of another format.
        """

    @abstractmethod
    def attach(self, path: Path, text: str) -> None:
        """Writes the text of a card into a file without one. Not atomic."""

    def check_installed(self) -> None:
        """Raises `InputError` with the command that installs the engine if it is not installed."""
        for module in self.modules:
            import_extra(module, extra="export")

    @abstractmethod
    def load(self, path: Path) -> Run:
        """Loads the model into its engine. The function allows calls from several threads.

        Raises `InputError` if the engine is not installed, or rejects the model.
        """

    def size(self, path: Path) -> int:
        """Returns the number of bytes on disk."""
        if path.is_file():
            return path.stat().st_size
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


@dataclass(frozen=True)
class ExportedFile:
    """An exported generator whose card was checked against its content."""

    path: Path
    format: ExportFormat
    card: ExportCard

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return self.format.size(self.path)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file; of a folder, that of its content without the card."""
        return files.sha256(self.path) if self.path.is_file() else self.card.content_sha256


def check_file(path: Path, form: ExportFormat, card: ExportCard, content_sha256: str) -> ExportedFile:
    """Returns an exported file. Raises `InputError` unless its card is that of this content and format."""
    if card.format != form.name:
        raise InputError(
            "The card is of another format", expected=form.name, received=f"{path}: {card.format} in its card"
        )
    if card.content_sha256 != content_sha256:
        raise InputError(
            "This exported generator is not the one that its card describes",
            expected=f"content with SHA-256 {card.content_sha256}",
            received=f"{path}: {content_sha256}",
        )
    return ExportedFile(path, form, card)
