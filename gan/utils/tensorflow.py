"""The TensorFlow of this process: imported without chatter, set up once, described in one line."""

import logging
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from gan.errors import InputError


def check_backend() -> None:
    """Raises `InputError` when Keras is told to use another backend than TensorFlow. Imports nothing."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise InputError(
            "Unsupported backend", expected="KERAS_BACKEND=tensorflow", received=f"KERAS_BACKEND={backend}"
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, by C++ too; shows it only when an exception passes."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


OPTIONAL = ("IPython", "matplotlib", "pandas", "scipy", "sklearn")
"""Packages that Keras imports where they are installed, for its plots, data frames and wrappers. No command of ours
uses these, and the packages take two fifths of the time of the import."""


@contextmanager
def _hidden(packages: Iterable[str]) -> Iterator[None]:
    """Lets an import of these packages fail inside, as if they were not installed; those that are loaded stay."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: the import raises ModuleNotFoundError
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


def load_tensorflow(*, lean: bool = False) -> None:
    """Imports TensorFlow and Keras without what they say while they start.

    lean: without the `OPTIONAL` packages, for a process that runs one command: Keras does not know them in it.

    Raises `InputError` as `check_backend` does.
    """
    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr(), _hidden(OPTIONAL if lean else ()):
        import absl.logging
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

        absl.logging.set_verbosity("error")  # tensorflow-datasets announces through it what it looks for
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # and TensorFlow how often it compiles what


def start(*, seed: int | None = None, deterministic: bool = False) -> str:
    """Loads TensorFlow and Keras without their log lines, and sets them up. GPU memory grows as needed.

    Args:
        seed: of Keras' and NumPy's global generators, which draw initial weights; None: they are not seeded.
        deterministic: only deterministic kernels, or an error where there is none; stays on in this process.

    Returns one line: the devices, and the versions of TensorFlow and Keras. Raises `InputError` for another backend of
    Keras.
    """
    prepare(seed=seed, deterministic=deterministic)
    return describe()


def prepare(*, seed: int | None = None, deterministic: bool = False) -> None:
    """Sets TensorFlow up without using a device yet: GPU memory grows as needed, initial weights are seeded.

    Args:
        seed: of Keras' and NumPy's global generators, which draw initial weights.
        deterministic: only deterministic kernels, or an error where there is none; stays on in this process.
    """
    load_tensorflow()
    import keras
    import tensorflow as tf

    with _silent_stderr():
        for gpu in tf.config.list_physical_devices("GPU"):
            # RuntimeError: this process has used the GPU already, and its memory is as it is
            with suppress(RuntimeError):
                tf.config.experimental.set_memory_growth(gpu, True)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        if seed is not None:
            keras.utils.set_random_seed(seed)


def describe() -> str:
    """What TensorFlow runs on, in one line; its devices are as they are from now on."""
    import keras
    import tensorflow as tf

    with _silent_stderr():
        gpus = tf.config.list_physical_devices("GPU")
        tf.zeros(()).numpy()  # the first operation looks for devices, aloud
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    return f"{', '.join(names) or f'CPU ({platform.machine()}, {os.cpu_count()} cores)'}; {versions}"


def resolve_precision(policy: str) -> str:
    """`float32` or `mixed_bfloat16`: what `auto` means here, or the policy itself."""
    return auto_precision()[0] if policy == "auto" else policy


def auto_precision() -> tuple[Literal["float32", "mixed_bfloat16"], str]:
    """What the precision `auto` means here, and why, in a few words.

    It is bfloat16 on a CPU that has instructions for products of such matrices (AMX), and where TensorFlow uses oneDNN,
    which uses them: a step of the preset mnist took three quarters of the time there. With AVX512_BF16 alone, `fit` was
    1.13 and 1.25 times as fast on an AMD CPU (two rounds), but 0.74 times on an Intel one (median of three rounds, with
    ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16): `auto` is float32 there. On a GPU it is float32, for want of a measurement.
    """
    load_tensorflow()
    import tensorflow as tf

    with _silent_stderr():
        gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return "float32", "bfloat16 was not measured on a GPU"
    instructions = bfloat16_instructions()
    if "amx_bf16" not in instructions:
        alone = "; with avx512_bf16 alone, --precision mixed_bfloat16 may be faster or slower"
        return "float32", "the CPU lacks amx_bf16" + (alone if "avx512_bf16" in instructions else "")
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")
    if onednn.lower() in ("0", "false"):
        return "float32", f"oneDNN is off: TF_ENABLE_ONEDNN_OPTS={onednn}"
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    if allowed.upper() not in ("", "ALL", "DEFAULT") and "AMX" not in allowed.upper():  # it would abort
        return "float32", f"oneDNN may not use amx_bf16: ONEDNN_MAX_CPU_ISA={allowed}"
    return "mixed_bfloat16", "oneDNN uses amx_bf16"


def bfloat16_instructions() -> tuple[str, ...]:
    """Instructions of this CPU for bfloat16, as Linux names them: of whole matrices first; () where none are known."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return ()
    return tuple(name for name in ("amx_bf16", "avx512_bf16") if name in flags)


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers that are built inside compute in this precision: `auto`, `float32`, `mixed_bfloat16` (float32 variables).

    Keras' global policy is as before afterwards, and layers keep theirs.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(resolve_precision(policy))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def installed_version(package: str) -> str:
    """Version of an installed distribution, or `missing`."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import, and `gan --help` is not

    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def versions() -> dict[str, str]:
    """Versions of what a result depends on, for its record."""
    packages = ("gan-reference", "tensorflow", "keras", "numpy", "tensorflow-datasets")
    return {"python": platform.python_version(), **{name: installed_version(name) for name in packages}}


def git_revision() -> str | None:
    """Commit of the source tree that this package runs from, `-dirty` if changed since; None where it is installed."""
    tree = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tree), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != tree.resolve():
            return None
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--", "gan") else "")
    except (OSError, subprocess.SubprocessError):
        return None
