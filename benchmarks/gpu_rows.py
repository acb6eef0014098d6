"""What each row of `python -m benchmarks gpu` measures, by name. Runs in a child: python -m benchmarks.gpu_rows."""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from benchmarks import gpu_checks, gpu_data, gpu_floors, gpu_speed
from benchmarks.gpu_process import Report, measure_row
from gan.errors import InputError, as_json
from gan.utils import tensorflow as runtime


def device(report: Report) -> None:
    """Finds the devices, their driver and the versions. Reads no data."""
    report.stage("imports")
    runtime.start()
    import tensorflow as tf

    from gan.utils import gpu

    report.stage("the driver")
    facts = gpu.read_facts()
    report.stage("devices and versions")
    build = tf.sysconfig.get_build_info()
    report.note(
        gpus=runtime.gpu_names(),
        cards=[as_json(card) for card in facts.cards],
        summary=gpu.diagnose(facts).summary,
        driver=facts.driver,
        driver_cuda=gpu.dotted(facts.driver_cuda),
        cudnn=_cudnn(),
        build={name: build.get(name) for name in ("cuda_version", "cudnn_version", "is_cuda_build")},
        torch=runtime.installed_version("torch") if find_spec("torch") else None,
        auto_precision=runtime.auto_precision()[0],
    )


def data(report: Report, dataset: str, path: str) -> None:
    """Reads the dataset, and writes it to a file for all rows. Is started without a view of the GPUs."""
    report.stage("imports")
    runtime.start()
    from gan.data.load import load_dataset

    report.stage(f"reading {dataset}")
    try:
        found = load_dataset(dataset, fallback="none")
    except InputError as error:
        report.note(no_dataset=str(error))
        return
    report.stage("writing the arrays")
    gpu_data.write_arrays(found, Path(path))


def _cudnn() -> int | None:
    """Returns the version of the cuDNN library that is found at run time, such as 90300. None: not found."""
    import ctypes

    try:
        version = ctypes.CDLL("libcudnn.so.9").cudnnGetVersion
    except (OSError, AttributeError):
        return None
    version.restype = ctypes.c_size_t
    return int(version())


KINDS: Mapping[str, Callable[..., None]] = MappingProxyType(
    {
        "device": device,
        "data": data,
        "steps": gpu_speed.steps,
        "cached_steps": gpu_speed.cached_steps,
        "correctness": gpu_checks.correctness,
        "trajectory": gpu_checks.trajectory,
        "loops": gpu_speed.loops_in_turns,
        "torch_steps": gpu_speed.torch_steps,
        "products": gpu_speed.products,
        "floors": gpu_floors.floors,
        "sampling": gpu_speed.sampling_rate,
        "evaluate": gpu_checks.evaluate,
        "judged": gpu_checks.judged,
        "deterministic": gpu_checks.deterministic,
        "deterministic_xla": gpu_checks.deterministic_xla,
        "self_test": gpu_checks.self_test,
        "finite_losses": gpu_checks.finite_losses,
    }
)
"""What can be measured in a child process, by name."""


if __name__ == "__main__":
    raise SystemExit(measure_row(KINDS, *sys.argv[1:]))
