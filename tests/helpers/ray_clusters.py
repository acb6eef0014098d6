"""A Ray cluster of two nodes on this machine, in a process of its own. As a program, it is that process."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from helpers.parts import report_missing

ATTEMPTS = 4
"""Attempts to start the cluster. Ray gives up after some seconds, which are too few on a busy machine."""
NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


class TwoNodes:
    """A running cluster: a head and one more node, with one CPU each."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process, self.address = process, address

    def _ask(self, command: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == f"{command}\n"

    def kill_node(self) -> None:
        """Kills all processes of the second node."""
        self._ask("kill")

    def add_node(self) -> None:
        """Starts another second node."""
        self._ask("add")


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """Starts a cluster, and ends it. Skips the test if Ray is not installed."""
    if find_spec("ray") is None:
        report_missing("Ray (pip install 'gan-reference[ray]')")
    places = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": places}
    for _ in range(ATTEMPTS):
        process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if address:
                yield TwoNodes(process, address)
                return
        finally:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()
    raise AssertionError("Ray does not start")


def main() -> None:
    """Starts the nodes, prints their address, and follows the commands on standard input until its end."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        cluster.add_node(**NODE)
        node = cluster.add_node(**NODE)
        print(cluster.address, flush=True)
        for command in map(str.strip, sys.stdin):
            if command == "kill":
                cluster.remove_node(node, allow_graceful=False)
            else:
                node = cluster.add_node(**NODE)
            print(command, flush=True)
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
