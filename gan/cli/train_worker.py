"""One worker of `gan train --ray`: a process on a node, its output, and the run folder that it writes.

`TrainWorker` is a plain class, of which Ray makes an actor. It runs on the node, and sees the files of the node.
"""

import json
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from gan.distributed.cluster import VARIABLE
from gan.saving.run_copy import RunFiles, RunReader, write_run
from gan.utils.child import kill, python_module
from gan.utils.tensorflow import installed_version
from gan.utils.working_folder import working_folder

FOLDER = "GAN_WORKER_FOLDER"
"""Environment variable with the folder of a worker, which its process removes when it is left alone."""
MODULE = "gan.cli.train_process"
"""Program that a worker runs."""
PACKAGE = "gan-reference"


@dataclass(frozen=True)
class Place:
    """Where a worker runs.

    `address` is the `HOST:PORT` at which it may listen, `run` its run folder there, `version` that of this package.
    """

    host: str
    address: str
    run: str
    version: str


@dataclass(frozen=True)
class Progress:
    """What a worker did since the last question.

    `status` is its exit status; None: it runs. `files` is the run folder; None: no interval was completed.
    """

    status: int | None
    out: bytes
    err: bytes
    files: RunFiles | None


class TrainWorker:
    """Runs `gan train` on its node and copies its run folder.

    The process ends when the process of this object does, also when that is killed.

    Args:
        host: address of this node.
        module: program to run.
    """

    def __init__(self, host: str | None = None, module: str = MODULE) -> None:
        self.host, self.module = host, module
        self._stack = ExitStack()
        self.folder = self._stack.enter_context(working_folder("gan-worker"))
        self.run = RunReader(self.folder / "run")
        self._process: subprocess.Popen[bytes] | None = None
        self._shown = {"out": 0, "err": 0}

    def place(self) -> Place:
        """Returns where this worker runs, with a port that is free now."""
        if self.host is None:
            from ray.util import get_node_ip_address

            self.host = get_node_ip_address()
        with socket.create_server(("", 0)) as server:
            port = server.getsockname()[1]
        address = f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
        return Place(self.host, address, str(self.run.run), installed_version(PACKAGE))

    def start(
        self, arguments: Sequence[str], cluster: Mapping[str, object], cwd: str, resumed: RunFiles | None
    ) -> None:
        """Starts the process.

        Args:
            arguments: options of `gan train`.
            cluster: content of TF_CONFIG.
            cwd: working folder, if this node has it. So relative paths in options mean the same.
            resumed: run folder to resume, which only the chief needs.
        """
        if resumed is not None:
            write_run(self.run.run, resumed)
            self.run.read()  # the caller has it
        command, environment = python_module(self.module, *arguments)
        environment |= {VARIABLE: json.dumps(cluster), FOLDER: str(self.folder)}
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=cwd if os.path.isdir(cwd) else self.folder,  # noqa: PTH112 - a folder of another machine
                env=environment,
                start_new_session=True,
            )

    def poll(self) -> Progress:
        """Returns what is new. The run folder is part of it if an interval was completed or the process has ended."""
        status = None if self._process is None else self._process.poll()
        files = self.run.read() if status is not None or self.run.has_new_state() else None
        return Progress(status, self._new("out"), self._new("err"), files)

    def interrupt(self, number: int) -> None:
        """Sends a signal to the process, which saves its run and ends."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def close(self) -> None:
        """Kills the process if it runs, and removes the folder of this worker."""
        if self._process is not None:
            kill(self._process)
        self._stack.close()

    def _new(self, stream: str) -> bytes:
        try:
            with (self.folder / stream).open("rb") as file:
                file.seek(self._shown[stream])
                text = file.read()
        except FileNotFoundError:
            return b""
        self._shown[stream] += len(text)
        return text
