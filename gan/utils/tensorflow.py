"""TensorFlow in this process: quiet import, set-up, precision, versions."""

import logging
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Literal

from gan.errors import InputError, check_seed
from gan.utils import gpu
from gan.utils.arguments import checked

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
QUIET = "3"
"""Value of the environment variable that hides the log of TensorFlow's C++ code. The caller's own value stays."""

START_UP_LINE = re.compile(
    rb"(?:[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\] |\d{4}-\d\d-\d\d [\d:.]+: [IWE] |WARNING: All log messages before absl::"
    rb"|To enable the following instructions: |Skipping registering GPU devices\.\.\."
    rb"|INFO: Created TensorFlow Lite ).*\n?"
)
"""A line of TensorFlow's C++ log. Some are written before it reads its log level."""


def check_backend() -> None:
    """Raises `InputError` if Keras would use another backend than TensorFlow. Imports nothing."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend != "tensorflow":
        raise InputError(
            "Unsupported backend", expected="KERAS_BACKEND=tensorflow", received=f"KERAS_BACKEND={backend}"
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"


class _StderrFilter:
    """Redirects file descriptor 2 to a temporary file while at least one thread is inside.

    The first thread redirects and the last one restores, so threads that import at the same time do not lose the
    descriptor. If the process aborts inside, the held output is lost; TF_CPP_MIN_LOG_LEVEL=0 shows it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside, self._failed, self._drops_all = 0, False, True
        self._saved: int | None = None
        self._held: BinaryIO | None = None

    def enter(self) -> None:
        """Redirects, unless another thread has done so, or no redirection is possible."""
        with self._lock:
            self._inside += 1
            if self._inside == 1 and sys.__stderr__ is not None and os.name != "nt":  # a Windows console is not a file
                self._redirect()

    def leave(self, *, failed: bool, drop_all: bool = False) -> None:
        """Restores the descriptor when the last thread leaves.

        failed: show log lines of TensorFlow, too. drop_all: show nothing, if all threads say so.
        """
        with self._lock:
            self._inside -= 1
            self._failed = self._failed or failed
            self._drops_all = self._drops_all and drop_all
            if self._inside == 0 and self._held is not None:
                self._restore()

    def _redirect(self) -> None:
        with suppress(AttributeError, OSError, ValueError):  # replaced by an object without a file, or closed
            sys.stderr.flush()
        with suppress(OSError):  # without a standard error or a temporary folder, nothing is hidden
            held = tempfile.TemporaryFile()  # noqa: SIM115
            try:
                self._saved = os.dup(2)
            except OSError:
                held.close()
                raise
            os.dup2(held.fileno(), 2)
            self._held, self._failed, self._drops_all = held, False, True

    def _restore(self) -> None:
        assert self._held is not None
        assert self._saved is not None
        os.dup2(self._saved, 2)
        os.close(self._saved)
        self._held.seek(0)
        with suppress(OSError), self._held, open(2, "wb", closefd=False) as stderr:
            shown = () if self._drops_all and not self._failed else self._held
            stderr.writelines(line for line in shown if self._failed or not START_UP_LINE.match(line))
        self._held = self._saved = None


_STDERR = _StderrFilter()


@contextmanager
def silent_stderr(*, show_on_error: bool = True, drop_all: bool = False) -> Iterator[None]:
    """Drops log lines of TensorFlow and LiteRT from file descriptor 2. Other output follows at the end.

    Args:
        show_on_error: whether all output follows after an error.
        drop_all: whether other output is dropped, too, unless another thread inside shows it.

    Does nothing if the caller chose another log level.
    """
    if os.environ.get(LOG_LEVEL, QUIET) != QUIET:
        yield
        return
    _STDERR.enter()
    failed = True
    try:
        yield
        failed = False
    finally:
        _STDERR.leave(failed=failed and show_on_error, drop_all=drop_all)


@contextmanager
def quiet_import() -> Iterator[None]:
    """Imports inside print no start-up messages of TensorFlow, and it finds the CUDA libraries of the `gpu` extra.

    In an interactive session, TensorFlow sets the level of its Python logger; afterwards, the level is as before.
    """
    gpu.load_libraries()
    if "tensorflow" in sys.modules:
        yield
        return
    logger = logging.getLogger("tensorflow")
    level = logger.level
    os.environ.setdefault(LOG_LEVEL, QUIET)
    with silent_stderr():
        yield
    logger.setLevel(level)


OPTIONAL = ("IPython", "matplotlib", "pandas", "scipy", "sklearn")
"""Packages that Keras imports if they are installed, for its plots, data frames and wrappers. The commands of this
package do not use these features, and the packages take two fifths of the import time."""


@contextmanager
def _hidden(packages: Iterable[str]) -> Iterator[None]:
    """Makes imports of these packages fail inside, as if they were not installed. Loaded packages stay."""
    hidden = [package for package in packages if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: the import raises ModuleNotFoundError
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]


def load_tensorflow(*, lean: bool = False) -> None:
    """Imports TensorFlow and Keras without their start-up messages.

    TensorFlow's Python logger is set to errors only, unless the caller has set its level.

    Args:
        lean: For a process that runs a single command. Hides the `OPTIONAL` packages from Keras, and shows only errors
            of absl's log, which tensorflow-datasets uses.

    Raises `InputError` if Keras is configured for another backend than TensorFlow.
    """
    check_backend()
    with quiet_import(), _hidden(OPTIONAL if lean else ()):
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    if lean:
        import absl.logging

        absl.logging.set_verbosity("error")
    logger = logging.getLogger("tensorflow")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)  # it would warn about functions that are compiled several times


@checked
def start(*, seed: int | None = None, deterministic: bool = False) -> str:
    """Loads TensorFlow and Keras without their start-up messages and sets them up. GPU memory grows as needed.

    Args:
        seed: Seed of the global generators of Keras and NumPy, which draw initial weights. None: not seeded.
        deterministic: Uses only deterministic kernels; an operation without one raises an error. Applies to the whole
            process from now on.

    Returns one line with the devices and the versions of TensorFlow and Keras.

    Raises `InputError` if Keras is configured for another backend than TensorFlow.
    """
    prepare(seed=seed, deterministic=deterministic)
    return describe()


@checked
def prepare(*, seed: int | None = None, deterministic: bool = False) -> None:
    """Sets TensorFlow up without using a device yet: GPU memory grows as needed, initial weights are seeded.

    A card that cannot be used is hidden from TensorFlow, with a warning, see `gan.utils.gpu`.

    Args:
        seed: Seed of the global generators of Keras and NumPy, which draw initial weights. None: not seeded.
        deterministic: Uses only deterministic kernels; an operation without one raises an error. Applies to the whole
            process from now on.
    """
    if seed is not None:
        check_seed(seed)
    load_tensorflow()
    import keras
    import tensorflow as tf

    with silent_stderr():
        problems = gpu.select_cards()
        for card in tf.config.get_visible_devices("GPU"):
            # RuntimeError: this process has used the GPU already, so its memory setting is fixed
            with suppress(RuntimeError):
                tf.config.experimental.set_memory_growth(card, True)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        if seed is not None:
            keras.utils.set_random_seed(seed)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)


_NOT_A_REASON = re.compile(
    r"Graph execution error:|Detected at node .* defined at|<stack traces unavailable>|File \"|\s"
)
_MARKS = re.compile(r"\{\{\w+ [^}]*\}\}")


def reason_of(error: BaseException) -> str:
    """Returns why an operation of TensorFlow failed: the first line of its message that tells it, in 200 characters.

    Lines before it say where the operation was created, and some of its characters are for tools.
    """
    lines = [line for line in str(getattr(error, "message", error)).splitlines() if line.strip()]
    reasons = [line for line in lines if not _NOT_A_REASON.match(line)]
    text = _MARKS.sub("", (reasons or lines or [type(error).__name__])[0]).strip()
    return text if len(text) <= 200 else text[:197] + "..."


def describe() -> str:
    """Returns one line with the devices and the versions of TensorFlow and Keras. Fixes the device configuration."""
    import keras
    import tensorflow as tf

    with silent_stderr():
        tf.zeros(()).numpy()  # the first operation looks for devices and logs what it finds
    return f"{device_name()}; TensorFlow {tf.__version__}, Keras {keras.__version__}"


def device_name() -> str:
    """Returns the names of the GPUs or, without a GPU, a description of the CPU."""
    return ", ".join(gpu_names()) or f"CPU ({platform.machine()}, {os.cpu_count()} cores)"


def gpu_names() -> list[str]:
    """Returns the names of the GPUs that TensorFlow uses."""
    import tensorflow as tf

    with silent_stderr():
        gpus = tf.config.get_visible_devices("GPU")
        return [tf.config.experimental.get_device_details(card).get("device_name", card.name) for card in gpus]


def resolve_precision(policy: str) -> str:
    """Returns `float32` or `mixed_bfloat16` for `auto`, by this machine, and any other policy unchanged."""
    return auto_precision()[0] if policy == "auto" else policy


def auto_precision() -> tuple[Literal["float32", "mixed_bfloat16"], str]:
    """Returns the precision that `auto` selects on this machine, and the reason in a few words.

    `auto` selects bfloat16 on a CPU with instructions for bfloat16 matrix products (AMX), if TensorFlow uses oneDNN,
    which uses them. A train step of the preset mnist took three quarters of the float32 time there.

    `auto` selects float32 on a CPU with AVX512_BF16 alone: `fit` was 1.13 and 1.25 times as fast on an AMD CPU (two
    rounds), but 0.74 times as fast on an Intel CPU (median of three rounds, ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16).
    It selects float32 on a GPU: a step took 0.84 times as long in bfloat16 on an H100, but quality was not measured.
    """
    load_tensorflow()
    import tensorflow as tf

    with silent_stderr():
        gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return "float32", "the quality of bfloat16 was not measured on a GPU"
    instructions = bfloat16_instructions()
    if "amx_bf16" not in instructions:
        alone = "; with avx512_bf16 alone, --precision mixed_bfloat16 may be faster or slower"
        return "float32", "the CPU lacks amx_bf16" + (alone if "avx512_bf16" in instructions else "")
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")
    if onednn.lower() in ("0", "false"):
        return "float32", f"oneDNN is off: TF_ENABLE_ONEDNN_OPTS={onednn}"
    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    if allowed.upper() not in ("", "ALL", "DEFAULT") and "AMX" not in allowed.upper():  # TensorFlow would abort
        return "float32", f"oneDNN may not use amx_bf16: ONEDNN_MAX_CPU_ISA={allowed}"
    return "mixed_bfloat16", "oneDNN uses amx_bf16"


def bfloat16_instructions() -> tuple[str, ...]:
    """Returns Linux' names of the bfloat16 instructions of this CPU, matrix products first; () if none are known."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return ()
    return tuple(name for name in ("amx_bf16", "avx512_bf16") if name in flags)


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Sets the precision of layers that are built inside: `auto`, `float32` or `mixed_bfloat16` (float32 variables).

    Restores Keras' global policy at the end; the layers keep theirs.
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(resolve_precision(policy))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def installed_version(package: str) -> str:
    """Returns the version of an installed distribution, or `missing`."""
    from importlib.metadata import PackageNotFoundError, version  # slow: `gan --help` does without

    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def versions() -> dict[str, str]:
    """Returns the versions of Python and the packages that results depend on, for the metadata of a run."""
    packages = ("gan-reference", "tensorflow", "keras", "numpy", "tensorflow-datasets")
    return {"python": platform.python_version(), **{name: installed_version(name) for name in packages}}


def git_revision() -> str | None:
    """Returns the commit of the source tree of this package, with `-dirty` if files changed; None if installed."""
    tree = Path(__file__).parents[2]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(tree), *arguments]
        done = subprocess.run(command, capture_output=True, timeout=10, check=True)
        return os.fsdecode(done.stdout).strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != tree.resolve():
            return None
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--", "gan") else "")
    except (OSError, subprocess.SubprocessError):
        return None
