"""SavedModel folders, run by TensorFlow. The card is a file in `assets.extra`, which TensorFlow leaves to programs."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gan.errors import InputError
from gan.saving import files, run_folder
from gan.saving.engines.format import ExportFormat, Run
from gan.utils import tensorflow as runtime

MODEL = "saved_model.pb"
EXTRA = "assets.extra"
CARD = "gan.json"
SIGNATURE = "serving_default"


class SavedModel(ExportFormat):
    """TensorFlow's SavedModel: a folder, or the newest version in a folder of versions, as TensorFlow Serving reads."""

    name = "saved_model"
    title = "SavedModel"
    suffix = ""
    engine = "TensorFlow"
    uses_tensorflow = True

    def resolve(self, path: Path) -> Path | None:
        """Returns `path`, or its newest version, if that is the folder of a SavedModel."""
        if (path / MODEL).is_file():
            return path
        return None if is_run(path) else newest_version(path)

    def read(self, path: Path) -> tuple[str | None, str]:
        """Returns the card and the SHA-256 of names and contents of all other files, see `ExportFormat.read`."""
        card = path / EXTRA / CARD
        try:
            text = card.read_text(encoding="utf-8") if card.is_file() else None
        except UnicodeDecodeError as error:
            raise InputError("Damaged card", expected="JSON", received=f"{card}: {error}") from error
        digest = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            name = file.relative_to(path)
            if name.parts[0] != EXTRA:
                digest.update(f"{name.as_posix()}\0{files.sha256(file)}\n".encode())
        return text, digest.hexdigest()

    def attach(self, path: Path, text: str) -> None:
        """Writes the card into `assets.extra`."""
        (path / EXTRA).mkdir(exist_ok=True)
        (path / EXTRA / CARD).write_text(text + "\n", encoding="utf-8")

    def load(self, path: Path) -> Run:
        """Loads the signature `serving_default` into TensorFlow."""
        runtime.load_tensorflow()
        import tensorflow as tf

        try:
            model = tf.saved_model.load(str(path))
            signature = model.signatures[SIGNATURE]
        except Exception as error:  # many classes, of TensorFlow, protobuf and Python
            raise InputError(
                "TensorFlow rejects this SavedModel",
                expected=f"a complete SavedModel with the signature {SIGNATURE}",
                received=f"{path}: {runtime.reason_of(error)}",
            ) from error

        def run(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
            assert model is not None  # the signature does not keep the variables of its model
            return signature(**{name: tf.constant(value) for name, value in inputs.items()})["images"].numpy()

        return run


def is_run(folder: Path) -> bool:
    """Returns whether a folder is one of `gan train`, to which a name refers even if it contains versions."""
    return any((folder / name).exists() for name in (run_folder.GENERATOR, run_folder.CONFIG))


def versions(folder: Path) -> list[int]:
    """Returns the numbers of the versions in a folder of TensorFlow Serving, the oldest first."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    numbers = (name for name in names if re.fullmatch("[1-9][0-9]{0,17}", name))
    return sorted(int(name) for name in numbers if (folder / name / MODEL).is_file())


def newest_version(folder: Path) -> Path | None:
    """Returns the SavedModel with the largest version in a folder of TensorFlow Serving, or None."""
    found = versions(folder)
    return folder / str(found[-1]) if found else None
