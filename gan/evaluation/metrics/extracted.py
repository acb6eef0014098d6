"""Several metrics of one network's outputs: an image passes the network once."""

from collections.abc import Callable, Iterable, Mapping

import keras
import tensorflow as tf

from gan.utils.types import Tensor


class Extracted(keras.metrics.Metric):
    """Feeds `metrics` with what `extract` makes of the images, and gives all their results.

    Args:
        extract: images [B, H, W, C] -> outputs, such as {"features": [B, F], "logits": [B, classes]}.
        metrics: metrics whose own extractors choose from those outputs: `ErrorRate(lambda outputs: outputs["logits"])`.
    """

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
        self._results = tf.function(
            self._of_parts, autograph=False
        )  # six times faster than one operation after another

    def update_state(self, real: Tensor, fake: Tensor, labels: Tensor | None = None) -> None:
        """Adds images [B, H, W, C] in [-1, 1] on both sides, and the labels that the fakes were asked for."""
        real, fake = self.extract(real), self.extract(fake)
        for metric in self.parts:
            metric.update_state(real, fake, labels)

    def result(self) -> dict[str, Tensor]:
        return self._results()

    def _of_parts(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for metric in self.parts:
            value = metric.result()
            found.update(value if isinstance(value, dict) else {metric.name: value})
        return found
