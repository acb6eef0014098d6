"""Errors of TensorFlow that say that memory ran out or that a GPU failed, as one line. Imports no TensorFlow."""

import re
import sys

from gan.utils.tensorflow import reason_of

OUT_OF_MEMORY = re.compile(r"CUDA_ERROR_OUT_OF_MEMORY|Dst tensor is not initialized|Status: out of memory")
"""Messages about a full card that are not a `ResourceExhaustedError`."""

DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
"""Messages of a `ResourceExhaustedError` about a file."""

GPU_FAILURE = re.compile(
    r"CUDA_ERROR_\w+|(?:CUDNN|CUBLAS|CUSOLVER|CUSPARSE|CUFFT)_STATUS_\w+|cuSolverDN call failed"
    r"|DNN library (?:initialization failed|is not found)|cuDNN failed to initialize"
    r"|without (?:BLAS|DNN) support|Blas \w+ launch failed|failed initializing StreamExecutor|failed call to cuInit"
    r"|CUDA driver version is insufficient|CUDA-capable device|no kernel image is available"
    r"|CUDA runtime (?:error|implicit initialization)|cudaSetDevice\(\)",
    re.IGNORECASE,
)
"""Messages about a GPU, its driver or its libraries. TensorFlow raises them as `InternalError`, `UnknownError`,
`FailedPreconditionError`, `UnimplementedError` or `RuntimeError`."""


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that the memory of the computer or of a card is full."""
    if isinstance(error, MemoryError):
        return True
    if _is_exhausted(error):
        return DISK_FULL.search(str(error)) is None
    return _is_of_tensorflow(error) and OUT_OF_MEMORY.search(str(error)) is not None


def device_failure(error: BaseException) -> str | None:
    """Returns a line about an error that says that memory or disk is full or a GPU failed. None: another error."""
    if is_out_of_memory(error):
        return f"Out of memory ({_line(error, OUT_OF_MEMORY)})"
    if _is_exhausted(error):
        return _line(error, DISK_FULL)
    if _is_of_tensorflow(error) and GPU_FAILURE.search(str(error)):
        return (
            f"The GPU failed ({_line(error, GPU_FAILURE)}). gan doctor checks the driver and the libraries; with "
            "CUDA_VISIBLE_DEVICES=-1 the CPU is used"
        )
    return None


def _is_exhausted(error: BaseException) -> bool:
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, tf.errors.ResourceExhaustedError)


def _is_of_tensorflow(error: BaseException) -> bool:
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, (tf.errors.OpError, RuntimeError))


def _line(error: BaseException, pattern: re.Pattern[str]) -> str:
    """Returns the first line of the message that matches, or the one that tells the reason, see `reason_of`."""
    lines = str(getattr(error, "message", error)).splitlines()
    matching = next(filter(pattern.search, lines), None)
    return reason_of(error if matching is None else RuntimeError(matching)).rstrip(".")
