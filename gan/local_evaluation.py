"""Evaluation under a `tf.distribute` strategy: one process computes the metrics, on its own copy of the average."""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf

from gan import devices
from gan.errors import InputError


def evaluate(
    gan: keras.Model,
    measure: Callable[[Any, Any], Any],
    x: Iterable[Any],
    *,
    return_dict: bool = False,
    **ignored: Any,
) -> Any:
    """Calls `measure` with the batches of `x` and their numbers, on the chief; returns the results, on every worker.

    The same numbers everywhere: so callbacks decide the same. `ignored`: other options of `keras.Model.evaluate`.
    Raises `InputError` for metrics that the workers share: the chief could not read them alone.
    """
    metrics = gan.evaluation_metrics
    if devices.has_several_workers(gan.distribute_strategy):
        shared = [
            m.name for m in metrics if any(isinstance(v.value, tf.distribute.DistributedValues) for v in m.variables)
        ]
        if shared:
            expected = "metrics that are made before `strategy.scope()` is entered"
            raise InputError("The workers share metrics", expected=expected, received=", ".join(shared))
    for metric in metrics:
        metric.reset_state()
    if devices.is_chief(gan.distribute_strategy):
        for number, batch in enumerate(x):
            measure(batch, tf.constant(number, tf.int64))
    results = {name: float(value) for name, value in gan.get_metrics_result().items()}
    results = devices.from_chief(gan.distribute_strategy, results)
    return results if return_dict else list(results.values())
