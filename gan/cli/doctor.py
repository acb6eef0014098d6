"""gan doctor."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gan import checkpoints
from gan.cli.output import print_result

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
    """Show versions, devices, and the data sets and checkpoints at hand."""

    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Imports TensorFlow, since only that finds the devices."""
        from gan import runtime

        device = runtime.start()
        print_result(
            {
                "python": platform.python_version(),
                **{name: _version(name) for name in PACKAGES},
                "device": device,
                "data folder": str(data_folder()),
                "data sets": ["mnist5k (embedded)", *prepared(data_folder())],
                "checkpoints": checkpoints.list_checkpoints(),
            },
            as_json=self.json,
        )
        return 0


def data_folder() -> Path:
    """Where tensorflow-datasets looks for prepared sets."""
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def prepared(folder: Path) -> list[str]:
    """Names of the sets that are prepared in `folder`."""
    return sorted({str(info.parent.parent.relative_to(folder)) for info in folder.rglob("dataset_info.json")})


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
