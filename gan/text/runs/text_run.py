"""The run folder of a text model: text.json, log.csv, state/, and the network. Does not import TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from gan.errors import InputError, Json, NotNegative, Whole, as_json, convert, did_you_mean
from gan.saving import files
from gan.saving.files import as_path
from gan.text.data.corpus import CorpusRecord

RECORD = "text.json"
"""What a run folder of a text model has, whatever its kind."""

Kind = Literal["gan", "model", "recognizer", "questions"]
"""A text GAN, a language model, a recognizer of categories, and a reader of questions."""

NETWORK: Mapping[Kind, str] = {
    "gan": "generator.keras",
    "model": "model.keras",
    "recognizer": "recognizer.keras",
    "questions": "reader.keras",
}
"""Kind -> file of its network."""

Config = TypeVar("Config")


@dataclass(frozen=True, kw_only=True)
class TextResult:
    """Result of a training that ended."""

    epochs: Whole
    """Complete epochs; intervals of a text GAN."""
    seconds: NotNegative
    interrupted: bool
    stopped_by: Literal["target", "patience", "collapse"] | None = None
    numbers: dict[str, Json] = field(default_factory=dict)
    """What was measured at the end, by name."""


@dataclass(frozen=True, kw_only=True)
class TextRecord:
    """Content of text.json."""

    kind: Kind
    config: dict[str, Json]
    """Options of the training."""
    corpus: CorpusRecord
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    """Versions of Python packages by name."""
    git_revision: str | None = None
    resumed: tuple[Whole, ...] = ()
    """Complete epochs at each resumption."""
    result: TextResult | None = None
    """None before the end."""
    sha256: str | None = None
    """SHA-256 of the file of the network; None before the end."""

    def options(self, kind: type[Config], folder: Path) -> Config:
        """Returns the options as a dataclass. `folder` is that of the run, for errors."""
        return convert(self.config, kind, folder / RECORD, "config")

    def save(self, folder: Path) -> None:
        """Writes text.json, atomically. NaN becomes null."""
        files.write_json(folder / RECORD, files.null_for_nan(as_json(self)))

    def finish(self, folder: Path, result: TextResult) -> "TextRecord":
        """Writes the result, and the SHA-256 of the network. Returns the new record."""
        network = folder / NETWORK[self.kind]
        done = replace(self, result=result, sha256=files.sha256(network) if network.is_file() else None)
        done.save(folder)
        return done


def pretrained_texts() -> Path:
    """Returns the folder of the pretrained text models."""
    return Path(__file__).parents[1] / "pretrained"


def list_pretrained(kind: Kind | None = None) -> list[str]:
    """Returns the names of the pretrained text models, of one kind or all."""
    records = sorted(pretrained_texts().glob(f"*/{RECORD}"))
    return [path.parent.name for path in records if kind in (None, load_record(path.parent).kind)]


def find_run(run: str | Path, *kinds: Kind) -> tuple[Path, TextRecord]:
    """Finds the folder of a text model, or the one of a pretrained name: (folder, its record).

    Raises `InputError` if it does not exist, is damaged, or is of another kind than `kinds`, if any are given.
    """
    path = as_path(run, "run")
    folder = path if path.is_dir() or str(path) not in list_pretrained() else pretrained_texts() / path
    if not (folder / RECORD).is_file():
        names = [name for kind in kinds or (None,) for name in list_pretrained(kind)]
        pretrained = f", or a pretrained name of {names}{did_you_mean(str(run), names)}" if names else ""
        expected = f"a run folder with a {RECORD}{pretrained}"
        raise InputError("No such text model", expected=expected, received=str(run))
    record = load_record(folder)
    if kinds and record.kind not in kinds:
        expected = f"a run of the kind {' or '.join(kinds)}"
        raise InputError("A text model of another kind", expected=expected, received=f"{run}: {record.kind}")
    return folder, record


def load_record(folder: Path) -> TextRecord:
    """Reads text.json of a folder. Raises `InputError` if it is damaged."""
    path = folder / RECORD
    return convert(files.read_json(path), TextRecord, path)


def find_network(folder: Path, record: TextRecord) -> Path:
    """Returns the file of the network of a run. Raises `InputError` unless it is complete and the recorded one."""
    path = folder / NETWORK[record.kind]
    if not path.is_file():
        expected = f"{path.name} of a finished run (gan text train --resume completes it)"
        raise InputError("This run has no network yet", expected=expected, received=str(folder))
    if record.sha256 is not None and files.sha256(path) != record.sha256:
        received = f"{path}: {files.sha256(path)}"
        raise InputError("This network does not match its record", expected=record.sha256, received=received)
    return path
