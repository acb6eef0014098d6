"""Options of the training of a language model. Does not import TensorFlow."""

from dataclasses import dataclass

from gan.config.fields import convert_fields
from gan.errors import InputError, Options, check_positive, check_seed, check_share, check_share_below_one, check_whole
from gan.text.names import LANGUAGES, NAMES


@dataclass(frozen=True)
class LanguageModelConfig(Options):
    """Training options of a language model. The defaults are those of the pretrained model `names-model`."""

    data: str = NAMES
    """Texts: `names`, or a file: one text per line, or a .csv, .tsv or .jsonl with the columns text and category."""
    languages: tuple[str, ...] = LANGUAGES
    """Languages of `names`."""
    width: int = 192
    """Units of the embeddings and of each GRU."""
    layers: int = 1
    """Number of GRUs, one on top of the other."""
    dropout: float = 0.4
    """Share of the units that are dropped while training, from 0 to below 1."""
    epochs: int = 60
    """Most passes over the training texts."""
    batch_size: int = 64
    """Texts per step."""
    learning_rate: float = 3e-3
    """Initial learning rate of Adam. It decays to 1 % along a cosine."""
    patience: int = 8
    """Stop after this number of epochs without a better likelihood of the validation texts."""
    seed: int = 0
    """Seed of all random numbers: initial weights, order of the texts, dropout."""
    tolerance: float | None = None
    """With `names`: highest accepted error rate of generated names, from 0 to 1. None: no verdict."""
    deterministic: bool = False
    """Use deterministic kernels only: the same seed gives bit-identical weights, somewhat slower."""

    def __post_init__(self) -> None:
        convert_fields(self)
        for name in ("width", "layers", "epochs", "batch_size", "patience"):
            check_whole(name, getattr(self, name), 1)
        check_share_below_one("dropout", self.dropout)
        check_positive("learning_rate", self.learning_rate)
        check_seed(self.seed)
        if self.tolerance is None:
            return
        check_share("tolerance", self.tolerance)
        if self.data != NAMES:
            expected = f"the texts `{NAMES}`: no recognizer knows the categories of others"
            raise InputError("A tolerance without a recognizer", expected=expected, received=f"data={self.data!r}")
