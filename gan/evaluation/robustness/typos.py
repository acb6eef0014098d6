"""Slips of the hand in text."""

import keras
import numpy as np

from gan.errors import InputError
from gan.evaluation.robustness.batches import Inputs, batches, has_text_inputs, is_text
from gan.utils.types import Tensor


class Typos:
    """Each character of the text inputs is hit with the chance `share`.

    It is then left out, doubled, swapped with the next one, or replaced by another character that occurs in that input,
    one as likely as the other. (At the end of a text nothing follows: a swap is a replacement there.) Other inputs
    stay. The slips of an example are a function of (seed, which input, position in the data).

    Raises `InputError` when no input is text.
    """

    def __init__(self, data: object, share: float, *, seed: int, batch_size: int) -> None:
        if not has_text_inputs(data):
            raise InputError(
                "These inputs take no typos",
                expected="an input of strings, not of their tokens",
                received=f"typos={share!r}",
            )
        self.share = share
        self.seed = seed
        self.alphabets = _alphabets(data, batch_size)
        self.position = 0

    def __call__(self, x: Inputs) -> Inputs:
        """Puts its slips into the next batch."""
        leaves = keras.tree.flatten(x)
        count = len(leaves[0])
        typed = [self._type(which, leaf) if is_text(leaf) else leaf for which, leaf in enumerate(leaves)]
        self.position += count
        return keras.tree.pack_sequence_as(x, typed)

    def _type(self, which: int, leaf: Tensor) -> np.ndarray:
        texts = _strings(leaf)
        typed = np.empty(texts.shape, object)
        for row in range(len(texts)):
            owner = np.random.default_rng([self.seed, which, self.position + row])
            for place in np.ndindex(texts.shape[1:]):
                typed[(row, *place)] = mistyped(texts[(row, *place)], self.share, self.alphabets[which], owner)
        return typed


def mistyped(text: str, share: float, alphabet: str, owner: np.random.Generator) -> str:
    """A text with slips in this share of its characters; `alphabet` is what replaces them. See `Typos`."""
    chance, slip, drawn = owner.random(len(text)), owner.integers(4, size=len(text)), owner.random(len(text))
    typed, at = "", 0
    while at < len(text):
        here, following = text[at], text[at + 1 : at + 2]
        at += 1
        if chance[at - 1] >= share:
            typed += here
        elif slip[at - 1] == 0:  # left out
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
    """Texts of any kind as an array of `str`."""
    texts = np.asarray(leaf, object)
    decoded = [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in texts.ravel()]
    return np.array(decoded, object).reshape(texts.shape)


def _alphabets(data: object, batch_size: int) -> dict[int, str]:
    """Number of each text input -> the characters that occur in it, in order."""
    found: dict[int, set[str]] = {}
    for x, _ in batches(data, batch_size):
        for which, leaf in enumerate(keras.tree.flatten(x)):
            if is_text(leaf):
                found.setdefault(which, set()).update(*_strings(leaf).ravel())
    return {which: "".join(sorted(characters)) for which, characters in found.items()}
