"""Options of the training of a text GAN. Does not import TensorFlow."""

from dataclasses import dataclass

from gan.config import ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig
from gan.config.data import DataConfig
from gan.config.fields import convert_fields
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

NO_RECOGNIZER = "none"
"""Name in place of a recognizer."""


@dataclass(frozen=True)
class TextGanConfig(Options):
    """Training options of a text GAN. The defaults are those of the pretrained `names-gan`."""

    data: str = NAMES
    """Texts with categories: names, or a .csv, .tsv or .jsonl file with the columns text and category.

    The categories of `names` are languages. Needs: pip install 'gan-reference[text]'
    """
    languages: tuple[str, ...] = LANGUAGES
    """With --data names: the languages to learn."""
    steps: int = 2_000
    """Length of the run in generator updates."""
    batch_size: int = 64
    """Texts per batch. Each update of D sees one real and one generated batch."""
    learning_rate: float = 1e-3
    """Initial Adam learning rate of the generator. It decays to 2 % along a cosine."""
    d_learning_rate: float = 2e-3
    """Initial Adam learning rate of the discriminator. It decays as that of the generator."""
    width: int = 64
    """Filters of the convolutions."""
    latent_dim: int = 32
    """Dimension of the latent vector."""
    critic_steps: int = 2
    """Discriminator updates per generator update."""
    penalty: float = 10.0
    """Weight of the gradient penalty of D."""
    penalty_every: int = 1
    """Compute the penalty every N discriminator updates, scaled by N."""
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
        for name in ("steps", "batch_size", "latent_dim", "critic_steps", "penalty_every", "intervals"):
            check_whole(name, getattr(self, name), 1)
        check_whole("width", self.width, 1, 4_096)
        check_whole("num", self.num, FEWEST)
        for name in ("learning_rate", "d_learning_rate", "ema_half_life"):
            check_positive(name, getattr(self, name))
        check_not_negative("penalty", self.penalty)
        for name in ("probe", "judge"):
            check(bool(getattr(self, name).strip()), name, "a recognizer, or none", getattr(self, name))
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
            check(self.judge != NO_RECOGNIZER, "judge", "a recognizer for the verdict", self.judge)
        check_seed(self.seed)

    def check_fit(self, corpus: Corpus) -> None:
        """Raises `InputError` for texts without categories, and for fewer training texts than a batch."""
        if not corpus.num_classes:
            expected = "a .csv, .tsv or .jsonl file with the columns text and category"
            raise InputError("A text GAN needs categories", expected=expected, received=f"{corpus.name}: texts alone")
        most = len(corpus.train)
        received = f"batch_size={self.batch_size}, critic_steps={self.critic_steps}"
        check(self.batch_size * self.critic_steps <= most, "batch_size", f"at most {most} training texts", received)

    def train_config(self) -> TrainConfig:
        """Returns the options of `gan.train`, to which the texts, networks and measurements are given as objects.

        The loss is that of Wasserstein with gradient penalty, as in arXiv:1705.10929. There are no real texts with
        wrong categories as fakes: the penalty does not limit the difference of the scores of one text in two
        categories, so it would grow without end.
        """
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
                beta_2=0.9,
                loss="wasserstein",
                penalties=("wgan_gp",),
                gamma=self.penalty,
                penalty_every=self.penalty_every,
                critic_steps=self.critic_steps,
                mismatched_labels=0.0,
            ),
            stopping=StoppingConfig(probe="none"),
            seed=self.seed,
            eval_every=-(-self.steps // self.intervals) * self.batch_size * self.critic_steps,
            precision="float32",
            jit="off",
            deterministic=self.deterministic,
        )
