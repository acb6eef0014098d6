"""The characters of a text model, and their numbers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gan.errors import InputError, check, check_whole

END, UNKNOWN, FIRST = 0, 1, 2
"""Number of the end of a text and of all places after it, of a character that is not in the alphabet, and of the first
one that is. They are those of `keras.layers.TextVectorization`."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""What `Alphabet.decode` writes for an unknown character."""


@dataclass(frozen=True)
class Alphabet:
    """Characters and their numbers: 0 is the end, 1 an unknown character, 2 the first of `letters`, and so on.

    >>> letters = Alphabet.of(["abba", "cab"])
    >>> letters.encode(["abc?"], 6)
    array([[2, 3, 4, 1, 0, 0]], dtype=int32)
    >>> letters.decode(letters.encode(["abc"], 6))
    ['abc']
    """

    letters: str
    """The known characters, in the order of their numbers."""
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check(len(set(self.letters)) == len(self.letters) > 0, "letters", "different characters", self.letters)
        object.__setattr__(self, "_numbers", {letter: FIRST + i for i, letter in enumerate(self.letters)})

    @classmethod
    def of(cls, texts: Iterable[str], *, least: int = 1) -> "Alphabet":
        """Returns the alphabet of the characters that occur at least `least` times in texts, sorted.

        Raises `InputError` if there are none.
        """
        counts = Counter[str]()
        for text in texts:
            counts.update(text)
        letters = "".join(sorted(character for character, count in counts.items() if count >= least))
        if not letters:
            raise InputError("No characters to learn", expected=f"characters that occur {least} times", received="none")
        return cls(letters)

    @property
    def size(self) -> int:
        """Number of numbers: the letters, the end, and the unknown character."""
        return FIRST + len(self.letters)

    def encode(self, texts: Sequence[str], length: int) -> np.ndarray:
        """Returns the numbers of the first `length` characters of each text, then zeros: int32 [N, length]."""
        check_whole("length", length, 1)
        encoded = np.zeros((len(texts), length), np.int32)
        for row, text in zip(encoded, texts):
            numbers = [self._numbers.get(character, UNKNOWN) for character in text[:length]]
            row[: len(numbers)] = numbers
        return encoded

    def decode(self, numbers: np.ndarray) -> list[str]:
        """Returns the texts of numbers [N, L]: the characters before the first 0. An unknown one becomes U+FFFD.

        Raises `InputError` for a number that is not one of this alphabet.
        """
        numbers = np.asarray(numbers)
        fits = numbers.size == 0 or (numbers.min() >= 0 and numbers.max() < self.size)
        check(fits, "numbers", f"whole numbers below {self.size}", numbers)
        characters = ["", REPLACEMENT, *self.letters]
        found = []
        for row in numbers:
            ends = np.flatnonzero(row == END)
            found.append("".join(characters[number] for number in row[: ends[0] if len(ends) else len(row)]))
        return found
