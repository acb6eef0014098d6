"""What is measured on the texts of a GAN after each interval of its training."""

import keras
import numpy as np
import tensorflow as tf

from gan.data.dataset import Dataset
from gan.evaluation import metrics
from gan.text.data.alphabet import END, FIRST, UNKNOWN
from gan.text.data.corpus import Corpus
from gan.text.generation.judges import class_places
from gan.text.generation.quality import principal_components
from gan.text.recognition.recognizer import Recognizer
from gan.training.monitoring import Probe
from gan.utils.types import Tensor

MOST_PROBED = 1_000
"""Most texts that are measured after an interval, and validation texts to compare them with."""

NO_NUMBER = -1
"""In place of the number of the space, for an alphabet without it."""


def make_text_probe(recognizer: Recognizer, corpus: Corpus, dataset: Dataset, *, sha256: str | None = None) -> Probe:
    """Returns the probe that measures texts: val_error_rate with its interval, and val_frechet_distance.

    Args:
        recognizer: what judges the texts. It must know the categories of the corpus.
        corpus: texts of the GAN.
        dataset: the same as images.
        sha256: SHA-256 of the recognizer's file, for the record of the run.

    Raises `InputError` if the recognizer does not know a category.
    """
    reader = _TextReader(recognizer, corpus)
    size = reader.components.shape[1]
    parts = [
        metrics.ErrorRate(lambda outputs: outputs["logits"]),
        metrics.FrechetDistance(lambda outputs: outputs["features"], size),
    ]
    held_out = dataset.validation.at_most(MOST_PROBED)
    return Probe((metrics.Extracted(reader, parts),), held_out.in_order(500), sha256)


class _TextReader:
    """Images [B, L, 1, V] -> what a recognizer computes of their texts, with the categories of the corpus first.

    The texts are read with single spaces, as the report reads them. The last logit is infinite for a text that is
    empty then, or has an unknown character: it is wrong in every category.
    """

    def __init__(self, recognizer: Recognizer, corpus: Corpus) -> None:
        places = class_places(corpus.class_names, recognizer.class_names).tolist()
        others = [place for place in range(len(recognizer.class_names)) if place not in places]
        self._order = tf.constant([*places, *others], tf.int32)
        known = recognizer.corpus
        numbers = known.alphabet.encode(["", "", *corpus.alphabet.letters], 1)[:, 0]
        numbers[UNKNOWN] = UNKNOWN  # an unknown character stays unknown
        self._numbers = tf.constant(numbers, tf.int32)
        self._length = known.length
        letters = corpus.alphabet.letters
        self._space = FIRST + letters.index(" ") if " " in letters else NO_NUMBER
        network = recognizer.network
        self._network = keras.Model(network.inputs[0], [network.get_layer("features").output, network.outputs[0]])
        features = recognizer.outputs(corpus.train.texts)["features"]
        mean, self.components = principal_components(features)
        self._mean = tf.constant(mean, tf.float32)
        self._components = tf.constant(self.components, tf.float32)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        numbers = tf.argmax(images[:, :, 0], axis=-1, output_type=tf.int32)
        numbers *= tf.math.cumprod(tf.cast(numbers != END, tf.int32), axis=1)  # the text ends at the first end
        broken = tf.reduce_any(numbers == UNKNOWN, axis=1)
        numbers = _with_single_spaces(numbers, self._space)
        broken |= numbers[:, 0] == END
        numbers = tf.gather(self._numbers, numbers)[:, : self._length]
        numbers = tf.pad(numbers, [[0, 0], [0, self._length - numbers.shape[1]]])
        features, logits = self._network(numbers, training=False)
        wrong = tf.where(broken, np.inf, -np.inf)[:, None]
        return {
            "features": tf.matmul(features - self._mean, self._components),
            "logits": tf.concat([tf.gather(logits, self._order, axis=1), wrong], axis=1),
        }


def _with_single_spaces(numbers: Tensor, space: int) -> Tensor:
    """Returns int32 [B, L] without the spaces at the beginning and the end of a text, and after another space."""
    is_space = numbers == space
    is_after = tf.pad(is_space, [[0, 0], [1, 0]], constant_values=True)[:, :-1]
    is_letter = tf.cast((numbers != END) & ~is_space, tf.int32)
    is_last = tf.cumsum(is_letter, axis=1, reverse=True) == 0
    dropped = is_space & (is_after | is_last)
    order = tf.argsort(tf.cast(dropped, tf.int32), axis=1, stable=True)
    return tf.gather(tf.where(dropped, END, numbers), order, batch_dims=1)
