"""Options of the training of a language model. Does not import TensorFlow."""

from dataclasses import dataclass

from gan.config.fields import convert_fields
from gan.errors import (
    InputError,
    Options,
    check,
    check_different,
    check_positive,
    check_seed,
    check_share,
    check_share_below_one,
    check_whole,
)
from gan.text.data.names import LANGUAGES, NAMES
from gan.tolerance import check_confirmation

NAMES_JUDGE, NO_JUDGE = "names-recognizer", "none"


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
    dropout: float = 0.5
    """Share of the units that are dropped while training, from 0 to below 1."""
    epochs: int = 30
    """Most passes over the training texts."""
    batch_size: int = 128
    """Texts per step."""
    learning_rate: float = 5e-3
    """Initial learning rate of Adam. It decays to 1 % along a cosine."""
    patience: int = 5
    """Stop after this number of epochs without a better likelihood of the validation texts."""
    seed: int = 0
    """Seed of all random numbers: initial weights, order of the texts, dropout."""
    judge: str | None = None
    """Recognizer that judges generated texts: run folder, pretrained name, or none. None: names-recognizer for `names`.

    It must know the categories of the texts. Without it, there is no report: no one knows what is right.
    """
    num: int = 5_000
    """Texts of the report."""
    tolerance: float | None = None
    """Highest accepted error rate of generated texts, from 0 to 1. None: no verdict."""
    deterministic: bool = False
    """Use deterministic kernels only: the same seed gives bit-identical weights, somewhat slower."""

    def __post_init__(self) -> None:
        convert_fields(self)
        check(bool(self.data.strip()), "data", "names or a file", self.data)
        check_different("languages", self.languages)
        for name in ("width", "layers", "epochs", "batch_size", "patience"):
            check_whole(name, getattr(self, name), 1)
        check_share_below_one("dropout", self.dropout)
        check_positive("learning_rate", self.learning_rate)
        check_seed(self.seed)
        check_whole("num", self.num, 100)
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
            if self.judge_name is None:
                expected = f"--judge, a recognizer of these texts, or the texts `{NAMES}` in {' '.join(LANGUAGES)}"
                raise InputError("A tolerance without a judge", expected=expected, received=f"data={self.data!r}")
            check_confirmation("tolerance", self.tolerance, self.num, outcomes=f"num={self.num}", larger="--num {}")

    @property
    def judge_name(self) -> str | None:
        """The recognizer that judges generated texts. None: there is none."""
        if self.judge is not None:
            return None if self.judge == NO_JUDGE else self.judge
        return NAMES_JUDGE if self.data == NAMES and set(self.languages) <= set(LANGUAGES) else None
