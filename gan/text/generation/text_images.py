"""Texts as images: a row of pixels per character, and a channel per character of the alphabet."""

import numpy as np

from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import check
from gan.text.data.alphabet import Alphabet
from gan.text.data.corpus import Corpus, TextSplit
from gan.utils.arguments import check_axes, checked


@checked
def numbers_to_images(numbers: np.ndarray, size: int) -> np.ndarray:
    """Returns the one-hot rows of numbers as images: whole numbers [N, L] below `size` -> uint8 [N, L, 1, size].

    A pixel is 255 in the channel of its number, and 0 in the others. In [-1, 1], this is exactly 2 p - 1 of the one-hot
    probabilities p.
    """
    check_axes("numbers", numbers, "NL")
    inside = numbers.size == 0 or (numbers.min() >= 0 and numbers.max() < size)
    check(bool(inside), "numbers", f"whole numbers from 0 to {size - 1}", numbers.max() if numbers.size else 0)
    found = np.zeros((*numbers.shape, 1, size), np.uint8)
    np.put_along_axis(found, numbers[..., None, None].astype(np.int64), 255, axis=3)
    return found


@checked
def images_to_numbers(samples: np.ndarray) -> np.ndarray:
    """Returns the most probable number of each place: images [N, L, 1, V] -> int32 [N, L]."""
    check_axes("samples", samples, "NL1V")
    return samples[:, :, 0].argmax(axis=-1).astype(np.int32)


@checked
def images_to_texts(samples: np.ndarray, alphabet: Alphabet) -> list[str]:
    """Returns the texts of images [N, L, 1, V]: the most probable characters before the first end."""
    check(samples.shape[-1] == alphabet.size, "samples", f"{alphabet.size} channels", samples.shape[-1])
    return alphabet.decode(images_to_numbers(samples))


def image_dataset(corpus: Corpus) -> Dataset:
    """Returns the texts of a corpus as a dataset of images [L, 1, V], with their categories as labels."""

    def split(texts: TextSplit) -> Split:
        return Split(numbers_to_images(corpus.encode(texts), corpus.alphabet.size), texts.labels)

    train, validation, test = map(split, (corpus.train, corpus.validation, corpus.test))
    return Dataset(corpus.name, corpus.num_classes, train, validation, test, corpus.class_names)
