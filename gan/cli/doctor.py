"""gan doctor."""

import os
import platform
import sys
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.config import PRESETS
from gan.data.sources.emoji_set import built_sets
from gan.errors import InputError, check_positive, did_you_mean
from gan.saving import models
from gan.utils import gpu
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from gan.models.gan import GAN

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

    test_jit: str | None = None
    """Test XLA with this preset, in another process, and remember the result for --jit auto. None: no test."""
    test_jit_limit: float = 60.0
    """Seconds that the compilation may take in that test."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Prints the facts; returns the exit status. Imports TensorFlow, which alone can list the devices."""
        if self.test_jit is not None and self.test_jit not in PRESETS:
            expected = f"one of {list(PRESETS)}{did_you_mean(self.test_jit, PRESETS)}"
            raise InputError("Unknown preset", expected=expected, received=f"--test-jit {self.test_jit}")
        check_positive("test_jit_limit", self.test_jit_limit)
        try:
            runtime.load_tensorflow(lean=True)
            cards = gpu_rows(gpu.read_facts())  # first, because TensorFlow takes memory of the cards
            with warnings.catch_warnings(action="ignore", category=UserWarning):  # of what `cards` says
                device = runtime.start()
            precision = "{}: {}".format(*runtime.auto_precision())
            jit = jit_rows(self.test_jit, self.test_jit_limit)
        except ImportError as error:
            device = precision = f"none: {error}"
            cards, jit = {}, {}
        print_result(
            {
                "python": platform.python_version(),
                **{name: runtime.installed_version(name) for name in PACKAGES},
                "device": device,
                **cards,
                "bfloat16 instructions": runtime.bfloat16_instructions(),
                "precision auto": precision,
                **jit,
                "data folder": str(data_folder()),
                "data sets": ["mnist5k (embedded)", "photos (embedded)", *built_sets(), *prepared(data_folder())],
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


def jit_rows(test: str | None, limit: float) -> dict[str, str]:
    """Returns what `--jit auto` means here for the preset mnist, and the remembered self-tests.

    Args:
        test: the preset whose self-test runs now, and is remembered. None: none.
        limit: seconds that its compilation may take.
    """
    from gan.models import jit, self_test, self_test_memory

    def log(line: str) -> None:
        print(line, file=sys.stderr)

    tested = []
    if test is not None:
        log(f"testing XLA with the preset {test}: compilation may take {limit:g} s")
        gan, batch_size = compiled(test)
        tested = [self_test.self_test(gan, title=test, batch_size=batch_size, limit=limit)]
        self_test_memory.remember(gan, tested[0], log)
    decision = jit.Decision(False, jit.ON_CPU)
    if runtime.gpu_names():
        decision = jit.decide(compiled("mnist")[0], "auto", title="the preset mnist")
    rows = {"jit auto": f"{'on' if decision.on else 'off'}: {decision.reason}"}
    for one in [*tested, *self_test_memory.all_remembered()]:  # the newest first
        rows.setdefault(f"XLA, {one.title}", f"{one.describe()} ({one.device}, {one.tested[:10]})")
    return rows


def compiled(preset: str) -> tuple["GAN", int]:
    """Returns the GAN of a preset, compiled as for a run, and the batch size of the run."""
    from gan.models.build import build_gan, compile_gan
    from gan.training.setup import load_data

    config = PRESETS[preset]
    data = config.data
    if data.dataset == "mnist":  # its images need not be there: the embedded ones have the same shape and classes
        data = replace(data, dataset="mnist5k")
    dataset = load_data(data)
    with runtime.precision(config.precision):
        gan = build_gan(config, dataset)
    compile_gan(gan, config, config.optimization.total_steps(len(dataset.train)))
    return gan, config.optimization.batch_size


def data_folder() -> Path:
    """Returns the folder in which tensorflow-datasets looks for prepared datasets."""
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def prepared(folder: Path) -> list[str]:
    """Returns the names of the datasets that are prepared in `folder`."""
    versions = {info.parent for info in folder.glob("*/**/dataset_info.json")}
    return sorted({str(version.parent.relative_to(folder)) for version in versions if version.parent != folder})
