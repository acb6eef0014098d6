"""A language whose probabilities are known: a Markov chain of letters with an end. The exact test of text models."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gan.errors import check, check_positive, check_seed, check_whole
from gan.text.data.alphabet import Alphabet
from gan.text.data.corpus import Corpus, TextSplit

MOST_TEXTS = 2_000_000
"""Largest number of texts whose distribution is listed."""


@dataclass(frozen=True, eq=False)
class MarkovLanguage:
    """Texts in which each letter depends on the one before. They are cut off after `length` letters.

    Attributes:
        letters: K different letters.
        steps: probabilities, float64 [K + 1, K + 1], each row of sum 1. Row 0 is the beginning of a text, row k what
            follows letter k. Column 0 is the end, column k letter k.
        length: most letters of a text.
    """

    letters: str
    steps: np.ndarray
    length: int

    def __post_init__(self) -> None:
        check_whole("length", self.length, 1)
        size = len(self.letters) + 1
        check(len(set(self.letters)) == size - 1 > 0, "letters", "different letters", self.letters)
        steps = np.asarray(self.steps, np.float64)
        fits = steps.shape == (size, size) and bool((steps >= 0).all()) and np.allclose(steps.sum(axis=1), 1)
        check(fits, "steps", f"probabilities, [{size}, {size}], each row of sum 1", self.steps)
        object.__setattr__(self, "steps", steps)

    @classmethod
    def drawn(cls, letters: str, length: int, *, seed: int = 0) -> "MarkovLanguage":
        """Returns a language with random probabilities: each row is uniform on the simplex. No text is empty."""
        check_seed(seed)
        steps = np.random.default_rng(seed).dirichlet(np.ones(len(letters) + 1), len(letters) + 1)
        steps[0, 0] = 0.0
        return cls(letters, steps / steps.sum(axis=1, keepdims=True), length)

    def at_temperature(self, temperature: float) -> "MarkovLanguage":
        """Returns the language that a model of this one generates at a temperature T > 0: rows p^(1/T) / sum p^(1/T).

        It is softmax(logits / T) for logits log p.
        """
        check_positive("temperature", temperature)
        scaled = (self.steps / self.steps.max(axis=1, keepdims=True)) ** (1.0 / temperature)
        return MarkovLanguage(self.letters, scaled / scaled.sum(axis=1, keepdims=True), self.length)

    def log_probability(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the log-probability of each text in nats, float64 [N]. A text of `length` letters has no end.

        It is -inf for a text that the language does not have: a longer one, or one with another letter.
        """
        with np.errstate(divide="ignore"):
            logs = np.log(self.steps)
        number_of = {letter: k for k, letter in enumerate(self.letters, 1)}
        found = np.full(len(texts), -np.inf)
        for i, text in enumerate(texts):
            if len(text) <= self.length and set(text) <= set(number_of):
                states = [0, *(number_of[letter] for letter in text), *([0] if len(text) < self.length else [])]
                found[i] = sum(logs[before, after] for before, after in itertools.pairwise(states))
        return found

    @property
    def reached(self) -> np.ndarray:
        """Probabilities that place t exists and follows letter k (0: the beginning): float64 [length, K + 1]."""
        rows = [np.eye(len(self.letters) + 1)[0]]
        for _ in range(self.length - 1):
            after = rows[-1] @ self.steps
            after[0] = 0.0
            rows.append(after)
        return np.stack(rows)

    @property
    def entropy(self) -> float:
        """Entropy of a text in nats: sum over places and letters of `reached` times the entropy of what follows."""
        logs = np.log(np.where(self.steps > 0, self.steps, 1.0))
        return float(self.reached.sum(axis=0) @ -(self.steps * logs).sum(axis=1))

    @property
    def expected_characters(self) -> float:
        """Mean number of characters of a text. Its end counts as one."""
        return float(self.reached.sum())

    @property
    def entropy_rate(self) -> float:
        """Entropy per character in nats: the lowest cross-entropy per character of any model."""
        return self.entropy / self.expected_characters

    def texts(self) -> list[str]:
        """Returns all texts of at most `length` letters, also those of probability 0, the shortest first."""
        number = sum(len(self.letters) ** length for length in range(self.length + 1))
        check(number <= MOST_TEXTS, "length", f"at most {MOST_TEXTS:,} texts to list", f"{self.length}: {number:,}")
        lengths = range(self.length + 1)
        return ["".join(text) for length in lengths for text in itertools.product(self.letters, repeat=length)]

    def distribution(self) -> dict[str, float]:
        """Returns {text: probability} of all texts."""
        texts = self.texts()
        return dict(zip(texts, np.exp(self.log_probability(texts)).tolist()))

    def sample(self, num: int, *, seed: int = 0) -> list[str]:
        """Draws texts. Text i of a seed is the same for every `num`."""
        check_whole("num", num, 1)
        check_seed(seed)
        uniforms = np.random.default_rng(seed).random((num, self.length))
        bounds, ended = np.cumsum(self.steps, axis=1), np.zeros(num, bool)
        state, places = np.zeros(num, int), []
        for place in range(self.length):
            below = bounds[state] <= uniforms[:, place, None] * bounds[state, -1:]
            ended |= (state := below.sum(axis=1)) == 0
            places.append(np.where(ended, 0, state))
        characters = ["", *self.letters]
        return ["".join(characters[k] for k in row) for row in np.stack(places, axis=1)]

    def corpus(self, train: int, validation: int, test: int, *, seed: int = 0) -> Corpus:
        """Returns a corpus of drawn texts. A text may occur in several splits, as often as its probability says."""
        texts = self.sample(train + validation + test, seed=seed)
        parts = (texts[:train], texts[train : train + validation], texts[train + validation :])
        first, second, third = (TextSplit(tuple(part)) for part in parts)
        alphabet = Alphabet(self.letters)
        return Corpus(name="markov", train=first, validation=second, test=third, alphabet=alphabet, length=self.length)


def empirical(texts: Sequence[str]) -> dict[str, float]:
    """Returns {text: share} of a sample."""
    return {text: count / len(texts) for text, count in Counter(texts).items()}


def total_variation(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Returns the total variation distance of two distributions of texts: sum |p - q| / 2, from 0 to 1."""
    return sum(abs(first.get(text, 0.0) - second.get(text, 0.0)) for text in {*first, *second}) / 2


def sample_variation(distribution: Mapping[str, float], num: int) -> float:
    """Returns the mean total variation distance between a distribution and a sample of `num` texts of it.

    The count X of a text of probability p is binomial. With v = floor(n p) + 1, its mean deviation is E|X - n p| =
    2 v C(n, v) p^v (1 - p)^(n - v + 1) (De Moivre; Diaconis and Zabell, Statistical Science 6, 1991).
    """
    check_whole("num", num, 1)
    p = np.array([value for value in distribution.values() if 0 < value < 1])
    v = np.minimum(np.floor(num * p).astype(int) + 1, num)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, num + 1)))])
    log_choose = log_factorial[num] - log_factorial[v] - log_factorial[num - v]
    logs = np.log(2 * v) + log_choose + v * np.log(p) + (num - v + 1) * np.log1p(-p)
    return float(np.exp(logs).sum() / num / 2)
