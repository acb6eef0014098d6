"""Data-parallel training: batch splitting, gradient reduction, broadcast between workers.

A loss is the mean over a replica's part of the batch, and Keras sums gradients over replicas. Each replica therefore
scales its gradients by 1/replicas. The update is then the same as in one process with the whole batch.
"""

import io
import json
import warnings
from collections.abc import Sequence
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError
from gan.utils.types import Tensor

T = TypeVar("T")

CHUNK = 2**20
"""Bytes per message between workers."""


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether a strategy has replicas in other processes."""
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and bool(strategy.cluster_resolver.cluster_spec().as_dict())


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process is the chief, which decides and writes."""
    resolver = strategy.cluster_resolver if has_several_workers(strategy) else None
    if resolver is None:
        return True
    return resolver.task_type == "chief" or (resolver.task_id == 0 and "chief" not in resolver.cluster_spec().as_dict())


def broadcast(strategy: tf.distribute.Strategy, content: T) -> T:
    """Returns the chief's JSON value (NaN is allowed) on every worker. Each worker must call this function.

    With a single process, returns `content`.
    """
    if not has_several_workers(strategy):
        return content
    return json.loads(_broadcast_bytes(strategy, json.dumps(content).encode()))


def _broadcast_bytes(strategy: tf.distribute.Strategy, content: bytes) -> bytes:
    """Returns the chief's bytes on each of several workers. Each worker must call this function."""
    size = int(_sum_of_chief(strategy, np.array([len(content)], np.float64))[0])
    given = np.frombuffer(content, np.uint8) if is_chief(strategy) else np.zeros(size, np.uint8)
    parts = [
        _sum_of_chief(strategy, given[start : start + CHUNK].astype(np.float32)) for start in range(0, size, CHUNK)
    ]
    return np.concatenate([np.zeros(0), *parts]).astype(np.uint8).tobytes()


def broadcast_arrays(strategy: tf.distribute.Strategy, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the chief's arrays on every worker. Each worker must call this function.

    With a single process, returns `arrays`.
    """
    if not has_several_workers(strategy):
        return arrays
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    with np.load(io.BytesIO(_broadcast_bytes(strategy, packed.getvalue())), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Returns whether `flag` is True on any worker. Each worker must call this function."""
    if not has_several_workers(strategy):
        return flag
    values = strategy.run(lambda: tf.constant([float(flag)]))
    return bool(np.asarray(strategy.reduce("SUM", values, axis=None))[0] > 0)


def _sum_of_chief(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """Sums `values` of the chief's first replica and zeros of all others. Every kind of device can sum floats."""

    def contribution() -> tf.Tensor:
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return tf.constant(values) * tf.cast(first, values.dtype)

    return np.asarray(strategy.reduce("SUM", strategy.run(contribution), axis=None))


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    tape: tf.GradientTape,
    loss: Tensor,
    variables: Sequence[keras.Variable],
    name: str,
    also: Sequence[Tensor] = (),
) -> list[Tensor]:
    """Updates `variables`. Must be called in a replica context, with the replica's own loss.

    Returns the gradients of the scaled loss with respect to the tensors `also` of the same tape.

    An optimizer with a loss scale, such as `keras.optimizers.LossScaleOptimizer`, gets the gradients of the scaled
    loss. Gradients that overflow are its business: it skips the update and lowers the scale.

    When the loss of any replica is NaN or infinite, all replicas raise an error and no variable changes. XLA omits this
    check; the error then appears when the averaged generator is saved.
    """
    context = tf.distribute.get_replica_context()
    scale = optimizer.scale_loss(tf.constant(1.0 / context.num_replicas_in_sync, loss.dtype))
    found = tape.gradient(loss, [*variables, *also], output_gradients=tf.cast(scale, loss.dtype))
    gradients, of_tensors = found[: len(variables)], found[len(variables) :]
    if context.num_replicas_in_sync > 1:
        loss = context.all_reduce(tf.distribute.ReduceOp.MEAN, loss)
    unreached = [variable.path for gradient, variable in zip(gradients, variables) if gradient is None]
    if len(unreached) == len(variables):
        expected = "a loss that depends on the weights of each network"
        raise InputError(f"No weight changes `{name}`", expected=expected, received=", ".join(unreached))
    if unreached:
        warnings.warn(f"These weights do not change `{name}` and are not trained: {', '.join(unreached)}", stacklevel=2)
        variables = [variable for gradient, variable in zip(gradients, variables) if gradient is not None]
        gradients = [gradient for gradient in gradients if gradient is not None]
    if context.num_replicas_in_sync > 1 and isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        gradients = _finite_everywhere(context, gradients)
    with tf.control_dependencies([tf.debugging.check_numerics(loss, name)]):
        optimizer.apply([tf.identity(gradient) for gradient in gradients], variables)
    return of_tensors


def _finite_everywhere(context: tf.distribute.ReplicaContext, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Returns the gradients, all NaN if one is NaN or infinite on any replica.

    Keras looks at the gradients of one replica only when it decides whether to skip an update.
    """
    total = tf.add_n([tf.reduce_sum(tf.cast(gradient, tf.float32) * 0.0) for gradient in gradients])
    zero = context.all_reduce(tf.distribute.ReduceOp.SUM, total)  # NaN if any gradient is NaN or infinite
    return [gradient + tf.cast(zero, gradient.dtype) for gradient in gradients]


def distributed(
    strategy: tf.distribute.Strategy, batches: tf.data.Dataset, critic_steps: int = 1
) -> tuple[tf.distribute.DistributedDataset, int | None]:
    """Splits global batches between the replicas of a strategy. Batch k has the same images as on one device.

    The images of each critic step are split into n equal parts, and replica r of n gets part r. The images of a critic
    step are therefore also the same as on one device. Every worker iterates over all batches, which are functions of a
    seed, and keeps its own part.

    Args:
        strategy: strategy whose replicas share the batches.
        batches: tensors, or tuples of tensors, of a static size [critic_steps * B, ...].
        critic_steps: discriminator updates per batch.

    Returns data for `keras.Model.fit`, and the number of batches in an epoch (None: unknown). Raises `InputError` when
    the replicas cannot share a batch evenly.
    """
    replicas = strategy.num_replicas_in_sync
    size = tf.nest.flatten(batches.element_spec)[0].shape[0]
    check_shares(replicas, size, critic_steps)
    steps = int(batches.cardinality())
    if steps >= 0:
        batches = batches.repeat()  # endless: otherwise workers ask each other before each batch whether it exists

    def parts(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local

        def part(tensor: tf.Tensor) -> tf.Tensor:
            rest = tensor.shape[1:]
            by_replica = tf.reshape(tensor, [critic_steps, replicas, size // (critic_steps * replicas), *rest])
            own = by_replica[:, first : first + local]
            order = [1, 0, *range(2, len(own.shape))]
            return tf.reshape(tf.transpose(own, order), [local, size // replicas, *rest])

        def split(*elements: tf.Tensor) -> tf.data.Dataset:
            own = tuple(part(element) for element in elements)
            return tf.data.Dataset.from_tensor_slices(own if len(own) > 1 else own[0])

        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return batches.flat_map(split).prefetch(2 * local).with_options(options)

    return strategy.distribute_datasets_from_function(parts), steps if steps >= 0 else None


def check_shares(replicas: int, size: int | None, critic_steps: int = 1) -> None:
    """Raises `InputError` unless the replicas can split each critic step's part of a batch of `size` images evenly."""
    if size is None or size % (critic_steps * replicas):
        parts = [f"the {replicas} replicas"] * (replicas > 1) + [f"critic_steps={critic_steps}"] * (critic_steps > 1)
        several = "batches of several sizes (drop_remainder=True makes them equal)"
        raise InputError(
            f"A batch cannot be shared evenly by {' and '.join(parts)}",
            expected=f"a batch size that is a multiple of {critic_steps * replicas}",
            received=several if size is None else f"{size} images",
        )


def scalar(variable: Tensor) -> np.ndarray:
    """Returns the value of a scalar variable. `int` and `float` do not accept a variable with a copy per replica."""
    return np.asarray(variable)
