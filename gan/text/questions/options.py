"""Options of the training of a reader of questions."""

from dataclasses import dataclass

from gan.errors import Options, check_positive, check_seed, check_share, check_share_below_one, check_whole


@dataclass(frozen=True, kw_only=True)
class QuestionsConfig(Options):
    """Options of the training of a reader of questions. The defaults are those of the pretrained one."""

    width: int = 64
    """Features of each character."""
    embedding: int = 32
    """Numbers that stand for a character at first."""
    blocks: int = 3
    """Convolutions after the first one."""
    dropout: float = 0.2
    """Share of features that is left out in training, from 0 to below 1."""
    epochs: int = 12
    """Largest number of epochs."""
    examples: int = 8_000
    """Questions of an epoch. They are drawn anew for each."""
    batch_size: int = 64
    """Questions per step."""
    learning_rate: float = 2e-3
    """Initial learning rate of Adam. It decays to 1 % along a cosine."""
    patience: int = 12
    """Epochs without a lower loss on the validation questions after which the training stops."""
    tolerance: float = 0.05
    """Highest accepted error rate of the answers, from 0 to 1."""
    seed: int = 0
    """Seed of all random numbers: initial weights, questions, dropout."""

    def __post_init__(self) -> None:
        for name in ("width", "embedding", "blocks", "epochs", "examples", "batch_size", "patience"):
            check_whole(name, getattr(self, name), 1)
        check_whole("width", self.width, 2)
        check_share_below_one("dropout", self.dropout)
        check_positive("learning_rate", self.learning_rate)
        check_share("tolerance", self.tolerance)
        check_seed(self.seed)
