"""The TensorFlow of this process: imported without chatter, set up once, described in one line."""

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from gan.errors import InputError


def check_backend() -> None:
    """Raises `InputError` when Keras is told to use another backend than TensorFlow. Imports nothing."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
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
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def start(*, seed: int | None = None, deterministic: bool = False) -> str:
    """Imports TensorFlow silently, lets GPU memory grow, seeds initial weights; says in one line what it runs on.

    Args:
        seed: of Keras' and NumPy's global generators, which draw initial weights.
        deterministic: only deterministic kernels, or an error where there is none.
    """
    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_stderr():
        import absl.logging
        import keras
        import tensorflow as tf

        absl.logging.set_verbosity("error")  # tensorflow-datasets announces through it what it looks for
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
        if seed is not None:
            keras.utils.set_random_seed(seed)
        tf.zeros(()).numpy()  # the first operation looks for devices, aloud
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
    return f"{', '.join(names) or f'CPU ({platform.machine()}, {os.cpu_count()} cores)'}; {versions}"
