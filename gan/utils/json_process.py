"""A process of one's own that answers requests: one line of JSON each way. Does not import TensorFlow."""

import json
import os
import queue
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from gan.utils.child import end_own_process, kill, python_module, why_ended
from gan.utils.tensorflow import reason_of

Message: TypeAlias = Any  # any JSON value


class ProcessFailure(RuntimeError):
    """A process that cannot answer a request. The message says why."""


class ProcessEnded(ProcessFailure):
    """A process that has ended before its answer."""


class JsonProcess:
    """Starts a Python module as a process that answers requests with `answer_requests`.

    Args:
        module: the module, which is run as a program.
        arguments: its arguments.
        output: file for what the process prints.
        environment: variables besides those of this process.
    """

    def __init__(
        self, module: str, *arguments: str, output: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._output = output
        command, inherited = python_module(module, *arguments)
        with output.open("ab") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # ends with this process, and the other one notices that
                stdout=subprocess.PIPE,
                stderr=file,
                env={**inherited, **(environment or {})},
                bufsize=0,  # nothing is left to write when the process has ended
                start_new_session=True,  # Ctrl-C reaches this process alone, which kills the other one
            )

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def send(self, request: object) -> None:
        """Sends a request, any JSON value. Raises `ProcessEnded` if the process has ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{json.dumps(request)}\n".encode())
            self._process.stdin.flush()
        except (OSError, ValueError) as error:  # ValueError: it was closed
            raise self._ended() from error

    def receive(self) -> Message:
        """Waits for the answer to the oldest request that has none.

        Raises `ProcessEnded` if the process has ended, and `ProcessFailure` if it could not answer.
        """
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline()
        except ValueError as error:  # it was closed
            raise self._ended() from error
        if not line.endswith(b"\n"):
            raise self._ended()
        found: dict[str, Any] = json.loads(line)
        if "failure" in found:
            raise ProcessFailure(found["failure"])
        return found["answer"]

    def close(self) -> None:
        """Ends the process. Does nothing if that was done."""
        assert self._process.stdout is not None
        if not self._process.stdout.closed:
            kill(self._process)
            self._process.stdout.close()

    def _ended(self) -> ProcessEnded:
        self._process.wait()
        said = self._output.read_text(encoding="utf-8", errors="replace") if self._output.exists() else ""
        return ProcessEnded(f"the process ended {why_ended(self._process.returncode, said)}")


def answer_requests(answer: Callable[[Message], Mapping[str, object]]) -> None:
    """Answers the requests of the process that started this one, until that ends. Prints nothing else on stdout.

    Each line is {"answer": the answer} or, after an exception, {"failure": its reason}.

    answer: request -> answer, in JSON types.
    """
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what a library prints is no answer
        for request in _requests():
            try:
                reply: Mapping[str, object] = {"answer": answer(request)}
            except Exception as error:
                traceback.print_exc()
                reply = {"failure": reason_of(error)}
            print(json.dumps(reply), file=answers, flush=True)


def _requests() -> Iterator[Message]:
    """Yields the requests. At their end, kills this process and those that it started, also at work.

    The process that asked has then ended, however it was killed.
    """
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        with open(0, encoding="utf-8", closefd=False) as stream:  # not `sys.stdin`, whose lock others may need
            for line in stream:
                lines.put(line)
        end_own_process()

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(lines.get())
