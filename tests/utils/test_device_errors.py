"""Errors about full memory and failed GPUs are one line. The messages are those of TensorFlow."""

import pytest
import tensorflow as tf

from gan.errors import TrainingError
from gan.training.recovery import device_errors
from gan.utils.device_errors import device_failure, is_out_of_memory

DEVICE = "/job:localhost/replica:0/task:0/device:GPU:0"
OUT_OF_MEMORY = {
    "allocator": (
        tf.errors.ResourceExhaustedError,
        f"{{{{function_node __wrapped__Mul_device_{DEVICE}}}}} OOM when allocating tensor with shape[64,8] and type "
        f"float on {DEVICE} by allocator GPU_0_bfc [Op:Mul]",
    ),
    "graph": (
        tf.errors.ResourceExhaustedError,
        "Graph execution error:\n\nDetected at node Mul defined at (most recent call last):\n"
        "<stack traces unavailable>\nOOM when allocating tensor with shape[64,8] [Op:__inference_step_7]",
    ),
    "copy": (
        tf.errors.InternalError,
        f"Failed copying input tensor from CPU:0 to {DEVICE} in order to run _EagerConst: Dst tensor is not "
        "initialized.",
    ),
    "context": (
        tf.errors.InternalError,
        "failed initializing StreamExecutor for CUDA device ordinal 0: Internal: failed call to "
        "cuDevicePrimaryCtxRetain: CUDA_ERROR_OUT_OF_MEMORY; total memory reported: 8499691520",
    ),
    "start": (tf.errors.InternalError, "CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory"),
}
GPU_FAILED = {
    "cuDNN": (
        tf.errors.UnknownError,
        "Failed to get convolution algorithm. This is probably because cuDNN failed to initialize, so try looking to "
        "see if a warning log message was printed above.",
    ),
    "DNN library": (
        tf.errors.FailedPreconditionError,
        "DNN library initialization failed. Look at the errors above for more details.",
    ),
    "no DNN library": (tf.errors.UnimplementedError, "DNN library is not found."),
    "cuDNN handle": (tf.errors.InternalError, "Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED"),
    "cuBLAS handle": (tf.errors.InternalError, "failed to create cublas handle: CUBLAS_STATUS_NOT_INITIALIZED"),
    "BLAS": (
        tf.errors.InternalError,
        "Attempting to perform BLAS operation using StreamExecutor without BLAS support [Op:MatMul]",
    ),
    "GEMM": (tf.errors.InternalError, "Blas GEMM launch failed : a.shape=(64, 8), b.shape=(8, 4), m=64, n=4, k=8"),
    "busy": (
        RuntimeError,
        "cudaSetDevice() on GPU:0 failed. Status: all CUDA-capable devices are busy or unavailable",
    ),
    "driver": (
        tf.errors.InternalError,
        "cudaGetDevice() failed. Status: CUDA driver version is insufficient for CUDA runtime version",
    ),
    "PTX": (tf.errors.InternalError, "'cuModuleLoadData' failed with 'CUDA_ERROR_UNSUPPORTED_PTX_VERSION'"),
}


def made(kind, message):
    return kind(message) if kind is RuntimeError else kind(None, None, message)


@pytest.mark.parametrize("name", OUT_OF_MEMORY)
def test_full_memory_of_a_card_is_out_of_memory(name):
    kind, message = OUT_OF_MEMORY[name]
    line = device_failure(made(kind, message))
    assert is_out_of_memory(made(kind, message))
    assert line.startswith("Out of memory (")
    assert "Graph execution" not in line
    assert "{{" not in line


@pytest.mark.parametrize("name", GPU_FAILED)
def test_a_gpu_that_fails_is_one_line_with_what_to_do(name):
    kind, message = GPU_FAILED[name]
    line = device_failure(made(kind, f"2 root error(s) found.\n  (0) {message}\n\t [[node x]]"))
    assert line.startswith(f"The GPU failed ((0) {message[:20]}")
    assert line.endswith("gan doctor checks the driver and the libraries; with CUDA_VISIBLE_DEVICES=-1 the CPU is used")
    assert "\n" not in line


def test_memory_of_the_computer_and_a_full_disk_are_told_apart():
    assert device_failure(MemoryError()) == "Out of memory (MemoryError)"
    assert device_failure(MemoryError("Unable to allocate 3 GiB")) == "Out of memory (Unable to allocate 3 GiB)"
    full = tf.errors.ResourceExhaustedError(None, None, "run/x; No space left on device")
    assert device_failure(full) == "run/x; No space left on device"
    assert not is_out_of_memory(full)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.InternalError(None, None, "Check failed: a == b"),
        tf.errors.InvalidArgumentError(None, None, "d_loss : Tensor had NaN values"),
        RuntimeError("generator raised StopIteration"),
        ValueError("CUDA_ERROR_OUT_OF_MEMORY"),
    ],
    ids=["internal", "NaN", "runtime", "value"],
)
def test_other_errors_stay_as_they_are(error):
    assert device_failure(error) is None
    with pytest.raises(type(error)) as caught, device_errors():
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("context", r"^Out of memory\. A smaller --batch-size"),
        ("BLAS", r"^The GPU failed \(Attempting to perform BLAS"),
    ],
)
def test_they_end_a_training_with_a_message(name, message):
    error = made(*{**OUT_OF_MEMORY, **GPU_FAILED}[name])
    with pytest.raises(TrainingError, match=message) as caught, device_errors():
        raise error
    assert caught.value.__cause__ is error
