"""Which of the 1,000 modes of stacked MNIST pictures are in: a digit in each colour channel."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from benchmarks.modes import mode_kl, modes_reached
from gan import metrics, sampling
from gan.classifier import Extractor, as_input, top_probability
from gan.data import Split
from gan.errors import InputError
from gan.evaluation import EVALUATION_SEED

DIGITS, CHANNELS = 10, 3
MODES = DIGITS**CHANNELS
CHUNK = 2_000
"""Pictures that are drawn and read at once."""


@dataclass(frozen=True)
class StackJudge:
    """Reads stacks of three digits with a classifier of one: mode 100 r + 10 g + b of the digits it sees.

    `shares`: [1000], of the data by mode.
    """

    extractor: Extractor
    shares: np.ndarray

    def of_generator(self, generator: keras.Model, num: int, *, seed: int = EVALUATION_SEED) -> dict[str, Any]:
        """The numbers (see `_numbers`) of `num` pictures of a generator without classes of 28 x 28 x 3."""
        parts = [
            self._read(sampling.generate(generator, min(CHUNK, num - start), seed=seed, start=start, batch_size=250))
            for start in range(0, num, CHUNK)
        ]
        digits, sure = (np.concatenate(side) for side in zip(*parts))
        return self._numbers(digits, sure)

    def of_real(self, test: Split, *nums: int, seed: int = EVALUATION_SEED) -> list[dict[str, Any]]:
        """The same of as many real stacks: the limit of the measure, since the classifier errs and samples are few.

        Their channels are those of test images, drawn anew and independently, so that there are as many stacks as one
        wants, each of digits that the classifier was not trained on.
        """
        parts = [self._read(as_input(test.images[start : start + CHUNK])) for start in range(0, len(test), CHUNK)]
        digits, sure = (np.concatenate(side) for side in zip(*parts))
        rng = np.random.default_rng(seed)
        found = []
        for num in nums:
            rows = rng.integers(len(test), size=(num, CHANNELS))
            found.append(self._numbers(digits[rows, range(CHANNELS)], sure[rows, range(CHANNELS)]))
        return found

    def _read(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(digits, whether the classifier is sure of them), each [N, 3], of images [N, 28, 28, 3] in [-1, 1]."""
        channels = np.moveaxis(pictures, -1, 1).reshape(-1, *pictures.shape[1:3], 1)
        logits = self.extractor.arrays(np.ascontiguousarray(channels))["logits"]
        sure = top_probability(logits) >= metrics.SURE
        return logits.argmax(axis=1).reshape(-1, CHANNELS), sure.reshape(-1, CHANNELS)

    def _numbers(self, digits: np.ndarray, sure: np.ndarray) -> dict[str, Any]:
        """{`num`, `modes` reached, `kl` to the data, `kl_uniform` to equally likely modes, `sure`: the share of stacks
        whose three digits are all read with a probability of 0.9 or more, `counts`: stacks by mode}."""
        counts = np.bincount(digits @ [100, 10, 1], minlength=MODES)
        return {
            "num": len(digits),
            "modes": modes_reached(counts),
            "kl": mode_kl(counts, self.shares),
            "kl_uniform": mode_kl(counts),
            "sure": float(sure.all(axis=1).mean()),
            "counts": counts.tolist(),
        }


def mode_shares(labels: np.ndarray) -> np.ndarray:
    """Shares of the modes [1000] that independent channels have whose digits are as in labels 100 r + 10 g + b [N].

    Counting the labels themselves would add the noise of a finite number of stacks.
    """
    digits = [labels // 100, labels // 10 % 10, labels % 10]
    red, green, blue = (np.bincount(channel, minlength=DIGITS) / len(labels) for channel in digits)
    return np.einsum("r,g,b->rgb", red, green, blue).ravel()


def check_stacks(shape: tuple[int, ...], classifier: keras.Model) -> None:
    """Raises `InputError` unless pictures of this shape are three channels of what the classifier reads."""
    read = tuple(classifier.input.shape[1:])
    if tuple(shape) != (*read[:2], CHANNELS) or read[2] != 1 or classifier.output.shape[-1] != DIGITS:
        raise InputError(
            "The classifier cannot read the channels of these pictures",
            expected=f"pictures {(*read[:2], CHANNELS)}, and a classifier of {DIGITS} digits in grey",
            received=f"pictures {tuple(shape)}, classifier {read} -> {classifier.output.shape[-1]}",
        )
