"""Finds the file and the layer of a given network of features. Does not import TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

from gan.errors import InputError
from gan.saving import files, zip_safety
from gan.saving.zip_safety import ModelFile

SUFFIX = ".keras"


@dataclass(frozen=True)
class FeatureFile:
    """A `.keras` file of any model, and the name of the layer whose outputs are features; None: the default layer."""

    file: ModelFile
    layer: str | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return self.file.sha256


def find_features(given: str) -> FeatureFile:
    """Finds the file that `FILE.keras` or `FILE.keras:LAYER` names, and checks that its archive is complete.

    Raises `InputError` if it does not exist, is damaged, or has another suffix.
    """
    path, layer = _split(given)
    if path.suffix != SUFFIX or not path.is_file():
        expected = f"the path of a {SUFFIX} file, or FILE{SUFFIX}:LAYER"
        raise InputError("No such network of features", expected=expected, received=given)
    return FeatureFile(zip_safety.check_model(path), layer)


def _split(given: str) -> tuple[Path, str | None]:
    file, found, layer = given.rpartition(f"{SUFFIX}:")
    if found and not Path(given).exists():
        return files.as_path(file + SUFFIX, "features"), layer or None
    return files.as_path(given, "features"), None
