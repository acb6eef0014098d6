"""Several metrics of one network's outputs, with one forward pass per image."""

from collections.abc import Callable, Iterable, Mapping

import keras
import tensorflow as tf

from gan.utils.arguments import checked
from gan.utils.types import Tensor


class Extracted(keras.metrics.Metric):
    """Updates several metrics with the outputs of `extract`, and merges their results.

    Args:
        extract: images [B, H, W, C] -> outputs, such as {"features": [B, F], "logits": [B, classes]}.
        metrics: their own extractors select an output, for example `ErrorRate(lambda outputs: outputs["logits"])`.
        name: name of the metric.
    """

    @checked
    def __init__(
        self,
        extract: Callable[[Tensor], Mapping[str, Tensor]],
        metrics: Iterable[keras.metrics.Metric],
        *,
        name: str = "extracted",
    ) -> None:
        super().__init__(name=name, dtype="float64")
        self.extract = extract
        self.parts = list(metrics)
        # six times faster than eager operations
        self._results = tf.function(self._merged_results, autograph=False)

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Adds real images and samples [B, H, W, C] in [-1, 1], and the labels requested for the samples."""
        real, fake = self.extract(real), self.extract(fake)
        for metric in self.parts:
            metric.update_state(real, fake, labels)

    def result(self) -> dict[str, Tensor]:
        return self._results()

    def _merged_results(self) -> dict[str, Tensor]:
        results: dict[str, Tensor] = {}
        for metric in self.parts:
            value = metric.result()
            results.update(value if isinstance(value, dict) else {metric.name: value})
        return results
