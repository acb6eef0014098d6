"""The rows of `python -m benchmarks gpu`, most important first, and the XLA flags that they try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

FLAGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "no-autotuning": ("--xla_gpu_autotune_level=0", ""),
        "lenient-picker": ("--xla_gpu_strict_conv_algorithm_picker=false", ""),
        "lenient-no-autotuning": ("--xla_gpu_autotune_level=0 --xla_gpu_strict_conv_algorithm_picker=false", ""),
        "no-command-buffers": ("--xla_gpu_enable_command_buffer=", ""),
        "no-triton": ("--xla_gpu_enable_triton_gemm=false", ""),
        "nchw": ("--xla_gpu_force_conv_nchw=true", ""),
        "nhwc": ("--xla_gpu_force_conv_nhwc=true", ""),
        "deterministic-ops": ("--xla_gpu_deterministic_ops=true", ""),
    }
)
"""Variants of XLA: {name: (XLA_FLAGS, TF_XLA_FLAGS)}, the most promising first. An unknown flag ends its row."""

FIRST_FLAGS = 2
"""Variants that are tried early, because they may let XLA work where its default does not."""

DETERMINISTIC = MappingProxyType({"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"})

XLA_LIMIT_S = 90.0
"""Time limit of most rows. Without autotuning, XLA compiled the preset `mnist` within 8 seconds on an H100."""

GPU, TORCH = "a GPU", "PyTorch"

CONFIGURATIONS = (("mnist", 64), ("mnist", 256), ("mnist", 1_024), ("tf-tutorial", 256), ("r3gan", 64))
"""Presets and batch sizes whose steps are measured."""
TORCH_MODES = ("graph", "eager", "graph-bfloat16", "eager-bfloat16")
TORCH_CONFIGURATIONS = (("mnist", 64), ("tf-tutorial", 256), ("mnist", 1_024))
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclass(frozen=True)
class Row:
    """A row: the function that measures it in a child process, with arguments and limits.

    `usual_s`: the row starts only if this much time is left. `limit_s`: its process is killed after this time.
    `needs`: what the machine must have.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    usual_s: float = 25.0
    limit_s: float = 90.0
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """What identifies the row in a record."""
        return {"kind": self.kind, "options": dict(self.options), "environment": dict(self.environment)}


def plan(*, dataset: str, seconds: float) -> list[Row]:
    """Returns all rows, most important first. A row that may hang comes after those that it might keep from running.

    Args:
        dataset: dataset of all rows.
        seconds: approximate duration of each measurement of a loop.
    """
    first, *other_batches = CONFIGURATIONS
    flags = list(FLAGS)
    data = {"dataset": dataset}
    steps = _Steps(dataset, seconds)
    return [
        Row("check/plain", "correctness", {**data, "jit": False}, 30.0, 150.0),
        steps.row(first),
        Row("check/xla", "correctness", {**data, "jit": True}, 30.0, XLA_LIMIT_S),
        steps.row(first, jit=True),
        *(steps.row(first, jit=True, flags=name) for name in flags[:FIRST_FLAGS]),
        steps.row(first, precision="bfloat16"),
        steps.row(first, jit=True, precision="bfloat16"),
        *(_torch(first, mode, seconds) for mode in TORCH_MODES[:2]),
        Row("self-test/mnist", "self_test", {**data, "preset": "mnist"}, 45.0, 240.0, (GPU,)),
        Row("products", "products", {"seconds": seconds}, 20.0, 60.0),
        *(steps.row(one, jit=jit) for one in other_batches for jit in (False, True)),
        Row("loops/tf-tutorial", "loops", {**data, "preset": "tf-tutorial", "batch_size": 256, "seconds": seconds},
            40.0, 150.0),
        *(_torch(one, mode, seconds) for one in TORCH_CONFIGURATIONS[1:] for mode in TORCH_MODES[:2]),
        Row("floors/plain", "floors", {**data, "jit": False}, 60.0, 300.0),
        Row("evaluate", "evaluate", data, 30.0, 180.0),
        Row("sampling", "sampling", {"num": 1_000_000}, 25.0, 90.0),
        Row("finite-losses/xla", "finite_losses", {**data, "jit": True}, 25.0, 150.0),
        Row("deterministic/plain", "deterministic", data, 40.0, 150.0),
        Row("deterministic/xla", "deterministic_xla", data, 40.0, 150.0, (GPU,), DETERMINISTIC),
        Row("floors/xla", "floors", {**data, "jit": True}, 60.0, 200.0, (GPU,)),
        steps.row(first, jit=True, programs=1),
        steps.row(first, deterministic=True),
        *(steps.row(first, jit=True, flags=name) for name in flags[FIRST_FLAGS:]),
        *(_torch(first, mode, seconds) for mode in TORCH_MODES[2:]),
        *(steps.row(one, jit=jit, precision="bfloat16") for one in other_batches for jit in (False, True)),
        *(_torch(one, mode, seconds) for one in TORCH_CONFIGURATIONS[1:] for mode in TORCH_MODES[2:]),
    ]  # fmt: skip


@dataclass(frozen=True)
class _Steps:
    """Makes rows that measure the train steps of `gan train`."""

    dataset: str
    seconds: float

    def row(
        self,
        configuration: tuple[str, int],
        *,
        jit: bool = False,
        precision: str = "float32",
        flags: str | None = None,
        programs: int | None = None,
        deterministic: bool = False,
    ) -> Row:
        """Returns the row of one mode. `flags`: a name in `FLAGS`. `programs`: value of `xla.MOST_PROGRAMS`."""
        preset, batch_size = configuration
        more = [
            *([flags] if flags else []),
            *([f"programs-{programs}"] if programs else []),
            *(["deterministic"] if deterministic else []),
        ]
        name = "/".join([preset, str(batch_size), "xla" if jit else "plain", precision, *more])
        options = {
            "dataset": self.dataset,
            "preset": preset,
            "batch_size": batch_size,
            "jit": jit,
            "precision": PRECISIONS[precision],
            "programs": programs,
            "deterministic": deterministic,
            "seconds": self.seconds,
        }
        named = zip(("XLA_FLAGS", "TF_XLA_FLAGS"), FLAGS[flags] if flags else ())
        environment = {variable: value for variable, value in named if value}
        return Row(name, "steps", options, 25.0, XLA_LIMIT_S, (GPU,) if jit else (), environment)


def _torch(configuration: tuple[str, int], mode: str, seconds: float) -> Row:
    preset, batch_size = configuration
    options = {"preset": preset, "batch_size": batch_size, "mode": mode, "seconds": seconds}
    needs = (TORCH, GPU) if mode.startswith("graph") else (TORCH,)
    return Row(f"torch/{preset}/{batch_size}/{mode}", "torch_steps", options, 15.0, 60.0, needs)


def missing_need(row: Row, has: Mapping[str, bool]) -> str | None:
    """Returns what a row needs and the machine lacks. None: nothing."""
    return next((need for need in row.needs if not has[need]), None)


def selected(rows: Sequence[Row], patterns: Sequence[str]) -> list[Row]:
    """Returns the rows that match one of the patterns, such as `mnist/64/*`. Without patterns: all rows."""
    from fnmatch import fnmatchcase

    return [row for row in rows if not patterns or any(fnmatchcase(row.name, pattern) for pattern in patterns)]
