"""Finds and loads saved generators, discriminators and classifiers. Imports Keras only to load a model."""

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from gan.config import PRESETS
from gan.errors import InputError, Positive, Whole, convert, did_you_mean, near_names
from gan.saving import custom_parts, hub, metadata, zip_safety
from gan.saving.engines import find
from gan.saving.files import as_path, read_json, sha256
from gan.saving.metadata import ClassifierCard, RunMetadata
from gan.saving.run_folder import CLASSIFIER, CONFIG, DISCRIMINATOR, GENERATOR
from gan.saving.zip_safety import ModelFile
from gan.utils.commands import shell_command
from gan.utils.global_state import restored

if TYPE_CHECKING:
    import keras

SUFFIX = ".keras"
"""Suffix of the file of a model. A file may have any suffix."""


def pretrained_folder() -> Path:
    """Returns the folder of the pretrained checkpoints, in the installed package or in the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "pretrained"
    return installed if installed.is_dir() else package.parent / "checkpoints"


def list_checkpoints() -> list[str]:
    """Returns the names of the pretrained checkpoints, for `load_generator`."""
    return _pretrained_names(GENERATOR)


def is_pretrained(folder: Path) -> bool:
    """Returns whether a folder is that of a pretrained checkpoint."""
    return folder.resolve().parent == pretrained_folder().resolve() and folder.name in list_checkpoints()


def own_run_folder(checkpoint: str | os.PathLike[str]) -> Path | None:
    """Returns a checkpoint that is a run folder. None: anything else, a pretrained one included."""
    folder = Path(checkpoint)
    return folder if (folder / GENERATOR).is_file() and not is_pretrained(folder) else None


def _pretrained_names(file: str) -> list[str]:
    """Returns the names of the pretrained checkpoints that contain a file."""
    folders = pretrained_folder().glob(f"*/{file}")  # in a checkout, this may include runs of earlier revisions
    return sorted(folder.parent.name for folder in folders if not re.match(r"\d", folder.parent.name))


class FoundClassifier(NamedTuple):
    """A classifier's checked file, and its card from config.json, whose SHA-256 matches the file."""

    file: ModelFile
    card: ClassifierCard


@dataclass(frozen=True)
class GeneratorSummary:
    """Facts about a generator, read from its file."""

    file: str
    """Path of the file."""
    bytes: int
    """Size of the file."""
    sha256: str
    latent_dim: Positive | None
    """Length of a latent vector; None: the network has no input named `latents`."""
    num_classes: Whole | None
    """Number of classes; 0 for an unconditional generator. None: known only after loading."""


def find_generator(checkpoint: str | os.PathLike[str] | ModelFile) -> ModelFile:
    """Finds the generator of a run folder, `.keras` file, pretrained name or `hf://USER/NAME`, and checks its archive.

    Raises `InputError` if it does not exist, is damaged, or cannot be downloaded. A `ModelFile` is checked again only
    if the file has changed.
    """
    return _find(checkpoint, GENERATOR, "No such checkpoint")


def find_discriminator(checkpoint: str | os.PathLike[str] | ModelFile) -> ModelFile:
    """Finds the discriminator of a run folder, `.keras` file or pretrained name, as `find_generator` does.

    Raises `InputError` if it does not exist or is damaged. Run folders of earlier revisions have no discriminator.
    """
    return _find(checkpoint, DISCRIMINATOR, "No such discriminator")


def _find(checkpoint: str | os.PathLike[str] | ModelFile, file: str, problem: str) -> ModelFile:
    if isinstance(checkpoint, ModelFile):
        if checkpoint.is_unchanged:
            return checkpoint
        checkpoint = checkpoint.path
    repository = hub.repository_of(checkpoint)
    if repository is not None:
        checkpoint = hub.fetch(repository)
    name = path = as_path(checkpoint, "checkpoint")  # without a final slash
    if path.is_dir():
        path = path / file
    names = _pretrained_names(file)
    if not path.exists() and str(name) in names:
        path = pretrained_folder() / name / file
    if find.is_exported(name):
        raise no_network(checkpoint)
    if not path.is_file():
        pretrained = f", or a pretrained name of {names}" if names else ""
        hint = _hint(name, names) if file == GENERATOR else ""
        expected = f"a run folder with a {file}, a .keras file{pretrained}{hint}"
        raise InputError(problem, expected=expected, received=str(checkpoint))
    return zip_safety.check_model(path)


def _hint(path: Path, names: Sequence[str]) -> str:
    """Returns what a user may mean by a generator that does not exist, in parentheses, after a space."""
    if (path / CONFIG).is_file() and not (path / CLASSIFIER).is_file():
        return f" ({shell_command('gan', 'train', '--resume', path)} completes this run)"
    named = path.with_name(f"{path.name}.keras") if path.name else path
    if named.is_file():
        return f" (did you mean {named}?)"
    preset = near_names(str(path), PRESETS, most=1, least=1.0)
    if preset and preset[0] not in names:
        return f" (train this preset first: {shell_command('gan', 'train', preset[0])})"
    return did_you_mean(str(path), names) or " (gan train writes one)"


def not_a_generator(path: Path, found: str = "") -> InputError:
    """Returns the error for a file whose model is not a generator. `found` describes the model."""
    expected = "latents [B, L] in, images [B, H, W, C] out"
    received = f"{path}: {found}" if found else str(path)
    return InputError("This model is not a generator", expected=expected, received=received)


def no_network(exported: str | os.PathLike[str]) -> InputError:
    """Returns the error for an exported generator where a network is needed."""
    return InputError(
        "An exported generator has no gradients and no layers",
        expected="the run folder or .keras file that it was exported from",
        received=str(exported),
    )


def find_classifier(checkpoint: str | os.PathLike[str] | FoundClassifier) -> FoundClassifier:
    """Finds a classifier by its folder or pretrained name, and checks its file against the SHA-256 in its card.

    Raises `InputError` if the classifier does not exist, the card is invalid, or the file is damaged or does not match
    the card. A `FoundClassifier` is checked again only if the file has changed.
    """
    if isinstance(checkpoint, FoundClassifier):
        if checkpoint.file.is_unchanged:
            return checkpoint
        checkpoint = checkpoint.file.path.parent
    folder = as_path(checkpoint, "classifier")
    if not folder.is_dir():
        folder = pretrained_folder() / folder
    path, card_path = folder / CLASSIFIER, folder / CONFIG
    if not (path.is_file() and card_path.is_file()):
        names = _pretrained_names(CLASSIFIER)
        raise InputError(
            "No such classifier",
            expected=f"a folder with {CLASSIFIER} and {CONFIG}, or a pretrained name of {names}"
            + did_you_mean(str(checkpoint), names),
            received=str(checkpoint),
        )
    card = metadata.classifier_card(read_json(card_path), card_path)
    received = sha256(path)
    if received != card.sha256:
        raise InputError(
            "This classifier does not match its card",
            expected=f"SHA-256 {card.sha256!r}",
            received=f"{path}: {received}",
        )
    return FoundClassifier(zip_safety.check_model(path), card)


@restored()
def load_model(
    file: ModelFile, *, expected: str, check: "Callable[[keras.Model, Path], None] | None" = None
) -> "keras.Model":
    """Loads a `.keras` file in safe mode, uncompiled.

    Args:
        file: a checked file, see `find_generator`.
        expected: kind of model, for the error message.
        check: called with the model and its path; raises `InputError` for a model of another kind.

    Raises `InputError` if the file does not load.
    """
    import keras
    import tensorflow as tf

    try:
        with _named_as_model(file.path) as path:
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        ImportError,
        OSError,
        tf.errors.OpError,
        RecursionError,
    ) as error:
        unknown = custom_parts.not_restored(file.path)
        if unknown is not None:
            raise unknown from error
        reason = str(error).strip().partition("\n")[0]
        raise InputError("This model does not load", expected=expected, received=f"{file.path}: {reason}") from error
    if check is not None:
        check(model, file.path)
    return model


@contextmanager
def _named_as_model(path: Path) -> Iterator[Path]:
    """Yields a path to the same content whose suffix is .keras, which Keras demands: `path`, or that of a copy."""
    if path.suffix == SUFFIX:
        yield path
        return
    with TemporaryDirectory() as folder:
        yield Path(shutil.copyfile(path, Path(folder) / f"model{SUFFIX}"))


def describe(checkpoint: str | Path | ModelFile) -> GeneratorSummary:
    """Reads facts about a generator from its file, without Keras.

    Raises `InputError` as `find_generator` does, and if the model is not a generator.
    """
    file, found = find_generator(checkpoint), ""
    try:
        with zipfile.ZipFile(file.path) as archive:
            config = json.loads(archive.read("config.json"))
        found = _described_class(config)
        described = config["config"]["layers"]
        layers = {layer["config"]["name"]: layer["config"] for layer in described}
        latent_dim = layers.get("latents", {}).get("batch_shape", [None])[-1]
        inputs = sum(layer["class_name"] == "InputLayer" for layer in described)
        num_classes = 0 if inputs < 2 else _classes_of_embedding(described)
        summary = {
            "file": str(file.path),
            "bytes": file.path.stat().st_size,
            "sha256": file.sha256,
            "latent_dim": latent_dim,
            "num_classes": num_classes,
        }
        return convert(summary, GeneratorSummary, file.path)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise not_a_generator(file.path, found) from error


def _classes_of_embedding(layers: list[Any]) -> int | None:
    """Returns the number of classes that a layer `label_embedding` tells, also one of a component of a mixture."""
    for layer in layers:
        config = layer["config"]
        found = config.get("input_dim") if config["name"] == "label_embedding" else None
        if found is None and isinstance(config.get("layers"), list):
            found = _classes_of_embedding(config["layers"])
        if found is not None:
            return int(found)
    return None


def _described_class(config: object) -> str:
    """Returns what a model without layers of its own is, or ""."""
    name = config.get("class_name") if isinstance(config, dict) else None
    if not isinstance(name, str) or name in ("Functional", "Sequential", "Model"):
        return ""
    return f"a {name}" + (", of which `gan.generator_ema.save(...)` saves the generator" if name == "GAN" else "")


def load_config(checkpoint: str | Path | ModelFile) -> RunMetadata | None:
    """Loads the metadata of the run that made a checkpoint. Returns None if there is none.

    If the file is not named generator.keras, a config.json beside it may belong to another program and is then ignored.
    Raises `InputError` for damaged or invalid metadata.
    """
    generator = find_generator(checkpoint).path
    path = generator.with_name(CONFIG)
    if not path.is_file():
        return None
    content = read_json(path)
    if generator.name != GENERATOR and not metadata.looks_like_run_metadata(content):
        return None
    return metadata.run_metadata(content, path)
