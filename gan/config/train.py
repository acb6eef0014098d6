"""A whole run as one dataclass, and as nested dicts of JSON types."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Suppress

from gan.config.data import DataConfig
from gan.config.model import ModelConfig
from gan.config.optimization import OptimizationConfig
from gan.config.stopping import StoppingConfig
from gan.errors import InputError, Json, Options, as_json, check_seed, check_whole, convert

Precision = Literal["auto", "float32", "mixed_bfloat16"]


@dataclass(frozen=True)
class TrainConfig(Options):
    """A training run. The defaults are the preset `mnist`."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimization: OptimizationConfig = field(default_factory=OptimizationConfig)
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
    seed: int = 0
    """Seed of every random number of the run: initial weights, latents, data order."""
    eval_every: int | None = None
    """Images from one log row, sample grid and saved generator to the next; None: a twentieth of the run."""
    init_from: str | None = None
    """Checkpoint whose generator the run starts from: a run folder, a .keras file or a pretrained name."""
    devices: int = 1
    """Devices of this machine that share each batch: GPUs, or parts of the CPU where there are none."""
    precision: Precision = "auto"
    """Of the networks; losses, penalties, weights and the average are float32 in any case. auto: mixed_bfloat16 on a
    CPU that has instructions for it (AMX), on every one where there are several workers; float32 elsewhere."""
    deterministic: bool = False
    """Only deterministic kernels: the same seed gives the same weights to the last bit, somewhat slower."""
    tensorboard: bool = False
    """Write numbers, sample grids and options for TensorBoard, too, into the run folder."""
    source: Annotated[str, Suppress] = ""

    def __post_init__(self) -> None:
        check_seed(self.seed)
        check_whole("devices", self.devices, 1)
        if self.eval_every is not None:
            check_whole("eval_every", self.eval_every, 1)
        end = self.optimization.learning_rate_end
        if self.stopping.when_stale == "reduce" and end not in (None, 1.0):
            raise InputError(
                "Two rules for the learning rates",
                expected="when_stale=reduce, which starts from a constant rate, or a schedule",
                received=f"learning_rate_end={end}",
            )

    @property
    def learning_rate_end(self) -> float:
        """Share of the learning rate that is left at the end of the run; 1: it is constant."""
        if self.optimization.learning_rate_end is not None:
            return self.optimization.learning_rate_end
        return 1.0 if self.stopping.when_stale == "reduce" else 0.02

    def interval_steps(self, total_steps: int) -> int:
        """Steps from one log row to the next."""
        per_step = self.optimization.batch_size * self.optimization.critic_steps
        if self.eval_every is None:
            return -(-total_steps // 20)
        return min(total_steps, max(1, round(self.eval_every / per_step)))

    def with_auto(self, precision: Precision) -> "TrainConfig":
        """Returns these options, with `precision` where theirs is `auto`."""
        return replace(self, precision=precision) if self.precision == "auto" else self

    def as_dict(self) -> dict[str, Json]:
        """The options as nested dicts of JSON types; `config_from_dict` is the inverse."""
        return as_json(self)


def config_from_dict(options: Json, *, file: str | Path | None = None) -> TrainConfig:
    """The TrainConfig of such a dict, checked; an option that is missing has its default.

    file: where the options are the part `config`, for messages; None: they are from no file.

    Raises `InputError` for an unknown option, and a value of the wrong type or out of range.
    """
    if file is None:
        return convert(options, TrainConfig, "the configuration")
    return convert(options, TrainConfig, file, "config")
