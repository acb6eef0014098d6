"""Options of the training of a text GAN. Does not import TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from gan.config import ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig
from gan.config.data import DataConfig
from gan.config.fields import convert_fields
from gan.config.optimization import PenaltyName
from gan.errors import (
    InputError,
    Options,
    check,
    check_different,
    check_not_negative,
    check_positive,
    check_seed,
    check_share,
    check_whole,
)
from gan.text.data.corpus import Corpus
from gan.text.data.names import LANGUAGES, NAMES
from gan.text.generation.judges import FEWEST
from gan.tolerance import check_confirmation

NO_RECOGNIZER = "none"
"""Name in place of a recognizer."""

TextLoss = Literal["relativistic", "wasserstein"]


class Recipe(NamedTuple):
    """What goes with a loss. For the fields see `OptimizationConfig`."""

    penalties: tuple[PenaltyName, ...]
    gamma: float
    mismatched_labels: float
    critic_steps: int
    beta_2: float


RECIPES: Mapping[TextLoss, Recipe] = MappingProxyType(
    {
        "relativistic": Recipe(("r1", "r2"), gamma=3.0, mismatched_labels=0.1, critic_steps=1, beta_2=0.99),
        "wasserstein": Recipe(("wgan_gp",), gamma=10.0, mismatched_labels=0.0, critic_steps=2, beta_2=0.9),
    }
)
"""Loss -> its recipe: that of arXiv:2501.05441 with mismatched labels, and that of arXiv:1705.10929.

The latter has no real texts with wrong categories as fakes. Its penalty does not limit the difference of the scores of
one text in two categories, so that difference would grow without end.
"""


@dataclass(frozen=True)
class TextGanConfig(Options):
    """Training options of a text GAN. The defaults are those of the pretrained `names-gan`."""

    data: str = NAMES
    """Texts with categories: names, or a .csv, .tsv or .jsonl file with the columns text and category.

    The categories of `names` are languages. Needs: pip install 'gan-reference[text]'
    """
    languages: tuple[str, ...] = LANGUAGES
    """With --data names: the languages to learn."""
    steps: int = 3_000
    """Length of the run in generator updates."""
    batch_size: int = 64
    """Texts per batch. Each update of D sees one real and one generated batch."""
    learning_rate: float = 2e-3
    """Initial Adam learning rate of the generator. It decays to 2 % along a cosine."""
    d_learning_rate: float = 2e-3
    """Initial Adam learning rate of the discriminator. It decays as that of the generator."""
    width: int = 64
    """Filters of the convolutions."""
    latent_dim: int = 32
    """Dimension of the latent vector."""
    loss: TextLoss = "relativistic"
    """Loss, with its penalties: relativistic with R1 and R2, or Wasserstein with the gradient penalty of WGAN-GP."""
    penalty: float | None = None
    """Weight of the gradient penalties of D. None: 3 for relativistic, 10 for wasserstein."""
    penalty_every: int = 1
    """Compute the penalties every N discriminator updates, scaled by N."""
    critic_steps: int | None = None
    """Discriminator updates per generator update. None: 1 for relativistic, 2 for wasserstein."""
    ema_half_life: float = 10_000.0
    """Half-life of the generator's moving average, in real texts that D sees. 1 turns averaging off."""
    intervals: int = 5
    """Number of intervals. Each ends with a measurement, a log row, a sheet of texts and a state."""
    probe: str = "names-probe"
    """Recognizer that measures texts after each interval: run folder, pretrained name, or none."""
    judge: str = "names-recognizer"
    """Recognizer that judges the texts of the report: run folder, pretrained name, or none."""
    num: int = 5_000
    """Texts of the report."""
    tolerance: float | None = None
    """Highest accepted error rate, from 0 to 1. The exit status is the verdict on fresh texts. None: no verdict."""
    seed: int = 0
    """Seed of all random numbers: weights, latents, order of the texts."""
    deterministic: bool = False
    """Use deterministic kernels only: the same seed gives bit-identical weights, somewhat slower."""

    def __post_init__(self) -> None:
        convert_fields(self)
        check(bool(self.data.strip()), "data", "names or a file", self.data)
        check_different("languages", self.languages)
        for name in ("steps", "batch_size", "latent_dim", "penalty_every", "intervals"):
            check_whole(name, getattr(self, name), 1)
        check(self.loss in RECIPES, "loss", f"one of {list(RECIPES)}", self.loss)
        if self.critic_steps is not None:
            check_whole("critic_steps", self.critic_steps, 1)
        check_whole("width", self.width, 1, 4_096)
        check_whole("num", self.num, FEWEST)
        for name in ("learning_rate", "d_learning_rate", "ema_half_life"):
            check_positive(name, getattr(self, name))
        if self.penalty is not None:
            check_not_negative("penalty", self.penalty)
        for name in ("probe", "judge"):
            check(bool(getattr(self, name).strip()), name, "a recognizer, or none", getattr(self, name))
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
            check(self.judge != NO_RECOGNIZER, "judge", "a recognizer for the verdict", self.judge)
            check_confirmation("tolerance", self.tolerance, self.num, outcomes=f"num={self.num}", larger="--num {}")
        check_seed(self.seed)

    @property
    def texts_per_step(self) -> int:
        """Real texts that D sees in an update of the generator."""
        return self.batch_size * (self.critic_steps or RECIPES[self.loss].critic_steps)

    def check_fit(self, corpus: Corpus) -> None:
        """Raises `InputError` for texts without categories, and for fewer training texts than a batch."""
        if not corpus.num_classes:
            expected = "a .csv, .tsv or .jsonl file with the columns text and category"
            raise InputError("A text GAN needs categories", expected=expected, received=f"{corpus.name}: texts alone")
        most = len(corpus.train)
        received = f"batch_size={self.batch_size}, {self.texts_per_step} texts per step"
        check(self.texts_per_step <= most, "batch_size", f"at most {most} training texts per step", received)

    def train_config(self) -> TrainConfig:
        """Returns the options of `gan.train`, to which the texts, networks and measurements are given as objects."""
        recipe = RECIPES[self.loss]
        return TrainConfig(
            data=DataConfig(dataset=self.data, dataset_fallback="none"),
            model=ModelConfig(
                latent_dim=self.latent_dim,
                g_width=self.width,
                d_width=self.width,
                ema_half_life=self.ema_half_life,
            ),
            optimization=OptimizationConfig(
                steps=self.steps,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                d_learning_rate=self.d_learning_rate,
                beta_2=recipe.beta_2,
                loss=self.loss,
                penalties=recipe.penalties,
                gamma=recipe.gamma if self.penalty is None else self.penalty,
                penalty_every=self.penalty_every,
                critic_steps=self.critic_steps or recipe.critic_steps,
                mismatched_labels=recipe.mismatched_labels,
            ),
            stopping=StoppingConfig(probe="none"),
            seed=self.seed,
            eval_every=-(-self.steps // self.intervals) * self.texts_per_step,
            precision="float32",
            jit="off",
            deterministic=self.deterministic,
        )
