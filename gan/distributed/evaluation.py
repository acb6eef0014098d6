"""Evaluation under a `tf.distribute` strategy: the chief computes the metrics with its averaged generator."""

from collections.abc import Callable
from itertools import islice

import keras
import tensorflow as tf

from gan.distributed import replicas
from gan.errors import InputError
from gan.utils.types import Tensor

# `_use_cached_eval_dataset` is private in Keras. `fit` passes it to every `evaluate`; only Keras' own one caches data.
_WITHOUT_EFFECT = {"batch_size", "verbose", "sample_weight", "callbacks", "_use_cached_eval_dataset"}
"""Other arguments that `keras.Model.fit` passes. They are ignored."""


def evaluate(
    gan: keras.Model,
    measure: Callable[[Tensor, Tensor], object],
    x: tf.data.Dataset,
    y: Tensor = None,
    *,
    steps: int | None = None,
    return_dict: bool = False,
    **options: object,
) -> dict[str, float] | list[float]:
    """Evaluates `gan` on the chief and returns the same results on every worker, so that callbacks decide alike.

    Args:
        gan: model whose `evaluation_metrics` are reset and reported.
        measure: function of a batch of `x` and its number, which updates the metrics.
        x: validation data, a `tf.data.Dataset`.
        y: must be None.
        steps: number of batches of `x`; None: all.
        return_dict: return the results by name instead of as a list.
        **options: other arguments that Keras passes, without effect.

    Raises `InputError` for other data, and for metrics that the workers share, since the chief could not read them
    alone.
    """
    unknown = sorted(set(options) - _WITHOUT_EFFECT)
    if unknown:
        raise TypeError(f"evaluate() got an unexpected keyword argument {unknown[0]!r}")
    if y is not None or not isinstance(x, tf.data.Dataset):
        received = type(x).__name__ + ("" if y is None else " and y")
        raise InputError("Bad validation data on several replicas", expected="a tf.data.Dataset", received=received)
    metrics = gan.evaluation_metrics
    if replicas.has_several_workers(gan.distribute_strategy):
        shared = [
            m.name for m in metrics if any(isinstance(v.value, tf.distribute.DistributedValues) for v in m.variables)
        ]
        if shared:
            expected = "metrics that are created outside `strategy.scope()`"
            raise InputError("Metrics cannot be shared by workers", expected=expected, received=", ".join(shared))
    for metric in metrics:
        metric.reset_state()
    if replicas.is_chief(gan.distribute_strategy):
        for number, batch in enumerate(islice(x, steps)):
            measure(batch, tf.constant(number, tf.int64))
    results = {name: float(value) for name, value in gan.get_metrics_result().items()}
    results = replicas.broadcast(gan.distribute_strategy, results)
    return results if return_dict else list(results.values())
