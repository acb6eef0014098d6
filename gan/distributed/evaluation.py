"""Evaluation under a `tf.distribute` strategy: one process computes the metrics, on its own copy of the average."""

from collections.abc import Callable
from itertools import islice

import keras
import tensorflow as tf

from gan.distributed import replicas
from gan.errors import InputError
from gan.utils.types import Tensor

# The last is private in Keras: `fit` gives it to every `evaluate`, and only Keras' own keeps what it would keep.
_WITHOUT_EFFECT = {"batch_size", "verbose", "sample_weight", "callbacks", "_use_cached_eval_dataset"}
"""Other options that `keras.Model.fit` gives."""


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
    """Calls `measure` with the batches of `x` and their numbers, on the chief; returns the results, on every worker.

    The same numbers everywhere: so callbacks decide the same. `x` is a `tf.data.Dataset`, of which `steps` batches are
    taken (None: all). Raises `InputError` for anything else, and for metrics that the workers share: the chief could
    not read them alone.
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
            expected = "metrics that are made before `strategy.scope()` is entered"
            raise InputError("The workers share metrics", expected=expected, received=", ".join(shared))
    for metric in metrics:
        metric.reset_state()
    if replicas.is_chief(gan.distribute_strategy):
        for number, batch in enumerate(islice(x, steps)):
            measure(batch, tf.constant(number, tf.int64))
    results = {name: float(value) for name, value in gan.get_metrics_result().items()}
    results = replicas.broadcast(gan.distribute_strategy, results)
    return results if return_dict else list(results.values())
