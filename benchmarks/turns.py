"""Processes that make train steps in turns, so that different libraries are timed under the same conditions."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gan
from benchmarks.gpu_process import last_line
from gan.errors import TrainingError
from gan.utils.child import kill

MODULE = "benchmarks.turns_process"
PAUSE_S = 0.3
"""Wait between two turns, in seconds. Threads of the process before still look for work, at the cost of the next."""


class Runner:
    """A process that waits for its turn. `facts`: what it said about itself when it was ready."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self._process, self._output = process, output
        self.facts: dict[str, Any] = json.loads(self._line())

    def seconds(self, steps: int) -> float:
        """Makes train steps, and returns their duration in seconds. Raises `TrainingError` if the process ended."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{steps}\n".encode("ascii"))
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the next line is empty, and its error says why
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode("utf-8").strip()
        if not line:
            said = last_line(self._output.read_text(encoding="utf-8", errors="replace"))
            raise TrainingError(f"a process of the benchmark ended: {said or 'no message'}")
        return line


@contextmanager
def runners(asked: Mapping[str, tuple[str, Mapping[str, Any]]]) -> Iterator[dict[str, Runner]]:
    """Starts a process for each name, one after the other, and kills all of them at the end.

    asked: {name: (Python interpreter, arguments of `benchmarks.turns_process.main`)}.

    Raises `TrainingError` with the last line of a process that ended before it was ready.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gan-turns-")))
        started: dict[str, Runner] = {}
        for number, (name, (python, arguments)) in enumerate(asked.items()):
            output = folder / f"output-{number}"
            opened = stack.enter_context(output.open("wb"))
            process = subprocess.Popen(
                [python, "-m", MODULE, json.dumps(dict(arguments))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=opened,
                env=_environment(),
            )
            stack.callback(_end, process)
            started[name] = Runner(process, output)
        yield started


def take_turns(
    started: Mapping[str, Runner], steps: int, number: int, wait: Callable[[float], None] = time.sleep
) -> dict[str, float]:
    """Returns the seconds of `steps` train steps of each runner. Every second round has the opposite order.

    Args:
        started: runners by name.
        steps: train steps of each turn.
        number: number of the round, from 0.
        wait: waits for a number of seconds between two turns.
    """
    seconds = {}
    for name in list(started)[:: -1 if number % 2 else 1]:
        wait(PAUSE_S)
        seconds[name] = started[name].seconds(steps)
    return {name: seconds[name] for name in started}


def _end(process: "subprocess.Popen[bytes]") -> None:
    kill(process, group=False)
    assert process.stdout is not None
    process.stdout.close()


def _environment() -> dict[str, str]:
    """Returns the environment of a runner, which may be another Python: this copy of the package comes first."""
    package = str(Path(gan.__file__).parents[1])
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"}
