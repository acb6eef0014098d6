"""What a training run is made of, as frozen dataclasses, and the presets. No TensorFlow: options are checked first."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Annotated, Any, Literal

from tyro.conf import Suppress

from gan.checks import LARGEST, check, check_not_negative, check_positive, check_seed, check_share, check_whole
from gan.errors import InputError

Arch = Literal["dcgan", "mlp"]
Loss = Literal["non_saturating"]
PenaltyName = Literal["r1"]
Conditioning = Literal["projection", "none"]


@dataclass(frozen=True)
class DataConfig:
    """What the run learns from."""

    dataset: str = "mnist"
    """mnist5k (5,000 digits, always at hand) or an image set of tensorflow-datasets: mnist, cifar10, ..."""
    dataset_fallback: Literal["mnist5k", "none"] = "mnist5k"
    """What takes the place of mnist where it is not prepared and its host does not answer."""

    def __post_init__(self) -> None:
        check(bool(self.dataset.strip()), "dataset", "a name", self.dataset)


@dataclass(frozen=True)
class ModelConfig:
    """The two networks and the average."""

    arch: Arch = "dcgan"
    """Architecture of both networks."""
    conditioning: Conditioning = "projection"
    """How D sees the class (none: neither network does)."""
    latent_dim: int = 64
    """Length of a latent vector."""
    g_width: int | None = None
    """Width of the generator; None: the architecture's default (dcgan 24, mlp 128)."""
    d_width: int | None = None
    """Width of the discriminator; None: the architecture's default (dcgan 24, mlp 128)."""
    ema_half_life: float = 2_200.0
    """Images after which a weight's share in the averaged generator has halved."""

    def __post_init__(self) -> None:
        check_whole("latent_dim", self.latent_dim, 1)
        for name in ("g_width", "d_width"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), 1)
        check_positive("ema_half_life", self.ema_half_life)


@dataclass(frozen=True)
class OptimizationConfig:
    """Length of the run, and how the weights move."""

    images: int = 160_000
    """Length of the run in images seen, unless epochs or steps are given."""
    epochs: float | None = None
    """Length of the run in passes over the training images."""
    steps: int | None = None
    """Length of the run in G updates."""
    batch_size: int = 32
    """Images in a step; each D update sees that many reals and fakes."""
    learning_rate: float = 2e-3
    """Adam's learning rate at the start, for G, and for D unless d_learning_rate is given."""
    d_learning_rate: float | None = None
    """Adam's learning rate at the start, for D; None: as learning_rate."""
    learning_rate_end: float | None = None
    """Share of the learning rate that is left at the end (cosine decay); None: 0.02, or 1 with --when-stale reduce."""
    beta_1: float = 0.0
    """Adam's decay of the mean of gradients."""
    beta_2: float = 0.99
    """Adam's decay of the mean of squared gradients."""
    loss: Loss = "non_saturating"
    """Adversarial loss."""
    penalties: tuple[PenaltyName, ...] = ("r1",)
    """Gradient penalties on D."""
    gamma: float = 0.1
    """Weight of r1: gamma/2 |grad D|^2."""
    penalty_every: int = 16
    """Steps from one computation of the penalties to the next; they count that many times more."""
    critic_steps: int = 1
    """D updates for each G update."""
    steps_per_execution: int = 20
    """Steps that run inside the graph between two looks at the keyboard and the progress bar."""

    def __post_init__(self) -> None:
        for name in ("images", "batch_size", "penalty_every", "critic_steps", "steps_per_execution"):
            check_whole(name, getattr(self, name), 1)
        check_positive("learning_rate", self.learning_rate)
        if self.steps is not None:
            check_whole("steps", self.steps, 1)
        for name in ("epochs", "d_learning_rate"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        if self.learning_rate_end is not None:
            check_share("learning_rate_end", self.learning_rate_end)
        check(0 <= self.beta_1 < 1, "beta_1", "a number from 0 to below 1", self.beta_1)
        check(0 <= self.beta_2 < 1, "beta_2", "a number from 0 to below 1", self.beta_2)
        check_not_negative("gamma", self.gamma)
        if None not in (self.epochs, self.steps):
            raise InputError(
                "The length of the run is given twice",
                expected="epochs or steps",
                received=f"epochs={self.epochs}, steps={self.steps}",
            )

    def total_steps(self, training_images: int) -> int:
        """G updates of the run, at least 1; `training_images`: the size of the training split."""
        if self.steps is not None:
            return self.steps
        images = self.images if self.epochs is None else self.epochs * training_images
        steps = images / (self.batch_size * self.critic_steps)
        check(steps <= LARGEST, "epochs", f"a run of at most {LARGEST} steps", self.epochs)
        return max(1, round(steps))


HIGHER_IS_BETTER = ("val_classes_seen", "real_accuracy", "fake_accuracy")


@dataclass(frozen=True)
class StoppingConfig:
    """What is measured each interval, and what a run does about it."""

    probe: str = "auto"
    """Classifier that judges each interval: a folder or a shipped name; auto: mnist-probe if it suits; or none."""
    eval_num: int = 2_000
    """Validation images, and as many fakes, that are compared each interval; in short intervals fewer."""
    tolerance: float | None = None
    """Error rate that one accepts: the run ends when an interval is within it, and is judged on fresh samples then."""
    extractor: str = "mnist-classifier"
    """With --tolerance: the classifier that judges then, not the probe; a folder or a shipped name."""
    monitor: str | None = None
    """Stop when this number, such as val_frechet_distance, does not improve any more; None: at the planned length."""
    monitor_mode: Literal["min", "max"] = "min"
    """Whether lower or higher values of it are better."""
    patience: int = 5
    """With --monitor: intervals without an improvement that one waits for."""
    min_delta: float = 0.0
    """With --monitor: improvements up to this one do not count."""
    min_rel_delta: float = 0.0
    """With --monitor: improvements up to this share of the value do not count."""
    noise_sigmas: float = 2.0
    """With --monitor: improvements up to that many standard errors do not count."""
    when_stale: Literal["stop", "reduce"] = "stop"
    """With --monitor, when patience is at its end: stop, or halve both learning rates (constant otherwise)."""
    on_collapse: Literal["warn", "stop", "restore"] = "warn"
    """On mode collapse, or when D has won: say so, or stop, or stop with the average of the last healthy interval."""

    def __post_init__(self) -> None:
        check(bool(self.probe.strip()), "probe", "auto, none, or a classifier", self.probe)
        check_whole("eval_num", self.eval_num, 50)
        check_whole("patience", self.patience, 1)
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
        for name in ("min_delta", "min_rel_delta", "noise_sigmas"):
            check_not_negative(name, getattr(self, name))
        if self.probe == "none" and (self.tolerance is not None or (self.monitor or "").startswith("val_")):
            raise InputError("Nothing would be measured", expected="a probe", received="probe=none")
        if self.tolerance is not None and self.monitor is not None and self.when_stale == "stop":
            received = f"tolerance={self.tolerance}, monitor={self.monitor}"
            raise InputError("Two rules to stop by", expected="tolerance or monitor", received=received)
        if self.monitor is None:
            self._check_idle()
        if self.monitor in HIGHER_IS_BETTER and self.monitor_mode == "min":
            raise InputError("Bad `monitor_mode`", expected=f"max for {self.monitor}", received="min")

    def _check_idle(self) -> None:
        """Raises `InputError` for options that do nothing without a monitor."""
        of_monitor = ("monitor_mode", "patience", "min_delta", "min_rel_delta", "noise_sigmas", "when_stale")
        defaults = {field.name: field.default for field in fields(self)}
        idle = [f"{name}={getattr(self, name)}" for name in of_monitor if getattr(self, name) != defaults[name]]
        if idle:
            expected = "a monitor to wait for, such as val_frechet_distance"
            raise InputError("Nothing to wait for", expected=expected, received=f"monitor=None, {', '.join(idle)}")


@dataclass(frozen=True)
class TrainConfig:
    """A training run. The defaults are the preset `mnist`."""

    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    optimization: OptimizationConfig = field(default_factory=OptimizationConfig)
    stopping: StoppingConfig = field(default_factory=StoppingConfig)
    seed: int = 0
    """Owner of every random number of the run: initial weights, latents, data order."""
    eval_every: int | None = None
    """Images from one log row, sample grid and saved generator to the next; None: a twentieth of the run."""
    init_from: str | None = None
    """Checkpoint whose generator the run starts from: a run folder, a .keras file or a shipped name."""
    deterministic: bool = False
    """Only deterministic kernels: the same seed gives the same weights to the last bit, somewhat slower."""
    tensorboard: bool = False
    """Write numbers, sample grids and options for TensorBoard, too, into the run folder."""
    source: Annotated[str, Suppress] = ""

    def __post_init__(self) -> None:
        check_seed(self.seed)
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

    def as_dict(self) -> dict[str, Any]:
        """The options as nested dicts of JSON types; `config_from_dict` is the inverse."""
        return asdict(self)


@dataclass(frozen=True)
class ClassifierConfig:
    """Training of a classifier. The defaults are the preset `mnist-classifier`, which reports."""

    dataset: str = "mnist"
    """mnist5k or an image set of tensorflow-datasets with labels."""
    width: int = 32
    """Filters of the first of three stages; each next has twice as many."""
    blocks: int = 2
    """Convolutions in a stage."""
    epochs: int = 14
    """Passes over the training images."""
    batch_size: int = 128
    """Images in a step."""
    learning_rate: float = 2e-3
    """Adam's learning rate at the start of a cosine decay."""
    seed: int = 0
    """Owner of every random number."""

    def __post_init__(self) -> None:
        for name in ("width", "blocks", "epochs", "batch_size"):
            check_whole(name, getattr(self, name), 1)
        check_positive("learning_rate", self.learning_rate)
        check_seed(self.seed)


CLASSIFIERS: Mapping[str, ClassifierConfig] = MappingProxyType(
    {"mnist-classifier": ClassifierConfig(), "mnist-probe": ClassifierConfig(width=12, blocks=1)}
)
"""Recipes by name: `gan train-classifier NAME`. The probe is the small fast one, for selection during training."""


def config_from_dict(options: Mapping[str, Any]) -> TrainConfig:
    """The TrainConfig of such a dict, checked. Raises `InputError` for an unknown option or a bad value."""
    parts: dict[str, Any] = {
        "data": DataConfig,
        "model": ModelConfig,
        "optimization": OptimizationConfig,
        "stopping": StoppingConfig,
    }
    try:
        return TrainConfig(**{k: parts[k](**_tuples(v)) if k in parts else v for k, v in options.items()})
    except (TypeError, AttributeError) as error:
        raise InputError("Bad configuration", expected="the options of TrainConfig", received=str(error)) from error


def _tuples(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


PRESETS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "mnist": TrainConfig(source="Small class-conditional DCGAN (arXiv:1511.06434) with projection and lazy R1."),
        "mnist-unconditional": TrainConfig(
            model=ModelConfig(conditioning="none"), source="The preset mnist without classes."
        ),
        "mnist-mlp": TrainConfig(
            model=ModelConfig(arch="mlp", latent_dim=100, ema_half_life=6_000.0),
            optimization=OptimizationConfig(images=240_000, learning_rate=2e-4, gamma=3.0),
            source="The dense network of many first tutorials (100-128-256-512-1024-784), put right.",
        ),
    }
)
"""Recipes by name: `gan train NAME`. Every option that is not given here has the default of its class."""
