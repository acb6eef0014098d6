"""gan train --ray: starts the workers of one training on the nodes of a Ray cluster, and follows them.

Each worker is `gan train` with TF_CONFIG, as started by hand. Worker 0, the chief, writes the run folder on its node;
a copy comes here at the end of each interval, so the nodes need no shared file system.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Protocol

from gan.cli.exit_status import BAD_INPUT, FAILED
from gan.cli.train_worker import Place, Progress, TrainWorker
from gan.distributed import cluster
from gan.distributed.ray_cluster import connect, node_resources, reserved, share
from gan.errors import InputError, TrainingError, check_whole
from gan.saving import run_folder, training_state
from gan.saving.run_copy import RunFiles, RunReader, write_run
from gan.utils.commands import shell_command
from gan.utils.tensorflow import installed_version

SECONDS_BETWEEN = 0.5
"""Seconds between two questions to the workers."""
GRACE = 15.0
"""Seconds that the other workers have to end by themselves after one failed."""
START_SECONDS = 120.0
"""Seconds that the nodes have to start their workers."""
PREFIX = "gan: "
"""Start of a message that ends a command."""


@dataclass(frozen=True)
class RayTraining:
    """A training on Ray.

    Args:
        address: as for `connect`.
        workers: number of workers.
        gpus: GPUs of a worker, if the cluster has enough.
        chief: options of `gan train` for worker 0, without `--output` and `--resume`.
        others: the same for the other workers.
        output, name: as for `training.train`.
        resume: run to resume. None: a new run.
        json: whether the chief prints JSON.
    """

    address: str
    workers: int
    gpus: int
    chief: Sequence[str]
    others: Sequence[str]
    output: Path | None
    name: str
    resume: Path | None
    json: bool


class Fleet(Protocol):
    """The workers of a training. A worker that was lost answers None."""

    places: Sequence[Place]

    def poll(self) -> Sequence[Progress | None]:
        """Returns what each worker did since the last call."""

    def interrupt(self, number: int) -> None:
        """Sends a signal to the chief, which ends all workers."""


def check_ray(address: str | None, workers: int | None) -> None:
    """Raises `InputError` unless both options are there or none, and the environment has no workers of its own."""
    if workers is not None:
        check_whole("workers", workers, 1)
    if (address is None) != (workers is None):
        missing, given = ("--ray ADDRESS", "--workers") if address is None else ("--workers N", "--ray")
        raise InputError(f"`{given}` alone", expected=f"{missing} with it", received=given)
    if address is not None and cluster.from_environment() is not None:
        raise InputError("Workers from two places", expected=f"--ray or {cluster.VARIABLE}", received="both")


def train_on_ray(training: RayTraining) -> int:
    """Trains on the workers of a Ray cluster. Returns the exit status of the chief, whose output is printed here.

    Raises `InputError` if the cluster cannot be reached or is too small, and `TrainingError` if a worker is lost.
    """
    with ExitStack() as stack:
        copy = RunCopy(training, stack)
        resumed = None if training.resume is None else RunReader(training.resume).read()
        ray = stack.enter_context(connect(training.address))
        wanted = share(node_resources(ray), training.workers, gpus=training.gpus)
        parts = stack.enter_context(reserved(ray, wanted, training.workers))
        fleet = stack.enter_context(_started(ray, parts))
        interrupt = stack.enter_context(_interrupts())
        fleet.start(training, resumed)
        return follow(fleet, copy, interrupt)


class RunCopy:
    """The run folder on this machine.

    Args:
        training: names the folder.
        stack: keeps the lock of the folder until its end.
    """

    def __init__(self, training: RayTraining, stack: ExitStack) -> None:
        self.training, self.stack = training, stack
        self.folder = training.resume
        if self.folder is not None:
            stack.enter_context(training_state.locked(self.folder))

    def write(self, content: RunFiles) -> None:
        """Writes what changed. Creates the folder of a new run."""
        if content == RunFiles():
            return
        if self.folder is None:
            self.folder = run_folder.new_run(self.training.output, self.training.name)
            self.stack.enter_context(training_state.locked(self.folder))
        write_run(self.folder, content)

    @property
    def resume_command(self) -> str:
        """Command that resumes the run on the cluster."""
        place = self.folder or self.training.output or Path("RUN")
        options = ("--ray", self.training.address, "--workers", str(self.training.workers))
        return shell_command("gan", "train", "--resume", place, *options)

    @property
    def resume_hint(self) -> str:
        """How to resume, or that nothing was saved."""
        return "nothing was saved" if self.folder is None else f"resume: {self.resume_command}"

    def local(self, text: str, remote: str) -> str:
        """Returns a text of the chief with the place of its run folder replaced by this one."""
        place = str(self.folder or self.training.output or "RUN")
        place = json.dumps(place)[1:-1] if self.training.json else place
        text = text.replace(shell_command("gan", "train", "--resume", remote), self.resume_command)
        return text.replace(remote, place)


@dataclass
class Screen:
    """Prints what the chief prints, in whole lines. The message with which it ends is kept until its cause is known."""

    localize: Callable[[str], str]
    last: str = ""
    _rest: dict[str, bytes] = field(default_factory=lambda: {"out": b"", "err": b""})

    def show(self, progress: Progress) -> None:
        """Prints the whole lines of new output, and the rest if the worker has ended."""
        for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
            text = self._rest[name] + getattr(progress, name)
            end = len(text) if progress.status is not None else text.rfind(b"\n") + 1
            self._rest[name] = text[end:]
            for line in self.localize(text[:end].decode("utf-8", "replace")).splitlines(keepends=True):
                if name == "err" and is_ending(line):
                    self.last = line.strip()
                else:
                    stream.write(line)
            stream.flush()

    def show_last(self, worker: str | None = None) -> None:
        """Prints the message with which the chief ended, if there is one. worker: its name, to print too."""
        if self.last:
            start = PREFIX if worker is None else f"{PREFIX}{worker}: "
            print(start + self.last.removeprefix(PREFIX), file=sys.stderr)


def is_ending(line: str) -> bool:
    """Returns whether a line of stderr is the message of a command that failed."""
    return line.startswith(PREFIX) and not line.startswith(f"{PREFIX}warning:")


def follow(fleet: Fleet, copy: RunCopy, interrupt: Callable[[], int | None]) -> int:
    """Prints the chief's output and copies its run folder until the chief ends, or a worker fails.

    Args:
        fleet: workers, which have started.
        copy: folder that receives the run.
        interrupt: returns the signal that ends the training, once.

    Returns the exit status. Raises `TrainingError` for a lost worker, and `KeyboardInterrupt` for a second signal.
    """
    screen = Screen(lambda text: copy.local(text, fleet.places[0].run))
    endings: dict[int, int | None] = {}
    errors = [b""] * len(fleet.places)
    deadline: float | None = None
    while True:
        for index, progress in enumerate(fleet.poll()):
            if progress is None:
                endings[index] = None
                continue
            errors[index] = (errors[index] + progress.err)[-10_000:]
            if progress.status is not None:
                endings[index] = progress.status
            if index == 0:
                if progress.files is not None:
                    copy.write(progress.files)  # before the text about it
                screen.show(progress)
        status = endings.get(0)
        if status is not None and status >= 0 and status != FAILED:
            # This command has checked the input on this machine. So the message is about files of that node.
            screen.show_last(_name(fleet, 0) if status == BAD_INPUT else None)
            return status
        if any(ending != 0 for ending in endings.values()):
            deadline = time.monotonic() + GRACE if deadline is None else deadline
            if time.monotonic() > deadline or len(endings) == len(fleet.places) or None in endings.values():
                return _failure(endings, fleet, errors, screen, copy)
        number = interrupt()
        if number is not None:
            fleet.interrupt(number)
        time.sleep(SECONDS_BETWEEN)


def _failure(
    endings: dict[int, int | None], fleet: Fleet, errors: Sequence[bytes], screen: Screen, copy: RunCopy
) -> int:
    """Reports the worker that failed first: one that was lost or killed, one with bad input, or any."""

    def order(index: int) -> int:
        status = endings[index]
        return 0 if status is None or status < 0 else 1 if status == BAD_INPUT else 2

    index = min((index for index, status in endings.items() if status != 0), key=lambda index: (order(index), index))
    status, name = endings[index], _name(fleet, index)
    if status is None:
        raise TrainingError(f"{name} was lost: its process or its machine ended; {copy.resume_hint}")
    if status < 0:
        raise TrainingError(f"{name} was killed by signal {-status}; {copy.resume_hint}")
    if index == 0:
        screen.show_last()
        return status
    lines = [line for line in errors[index].decode("utf-8", "replace").splitlines() if line.strip()]
    said = next((line.removeprefix(PREFIX) for line in reversed(lines) if is_ending(line)), lines[-1] if lines else "")
    if status == BAD_INPUT:
        print(f"{PREFIX}{name}: {said}", file=sys.stderr)
        return BAD_INPUT
    raise TrainingError(f"{name} failed: {said}; {copy.resume_hint}")


def _name(fleet: Fleet, index: int) -> str:
    return f"Worker {index} on {fleet.places[index].host}"


@contextmanager
def _interrupts() -> Iterator[Callable[[], int | None]]:
    """Yields a function that returns a signal that arrived since its last call. A second signal raises at once."""
    received: list[int] = []
    reported: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    def next_signal() -> int | None:
        if received and not reported:
            reported.extend(received)
            return received[0]
        return None

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield next_signal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _RayFleet:
    """Workers that are actors of Ray.

    Args:
        ray: the module.
        actors: handles of `TrainWorker`.
    """

    def __init__(self, ray: ModuleType, actors: Sequence[Any]) -> None:
        self.ray, self.actors = ray, actors
        self.places: Sequence[Place] = self._places()
        for index, place in enumerate(self.places):
            own = installed_version("gan-reference")
            if place.version != own:
                received = f"{place.version} on {place.host}, the node of worker {index}"
                raise InputError("Another version of this package", expected=own, received=received)

    def _places(self) -> Sequence[Place]:
        errors = self.ray.exceptions
        try:
            return self.ray.get([actor.place.remote() for actor in self.actors], timeout=START_SECONDS)
        except errors.GetTimeoutError as error:
            expected = f"{len(self.actors)} workers within {START_SECONDS:.0f} s"
            raise InputError("The nodes do not start their workers", expected=expected, received="no answer") from error
        except errors.RayError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = next((line for line in lines if "Error:" in line and "gan" in line), lines[0] if lines else "")
            expected = "this package with its requirements on each node (the same Python environment)"
            raise InputError("A node cannot start its worker", expected=expected, received=said[:300]) from error

    def start(self, training: RayTraining, resumed: RunFiles | None) -> None:
        """Starts the process of each worker. Only the chief gets the run folder."""
        addresses = [place.address for place in self.places]
        started = []
        for index, (actor, place) in enumerate(zip(self.actors, self.places, strict=True)):
            options = list(training.others if index else training.chief)
            if resumed is not None:
                options += ["--resume", place.run]
            elif index == 0:
                options += ["--output", place.run]
            config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            started.append(actor.start.remote(options, config, os.getcwd(), None if index else resumed))  # noqa: PTH109
        self.ray.get(started)

    def poll(self) -> Sequence[Progress | None]:
        """Returns what each worker did since the last call. None: Ray has lost it."""
        asked = [actor.poll.remote() for actor in self.actors]
        found: list[Progress | None] = []
        for one in asked:
            try:
                found.append(self.ray.get(one))
            except self.ray.exceptions.RayError:
                found.append(None)
        return found

    def interrupt(self, number: int) -> None:
        """Sends a signal to the chief, which ends all workers."""
        self.actors[0].interrupt.remote(number)


@contextmanager
def _started(ray: ModuleType, parts: Sequence[dict[str, object]]) -> Iterator[_RayFleet]:
    """Starts an actor in each part of the reserved resources. At the end, ends all processes and actors."""
    actors = [ray.remote(**part)(TrainWorker).remote() for part in parts]
    try:
        yield _RayFleet(ray, actors)
    finally:
        with suppress(Exception):  # of actors that are lost
            ray.wait([actor.close.remote() for actor in actors], num_returns=len(actors), timeout=GRACE)
        for actor in actors:
            with suppress(Exception):
                ray.kill(actor)
