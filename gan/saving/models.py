"""Run folders: their layout, names, atomic writes, and loading a generator from one. Keras is imported to load only."""

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gan import archives, metadata
from gan.archives import ModelFile
from gan.errors import InputError
from gan.json_types import Positive, Whole, check_levels, check_type

if TYPE_CHECKING:
    import keras

GENERATOR, CLASSIFIER, CONFIG = "generator.keras", "classifier.keras", "config.json"
LOG, SAMPLES, REPORT, PAGE = "log.csv", "samples", "report.json", "report.html"
TENSORBOARD = "tensorboard"
RUNS = Path("checkpoints")
"""Where runs go unless told otherwise, relative to the working directory."""


def shipped_folder() -> Path:
    """The folder of the checkpoints that come with the package: inside an installed wheel, or of the source tree."""
    package = Path(__file__).parent
    installed = package / "shipped"
    return installed if installed.is_dir() else package.parent / "checkpoints"


def list_checkpoints() -> list[str]:
    """Names of the shipped checkpoints, for `load_generator`."""
    folders = shipped_folder().glob(f"*/{GENERATOR}")
    return sorted(folder.parent.name for folder in folders if not re.match(r"\d", folder.parent.name))


class FoundClassifier(NamedTuple):
    """A classifier's file, and its card, the config.json beside it, which has the file's SHA-256."""

    file: ModelFile
    card: dict[str, Any]


def find_generator(checkpoint: str | Path | ModelFile) -> ModelFile:
    """Finds the generator of a run folder, a `.keras` file or a shipped name, and checks that it is a whole archive.

    Raises `InputError` when there is none. A file that was found before is checked again only where it has changed.
    """
    if isinstance(checkpoint, ModelFile):
        if checkpoint.is_unchanged:
            return checkpoint
        checkpoint = checkpoint.path
    path = Path(checkpoint)
    if path.is_dir():
        path = path / GENERATOR
    if not path.exists() and str(checkpoint) in list_checkpoints():
        path = shipped_folder() / checkpoint / GENERATOR
    if not path.is_file():
        raise InputError(
            "No such checkpoint",
            expected=f"a run folder with a {GENERATOR}, a .keras file, or a shipped name of {list_checkpoints()}",
            received=str(checkpoint),
        )
    return archives.check_model(path)


def load_generator(checkpoint: str | Path | ModelFile) -> "keras.Model":
    """Loads a generator: latents float32 [B, L](, labels int32 [B]) -> images float32 [B, H, W, C] in [-1, 1].

    Args:
        checkpoint: a run folder, a `.keras` file, or the name of a shipped one (see `list_checkpoints`); or what
            `find_generator` found.

    Loads in Keras' safe mode. Raises `InputError` for a path that does not exist, or a file that is no generator.
    """
    file = find_generator(checkpoint)
    model = load_model(file, expected="a generator")
    if not _is_generator(model):
        raise _no_generator(file.path)
    return model


def _no_generator(path: Path) -> InputError:
    expected = "latents [B, L] in, images [B, H, W, C] out"
    return InputError("This model is no generator", expected=expected, received=str(path))


def find_classifier(checkpoint: str | Path | FoundClassifier) -> FoundClassifier:
    """Finds a classifier by its folder or shipped name, and checks its file against the SHA-256 of its card.

    Raises `InputError` when there is none, the card is damaged or of the wrong shape, the file is not the one that it
    describes, or no whole archive. A file that was found before is checked again only where it has changed.
    """
    if isinstance(checkpoint, FoundClassifier):
        if checkpoint.file.is_unchanged:
            return checkpoint
        checkpoint = checkpoint.file.path.parent
    folder = Path(checkpoint)
    if not folder.is_dir():
        folder = shipped_folder() / folder
    path, card_path = folder / CLASSIFIER, folder / CONFIG
    if not (path.is_file() and card_path.is_file()):
        raise InputError(
            "No such classifier",
            expected=f"a folder with {CLASSIFIER} and {CONFIG}, or a shipped name",
            received=str(checkpoint),
        )
    card = metadata.card(read_json(card_path), card_path)
    received = sha256(path)
    if received != card["sha256"]:
        raise InputError(
            "This classifier is not the one of its card",
            expected=f"SHA-256 {card['sha256']}",
            received=f"{path}: {received}",
        )
    return FoundClassifier(archives.check_model(path), card)


def load_model(file: ModelFile, *, expected: str) -> "keras.Model":
    """Loads a `.keras` file in safe mode, uncompiled. Raises `InputError` when it does not load as what is expected."""
    import keras
    import tensorflow as tf

    try:
        return keras.saving.load_model(file.path, compile=False, safe_mode=True)
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


def _is_generator(model: Any) -> bool:
    inputs, outputs = getattr(model, "inputs", None) or [], getattr(model, "outputs", None) or []
    return (
        len(inputs) in (1, 2)
        and len(outputs) == 1
        and [len(i.shape) for i in inputs] == [2, 1][: len(inputs)]
        and len(outputs[0].shape) == 4
    )


def describe(checkpoint: str | Path | ModelFile) -> dict[str, Any]:
    """What a generator file says of itself, read without Keras: file, bytes, sha256, latent_dim, num_classes.

    latent_dim is None for a network that does not call its input `latents`; num_classes is 0 for one without classes.
    Raises `InputError` as `find_generator` does.
    """
    file = find_generator(checkpoint)
    try:
        with zipfile.ZipFile(file.path) as archive:
            described = json.loads(archive.read("config.json"))["config"]["layers"]
        layers = {layer["config"]["name"]: layer["config"] for layer in described}
        latent_dim = layers.get("latents", {}).get("batch_shape", [None])[-1]
        num_classes = layers.get("label_embedding", {}).get("input_dim", 0)
        check_type([latent_dim, num_classes], tuple[Positive | None, Whole], file.path)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise _no_generator(file.path) from error
    return {
        "file": str(file.path),
        "bytes": file.path.stat().st_size,
        "sha256": file.sha256,
        "latent_dim": latent_dim,
        "num_classes": num_classes,
    }


def load_config(checkpoint: str | Path | ModelFile) -> dict[str, Any] | None:
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
    return metadata.run_record(content, path)


def read_json(path: Path) -> Any:
    """Reads JSON. Raises `InputError` if it is damaged or nested too deeply."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(content, ensure_ascii=False).encode()  # fails for half a character, which nobody could print
    except (ValueError, RecursionError) as error:
        raise InputError(f"Damaged {path.name}", expected="JSON", received=f"{path}: {error}") from error
    check_levels(content, path)
    return content


def new_run(output: str | Path | None, name: str) -> Path:
    """Makes the folder of a new run: `output`, or the next number under `checkpoints/`, such as 00001-mnist.

    Two runs never get the same folder, also when started at once. Raises `InputError` when `output` cannot be written
    or holds something already.
    """
    if output is not None:
        check_output(output)
        run = Path(output)
        _make(run, exist_ok=True)
        return run
    _make(RUNS, exist_ok=True)
    number = 1 + max((int(n.name[:5]) for n in RUNS.iterdir() if re.match(r"\d{5}-", n.name)), default=0)
    while True:
        run = RUNS / f"{number:05d}-{name}"
        if not any(RUNS.glob(f"{number:05d}-*")):
            try:
                run.mkdir()
            except FileExistsError:
                pass
            else:
                if run == min(RUNS.glob(f"{number:05d}-*")):
                    return run
                run.rmdir()  # another run, of another name, began with this number at the same moment
        number += 1


def check_output(output: str | Path | None) -> None:
    """Raises `InputError` unless `output` can become the folder of a new run (None: a numbered one); writes nothing."""
    if output is None:
        check_writable(RUNS / "run" / CONFIG)
        return
    path = Path(output)
    if path.is_dir() and any(path.iterdir()):
        raise InputError("The output folder is not empty", expected="a new or empty folder", received=str(output))
    check_writable(path / CONFIG)


def check_writable(file: Path) -> None:
    """Raises `InputError` unless `file` could be written, with folders made on the way; writes nothing."""
    if file.is_dir():
        raise InputError("The output cannot be written", expected="a file", received=f"{file}, which is a folder")
    parent = file.parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError("The output cannot be written", expected="a place one can write to", received=str(file.parent))


def _make(folder: Path, *, exist_ok: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as error:
        raise InputError(
            "The output folder cannot be written",
            expected="a place one can write to",
            received=f"{folder}: {error.strerror}",
        ) from error


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


def write_json(path: Path, content: Any) -> None:
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
