"""Workers of a run, from TF_CONFIG: addresses, the chief, and connection checks. Does not import TensorFlow."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from gan.errors import InputError

VARIABLE = "TF_CONFIG"
"""Environment variable that lists the workers, in the format of `tf.distribute`."""

SECONDS = 120.0
"""Seconds that a worker waits for the other workers."""

_JOBS = ("chief", "worker")
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """Workers of a run as `host:port`, chief first, and the index of this process among them."""

    workers: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run: it is the job `chief`, or worker 0 if there is no job `chief`."""
        return self.index == 0

    @property
    def address(self) -> str:
        """The `host:port` of this process."""
        return self.workers[self.index]

    @property
    def peers(self) -> tuple[str, ...]:
        """The other workers."""
        return tuple(worker for worker in self.workers if worker != self.address)


def from_environment() -> Cluster | None:
    """Reads the cluster from TF_CONFIG. Returns None when TF_CONFIG is not set or lists a single worker.

    Raises `InputError` when TF_CONFIG is not JSON, has no cluster or no task, or has a job other than `chief` and
    `worker`. It also rejects a task that is not in the cluster, an address without a port, and duplicate addresses.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _malformed(f"invalid JSON ({error})") from error
    if not isinstance(config, dict) or not isinstance(config.get("cluster"), dict) or not config["cluster"]:
        raise _malformed("no `cluster`")
    task = config.get("task")
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise _malformed("no `task` with type and index")
    jobs = {job: _addresses(job, addresses) for job, addresses in config["cluster"].items()}
    job, index = task["type"], task["index"]
    if job not in jobs:
        raise _malformed(f"a task of type {job!r}, which is not in the cluster")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(jobs[job]):
        raise _malformed(f"index {index!r} for the {len(jobs[job])} tasks of the job {job!r}")
    workers = (*jobs.get("chief", ()), *jobs.get("worker", ()))
    if len(set(workers)) != len(workers):
        raise _malformed("the same address twice")
    return Cluster(workers, workers.index(jobs[job][index])) if len(workers) > 1 else None


def is_chief() -> bool:
    """Returns whether this process writes the run: it is the only worker, or the chief of the cluster in TF_CONFIG."""
    cluster = from_environment()
    return cluster is None or cluster.is_chief


def _addresses(job: str, addresses: Any) -> tuple[str, ...]:
    if job not in _JOBS:
        raise _malformed(f"a job {job!r}; the jobs are {' and '.join(_JOBS)}")
    if not isinstance(addresses, list) or not addresses:
        raise _malformed(f"no list of addresses for the job {job!r}")
    if job == "chief" and len(addresses) > 1:
        raise _malformed(f"{len(addresses)} chiefs")
    for address in addresses:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise _malformed(f"the address {address!r}, which is not host:port")
    return tuple(addresses)


def _malformed(problem: str) -> InputError:
    return InputError(f"Malformed {VARIABLE}", expected=f"JSON such as {_EXAMPLE}", received=problem)


def wait_for_peers(cluster: Cluster, log: Callable[[str], None], *, seconds: float | None = None) -> None:
    """Waits until every other worker accepts a TCP connection, and accepts theirs meanwhile.

    A worker that waits or already trains accepts connections. TensorFlow itself would wait for an hour.

    Args:
        cluster: workers of the run.
        log: function that prints a line about the missing workers.
        seconds: maximum waiting time. None: `SECONDS`.

    Raises `InputError` when a worker does not answer in time, or when the port of this worker is already in use.
    """
    seconds = SECONDS if seconds is None else seconds
    deadline = time.monotonic() + seconds
    missing, is_logged = list(cluster.peers), False
    with _listening(cluster.address):
        while missing:
            missing = [peer for peer in missing if not _answers(peer)]
            if missing and time.monotonic() > deadline:
                raise unreachable(missing, seconds)
            if missing and not is_logged:
                log(f"waiting up to {seconds:.0f} s for {', '.join(missing)}")
                is_logged = True
            time.sleep(0.1 if missing else 0.0)


def unreachable(peers: list[str], seconds: float) -> InputError:
    """Returns the error for workers that do not answer."""
    return InputError(
        "A worker cannot be reached",
        expected=f"every worker of {VARIABLE} to answer within {seconds:.0f} s",
        received=f"no answer from {', '.join(peers)}",
    )


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=1.0):
        return True
    return False


@contextmanager
def _listening(address: str) -> Iterator[None]:
    """Accepts connections of the other workers. TensorFlow's own server uses the port afterwards."""
    port = int(address.rpartition(":")[2])
    try:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        server = socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=128)
    except OSError as error:
        raise InputError(
            "The port of this worker is in use", expected=f"a free port at {address} ({VARIABLE})", received=f"{error}"
        ) from error
    with server:
        yield
