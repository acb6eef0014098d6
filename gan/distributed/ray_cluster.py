"""Connections to a Ray cluster that end in bounded time. Imports Ray when it connects, and not before."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType

from gan.errors import InputError
from gan.utils.extras import import_extra

SECONDS = 30.0
"""Seconds that a connection, or a request for resources, may take."""
LEAST = 5.0
"""Seconds that an answer may take at least, because the import of Ray may have taken the others."""
AUTO = "auto"
"""Address of the cluster that this machine belongs to."""
CLIENT = "ray://"
"""Start of the address of a Ray Client server: a cluster that this machine is not part of."""
EXTRA = "ray"
"""Extra that installs Ray."""

_ADDRESSES = "auto, HOST:PORT or ray://HOST:PORT"
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
}
"""Variables that Ray reads at its import: no usage statistics, no warnings about its next version."""


@contextmanager
def connect(address: str | None = None, *, wait_seconds: float = SECONDS) -> Iterator[ModuleType]:
    """Connects this process to a Ray cluster, yields the module `ray`, and disconnects.

    A process that is already connected stays so: the address is then not used. Usage statistics are off, and Ray prints
    only errors.

    Args:
        address: `auto`, the cluster that this machine belongs to (or RAY_ADDRESS); `HOST:PORT` of its head, for a
            machine of the cluster; `ray://HOST:PORT` of its Ray Client server, for any other machine. None: starts a
            cluster on this machine, which ends with the connection.
        wait_seconds: maximum time to connect. Ray itself would wait for minutes.

    Raises `InputError` if Ray is not installed, no cluster answers at the address within the time, the answer is not
    that of Ray, this machine is not part of the cluster, or the versions of Python or Ray differ from the cluster's.
    """
    deadline = time.monotonic() + wait_seconds
    if address not in (None, AUTO):
        _check_port(str(address), wait_seconds)  # first, because the import takes seconds
    ray = load_ray(wait_seconds)
    if ray.is_initialized():
        yield ray
        return
    found = _cluster_here() if address == AUTO else address
    if found is not None:
        _check_answer(found, wait_seconds, deadline)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        try:
            if found is None:
                ray.init("local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            else:
                ray.init(found, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, OSError, ValueError) as error:
            raise _cannot_connect(address or "a local cluster", error) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray sets its own
        yield ray
    finally:
        ray.shutdown()


def load_ray(wait_seconds: float = SECONDS) -> ModuleType:
    """Imports Ray without its usage statistics. Raises `InputError` if it is not installed."""
    os.environ.update(_QUIET)
    # how long Ray looks for a node on this machine
    os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", str(max(1, round(wait_seconds))))
    return import_extra("ray", extra=EXTRA)


def _cluster_here() -> str:
    """Returns the address in RAY_ADDRESS, or that of the cluster on this machine."""
    address = os.environ.get("RAY_ADDRESS", "")
    if address in ("", AUTO, "local"):
        services = import_extra("ray._private.services", extra=EXTRA)
        try:
            return services.canonicalize_bootstrap_address_or_die(AUTO)
        except ConnectionError as error:
            expected = "a cluster on this machine (`ray start --head`), RAY_ADDRESS, or the address of a cluster"
            raise InputError("No Ray cluster", expected=expected, received=AUTO) from error
    return address


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host or "/" in host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise InputError("Not the address of a Ray cluster", expected=_ADDRESSES, received=repr(address))
    return host.strip("[]"), int(port)


def _check_port(address: str, wait_seconds: float) -> None:
    """Raises `InputError` unless a program listens at an address."""
    host, port = _host_and_port(address)
    try:
        socket.create_connection((host, port), timeout=wait_seconds).close()
    except OSError as error:
        raise _no_answer(address, wait_seconds, error.strerror or str(error)) from error


def _check_answer(address: str, wait_seconds: float, deadline: float) -> None:
    """Raises `InputError` unless a Ray cluster answers at an address before the deadline, after `wait_seconds`."""
    _check_port(address, wait_seconds)
    grpc = import_extra("grpc", extra=EXTRA)
    options = [("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(address.removeprefix(CLIENT), options=options) as channel:
        left = max(deadline - time.monotonic(), LEAST)
        try:
            grpc.channel_ready_future(channel).result(timeout=left)
            if not address.startswith(CLIENT):
                messages = import_extra("ray.core.generated.gcs_service_pb2", extra=EXTRA)
                service = import_extra("ray.core.generated.gcs_service_pb2_grpc", extra=EXTRA)
                left = max(deadline - time.monotonic(), LEAST)
                service.NodeInfoGcsServiceStub(channel).CheckAlive(messages.CheckAliveRequest(), timeout=left)
        except grpc.FutureTimeoutError as error:
            raise _no_answer(address, wait_seconds, "another program answers there") from error
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
                raise _no_answer(address, wait_seconds, f"{error.code().name} from the program there") from error


def _no_answer(address: str, seconds: float, reason: str) -> InputError:
    return InputError(
        "No Ray cluster answers",
        expected=f"a cluster that answers within {seconds:.0f} s",
        received=f"{address} ({reason})",
    )


def _cannot_connect(address: str, error: Exception) -> InputError:
    """Returns the error, in one line, for what Ray says when it cannot connect."""
    said = " ".join(str(error).split())
    if "ersion mismatch" in said or "different versions" in said:
        return InputError("Ray or Python differs from the cluster's", expected="the same versions", received=said[:300])
    if "node info" in said or "No node" in said:
        expected = f"a machine of the cluster (`ray start --address {address}`), or ray://HOST:10001 from elsewhere"
        return InputError("This machine is not part of the Ray cluster", expected=expected, received=address)
    return InputError("No connection to Ray", expected=f"a cluster at {address}", received=said[:300] or repr(error))


def node_resources(ray: ModuleType) -> list[Mapping[str, float]]:
    """Returns the resources of each living node of the cluster, such as {"CPU": 4.0, "GPU": 1.0}."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def places(nodes: Sequence[Mapping[str, float]], wanted: Mapping[str, float]) -> int:
    """Returns how many workers fit on the nodes, if each needs the resources `wanted`.

    >>> places([{"CPU": 4.0}, {"CPU": 1.0}], {"CPU": 2})
    2
    """
    needed = {name: amount for name, amount in wanted.items() if amount > 0}
    return sum(int(min(node.get(name, 0.0) // amount for name, amount in needed.items())) for node in nodes)


def share(nodes: Sequence[Mapping[str, float]], workers: int, *, gpus: int = 1) -> dict[str, float]:
    """Returns the resources of each of `workers` workers: `gpus` GPUs if there are enough, and as many CPUs as fit.

    Args:
        nodes: resources of each node.
        workers: number of workers.
        gpus: GPUs of one worker. The workers get none if the nodes do not have enough for all.

    Raises `InputError` if the workers do not fit with one CPU each.
    """
    with_gpus = {"CPU": 1.0, "GPU": float(gpus)}
    wanted = with_gpus if places(nodes, with_gpus) >= workers else {"CPU": 1.0}
    found = places(nodes, wanted)
    if found < workers:
        total = sum(node.get("CPU", 0.0) for node in nodes)
        expected = f"at most {found}: the cluster has {total:g} CPUs on {len(nodes)} nodes"
        raise InputError("Too many workers", expected=expected, received=str(workers))
    most = int(max(node.get("CPU", 0.0) for node in nodes))
    cpus = max(cpus for cpus in range(1, most + 1) if places(nodes, {**wanted, "CPU": cpus}) >= workers)
    return {**wanted, "CPU": float(cpus)}


def in_use(ray: ModuleType, wanted: Mapping[str, float], workers: int, seconds: float) -> InputError:
    """Returns the error for resources that other programs held for all of some seconds."""
    each = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items())
    free = ", ".join(f"{ray.available_resources().get(name, 0.0):g} {name}" for name in wanted)
    expected = f"{workers} x ({each}) within {seconds:.0f} s"
    return InputError("The cluster is in use", expected=expected, received=f"{free} free on all nodes")


@contextmanager
def reserved(
    ray: ModuleType, wanted: Mapping[str, float], workers: int, *, wait_seconds: float = SECONDS
) -> Iterator[list[dict[str, object]]]:
    """Reserves resources for workers, spread over the nodes. Yields the options with which an actor uses each part.

    Raises `InputError` if other programs hold the resources for longer than `wait_seconds`.
    """
    groups = import_extra("ray.util.placement_group", extra=EXTRA)
    strategies = import_extra("ray.util.scheduling_strategies", extra=EXTRA)
    group = groups.placement_group([dict(wanted)] * workers, strategy="SPREAD")
    try:
        if not group.wait(wait_seconds):
            raise in_use(ray, wanted, workers, wait_seconds)
        strategy = strategies.PlacementGroupSchedulingStrategy
        yield [
            {
                "num_cpus": wanted["CPU"],
                "num_gpus": wanted.get("GPU", 0.0),
                "scheduling_strategy": strategy(group, placement_group_bundle_index=index),
            }
            for index in range(workers)
        ]
    finally:
        with suppress(Exception):  # of a cluster that is gone
            groups.remove_placement_group(group)
