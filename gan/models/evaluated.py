"""`evaluate` of a GAN: metrics of real images and samples of the averaged generator."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from gan.distributed import evaluation
from gan.errors import InputError
from gan.models import keras_checks, random
from gan.models.first_batch import BatchCheck
from gan.models.watch import DataWatch
from gan.utils.types import Tensor


class EvaluatedModel(keras.Model):
    """Base class of `GAN`: `evaluate` computes metrics of (real images, samples, labels); `predict` computes logits.

    A subclass sets `seed`, `generator_ema`, `step_means`, `_latent_dim`, `_batch_check` and `_watch`. It defines
    `_apply`.
    """

    evaluation_metrics: Sequence[keras.metrics.Metric] = ()
    _reports_evaluation = False
    _batch_check: BatchCheck
    _watch: DataWatch

    def _apply(self, generator: keras.Model, latents: Tensor, labels: Tensor, *, training: bool | None) -> Tensor:
        """Returns the images that a generator makes of latents [B, L] and labels."""
        raise NotImplementedError

    def set_evaluation_metrics(self, metrics: Sequence[keras.metrics.Metric]) -> None:
        """Sets the metrics of `evaluate`, which have `update_state(real, fake, labels)`."""
        self.evaluation_metrics = list(metrics)
        self._evaluated_batches = keras.metrics.Sum(name="evaluated_batches", dtype="int64")
        self._local_measure = tf.function(self.measure, reduce_retracing=True)

    # Private in Keras, which has no public way to mark a model as built. Under a `tf.distribute` strategy, `fit` and
    # `evaluate` would first average a batch over the workers, which fails for a batch with labels.
    def _maybe_symbolic_build(self, iterator: Tensor = None, data_batch: Tensor = None) -> None:
        """Does nothing, since the GAN is always built."""

    def measure(self, data: Tensor, number: Tensor) -> None:
        """Updates the metrics of `compile` with (real images, samples of the averaged generator, labels) of one batch.

        The latents are a function of the seed and `number`, the index of the batch from 0.
        """
        real, labels = self._batch_check.unpack(data)
        shape = (tf.shape(real)[0], self._latent_dim)
        latents = random.evaluation_latents(self.seed, number, shape)
        fake = self._apply(self.generator_ema, latents, labels, training=False)
        for metric in self.evaluation_metrics:
            metric.update_state(real, fake, *([] if keras_checks.takes_weights(metric) else [labels]))

    def test_step(self, data: Tensor) -> dict[str, Tensor]:
        """Calls `measure` for the next batch."""
        self.measure(data, self._evaluated_batches.result())
        self._evaluated_batches.update_state(1)
        return dict.fromkeys(self.get_metrics_result(), 0.0)  # Keras asks get_metrics_result() once, at the end

    def evaluate(self, *args: object, **options: object) -> Tensor:
        """Computes the metrics of `compile` on samples of the averaged generator, as `keras.Model.evaluate` does.

        Raises `InputError` if `compile` was called without metrics, and for weights of images.
        """
        keras_checks.check_compiled(self)
        if not self.evaluation_metrics:
            raise InputError("Nothing to evaluate", expected="compile(metrics=[...])", received="no metrics")
        keras_checks.check_evaluate(keras_checks.bound("GAN.evaluate", super().evaluate, *args, **options))
        self._reports_evaluation = True
        try:
            with self._watch(keras.Model.evaluate, *args, **options) as checked:
                if self.distribute_strategy.num_replicas_in_sync > 1:
                    return evaluation.evaluate(self, self._local_measure, **checked)
                return super().evaluate(**checked)
        finally:
            self._reports_evaluation = False

    def test_on_batch(
        self, x: Tensor, y: Tensor = None, sample_weight: None = None, return_dict: bool = False
    ) -> Tensor:
        """Returns the metrics of one batch, as `evaluate` does."""
        options = {"sample_weight": sample_weight, "return_dict": return_dict, "verbose": 0}
        return self.evaluate(x, y, batch_size=shape[0] if (shape := getattr(x, "shape", None)) else None, **options)

    def get_metrics_result(self) -> dict[str, Tensor]:
        """Returns the running means of the train logs or, inside `evaluate`, the metrics of `compile`."""
        results: dict[str, Tensor] = {}
        for metric in self.evaluation_metrics if self._reports_evaluation else [self.step_means]:
            result = metric.result()
            results.update(result if isinstance(result, dict) else {metric.name: result})
        return results

    def __call__(self, latents: Tensor, labels: Tensor = None, **options: object) -> Tensor:
        """Returns D(G(z)), see `GAN.call`. Raises `InputError` if labels are missing."""
        if self._batch_check.num_classes and labels is None:
            expected = "(latents, labels): this GAN is conditional"
            raise InputError("Labels are missing", expected=expected, received="latents only")
        return super().__call__(latents, labels, **options)

    def predict_step(self, data: Tensor) -> Tensor:
        """Returns D(G(z)) for a batch of latents, or of (latents, labels): logits [B, 1]."""
        latents, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(latents, list | tuple):
            latents, labels = (*latents, None)[:2]
        return self(latents, labels, training=False)
