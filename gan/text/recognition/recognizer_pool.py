"""Several recognizers that answer together: the weighted mean of their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan.errors import InputError
from gan.evaluation.classifier.pool import fit_weights, pool_logits
from gan.text.data.corpus import TextSplit
from gan.text.recognition.recognizer import Recognizer
from gan.utils.arguments import checked


@dataclass(frozen=True)
class RecognizerPool:
    """Recognizers of the same categories, and the weight of each: numbers >= 0 that sum to 1."""

    recognizers: tuple[Recognizer, ...]
    weights: tuple[float, ...]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the categories, in the order of the logits."""
        return self.recognizers[0].class_names

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Returns the logarithm of the pooled probabilities of texts: float64 [N, categories]. See `pool_logits`."""
        outputs = [recognizer.outputs(texts)["logits"] for recognizer in self.recognizers]
        return pool_logits(outputs, np.array(self.weights), [1.0] * len(outputs))


@checked
def fit_pool(recognizers: Sequence[Recognizer], validation: TextSplit) -> RecognizerPool:
    """Finds the weights of several recognizers with the smallest log loss on validation texts.

    On these texts, the pool is at least as good as its best member. See `gan.evaluation.classifier.pool.fit_weights`.
    The probabilities of each recognizer are calibrated already.

    Raises `InputError` for fewer than two recognizers, those of different categories, and texts without categories.
    """
    if len(recognizers) < 2:
        raise InputError("Bad `recognizers`", expected="two or more", received=str(len(recognizers)))
    names = [recognizer.class_names for recognizer in recognizers]
    if any(each != names[0] for each in names):
        other = next(each for each in names if each != names[0])
        raise InputError("The categories differ", expected=str(list(names[0])), received=str(list(other)))
    if validation.labels is None:
        raise InputError("The weights need categories", expected="texts with categories", received="texts alone")
    outputs = [recognizer.outputs(validation.texts)["logits"] for recognizer in recognizers]
    weights = fit_weights(outputs, validation.labels, [1.0] * len(outputs))
    return RecognizerPool(tuple(recognizers), tuple(weights.tolist()))
