"""Finds and loads saved generators, discriminators and classifiers. Keras is imported only to load one."""

import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gan.errors import InputError, Positive, Whole, convert
from gan.saving import metadata, zip_safety
from gan.saving.files import read_json, sha256
from gan.saving.metadata import ClassifierCard, RunMetadata
from gan.saving.run_folder import CLASSIFIER, CONFIG, DISCRIMINATOR, GENERATOR
from gan.saving.zip_safety import ModelFile

if TYPE_CHECKING:
    import keras


def pretrained_folder() -> Path:
    """The folder of the checkpoints that come with the package: inside an installed wheel, or of the source tree."""
    package = Path(__file__).parents[1]
    installed = package / "pretrained"
    return installed if installed.is_dir() else package.parent / "checkpoints"


def list_checkpoints() -> list[str]:
    """Names of the pretrained checkpoints, for `load_generator`."""
    return _pretrained_names(GENERATOR)


def _pretrained_names(file: str) -> list[str]:
    """Names of the pretrained checkpoints that hold a file."""
    folders = pretrained_folder().glob(f"*/{file}")  # in a checkout, runs of earlier revisions may lie beside them
    return sorted(folder.parent.name for folder in folders if not re.match(r"\d", folder.parent.name))


class FoundClassifier(NamedTuple):
    """A classifier's file, and its card, the config.json beside it, which has the file's SHA-256."""

    file: ModelFile
    card: ClassifierCard


@dataclass(frozen=True)
class GeneratorSummary:
    """What a generator's file says of itself.

    latent_dim is None for a network that does not call its input `latents`; num_classes is 0 for one without classes.
    """

    file: str
    bytes: int
    sha256: str
    latent_dim: Positive | None
    num_classes: Whole


def find_generator(checkpoint: str | Path | ModelFile) -> ModelFile:
    """Finds the generator of a run folder, a `.keras` file or a pretrained name, and checks that it is a whole archive.

    Raises `InputError` when there is none. A file that was found before is checked again only where it has changed.
    """
    return _find(checkpoint, GENERATOR, "No such checkpoint")


def find_discriminator(checkpoint: str | Path | ModelFile) -> ModelFile:
    """Finds a discriminator as `find_generator` does a generator: a run folder holds it beside the generator.

    Raises `InputError` when there is none. Runs of earlier revisions have none.
    """
    return _find(checkpoint, DISCRIMINATOR, "No such discriminator")


def _find(checkpoint: str | Path | ModelFile, file: str, problem: str) -> ModelFile:
    if isinstance(checkpoint, ModelFile):
        if checkpoint.is_unchanged:
            return checkpoint
        checkpoint = checkpoint.path
    path = Path(checkpoint)
    if path.is_dir():
        path = path / file
    names = _pretrained_names(file)
    if not path.exists() and str(checkpoint) in names:
        path = pretrained_folder() / checkpoint / file
    if not path.is_file():
        pretrained = f", or a pretrained name of {names}" if names else ""
        expected = f"a run folder with a {file}, a .keras file{pretrained}"
        raise InputError(problem, expected=expected, received=str(checkpoint))
    return zip_safety.check_model(path)


def not_a_generator(path: Path) -> InputError:
    """The error of a file that holds another model than a generator."""
    expected = "latents [B, L] in, images [B, H, W, C] out"
    return InputError("This model is not a generator", expected=expected, received=str(path))


def find_classifier(checkpoint: str | Path | FoundClassifier) -> FoundClassifier:
    """Finds a classifier by its folder or pretrained name, and checks its file against the SHA-256 of its card.

    Raises `InputError` when there is none, the card is damaged or of the wrong shape, the file is not the one that it
    describes, or no whole archive. A file that was found before is checked again only where it has changed.
    """
    if isinstance(checkpoint, FoundClassifier):
        if checkpoint.file.is_unchanged:
            return checkpoint
        checkpoint = checkpoint.file.path.parent
    folder = Path(checkpoint)
    if not folder.is_dir():
        folder = pretrained_folder() / folder
    path, card_path = folder / CLASSIFIER, folder / CONFIG
    if not (path.is_file() and card_path.is_file()):
        raise InputError(
            "No such classifier",
            expected=f"a folder with {CLASSIFIER} and {CONFIG}, or a pretrained name",
            received=str(checkpoint),
        )
    card = metadata.classifier_card(read_json(card_path), card_path)
    received = sha256(path)
    if received != card.sha256:
        raise InputError(
            "This classifier is not the one of its card",
            expected=f"SHA-256 {card.sha256}",
            received=f"{path}: {received}",
        )
    return FoundClassifier(zip_safety.check_model(path), card)


def load_model(
    file: ModelFile, *, expected: str, check: "Callable[[keras.Model, Path], None] | None" = None
) -> "keras.Model":
    """Loads a `.keras` file in safe mode, uncompiled.

    check: takes the model and its path, and raises `InputError` for one that is not what is expected. Raises
    `InputError` when the file does not load.
    """
    import keras
    import tensorflow as tf

    try:
        model = keras.saving.load_model(file.path, compile=False, safe_mode=True)
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
        reason = str(error).strip().partition("\n")[0]
        raise InputError("This model does not load", expected=expected, received=f"{file.path}: {reason}") from error
    if check is not None:
        check(model, file.path)
    return model


def describe(checkpoint: str | Path | ModelFile) -> GeneratorSummary:
    """What a generator's file says of itself, read without Keras.

    Raises `InputError` as `find_generator` does.
    """
    file = find_generator(checkpoint)
    try:
        with zipfile.ZipFile(file.path) as archive:
            described = json.loads(archive.read("config.json"))["config"]["layers"]
        layers = {layer["config"]["name"]: layer["config"] for layer in described}
        latent_dim = layers.get("latents", {}).get("batch_shape", [None])[-1]
        num_classes = layers.get("label_embedding", {}).get("input_dim", 0)
        summary = {
            "file": str(file.path),
            "bytes": file.path.stat().st_size,
            "sha256": file.sha256,
            "latent_dim": latent_dim,
            "num_classes": num_classes,
        }
        return convert(summary, GeneratorSummary, file.path)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise not_a_generator(file.path) from error


def load_config(checkpoint: str | Path | ModelFile) -> RunMetadata | None:
    """What the run recorded of itself; None where there is no record.

    A config.json beside a file that is not called generator.keras may be another program's, and is no record then.
    Raises `InputError` for one that is damaged or of the wrong shape.
    """
    generator = find_generator(checkpoint).path
    path = generator.with_name(CONFIG)
    if not path.is_file():
        return None
    content = read_json(path)
    if generator.name != GENERATOR and not metadata.is_of_a_run(content):
        return None
    return metadata.run_metadata(content, path)
