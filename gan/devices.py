"""The devices of a run: how many replicas share each batch, what of it each one gets, and what they tell each other.

Losses are means over a replica's part of the batch and Keras sums gradients, so each replica scales its own by
1/replicas: then all of them together move the weights as one process with the same batch would.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gan import cluster as clusters
from gan import runtime
from gan.cluster import Cluster
from gan.errors import InputError, TrainingError

CHUNK = 2**20
"""Bytes that workers tell each other at a time."""

_NO_PROXY = "no_grpc_proxy"
"""gRPC would ask a web proxy for the other workers, and wait for ever."""

GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.CancelledError)
"""What a worker hears of when another one has ended."""


@dataclass(frozen=True)
class Fleet:
    """What a run trains on: its strategy, its workers (None: this process only), and both in words."""

    strategy: tf.distribute.Strategy
    cluster: Cluster | None
    line: str

    @property
    def is_chief(self) -> bool:
        """Whether this process writes."""
        return self.cluster is None or self.cluster.is_chief

    @property
    def chief(self) -> str:
        """Who writes."""
        return "this process" if self.cluster is None else self.cluster.workers[0]

    @property
    def anywhere(self) -> Callable[[bool], bool] | None:
        """Tells whether something is true in any worker, see `any_worker`; None: this process is alone."""
        return None if self.cluster is None else lambda flag: any_worker(self.strategy, flag)

    @property
    def replicas(self) -> int:
        """Number of replicas, over all workers."""
        return int(self.strategy.num_replicas_in_sync)


def start(
    devices: int = 1,
    *,
    seed: int | None = None,
    deterministic: bool = False,
    cluster: Cluster | None = None,
    say: Callable[[str], None] = print,
) -> Fleet:
    """Sets this process up as `runtime.start` does, to train on several devices and with other workers.

    Args:
        devices: of this machine: GPUs or, where there are none, parts of the CPU.
        seed, deterministic: as `runtime.start`.
        cluster: the workers, each of which calls this; None: this process only.
        say: takes a line about workers that are waited for.

    Raises `InputError` for more devices than there are, also when TensorFlow has been used in this process with fewer
    of them already, and for workers that do not answer.
    """
    if cluster is not None:
        clusters.wait_for_peers(cluster, say)
        known = os.environ.get(_NO_PROXY) or os.environ.get("NO_PROXY") or ""
        hosts = [worker.rpartition(":")[0] for worker in cluster.workers]
        os.environ[_NO_PROXY] = ",".join([*filter(None, [known]), *hosts])
    runtime.prepare(seed=seed, deterministic=deterministic)
    gpus = tf.config.list_physical_devices("GPU")
    if cluster is not None:
        strategy = _of_workers(cluster, devices, len(gpus))
    elif devices > 1:
        strategy = tf.distribute.MirroredStrategy(_names(devices, len(gpus)))
    else:
        strategy = tf.distribute.get_strategy()
    line = runtime.describe()
    if cluster is not None:
        line = f"worker {cluster.index} of {len(cluster.workers)}, {line}"
    if strategy.num_replicas_in_sync > 1:
        line = f"{strategy.num_replicas_in_sync} replicas; {line}"
    return Fleet(strategy, cluster, line)


def _names(devices: int, gpus: int) -> list[str]:
    """The names of so many devices of this machine; parts of the CPU are made."""
    if gpus:
        _check_count(devices, gpus, "GPUs")
        return [f"GPU:{number}" for number in range(devices)]
    _check_count(devices, os.cpu_count() or 1, "cores, and no GPU")
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = tf.config.get_logical_device_configuration(cpu) or [None]
    if len(parts) < devices:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
        except RuntimeError as error:  # TensorFlow has been used, and its devices are as they are
            raise InputError(
                "Too few devices",
                expected=f"devices of at most {len(parts)}: TensorFlow was used in this process with so many already",
                received=f"devices={devices}",
            ) from error
    return [f"CPU:{number}" for number in range(devices)]


def _check_count(devices: int, there: int, what: str) -> None:
    if devices > there:
        expected = f"devices of at most {there}: this machine has {there} {what}"
        raise InputError("Too few devices", expected=expected, received=f"devices={devices}")


def _of_workers(cluster: Cluster, devices: int, gpus: int) -> tf.distribute.Strategy:
    if gpus:
        _check_count(devices, gpus, "GPUs")
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:devices], "GPU")
    elif devices > 1:
        expected = "devices=1 with several workers: each has one CPU"
        raise InputError("Too few devices", expected=expected, received=f"devices={devices}")
    made: list[Any] = []

    def make() -> None:
        try:
            made.append(tf.distribute.MultiWorkerMirroredStrategy())
        except Exception as error:  # raised again below, in the thread that asked
            made.append(error)

    # It waits for the others up to an hour, in C++: one of them may have ended since it was found.
    maker = threading.Thread(target=make, daemon=True)
    maker.start()
    maker.join(clusters.SECONDS)
    if not made:
        raise clusters.unreachable(list(cluster.peers), clusters.SECONDS)
    if isinstance(made[0], RuntimeError) and "startup" in str(made[0]):
        expected = f"a process that has not used TensorFlow before, where {clusters.VARIABLE} names several workers"
        raise InputError("TensorFlow has been used", expected=expected, received="one that has") from made[0]
    if isinstance(made[0], Exception):
        raise InputError(
            "The workers do not find each other",
            expected=f"every worker of {clusters.VARIABLE} to take part",
            received=str(made[0]).partition("\n")[0],
        ) from made[0]
    return made[0]


@contextmanager
def together(fleet: Fleet) -> Iterator[None]:
    """Turns what TensorFlow says when another worker has ended into a `TrainingError`."""
    try:
        yield
    except GONE as error:
        if fleet.cluster is None:
            raise
        raise TrainingError(
            "Another worker has ended, or cannot be reached any more. When all are back, gan train --resume RUN on "
            "every worker goes on from the last complete interval"
        ) from error


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


def from_chief(strategy: tf.distribute.Strategy, content: Any) -> Any:
    """What the chief gave, on every worker; each must call this. `content`: of JSON types, NaN and bytes[...]."""
    return json.loads(bytes_from_chief(strategy, json.dumps(content).encode()))


def bytes_from_chief(strategy: tf.distribute.Strategy, content: bytes) -> bytes:
    """The bytes that the chief gave, on every worker; each must call this."""
    if not has_several_workers(strategy):
        return content
    size = int(_sum_of_chief(strategy, np.array([len(content)], np.float64))[0])
    given = np.frombuffer(content, np.uint8) if is_chief(strategy) else np.zeros(size, np.uint8)
    parts = [
        _sum_of_chief(strategy, given[start : start + CHUNK].astype(np.float32)) for start in range(0, size, CHUNK)
    ]
    return np.concatenate([np.zeros(0), *parts]).astype(np.uint8).tobytes()


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


def apply_gradients(optimizer: Any, tape: tf.GradientTape, loss: Any, network: keras.Model, name: str) -> None:
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
) -> tuple[Any, int | None]:
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
        told = "batches of one size (drop_remainder=True)" if size is None else f"batch_size={size // critic_steps}"
        raise InputError(
            "The devices cannot share a batch evenly",
            expected=f"a batch size that the {replicas} replicas divide",
            received=f"batches of several sizes, not {told}" if size is None else told,
        )
