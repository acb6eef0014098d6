"""The machines of a run, from TF_CONFIG: who they are, who writes, and whether they can be reached. No TensorFlow."""

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
"""Environment variable that names the machines, as `tf.distribute` reads it."""

SECONDS = 120.0
"""How long a worker waits for the others to be there."""

_JOBS = ("chief", "worker")
_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclass(frozen=True)
class Cluster:
    """The workers of a run, chief first, as `host:port`, and which of them this process is."""

    workers: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes: the job `chief`, or worker 0 where there is none."""
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
    """The cluster that TF_CONFIG names; None where it is not set, or names one worker only.

    Raises `InputError` when it is no JSON, lacks a cluster or a task, has a job that is neither `chief` nor `worker`,
    a task that is not in the cluster, an address without a port, or the same address twice.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _malformed(f"no JSON ({error})") from error
    if not isinstance(config, dict) or not isinstance(config.get("cluster"), dict) or not config["cluster"]:
        raise _malformed("no `cluster`")
    task = config.get("task")
    if not isinstance(task, dict) or "type" not in task or "index" not in task:
        raise _malformed("no `task` with type and index")
    jobs = {job: _addresses(job, addresses) for job, addresses in config["cluster"].items()}
    job, index = task["type"], task["index"]
    if job not in jobs:
        raise _malformed(f"a task of type {job!r}, which the cluster does not have")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(jobs[job]):
        raise _malformed(f"index {index!r} of {len(jobs[job])} in the job {job!r}")
    workers = (*jobs.get("chief", ()), *jobs.get("worker", ()))
    if len(set(workers)) != len(workers):
        raise _malformed("the same address twice")
    return Cluster(workers, workers.index(jobs[job][index])) if len(workers) > 1 else None


def is_chief() -> bool:
    """Whether this process writes: it is alone, or the chief of the cluster that TF_CONFIG names."""
    cluster = from_environment()
    return cluster is None or cluster.is_chief


def _addresses(job: str, addresses: Any) -> tuple[str, ...]:
    if job not in _JOBS:
        raise _malformed(f"a job {job!r}; {' and '.join(_JOBS)} are known")
    if not isinstance(addresses, list) or not addresses:
        raise _malformed(f"no list of addresses of the job {job!r}")
    if job == "chief" and len(addresses) > 1:
        raise _malformed(f"{len(addresses)} chiefs")
    for address in addresses:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise _malformed(f"the address {address!r}, which is no host:port")
    return tuple(addresses)


def _malformed(problem: str) -> InputError:
    return InputError(f"Malformed {VARIABLE}", expected=f"JSON such as {_EXAMPLE}", received=problem)


def wait_for_peers(cluster: Cluster, log: Callable[[str], None], *, seconds: float | None = None) -> None:
    """Returns as soon as every other worker is there; meanwhile this one can be found, too.

    A plain connection to each address must succeed, to another worker that waits or already trains. (TensorFlow itself
    waits for an hour.) Raises `InputError` when one does not answer for `seconds` (default: `SECONDS`), or the port of
    this worker is taken.
    """
    seconds = SECONDS if seconds is None else seconds
    deadline = time.monotonic() + seconds
    missing, told = list(cluster.peers), False
    with _listening(cluster.address):
        while missing:
            missing = [peer for peer in missing if not _answers(peer)]
            if missing and time.monotonic() > deadline:
                raise unreachable(missing, seconds)
            if missing and not told:
                log(f"waiting up to {seconds:.0f} s for {', '.join(missing)}")
                told = True
            time.sleep(0.1 if missing else 0.0)


def unreachable(peers: list[str], seconds: float) -> InputError:
    """What is said of workers that are not there."""
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
    """Lets the others find this worker; TensorFlow's own server takes the port over afterwards."""
    port = int(address.rpartition(":")[2])
    try:
        both = socket.has_dualstack_ipv6()
        family = socket.AF_INET6 if both else socket.AF_INET
        server = socket.create_server(("", port), family=family, dualstack_ipv6=both, backlog=128)
    except OSError as error:
        raise InputError(
            "The port of this worker is taken", expected=f"{address} of {VARIABLE} to be free", received=f"{error}"
        ) from error
    with server:
        yield
