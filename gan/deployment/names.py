"""Names that are published: of generators and of datasets, without folders. Does not import TensorFlow."""

import re
from pathlib import Path

from gan.saving import run_folder
from gan.saving.saved_generator import SavedGenerator


def export_name(saved: SavedGenerator) -> str:
    """Returns the name of a generator: that of its run folder, or of its file without the suffix."""
    path = saved.file.path
    name = path.resolve().parent.name if path.name == run_folder.GENERATOR else path.stem
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "generator"


def public_name(dataset: str) -> str:
    """Returns the name of a dataset without the folders of a path: names are published, paths are not."""
    is_name = re.fullmatch(r"[\w-]+(/[\w.-]+)?(:[\w.*]+)?", dataset) and not Path(dataset).suffix  # one of TFDS
    return dataset if is_name and not Path(dataset).exists() else Path(dataset).name or "data"
