"""A trained text GAN: it generates texts of requested categories."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import keras
import numpy as np

from gan import sampling
from gan.errors import InputError, check_sampling
from gan.models.networks.load import load_generator
from gan.sampling.generators import KerasEngine
from gan.saving.zip_safety import check_model
from gan.text.data.corpus import CorpusRecord
from gan.text.generation.text_images import images_to_texts
from gan.text.runs.text_run import TextRecord, find_network
from gan.utils.arguments import checked

BLOCK = 256
"""Texts that are generated together. Text i is always row i % BLOCK of block i // BLOCK, so no kernel rounds it in
another way when it is generated alone."""


class TextGan:
    """A `TextGenerator`: the most probable character of each place, cut at the first end.

    Attributes:
        generator: latents [B, Z](, labels int32 [B]) -> images [B, L, 1, V], see `build_text_generator`.
        corpus: record of the texts that it learned.
        class_names: names of the categories.

    Raises `InputError` if the generator does not fit the texts.
    """

    def __init__(self, generator: keras.Model, corpus: CorpusRecord) -> None:
        self.generator, self.corpus = generator, corpus
        self.class_names = corpus.class_names
        self._engine = KerasEngine(generator)
        shape = (corpus.length, 1, corpus.alphabet.size)
        found = (self._engine.image_shape, self._engine.num_classes)
        if found != (shape, len(self.class_names)):
            expected = f"images of shape {shape}, {len(self.class_names)} categories"
            received = f"images of shape {found[0]}, {found[1]} categories"
            raise InputError("The generator does not fit its texts", expected=expected, received=received)

    @checked
    def generate(self, num: int, *, seed: int = 0, start: int = 0, labels: Sequence[int] | None = None) -> list[str]:
        """Returns texts start, ..., start + num - 1 of a seed.

        Args:
            num: number of texts, >= 1.
            seed: whole number, 0 <= seed < 2**32.
            start: index of the first text.
            labels: index of the category of each text. None: index modulo the number of categories.

        Raises `InputError` for numbers out of range.
        """
        check_sampling(num=num, seed=seed, start=start, truncation=None)
        asked = sampling.labels_for(np.arange(start, start + num), len(self.class_names), labels)
        return [text for part in self._blocks(num, seed, start, asked) for text in part]

    def _blocks(self, num: int, seed: int, start: int, labels: np.ndarray | None) -> Iterator[list[str]]:
        for first in range(start - start % BLOCK, start + num, BLOCK):
            rows = slice(max(start - first, 0), min(start + num - first, BLOCK))
            classes = None
            if labels is not None:
                classes = np.zeros(BLOCK, np.int32)
                classes[rows] = labels[max(first - start, 0) : first - start + BLOCK]
            z = sampling.latents(seed, first + np.arange(BLOCK), self._engine.latent_dim)
            yield images_to_texts(self._engine(z, classes)[rows], self.corpus.alphabet)


def load_text_gan(folder: Path, record: TextRecord) -> TextGan:
    """Loads the averaged generator of a run folder. Raises `InputError` if it is missing, damaged, or another one."""
    return TextGan(load_generator(check_model(find_network(folder, record))), record.corpus)
