"""The devices and workers that a run trains on, found and joined before its first step."""

import faulthandler
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf

from gan.distributed import cluster as clusters
from gan.distributed import replicas
from gan.distributed.cluster import Cluster
from gan.errors import InputError, TrainingError
from gan.utils import tensorflow as runtime

T = TypeVar("T")

_NO_PROXY = "no_grpc_proxy"
"""gRPC would ask a web proxy for the other workers, and wait for ever."""

LOOK_EVERY = 20
"""Steps after which several workers ask each other whether to stop."""

GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.CancelledError)
"""What a worker hears of when another one has ended."""


@dataclass(frozen=True)
class DeviceSetup:
    """What a run trains on: its strategy, its workers (None: this process alone), and a description of both.

    What several workers exchange goes through it, and is the identity for a process that is alone.
    """

    strategy: tf.distribute.Strategy
    cluster: Cluster | None
    description: str

    @property
    def is_chief(self) -> bool:
        """Whether this process writes."""
        return self.cluster is None or self.cluster.is_chief

    @property
    def chief(self) -> str:
        """Who writes."""
        return "this process" if self.cluster is None else self.cluster.workers[0]

    @property
    def has_several_workers(self) -> bool:
        """Whether other processes train along."""
        return self.cluster is not None

    @property
    def look_every(self) -> int:
        """Steps after which the workers ask each other whether to stop."""
        return LOOK_EVERY if self.has_several_workers else 1

    def any_worker(self, flag: bool) -> bool:
        """Whether `flag` holds on any worker. Each must call this; a process that is alone gets its own flag."""
        return replicas.any_worker(self.strategy, flag)

    def broadcast(self, content: T) -> T:
        """The JSON value that the chief gave, on every worker. Each must call this; alone, it is the identity."""
        return replicas.broadcast(self.strategy, content)

    def broadcast_arrays(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays that the chief gave, on every worker. Each must call this; alone, it is the identity."""
        return replicas.broadcast_arrays(self.strategy, arrays)

    @property
    def replicas(self) -> int:
        """Number of replicas, over all workers."""
        return int(self.strategy.num_replicas_in_sync)


def start(
    devices: int = 1,
    *,
    seed: int | None = None,
    deterministic: bool = False,
    log: Callable[[str], None] = print,
) -> DeviceSetup:
    """Sets this process up as `start_tensorflow` does, to train on several devices and with other workers.

    Where TF_CONFIG names several workers, each of them calls this. Build and compile the networks inside
    `start_devices(...).strategy.scope()`.

    Args:
        devices: of this machine: GPUs or, where there are none, parts of the CPU.
        seed, deterministic: as for `start_tensorflow`.
        log: takes a line about workers that are waited for.

    Raises `InputError` for more devices than there are, also when TensorFlow has been used in this process with fewer
    of them already, for a malformed TF_CONFIG, and for workers that do not answer.
    """
    cluster = clusters.from_environment()
    if cluster is not None:
        clusters.wait_for_peers(cluster, log)
        known = next(filter(None, map(os.environ.get, (_NO_PROXY, "no_proxy", "NO_PROXY"))), "")
        hosts = [worker.rpartition(":")[0] for worker in cluster.workers]
        os.environ[_NO_PROXY] = ",".join([*filter(None, [known]), *hosts])
    runtime.prepare(seed=seed, deterministic=deterministic)
    gpus = tf.config.list_physical_devices("GPU")
    if cluster is not None:
        strategy = _of_workers(cluster, devices, len(gpus), log)
    elif devices > 1:
        strategy = tf.distribute.MirroredStrategy(_names(devices, len(gpus)))
    else:
        strategy = tf.distribute.get_strategy()
    description = runtime.describe()
    if cluster is not None:
        description = f"worker {cluster.index} of {len(cluster.workers)}, {description}"
    if strategy.num_replicas_in_sync > 1:
        description = f"{strategy.num_replicas_in_sync} replicas; {description}"
    return DeviceSetup(strategy, cluster, description)


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


def _of_workers(cluster: Cluster, devices: int, gpus: int, log: Callable[[str], None]) -> tf.distribute.Strategy:
    if gpus:
        _check_count(devices, gpus, "GPUs")
    elif devices > 1:
        expected = "devices=1 with several workers: each has one CPU"
        raise InputError("Too few devices", expected=expected, received=f"devices={devices}")
    log(f"joining the other workers; if one does not take part, this process ends after {clusters.SECONDS:.0f} s")
    try:
        if gpus:
            tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:devices], "GPU")
        with _ended_after(clusters.SECONDS), _own_signals():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        expected = f"a process that has not used TensorFlow before, where {clusters.VARIABLE} names several workers"
        raise InputError("TensorFlow has been used", expected=expected, received="one that has") from error
    except tf.errors.OpError as error:
        raise InputError(
            "The workers do not find each other",
            expected=f"every worker of {clusters.VARIABLE} to take part",
            received=str(error).partition("\n")[0],
        ) from error


@contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """Ends this process, with status 1, when what is done inside takes longer.

    TensorFlow would wait for an hour for a worker that was found and has ended since, and lets no Python run meanwhile.
    """
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(seconds, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Puts SIGTERM back to what it does: TensorFlow's workers would not hear it any more."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, before)


@contextmanager
def worker_errors(devices: DeviceSetup) -> Iterator[None]:
    """Turns what TensorFlow says when another worker has ended into a `TrainingError`."""
    try:
        yield
    except GONE as error:
        if not devices.has_several_workers:
            raise
        raise TrainingError(
            "Another worker has ended, or cannot be reached any more. When all are back, gan train --resume RUN on "
            "every worker (with --devices and --deterministic as before) goes on from the last complete interval; "
            "where none was complete yet, begin anew"
        ) from error
