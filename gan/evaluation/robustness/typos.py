"""Typos in text inputs."""

import keras
import numpy as np

from gan.errors import InputError
from gan.evaluation.robustness.batches import Inputs, batches, has_text_inputs, is_text
from gan.utils.types import Tensor


class Typos:
    """Adds typos to text inputs: each character is mistyped with probability `share`.

    A mistyped character is omitted, doubled, swapped with the next one, or replaced by another character that occurs in
    this input, with equal probability. The last character of a text is replaced instead of swapped. Other inputs do not
    change. The typos of an example are a function of (seed, index of the input, position in the data).

    Raises `InputError` if no input is text.
    """

    def __init__(self, data: object, share: float, *, seed: int, batch_size: int) -> None:
        if not has_text_inputs(data):
            raise InputError(
                "No text input for typos",
                expected="an input of strings, not of tokens",
                received=f"typos={share!r}",
            )
        self.share = share
        self.seed = seed
        self.alphabets = _alphabets(data, batch_size)
        self.position = 0

    def __call__(self, x: Inputs) -> Inputs:
        """Returns the next batch with typos."""
        leaves = keras.tree.flatten(x)
        count = len(leaves[0])
        typed = [self._type(which, leaf) if is_text(leaf) else leaf for which, leaf in enumerate(leaves)]
        self.position += count
        return keras.tree.pack_sequence_as(x, typed)

    def _type(self, which: int, leaf: Tensor) -> np.ndarray:
        texts = _strings(leaf)
        typed = np.empty(texts.shape, object)
        for row in range(len(texts)):
            rng = np.random.default_rng([self.seed, which, self.position + row])
            for place in np.ndindex(texts.shape[1:]):
                typed[(row, *place)] = mistyped(texts[(row, *place)], self.share, self.alphabets[which], rng)
        return typed


def mistyped(text: str, share: float, alphabet: str, rng: np.random.Generator) -> str:
    """Returns a text with typos in this share of its characters. `alphabet`: replacement characters. See `Typos`."""
    chance, slip, drawn = rng.random(len(text)), rng.integers(4, size=len(text)), rng.random(len(text))
    typed, at = "", 0
    while at < len(text):
        here, following = text[at], text[at + 1 : at + 2]
        at += 1
        if chance[at - 1] >= share:
            typed += here
        elif slip[at - 1] == 0:  # omitted
            continue
        elif slip[at - 1] == 1:
            typed += here + here
        elif slip[at - 1] == 2 and following:
            typed += following + here
            at += 1
        else:
            others = alphabet.replace(here, "") or here
            typed += others[int(drawn[at - 1] * len(others))]
    return typed


def _strings(leaf: Tensor) -> np.ndarray:
    """Returns texts of any type as an array of `str`."""
    texts = np.asarray(leaf, object)
    decoded = [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in texts.ravel()]
    return np.array(decoded, object).reshape(texts.shape)


def _alphabets(data: object, batch_size: int) -> dict[int, str]:
    """Returns {index of a text input: its characters, sorted}."""
    found: dict[int, set[str]] = {}
    for x, _ in batches(data, batch_size):
        for which, leaf in enumerate(keras.tree.flatten(x)):
            if is_text(leaf):
                found.setdefault(which, set()).update(*_strings(leaf).ravel())
    return {which: "".join(sorted(characters)) for which, characters in found.items()}
