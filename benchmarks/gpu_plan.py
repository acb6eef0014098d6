"""The rows of `python -m benchmarks gpu`, most important first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from benchmarks.xla_variants import LOGS, XLA_VARIANTS

DEFAULT = "default"
"""Variant of XLA as it is installed. Its row is the one without a variant."""

FIRST_VARIANTS = 2
"""Variants that are tried early if XLA as it is installed fails. The others are compared with it late."""
PENALTY_EVERY = 16
"""Steps from one lazy penalty to the next, see `gan.models.penalties.R1`."""
EXECUTIONS = (80, 320, 1_280)
"""Train steps in one program, multiples of `PENALTY_EVERY`: otherwise there are several programs."""
LONG = 320
"""Steps in one program in the rows of the targets."""

DETERMINISTIC = MappingProxyType({"XLA_FLAGS": "--xla_gpu_deterministic_ops=true"})

LIMIT_S = 90.0
"""Time limit of most rows. Without autotuning, XLA compiled the preset `mnist` within 8 seconds on an H100."""
FIRST_LIMIT_S = 70.0
"""Time limit of the first rows with XLA: three times the target for the first steps, and the start of the process."""
XLA = "mnist/64/xla/float32"
"""The row of XLA as it is installed, in the first configuration. Its variants are in rows `XLA`/variant."""

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
    `needs`: what the machine must have. `environment`: variables of the process.
    `follows`: whether the row uses the variant of XLA that works on this machine, see `working_variant`.
    `after_failure`: the row of this name must have failed; otherwise this one is not needed.
    `logs`: whether the reason of a failure quotes the last line of the process's log.
    """

    name: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    usual_s: float = 25.0
    limit_s: float = 90.0
    needs: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    follows: bool = False
    after_failure: str | None = None
    logs: bool = False

    @property
    def config(self) -> dict[str, Any]:
        """What identifies the row in a record."""
        return {"kind": self.kind, "options": dict(self.options), "environment": dict(self.environment)}


def plan(*, dataset: str, seconds: float) -> list[Row]:
    """Returns all rows, most important first. A row that may hang comes after those that it might keep from running.

    The first rows are those of the targets (`gpu_criteria.CRITERIA`); they fit into eight minutes.

    Args:
        dataset: dataset of all rows.
        seconds: approximate duration of each measurement of a loop.
    """
    first, *others = CONFIGURATIONS
    large, tutorial = ("mnist", 1_024), ("tf-tutorial", 256)
    variants = [name for name in XLA_VARIANTS if name != DEFAULT]
    data = {"dataset": dataset}
    steps = _Steps(dataset, seconds)
    return [
        steps.row(first, jit=True),
        *(steps.row(first, jit=True, variant=name, after_failure=XLA) for name in variants[:FIRST_VARIANTS]),
        *(steps.row(one, jit=True, executed=LONG) for one in (first, large, tutorial)),
        _floors(dataset, "mnist", jit=True),
        _floors(dataset, "mnist-best", jit=True),
        *(steps.row(one, jit=True) for one in (large, tutorial)),
        steps.row(first),
        steps.row(large, jit=True, precision="bfloat16", executed=LONG),
        *(_torch(first, mode, seconds) for mode in TORCH_MODES[:2]),
        Row("check/xla", "correctness", {**data, "jit": True}, 30.0, LIMIT_S, follows=True),
        Row("check/plain", "correctness", {**data, "jit": False}, 30.0, 150.0),
        *(steps.row(first, jit=jit, streamed=True) for jit in (True, False)),
        *(steps.row(first, jit=True, executed=count) for count in EXECUTIONS if count != LONG),
        steps.row(first, executed=LONG),
        *(steps.row(first, jit=True, executed=LONG, layers=layers) for layers in ("products", "keras")),
        *(steps.row(first, layers=layers) for layers in ("products", "keras")),
        steps.row(first, precision="bfloat16"),
        steps.row(first, jit=True, precision="bfloat16"),
        steps.logged(first),
        Row("products", "products", {"seconds": seconds}, 20.0, 60.0),
        *(steps.row(one, jit=jit) for one in others for jit in (False, True) if not (jit and one in (large, tutorial))),
        Row("loops/tf-tutorial", "loops", {**data, "preset": "tf-tutorial", "batch_size": 256, "seconds": seconds},
            40.0, 150.0),
        *(_torch(one, mode, seconds) for one in TORCH_CONFIGURATIONS[1:] for mode in TORCH_MODES[:2]),
        _floors(dataset, "mnist", jit=False),
        Row("evaluate", "evaluate", data, 30.0, 180.0),
        Row("sampling", "sampling", {"num": 1_000_000}, 25.0, 90.0),
        Row("finite-losses/xla", "finite_losses", {**data, "jit": True}, 25.0, LIMIT_S, follows=True),
        Row("deterministic/plain", "deterministic", data, 40.0, 150.0),
        Row("self-test/mnist", "self_test", {**data, "preset": "mnist"}, 45.0, 240.0, (GPU,)),
        Row("deterministic/xla", "deterministic_xla", data, 40.0, 150.0, (GPU,), DETERMINISTIC, follows=True),
        steps.row(first, jit=True, streamed=True, programs=1),
        steps.row(first, deterministic=True),
        *(steps.row(first, jit=True, variant=name) for name in variants[FIRST_VARIANTS:]),
        *(_torch(first, mode, seconds) for mode in TORCH_MODES[2:]),
        *(steps.row(one, jit=jit, precision="bfloat16") for one in others for jit in (False, True)),
        *(_torch(one, mode, seconds) for one in TORCH_CONFIGURATIONS[1:] for mode in TORCH_MODES[2:]),
        # on a CPU this row takes ten minutes
        _floors(dataset, "mnist-best", jit=False, needs=(GPU,)),
    ]  # fmt: skip


def _floors(dataset: str, preset: str, *, jit: bool, needs: tuple[str, ...] = ()) -> Row:
    """Returns the row of the training time to some qualities of a preset. With XLA, each interval is one program."""
    options = {"dataset": dataset, "jit": jit, "preset": preset, **({"period": PENALTY_EVERY} if jit else {})}
    needs = (GPU,) if jit else needs
    limit_s = 200.0 if jit else 400.0
    return Row(f"floors/{'xla' if jit else 'plain'}/{preset}", "floors", options, 60.0, limit_s, needs, follows=jit)


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
        variant: str | None = None,
        programs: int | None = None,
        deterministic: bool = False,
        streamed: bool = False,
        executed: int | None = None,
        layers: str | None = None,
        after_failure: str | None = None,
    ) -> Row:
        """Returns the row of one mode.

        Args:
            configuration: preset and batch size.
            jit, precision, deterministic: as in a training run.
            variant: a name in `XLA_VARIANTS`. None: the first row of XLA uses its defaults, other rows follow.
            programs: value of `gan.models.xla.MOST_PROGRAMS`. None: its default.
            streamed: whether batches come from the host. False: as in a training run, from the device where they fit.
            executed: steps in one program. None: those of the preset.
            layers: "keras": the layers compute as those of Keras. "products": convolutions of images and gradients of
                kernels are matrix products. None: as in a training run (`gan.models.networks.fast_layers`).
            after_failure: see `Row`.
        """
        preset, batch_size = configuration
        more = [
            *([variant] if variant else []),
            *([f"programs-{programs}"] if programs else []),
            *(["deterministic"] if deterministic else []),
            *(["streamed"] if streamed else []),
            *([f"steps-{executed}"] if executed else []),
            *([f"layers-{layers}"] if layers else []),
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
            **({"data_on_device": False} if streamed else {}),
            **({"steps_per_execution": executed} if executed else {}),
            **({"layers": layers} if layers else {}),
        }
        needs = (GPU,) if jit else ()
        flags = flags_of(variant) if variant else {}
        if any("{cache}" in text for text in flags.values()):
            return Row(name, "cached_steps", {**options, "flags": flags}, 50.0, 2 * LIMIT_S, needs)
        follows = jit and variant is None and name != XLA
        limit_s = FIRST_LIMIT_S if name == XLA or after_failure else LIMIT_S
        return Row(name, "steps", options, 25.0, limit_s, needs, flags, follows, after_failure)

    def logged(self, configuration: tuple[str, int]) -> Row:
        """Returns the row that logs what XLA compiles and tunes, if it fails without a variant."""
        row = self.row(configuration, jit=True)
        return replace(row, name=f"{row.name}/logged", environment=LOGS, after_failure=XLA, logs=True)


def _torch(configuration: tuple[str, int], mode: str, seconds: float) -> Row:
    preset, batch_size = configuration
    options = {"preset": preset, "batch_size": batch_size, "mode": mode, "seconds": seconds}
    needs = (TORCH, GPU) if mode.startswith("graph") else (TORCH,)
    return Row(f"torch/{preset}/{batch_size}/{mode}", "torch_steps", options, 15.0, 60.0, needs)


def missing_need(row: Row, has: Mapping[str, bool]) -> str | None:
    """Returns what a row needs and the machine lacks. None: nothing."""
    return next((need for need in row.needs if not has[need]), None)


def flags_of(variant: str) -> dict[str, str]:
    """Returns the environment variables of a variant of XLA. `{cache}` stands for a folder."""
    named = zip(("XLA_FLAGS", "TF_XLA_FLAGS"), XLA_VARIANTS[variant])
    return {name: text for name, text in named if text}


def working_variant(runs: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Returns the first variant of XLA that has a result in the first configuration. None: all that were tried failed.

    XLA as it is installed counts as working until its row has failed.
    """
    if "failed" not in runs.get(XLA, {}):
        return DEFAULT
    tried = {name: runs.get(f"{XLA}/{name}", {}) for name in XLA_VARIANTS}
    return next((name for name, run in tried.items() if "steps_per_second" in run and "failed" not in run), None)


def merged(*environments: Mapping[str, str]) -> dict[str, str]:
    """Merges environment variables. Flags of the same variable are joined."""
    found: dict[str, str] = {}
    for environment in environments:
        for name, text in environment.items():
            found[name] = f"{found[name]} {text}" if name in found else text
    return found


def selected(rows: Sequence[Row], patterns: Sequence[str]) -> list[Row]:
    """Returns the rows that match one of the patterns, such as `mnist/64/*`. Without patterns: all rows."""
    from fnmatch import fnmatchcase

    return [row for row in rows if not patterns or any(fnmatchcase(row.name, pattern) for pattern in patterns)]
