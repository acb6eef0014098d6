"""gan doctor."""

import os
import platform
import warnings
from dataclasses import dataclass
from pathlib import Path

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.saving import models
from gan.utils import gpu
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
            cards = gpu_rows(gpu.read_facts())  # first, because TensorFlow takes memory of the cards
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # of what `cards` says
                device = runtime.start()
            precision = "{}: {}".format(*runtime.auto_precision())
        except ImportError as error:
            device = precision = f"none: {error}"
            cards = {}
        print_result(
            {
                "python": platform.python_version(),
                **{name: runtime.installed_version(name) for name in PACKAGES},
                "device": device,
                **cards,
                "bfloat16 instructions": runtime.bfloat16_instructions(),
                "precision auto": precision,
                "data folder": str(data_folder()),
                "data sets": ["mnist5k (embedded)", *prepared(data_folder())],
                "checkpoints": models.list_checkpoints(),
            },
            as_json=self.json,
        )
        return DONE


def gpu_rows(facts: gpu.Facts) -> dict[str, str | list[str]]:
    """Returns whether GPUs are used and why, what is wrong, and the versions of the driver and of CUDA."""
    diagnosis = gpu.diagnose(facts)
    driver = "none"
    if facts.driver is not None:
        driver = f"{facts.driver}, for CUDA up to {gpu.dotted(facts.driver_cuda)}"
    built_for = "no CUDA"
    if facts.cuda is not None:
        built_for = f"CUDA {gpu.dotted(facts.cuda)}, cuDNN {facts.cudnn}, {' '.join(facts.kernels)}"
    return {
        "gpu": diagnosis.summary,
        **({"gpu problems": list(diagnosis.problems)} if diagnosis.problems else {}),
        "nvidia driver": driver,
        "tensorflow is built for": built_for,
    }


def data_folder() -> Path:
    """Returns the folder in which tensorflow-datasets looks for prepared datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def prepared(folder: Path) -> list[str]:
    """Returns the names of the datasets that are prepared in `folder`."""
    versions = {info.parent for info in folder.glob("*/**/dataset_info.json")}
    return sorted({str(version.parent.relative_to(folder)) for version in versions if version.parent != folder})
