"""Sets up the devices and workers that a run trains on."""

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
from gan.errors import InputError, TrainingError, check_whole
from gan.utils import tensorflow as runtime
from gan.utils.arguments import checked

T = TypeVar("T")

_NO_PROXY = "no_grpc_proxy"
"""Environment variable of hosts that gRPC reaches without a web proxy. Through a proxy it would wait forever."""

LOOK_EVERY = 20
"""Steps between two checks of whether any of several workers wants to stop."""

GONE = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.DeadlineExceededError, tf.errors.CancelledError)
"""Errors that TensorFlow raises when another worker has ended."""


@dataclass(frozen=True)
class DeviceSetup:
    """Devices of a run: its strategy, its workers (None: this process alone), and a description of both.

    Its methods exchange values between workers. In a single process they return their argument unchanged.
    """

    strategy: tf.distribute.Strategy
    cluster: Cluster | None
    description: str

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.cluster is None or self.cluster.is_chief

    @property
    def chief(self) -> str:
        """Name of the process that writes the run: the address of the chief, or `this process`."""
        return "this process" if self.cluster is None else self.cluster.workers[0]

    @property
    def has_several_workers(self) -> bool:
        """Whether other processes train together with this one."""
        return self.cluster is not None

    @property
    def look_every(self) -> int:
        """Steps between two checks of whether any worker wants to stop."""
        return LOOK_EVERY if self.has_several_workers else 1

    def any_worker(self, flag: bool) -> bool:
        """Returns whether `flag` is True on any worker. Each worker must call this method."""
        return replicas.any_worker(self.strategy, flag)

    def broadcast(self, content: T) -> T:
        """Returns the chief's JSON value on every worker. Each worker must call this method."""
        return replicas.broadcast(self.strategy, content)

    def broadcast_arrays(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the chief's arrays on every worker. Each worker must call this method."""
        return replicas.broadcast_arrays(self.strategy, arrays)

    @property
    def replicas(self) -> int:
        """Number of replicas on all workers together."""
        return int(self.strategy.num_replicas_in_sync)


@checked
def start(
    devices: int = 1,
    *,
    seed: int | None = None,
    deterministic: bool = False,
    log: Callable[[str], None] = print,
) -> DeviceSetup:
    """Sets up this process like `start_tensorflow`, and prepares it to train on several devices and workers.

    When TF_CONFIG lists several workers, each of them must call this function. Build and compile the networks inside
    `start_devices(...).strategy.scope()`.

    Args:
        devices: number of devices of this machine: GPUs, or parts of the CPU if there is no GPU.
        seed, deterministic: as for `start_tensorflow`.
        log: function that prints a line about the workers that this process waits for.

    Raises `InputError` for a malformed TF_CONFIG, for workers that do not answer, and for more devices than the machine
    has. The number of devices also cannot grow after TensorFlow was used in this process.
    """
    check_whole("devices", devices, 1)
    cluster = clusters.from_environment()
    if cluster is not None:
        clusters.wait_for_peers(cluster, log)
        known = next(filter(None, map(os.environ.get, (_NO_PROXY, "no_proxy", "NO_PROXY"))), "")
        hosts = [worker.rpartition(":")[0] for worker in cluster.workers]
        os.environ[_NO_PROXY] = ",".join([*filter(None, [known]), *hosts])
    runtime.prepare(seed=seed, deterministic=deterministic)
    gpus = tf.config.get_visible_devices("GPU")
    if cluster is not None:
        strategy = _multi_worker_strategy(cluster, devices, len(gpus), log)
    elif devices > 1:
        strategy = tf.distribute.MirroredStrategy(_device_names(devices, len(gpus)))
    else:
        strategy = tf.distribute.get_strategy()
    description = runtime.describe()
    if cluster is not None:
        description = f"worker {cluster.index} of {len(cluster.workers)}, {description}"
    if strategy.num_replicas_in_sync > 1:
        description = f"{strategy.num_replicas_in_sync} replicas; {description}"
    return DeviceSetup(strategy, cluster, description)


def _device_names(devices: int, gpus: int) -> list[str]:
    """Returns the names of `devices` devices of this machine. Splits the CPU into logical devices if needed."""
    if gpus:
        _check_count(devices, gpus, "GPUs")
        return [f"GPU:{number}" for number in range(devices)]
    _check_count(devices, os.cpu_count() or 1, "cores and no GPU")
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = tf.config.get_logical_device_configuration(cpu) or [None]
    if len(parts) < devices:
        try:
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
        except RuntimeError as error:  # the devices are fixed once TensorFlow was used
            raise InputError(
                "Too few devices",
                expected=f"at most {len(parts)}: TensorFlow was used in this process with that number of devices",
                received=f"devices={devices}",
            ) from error
    return [f"CPU:{number}" for number in range(devices)]


def _check_count(devices: int, available: int, kind: str) -> None:
    if devices > available:
        expected = f"at most {available}: this machine has {available} {kind}"
        raise InputError("Too few devices", expected=expected, received=f"devices={devices}")


def _multi_worker_strategy(
    cluster: Cluster, devices: int, gpus: int, log: Callable[[str], None]
) -> tf.distribute.Strategy:
    if gpus:
        _check_count(devices, gpus, "GPUs")
    elif devices > 1:
        expected = "devices=1 with several workers, since each worker has one CPU"
        raise InputError("Too few devices", expected=expected, received=f"devices={devices}")
    log(f"joining the other workers; this process exits after {clusters.SECONDS:.0f} s if one of them does not join")
    try:
        if gpus:
            tf.config.set_visible_devices(tf.config.get_visible_devices("GPU")[:devices], "GPU")
        with _exit_after(clusters.SECONDS), _own_signals():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        expected = f"a new process, since {clusters.VARIABLE} lists several workers"
        received = "a process that has used TensorFlow before"
        raise InputError("TensorFlow is already in use", expected=expected, received=received) from error
    except tf.errors.OpError as error:
        raise InputError(
            "The workers cannot connect to each other",
            expected=f"every worker of {clusters.VARIABLE} to join",
            received=str(error).partition("\n")[0],
        ) from error


@contextmanager
def _exit_after(seconds: float) -> Iterator[None]:
    """Exits the process with status 1 if the body takes longer than `seconds`.

    TensorFlow waits for an hour for a worker that has ended after it was found, and runs no Python code meanwhile.
    """
    with Path(os.devnull).open("w", encoding="utf-8") as null:
        faulthandler.dump_traceback_later(seconds, exit=True, file=null)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Restores the handler of SIGTERM. TensorFlow's multi-worker setup replaces it and then ignores the signal."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGTERM, before)


@contextmanager
def worker_errors(devices: DeviceSetup) -> Iterator[None]:
    """Converts the errors that TensorFlow raises when another worker has ended to `TrainingError`."""
    try:
        yield
    except GONE as error:
        if not devices.has_several_workers:
            raise
        raise TrainingError(
            "Another worker has ended or cannot be reached. When all workers are back, run gan train --resume RUN on "
            "every worker (with --devices and --deterministic as before) to resume from the last complete interval. "
            "If no interval was complete, start a new run"
        ) from error
