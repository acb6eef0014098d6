"""gan doctor."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.saving import models
from gan.utils import tensorflow as runtime

PACKAGES = (
    "gan-reference",
    "tensorflow",
    "keras",
    "numpy",
    "matplotlib",
    "tensorflow-datasets",
    "mlxtend",
    "tyro",
    "rich",
)


@dataclass(frozen=True)
class Doctor:
    """Show versions, devices, precision, prepared datasets and pretrained checkpoints."""

    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Prints the facts; returns the exit status. Imports TensorFlow, which alone can list the devices."""
        try:
            runtime.load_tensorflow(lean=True)
            device = runtime.start()
            precision = "{}: {}".format(*runtime.auto_precision())
        except ImportError as error:
            device = precision = f"none: {error}"
        print_result(
            {
                "python": platform.python_version(),
                **{name: runtime.installed_version(name) for name in PACKAGES},
                "device": device,
                "bfloat16 instructions": runtime.bfloat16_instructions(),
                "precision auto": precision,
                "data folder": str(data_folder()),
                "data sets": ["mnist5k (embedded)", *prepared(data_folder())],
                "checkpoints": models.list_checkpoints(),
            },
            as_json=self.json,
        )
        return DONE


def data_folder() -> Path:
    """Returns the folder in which tensorflow-datasets looks for prepared datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def prepared(folder: Path) -> list[str]:
    """Returns the names of the datasets that are prepared in `folder`."""
    versions = {info.parent for info in folder.glob("*/**/dataset_info.json")}
    return sorted({str(version.parent.relative_to(folder)) for version in versions if version.parent != folder})
