"""Data-parallel training: batch splitting, gradient reduction, broadcast between workers.

Losses are means over a replica's part of the batch and Keras sums gradients, so each replica scales its own by
1/replicas: then all of them together move the weights as one process with the same batch would.
"""

import io
import json
from typing import TypeVar

import keras
import numpy as np
import tensorflow as tf

from gan.errors import InputError
from gan.utils.types import Tensor

T = TypeVar("T")

CHUNK = 2**20
"""Bytes that workers tell each other at a time."""


def has_several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Whether replicas of this strategy are in other processes."""
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and bool(strategy.cluster_resolver.cluster_spec().as_dict())


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that decides and writes."""
    resolver = strategy.cluster_resolver if has_several_workers(strategy) else None
    if resolver is None:
        return True
    return resolver.task_type == "chief" or (resolver.task_id == 0 and "chief" not in resolver.cluster_spec().as_dict())


def broadcast(strategy: tf.distribute.Strategy, content: T) -> T:
    """The JSON value (or NaN) that the chief gave, on every worker; each must call this. Alone, it is the identity."""
    if not has_several_workers(strategy):
        return content
    return json.loads(_broadcast_bytes(strategy, json.dumps(content).encode()))


def _broadcast_bytes(strategy: tf.distribute.Strategy, content: bytes) -> bytes:
    """The bytes that the chief of several workers gave, on each of them; each must call this."""
    size = int(_sum_of_chief(strategy, np.array([len(content)], np.float64))[0])
    given = np.frombuffer(content, np.uint8) if is_chief(strategy) else np.zeros(size, np.uint8)
    parts = [
        _sum_of_chief(strategy, given[start : start + CHUNK].astype(np.float32)) for start in range(0, size, CHUNK)
    ]
    return np.concatenate([np.zeros(0), *parts]).astype(np.uint8).tobytes()


def broadcast_arrays(strategy: tf.distribute.Strategy, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays that the chief gave, on every worker; each must call this. Alone, it is the identity."""
    if not has_several_workers(strategy):
        return arrays
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    with np.load(io.BytesIO(_broadcast_bytes(strategy, packed.getvalue())), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether `flag` holds on any worker; each must call this."""
    if not has_several_workers(strategy):
        return flag
    values = strategy.run(lambda: tf.constant([float(flag)]))
    return bool(np.asarray(strategy.reduce("SUM", values, axis=None))[0] > 0)


def _sum_of_chief(strategy: tf.distribute.Strategy, values: np.ndarray) -> np.ndarray:
    """All replicas but the chief's first add zeros: floats, since every kind of device can sum those."""

    def mine() -> tf.Tensor:
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return tf.constant(values) * tf.cast(first, values.dtype)

    return np.asarray(strategy.reduce("SUM", strategy.run(mine), axis=None))


def apply_gradients(
    optimizer: keras.optimizers.Optimizer, tape: tf.GradientTape, loss: Tensor, network: keras.Model, name: str
) -> None:
    """Moves the trainable variables of `network`, in a replica's context, where `loss` is that of one's own images.

    A loss that is NaN or infinite on any replica is an error on all of them, and moves nothing. (XLA leaves such checks
    out: there, what is broken shows when the average is saved.)
    """
    context, variables = tf.distribute.get_replica_context(), network.trainable_variables
    share = tf.constant(1.0 / context.num_replicas_in_sync, loss.dtype)
    gradients = tape.gradient(loss, variables, output_gradients=share)
    if context.num_replicas_in_sync > 1:
        loss = context.all_reduce(tf.distribute.ReduceOp.MEAN, loss)
    with tf.control_dependencies([tf.debugging.check_numerics(loss, name)]):
        optimizer.apply([tf.identity(gradient) for gradient in gradients], variables)


def distributed(
    strategy: tf.distribute.Strategy, batches: tf.data.Dataset, critic_steps: int = 1
) -> tuple[tf.distribute.DistributedDataset, int | None]:
    """Lets the replicas of a strategy share global batches: the k-th is the same images as on one device.

    Replica r of n gets the r-th n-th of the images of each critic step, so that these are the same, too. Every worker
    goes through all batches, which are functions of a seed, and keeps its own part.

    Args:
        batches: tensors, or tuples of them, of one size [critic_steps * B, ...] known beforehand.
        critic_steps: D updates that a batch is for.

    Returns what `keras.Model.fit` takes, and how many batches are an epoch (None: their number is not known). Raises
    `InputError` when the replicas cannot share a batch evenly.
    """
    replicas = strategy.num_replicas_in_sync
    size = tf.nest.flatten(batches.element_spec)[0].shape[0]
    check_shares(replicas, size, critic_steps)
    steps = int(batches.cardinality())
    if steps >= 0:
        batches = batches.repeat()  # without an end: workers would ask each other before each batch whether it is there

    def parts(context: tf.distribute.InputContext) -> tf.data.Dataset:
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local

        def part(tensor: tf.Tensor) -> tf.Tensor:
            rest = tensor.shape[1:]
            apart = tf.reshape(tensor, [critic_steps, replicas, size // (critic_steps * replicas), *rest])
            ours = apart[:, first : first + local]
            order = [1, 0, *range(2, len(ours.shape))]
            return tf.reshape(tf.transpose(ours, order), [local, size // replicas, *rest])

        def split(*elements: tf.Tensor) -> tf.data.Dataset:
            found = tuple(part(element) for element in elements)
            return tf.data.Dataset.from_tensor_slices(found if len(found) > 1 else found[0])

        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return batches.flat_map(split).prefetch(2 * local).with_options(options)

    return strategy.distribute_datasets_from_function(parts), steps if steps >= 0 else None


def check_shares(replicas: int, size: int | None, critic_steps: int = 1) -> None:
    """Raises `InputError` unless so many replicas can share each critic step's part of a batch of `size` evenly."""
    if size is None or size % (critic_steps * replicas):
        parts = [f"the {replicas} replicas"] * (replicas > 1) + [f"critic_steps={critic_steps}"] * (critic_steps > 1)
        several = "batches of several sizes, not batches of one size (drop_remainder=True)"
        raise InputError(
            f"A batch cannot be shared evenly by {' and '.join(parts)}",
            expected=f"batches of a multiple of {critic_steps * replicas} images",
            received=several if size is None else f"{size} images",
        )


def scalar(variable: Tensor) -> np.ndarray:
    """The value of a variable that holds one number. `int` and `float` refuse one that each replica has a copy of."""
    return np.asarray(variable)
