"""Options of a training run: one dataclass, and its conversion to and from JSON types."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Suppress

from gan.config.data import DataConfig
from gan.config.fields import convert_fields
from gan.config.model import ModelConfig
from gan.config.optimization import NEEDS_BOUNDARY, WITHOUT_BOUNDARY, OptimizationConfig, mismatched_share
from gan.config.stopping import StoppingConfig
from gan.errors import InputError, Json, Options, as_json, check, check_seed, check_whole, convert, is_number

Precision = Literal["auto", "float32", "mixed_bfloat16"]
Jit = Literal["auto", "on", "off"]
DataOnDevice = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class TrainConfig(Options):
    """Options of a training run. The defaults are the preset `mnist`."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimization: OptimizationConfig = field(default_factory=OptimizationConfig)
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
    seed: int = 0
    """Seed of all random numbers: weights, latents, data order."""
    eval_every: int | None = None
    """Images per interval. It ends with a measurement, a log row, a sample grid and a state. None: 1/20 of the run."""
    init_from: str | None = None
    """Run folder, .keras file, pretrained name or hf://USER/NAME whose weights are loaded. None: random weights.

    D gets the weights of a discriminator.keras beside the generator, if there is one that fits. The weights that depend
    on the labels start at random if the number of classes differs. The optimizers start fresh, at step 0.
    """
    freeze_d: int = 0
    """With `init_from`: layers of D, from the images on, that keep their weights (FreezeD, arXiv:2002.10964).

    Layers are the convolutions of `dcgan` and `tf_tutorial`, the sizes of `resnet` and the dense layers of `mlp`.
    Batch statistics and spectral norms still follow the images.
    """
    feedback: str | None = None
    """Samples of the generator of `init_from` that people called wrong, as fakes of D. None: no feedback.

    A file of `gan feedback`, or JSON lines with `generator_sha256`, `seed`, `index` and `label`.
    """
    feedback_share: float = 0.1
    """Share of D's loss that treats the samples in `feedback` as fake, above 0 and below 1.

    With the share of `mismatched_labels`, the sum is below 1: the rest is for the samples of G.
    """
    devices: int = 1
    """Devices of this machine that share each batch: GPUs or, without a GPU, parts of the CPU."""
    precision: Precision = "auto"
    """Precision of the networks. auto: mixed_bfloat16 on a CPU with AMX instructions, otherwise float32.

    Losses, penalties, weights and the averaged generator are always float32. With several workers, `auto` is
    mixed_bfloat16 only if all of them have the instructions.
    """
    jit: Jit = "auto"
    """Compile the train step with XLA. auto: on a GPU where `gan doctor --test-jit` has found it faster, else off.

    on: if a self-test in another process passes, otherwise the run trains without XLA. The run records on or off.
    """
    data_on_device: DataOnDevice = "auto"
    """Keep the images on the device, and make the steps of a graph call in loops there. auto: on a CPU, or with XLA.

    They must fit in a quarter of the GPU's memory, or in 256 MiB of the host's. Results are the same, up to rounding
    with XLA.
    """
    deterministic: bool = False
    """Use deterministic kernels only: the same seed gives bit-identical weights, somewhat slower."""
    tensorboard: bool = False
    """Also write metrics, sample grids and options for TensorBoard, to the run folder."""
    source: Annotated[str, Suppress] = ""
    """What the preset reproduces, and its paper."""

    def __post_init__(self) -> None:
        convert_fields(self)
        check_seed(self.seed)
        check_whole("devices", self.devices, 1)
        check_whole("freeze_d", self.freeze_d, 0)
        if self.eval_every is not None:
            check_whole("eval_every", self.eval_every, 1)
        share = self.feedback_share
        check(is_number(share) and 0 < share < 1, "feedback_share", "a number > 0 and < 1", share)
        if self.feedback is not None and self.init_from is None:
            raise InputError(
                "Feedback is about the generator that the run starts from",
                expected="--init-from with the generator that was judged",
                received="no --init-from",
            )
        end = self.optimization.learning_rate_end
        if self.stopping.constant_rate and end not in (None, 1.0):
            option = "when_stale" if self.stopping.when_stale == "reduce" else "when_refuted"
            raise InputError(
                "Two learning rate schedules",
                expected=f"{option}=reduce, which starts from a constant rate, or a cosine decay",
                received=f"learning_rate_end={end}",
            )
        if self.model.augment_probability == "ada" and self.optimization.loss in WITHOUT_BOUNDARY:
            raise InputError(
                NEEDS_BOUNDARY,
                expected="another loss, such as non_saturating, or a number as augment_probability",
                received=f"augment_probability=ada, loss={self.optimization.loss}",
            )
        if self.stopping.tolerance_per_class is not None and self.model.conditioning == "none":
            raise InputError(
                "A tolerance for each class needs requested classes",
                expected="a conditional GAN",
                received="conditioning=none",
            )

    @property
    def learning_rate_end(self) -> float:
        """Final learning rate as a share of the initial one. 1: the learning rate is constant."""
        if self.optimization.learning_rate_end is not None:
            return self.optimization.learning_rate_end
        return 1.0 if self.stopping.constant_rate else 0.02

    def check_start(self) -> None:
        """Checks that a run which builds its networks freezes no layer with random weights, or raises `InputError`."""
        if self.freeze_d and self.init_from is None:
            raise InputError(
                "Frozen layers would keep their random weights",
                expected="--freeze-d with --init-from",
                received=f"--freeze-d {self.freeze_d} alone",
            )

    def check_feedback(self, num_classes: int | None) -> None:
        """Checks the share of the feedback in D's loss before there is a D.

        num_classes: that of the generator that was judged; 0: it is unconditional, None: not known.

        Raises `InputError` for a share without feedback, and for shares that leave nothing for the samples of G.
        """
        if self.feedback is None:
            expected = "--feedback with the samples, or no --feedback-share"
            if self.feedback_share != TrainConfig.feedback_share:
                received = f"--feedback-share {self.feedback_share:g} alone"
                raise InputError("The share of the feedback has no effect", expected=expected, received=received)
            return
        mismatched = mismatched_share(self.optimization.mismatched_labels, num_classes or 0)
        if 1.0 - (mismatched + self.feedback_share) <= 0.0:
            raise InputError(
                "The shares of D's loss leave nothing for the samples of G",
                expected="--feedback-share and --mismatched-labels with a sum below 1",
                received=f"{self.feedback_share:g} and {mismatched:g}",
            )

    def interval_steps(self, total_steps: int) -> int:
        """Returns the number of steps per interval."""
        per_step = self.optimization.batch_size * self.optimization.critic_steps
        if self.eval_every is None:
            return -(-total_steps // 20)
        return min(total_steps, max(1, round(self.eval_every / per_step)))

    def with_auto(self, precision: Precision, jit: Jit = "auto") -> "TrainConfig":
        """Returns these options, with `precision` and `jit` instead of `auto`."""
        return replace(
            self,
            precision=precision if self.precision == "auto" else self.precision,
            jit=jit if self.jit == "auto" else self.jit,
        )

    def as_dict(self) -> dict[str, Json]:
        """Returns the options as nested dicts of JSON types. `config_from_dict` is the inverse."""
        return as_json(self)


def config_from_dict(options: Json, *, file: str | Path | None = None) -> TrainConfig:
    """Converts nested dicts of JSON types to a checked `TrainConfig`. A missing option has its default.

    file: the file that holds the options under the key `config`, for error messages. None: the options are not from a
    file.

    Raises `InputError` for an unknown option, a value of the wrong type, and a value out of range.
    """
    if file is None:
        return convert(options, TrainConfig, "the configuration")
    return convert(options, TrainConfig, file, "config")
