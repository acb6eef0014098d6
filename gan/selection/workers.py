"""Who runs the tasks of a selection: processes of this machine. Does not import TensorFlow."""

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gan.errors import TrainingError, check_whole, convert
from gan.selection.cost import CostTask, MeasuredCosts
from gan.selection.trial import TrialResult, TrialTask, read_error
from gan.utils import machine
from gan.utils.json_process import JsonProcess, ProcessEnded, ProcessFailure

PROCESS = "gan.selection.task_process"

THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")
"""Variables with the number of threads of a process that uses TensorFlow."""

ATTEMPTS = 3
"""Times that a trial is run if its process ends. Each one resumes from the last complete interval of the run."""


class Workers(ABC):
    """What runs the tasks of a selection, here or on other machines. A context manager: at its end, nothing runs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def run_trials(self, tasks: Sequence[TrialTask]) -> Iterator[tuple[TrialTask, TrialResult]]:
        """Runs trials of different candidates, and yields each with its result, in the order of their ends.

        At the end of a trial, its run folder is complete. A trial whose process or machine ends is repeated from the
        last complete interval of its run, at most `ATTEMPTS` times in all; then it is a failure of the candidate.

        Raises `InputError` for a task that cannot be run, and `TrainingError` for another error in a process, such as
        of a full disk: it is no fault of the candidate, and the trial can be run again.
        """

    @abstractmethod
    def measure_costs(self, task: CostTask) -> MeasuredCosts:
        """Measures costs on one machine, while no trial runs there.

        Raises `InputError` for a task that cannot be run, and `ProcessFailure` if it fails otherwise.
        """

    def close(self) -> None:  # noqa: B027 - not every kind has something to close
        """Ends what runs."""


class LocalWorkers(Workers):
    """Processes of this machine, each of which runs one task after the other.

    Args:
        output: folder for what they print, a file for each process.
        jobs: number of processes. They share the cores.
    """

    def __init__(self, output: Path, *, jobs: int = 1) -> None:
        check_whole("jobs", jobs, 1)
        self.jobs = jobs
        self._output = output
        self._idle: queue.SimpleQueue[JsonProcess] = queue.SimpleQueue()
        self._started: list[JsonProcess] = []
        self._closed, self._lock = False, threading.Lock()

    def run_trials(self, tasks: Sequence[TrialTask]) -> Iterator[tuple[TrialTask, TrialResult]]:
        """Runs trials, see `Workers`. At most `jobs` of them run at the same time, in the order of `tasks`."""
        with ThreadPoolExecutor(self.jobs) as threads:
            running = {threads.submit(self._run_trial, task): task for task in tasks}
            try:
                for done in as_completed(running):
                    yield running[done], done.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                self.close()
                raise

    def measure_costs(self, task: CostTask) -> MeasuredCosts:
        """Measures costs in a process that has all cores, see `Workers`."""
        process = self._start({})
        try:
            return convert(_ask(process, "cost", task.as_dict()), MeasuredCosts, "the result of a task")
        finally:
            process.close()

    def close(self) -> None:
        """Kills all processes. No other one is started."""
        with self._lock:
            self._closed = True
        for process in self._started:
            process.close()

    def _run_trial(self, task: TrialTask) -> TrialResult:
        reason = ""
        for _ in range(ATTEMPTS):
            process = self._take()
            try:
                found = _ask(process, "trial", task.as_dict())
            except ProcessEnded as error:
                reason = str(error)
                process.close()
                if self._closed:
                    raise
                continue
            except ProcessFailure as error:
                raise TrainingError(f"The trial of {task.name} failed: {error}") from error
            self._idle.put(process)
            return convert(found, TrialResult, "the result of a task")
        return TrialResult(failure=f"{reason} (the last of {ATTEMPTS} attempts)")

    def _take(self) -> JsonProcess:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            threads = str(max(1, machine.cores() // self.jobs))
            return self._start(dict.fromkeys(THREADS, threads) if self.jobs > 1 else {})

    def _start(self, environment: dict[str, str]) -> JsonProcess:
        with self._lock:
            if self._closed:
                raise ProcessEnded("the workers are closed")
            self._output.mkdir(parents=True, exist_ok=True)
            number = 1 + len(list(self._output.iterdir()))  # those of earlier processes remain
            process = JsonProcess(PROCESS, output=self._output / f"{number:03}.log", environment=environment)
            self._started.append(process)
        return process


def _ask(process: JsonProcess, kind: str, task: dict[str, Any]) -> dict[str, Any]:
    process.send({"kind": kind, "task": task})
    found = process.receive()
    if "input_error" in found:
        raise read_error(found["input_error"])
    return found
