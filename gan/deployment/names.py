"""What is published of a generator: its name, the name of its dataset and its license. Does not import TensorFlow."""

import os
import re
from importlib.util import find_spec
from pathlib import Path

from gan.saving import models, run_folder
from gan.saving.engines.card import Weights
from gan.saving.saved_generator import SavedGenerator

PRETRAINED_LICENSE = "Apache-2.0"
"""License of the pretrained generators."""


def export_name(saved: SavedGenerator) -> str:
    """Returns the name of a generator: that of its run folder, or of its file without the suffix."""
    path = saved.file.path
    return _name_of(path.resolve() if path.name == run_folder.GENERATOR else path)


def file_stem(saved: SavedGenerator, weights: Weights) -> str:
    """Returns the name of an exported file without its suffix: that of the generator, and its weights if rounded."""
    return export_name(saved) + ("" if weights == "float32" else f"-{weights}")


def served_name(saved: SavedGenerator) -> str:
    """Returns `export_name`, but of a link to a run folder the name of the link: it stays when the link changes."""
    return _name_of(Path(os.path.normpath(saved.file.path.absolute())))


def as_name(text: str) -> str:
    """Returns a text as the name of a generator: letters, digits, `_`, `.` and `-`."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "generator"


def public_name(dataset: str) -> str:
    """Returns the name of a dataset without the folders of a path: names are published, paths are not."""
    found = re.fullmatch(r"([\w-]+)(/[\w.-]+)?(:[\w.*]+)?", dataset)
    if found is None or Path(dataset).suffix or Path(dataset).exists() or (found[2] and not _is_catalogued(found[1])):
        return Path(dataset).name or "data"
    return dataset


def _is_catalogued(name: str) -> bool:
    """Returns whether the package of TFDS has files for a dataset of this name. Does not import it."""
    package = find_spec("tensorflow_datasets")
    folders = [Path(place) for place in (package and package.submodule_search_locations) or ()]
    paths = (f"datasets/{name}", f"url_checksums/{name}.txt")
    return any((folder / path).exists() for folder in folders for path in paths)


def license_of(saved: SavedGenerator) -> str | None:
    """Returns the license of a generator: of an exported one that of its card, else known only of pretrained ones."""
    if saved.card is not None:
        return saved.card.license
    return PRETRAINED_LICENSE if models.is_pretrained(saved.folder) else None


def _name_of(file: Path) -> str:
    return as_name(file.parent.name if file.name == run_folder.GENERATOR else file.stem)
