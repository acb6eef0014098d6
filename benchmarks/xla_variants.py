"""XLA options to try on a GPU, as environment variables of a process. Does not import TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

NO_FUSION_TUNING = "--xla_gpu_experimental_enable_fusion_autotuner=false"
NO_TRITON_PRODUCTS = "--xla_gpu_enable_triton_gemm=false"
NO_CHECKS = "--xla_gpu_autotune_level=1"
FIRST_ENGINE = "--xla_gpu_exclude_nondeterministic_ops=true"

XLA_VARIANTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        # Keeps the tuning of convolutions and matrix products. Fusions with a reduction or a transpose are no longer
        # compiled a second time by Triton, for which others report minutes to an hour. Level 0 leaves it out, too.
        "no-fusion-tuning": (NO_FUSION_TUNING, ""),
        # Keeps the tuning of convolutions only. Each matrix product has tens of Triton candidates, which take the
        # longest to compile; cuBLAS computes all of them instead.
        "no-triton": (f"{NO_FUSION_TUNING} {NO_TRITON_PRODUCTS}", ""),
        # Runs no candidate: takes the first deterministic engine that cuDNN's heuristics list. If it fails as level 0
        # does, an engine that the heuristics list cannot run.
        "first-engine": (f"{NO_FUSION_TUNING} {NO_TRITON_PRODUCTS} {FIRST_ENGINE}", ""),
        # Also skips the comparison of each candidate with a reference, and the check of the memory around buffers.
        "no-triton-no-checks": (f"{NO_FUSION_TUNING} {NO_TRITON_PRODUCTS} {NO_CHECKS}", ""),
        # Records a step into CUDA graphs also where only one or two kernels follow each other: fewest launches.
        "no-triton-all-graphs": (f"{NO_FUSION_TUNING} {NO_TRITON_PRODUCTS} --xla_gpu_graph_min_graph_size=1", ""),
        # Launches each kernel by itself: the difference to no-triton is what CUDA graphs gain.
        "no-triton-no-graphs": (f"{NO_FUSION_TUNING} {NO_TRITON_PRODUCTS} --xla_gpu_enable_command_buffer=", ""),
        # Lays out images as TensorFlow does, so that no transposes are needed between convolutions.
        "no-triton-nhwc": (f"{NO_FUSION_TUNING} {NO_TRITON_PRODUCTS} --xla_gpu_force_conv_nhwc=true", ""),
        # Compiles the kernels of one program in several threads.
        "no-triton-threads": (
            f"{NO_FUSION_TUNING} {NO_TRITON_PRODUCTS} --xla_gpu_enable_llvm_module_compilation_parallelism=true",
            "",
        ),
        # Shows the share of the matrix products alone.
        "no-triton-products": (NO_TRITON_PRODUCTS, ""),
        # Shows the share of the checks alone.
        "no-checks": (NO_CHECKS, ""),
        # XLA as it is installed. On an H100 there was no first step within 170 s.
        "default": ("", ""),
        # Keeps what tuning found in a folder: a second process with the same folder tunes nothing.
        "tuning-cache": ("--xla_gpu_per_fusion_autotune_cache_dir={cache}", ""),
        # Keeps the compiled programs in a folder: a second process with the same folder compiles nothing.
        "program-cache": ("", "--tf_xla_persistent_cache_directory={cache}"),
        # Uses no cuDNN and no cuBLAS. XLA's own convolutions are slow, but show whether the libraries are at fault.
        "no-libraries": (f"{NO_FUSION_TUNING} --xla_gpu_experimental_disable_binary_libraries=true", ""),
        # Tunes nothing. On an H100 it compiled in 8 s, then failed in the first step: CUDNN_STATUS_NOT_SUPPORTED.
        "no-tuning": ("--xla_gpu_autotune_level=0", ""),
    }
)
"""{name: (XLA_FLAGS, TF_XLA_FLAGS)}, the most promising variants first. {cache} stands for a folder that must exist.

A flag that the installed TensorFlow does not know ends the process, so a test starts one with each variant."""

LOGS = MappingProxyType(
    {
        "TF_CPP_MIN_LOG_LEVEL": "0",
        "TF_CPP_VMODULE": "autotuner=1,autotuner_pass=1,hlo_pass_pipeline=1,gpu_compiler=1,cudnn=1,cuda_dnn=1",
    }
)
"""Environment variables that log, with times, each pass of the compiler and each instruction that XLA tunes.

The last lines show where a compilation hangs."""


def environment(name: str, cache: Path | None = None) -> dict[str, str]:
    """Returns the environment variables of a variant. Raises KeyError for an unknown name.

    Args:
        name: a name in `XLA_VARIANTS`.
        cache: an existing folder; the variants with a cache need it. Give each variant a folder of its own.
    """
    flags = XLA_VARIANTS[name]
    if cache is None and any("{cache}" in text for text in flags):
        raise ValueError(f"The variant needs a folder. Expected: environment({name!r}, cache). Received: None")
    found = zip(("XLA_FLAGS", "TF_XLA_FLAGS"), (text.replace("{cache}", str(cache)) for text in flags))
    return {variable: text for variable, text in found if text}
