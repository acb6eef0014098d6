"""Options of the training of a recognizer. Does not import TensorFlow."""

from dataclasses import dataclass

from gan.config.fields import convert_fields
from gan.errors import (
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

READ = 100_000
"""Characters of a text that are read. Only the first ones, as many as the network has places, decide."""


@dataclass(frozen=True)
class RecognizerConfig(Options):
    """Training options of a recognizer. The defaults are those of the pretrained `names-recognizer`."""

    data: str = NAMES
    """Texts with categories: names, or a .csv, .tsv or .jsonl file with the columns text and category.

    The categories of `names` are languages. Needs: pip install 'gan-reference[text]'
    """
    languages: tuple[str, ...] = LANGUAGES
    """With --data names: the languages to tell apart."""
    windows: tuple[int, ...] = (2, 3, 4, 5)
    """Lengths of the windows, in characters: a window of 3 sees n-grams such as sch."""
    filters: int = 96
    """Filters of each length of window in each member."""
    embedding: int = 24
    """Numbers that stand for a character."""
    members: int = 1
    """Members with windows. All members are trained on the same batches, and their mean logits are the answer."""
    ngrams: int = 20_000
    """Largest size of one more member: a table with weights of the n-grams of 1 to 5 characters. 0: no table."""
    dropout: float = 0.5
    """Share of the features and n-grams that each step leaves out."""
    typos: float = 0.02
    """Share of the characters of the training texts that are mistyped, in other places in each epoch."""
    label_smoothing: float = 0.0
    """Share of each label that is spread over all categories."""
    epochs: int = 14
    """Largest number of passes over the training texts."""
    batch_size: int = 64
    """Texts per step."""
    learning_rate: float = 6e-3
    """Initial learning rate of Adam. It decays to 0 along a cosine."""
    patience: int = 8
    """Epochs without a lower error rate on the validation texts after which the training stops."""
    tolerance: float | None = None
    """Highest accepted error rate, from 0 to 1. The exit status is the verdict on the test texts. None: no verdict.

    The training stops when the upper bound of the error rate on the validation texts is within the tolerance.
    """
    seed: int = 0
    """Seed of all random numbers: initial weights, order, dropout, typos."""
    deterministic: bool = False
    """Use deterministic kernels only: the same seed then trains the same network again on the same machine."""

    def __post_init__(self) -> None:
        convert_fields(self)
        check(bool(self.data.strip()), "data", "names or a file", self.data)
        if self.data != NAMES:
            check(self.languages == LANGUAGES, "languages", "no languages for other data than names", self.languages)
        check(bool(self.windows), "windows", "one length or more", self.windows)
        check_different("windows", self.windows)
        for window in self.windows:
            check_whole("windows", window, 1, 50)
        for name in ("filters", "embedding", "members", "epochs", "batch_size", "patience"):
            check_whole(name, getattr(self, name), 1)
        check_whole("ngrams", self.ngrams, 0, 1_000_000)
        check_positive("learning_rate", self.learning_rate)
        for name in ("dropout", "label_smoothing"):
            check_share_below_one(name, getattr(self, name))
        check_share("typos", self.typos)
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
        check_seed(self.seed)
