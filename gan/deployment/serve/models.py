"""Served models and their versions: update, refusal, rollback."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gan import sampling
from gan.deployment.serve.acceptance import Evidence, find_evidence, reason_to_refuse
from gan.deployment.serve.batching import BatchQueue, QueueClosedError
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.place import Place, Stamp
from gan.deployment.serve.request import Asked
from gan.errors import InputError, Json
from gan.sampling.generators import as_engine
from gan.saving.engines.engine import Engine
from gan.saving.saved_generator import SavedGenerator

Decision = Literal["SERVED", "PREVIOUS", "REFUSED", "ROLLED_BACK", "REPLACED"]
"""What became of a version. `SERVED` and `PREVIOUS` are loaded; a rollback returns to the previous one."""

LISTED = 20
"""Versions that a model lists; older ones are forgotten."""


@dataclass
class Version:
    """A version of a model. It is loaded, or it was refused or replaced."""

    number: int
    sha256: str
    evidence: Evidence | None
    class_names: tuple[str, ...]
    decision: Decision
    weights: str = "float32"
    """Number type of the stored kernels."""
    license: str | None = None
    reason: str = ""
    """Why it was refused."""
    engine: Engine | None = None
    queue: BatchQueue | None = None
    num_classes: int = 0
    """Number of classes, also after it was released."""

    def load(self, engine: Engine, queue: BatchQueue) -> None:
        """Makes it ready to serve."""
        self.engine, self.queue, self.num_classes = engine, queue, engine.num_classes

    def release(self) -> None:
        """Finishes its requests, and frees its memory."""
        if self.queue is not None:
            self.queue.close()
        self.engine = self.queue = None

    def as_dict(self) -> dict[str, Json]:
        """Returns the entry of `model_version_status`: TensorFlow Serving's fields, the decision and the report."""
        loaded = self.decision in ("SERVED", "PREVIOUS")
        refused = self.decision == "REFUSED"
        return {
            "version": str(self.number),
            "state": "AVAILABLE" if loaded else "END",
            "status": {
                "error_code": "FAILED_PRECONDITION" if refused else "OK",
                "error_message": f"refused: {self.reason}" if refused else "",
            },
            "decision": self.decision,
            "sha256": self.sha256,
            "report": None if self.evidence is None else self.evidence.as_dict(),
        }


class ServedModel:
    """A model: the version that answers, the one before it, and what became of others.

    Args:
        place: where new versions come from.
        limits: bounds the queues.
        metrics: counts batches and samples.
        force: take new versions whatever their reports say.
        together: False computes each request alone, to compare with.

    Raises `InputError` if there is no version that loads.
    """

    def __init__(
        self, place: Place, *, limits: Limits, metrics: Metrics, force: bool = False, together: bool = True
    ) -> None:
        self.name, self._place, self._limits, self._force, self._together = place.name, place, limits, force, together
        self._count = metrics.batch_counter(self.name)
        self._changing = threading.Lock()
        self._problem: str | None = None
        self._seen: Stamp | None = place.stamp()
        self._versions = list[Version]()
        saved = place.find()
        self._served = self._entry(saved)
        self._previous: Version | None = None
        self._versions.append(self._served)
        self._served.load(*self._ready(saved))
        self._served.decision = "SERVED"
        metrics.watch_model(
            self.name, queued=lambda: self._served.queue.queued if self._served.queue else 0,
            version=lambda: self._served.number,
        )  # fmt: skip

    @property
    def served(self) -> Version:
        """The version that answers requests without a version number."""
        return self._served

    def version(self, number: int) -> Version | None:
        """Returns a loaded version by its number, or None."""
        loaded = (self._served, self._previous)
        return next((version for version in loaded if version is not None and version.number == number), None)

    def submit(self, number: int | None, asked: Asked) -> tuple[Version, "Future[np.ndarray]"]:
        """Adds a request to the queue of a version; None: the served one.

        Returns the version that computes it, and its samples. Raises `InputError` if the version cannot draw what is
        asked, `LookupError` if it is not loaded, and `QueueFullError`.
        """
        while True:
            version = self._served if number is None else self.version(number)
            if version is None:
                raise LookupError
            engine, queue = version.engine, version.queue
            if engine is not None and queue is not None:
                job = asked.prepare(engine, version.class_names, self._limits)
                try:
                    return version, queue.submit(job.rows, job.inputs)
                except QueueClosedError:
                    pass
            # it was replaced between the two lines; the version that replaced it is served already

    def as_dict(self, number: int | None = None) -> dict[str, Json]:
        """Returns the status as TensorFlow Serving does, and why the newest file is not served.

        Raises `LookupError` for a version that is not known.
        """
        with self._changing:
            listed = [v.as_dict() for v in reversed(self._versions) if number is None or v.number == number]
        if not listed:
            raise LookupError
        return {"model_version_status": listed, "problem": self._problem}

    def update(self) -> None:
        """Takes a new version, if there is one that may take over. Does nothing while no file has changed.

        A file that is damaged, or not yet complete, is tried again by the next call.
        """
        stamp = self._place.stamp()
        if stamp == self._seen:
            return
        try:
            settled = self._consider(stamp)
        except Exception as error:  # also of Keras, TensorFlow and the engines: the loaded version serves on
            problem = error.problem if isinstance(error, InputError) else "The newest version does not load"
            problem = self._place.without_folder(problem)
            if problem != self._problem:
                write_log("update_failed", level="error", model=self.name, reason=str(error) or repr(error))
            self._problem = problem
        else:
            self._problem, self._seen = None, stamp if settled else self._seen

    def _consider(self, stamp: Stamp) -> bool:
        """Takes the newest version or refuses it. Returns False if its files changed meanwhile: nothing was done."""
        saved = self._place.find()
        entry = self._entry(saved)
        if entry.decision in ("SERVED", "ROLLED_BACK"):
            return True
        reason = None if self._force else reason_to_refuse(entry.evidence, self._served.evidence)
        if reason is None:
            engine, queue = self._ready(saved)
            reason = None if self._force else _other_signature(engine, self._served.engine)
            if reason is None and self._place.stamp() == stamp:
                self._take_over(entry, engine, queue)
                return True
            queue.close()
        if reason is None or self._place.stamp() != stamp:
            return False
        if (entry.decision, entry.reason) != ("REFUSED", reason):
            write_log("refused", level="warning", model=self.name, version=entry.number, reason=reason)
        with self._changing:
            entry.decision, entry.reason = "REFUSED", reason
            self._remember(entry)
        return True

    def _take_over(self, entry: Version, engine: Engine, queue: BatchQueue) -> None:
        """Serves a version, keeps the one before it, and releases the one before that."""
        with self._changing:
            before, oldest = self._served, self._previous
            idle = None if oldest is None else oldest.queue
            entry.load(engine, queue)
            entry.decision, entry.reason, before.decision = "SERVED", "", "PREVIOUS"
            self._served, self._previous = entry, before
            if oldest is not None and oldest is not entry:  # it is `entry` if its file came back
                oldest.decision, oldest.engine, oldest.queue = "REPLACED", None, None
            self._remember(entry)
        write_log("update", model=self.name, version=entry.number, sha256=entry.sha256, forced=self._force)
        if idle is not None:
            idle.close()

    def rollback(self) -> tuple[int, int]:
        """Returns to the version before. Returns the numbers of the version that was served, and of that one.

        The file of the version that was left is not taken again until it changes. Raises `LookupError` if no version
        before it is loaded.
        """
        with self._changing:
            left, before = self._served, self._previous
            if before is None:
                raise LookupError
            before.decision, left.decision = "SERVED", "ROLLED_BACK"
            self._served, self._previous = before, None
        write_log("rollback", level="warning", model=self.name, version=before.number, left=left.number)
        left.release()
        return left.number, before.number

    def close(self) -> None:
        """Finishes all requests."""
        for version in (self._served, self._previous):
            if version is not None:
                version.release()

    def _entry(self, saved: SavedGenerator) -> Version:
        """Returns the entry of a version, by its SHA-256, with its evidence as it is now."""
        known = self._versions
        found = next((version for version in known if version.sha256 == saved.summary.sha256), None)
        evidence = find_evidence(saved)
        if found is not None:
            found.evidence = evidence
            return found
        numbers = {version.number for version in known}
        number = self._place.number(saved)
        if number is None or number in numbers:
            number = max(numbers, default=0) + 1
        card = saved.card
        return Version(
            number,
            saved.summary.sha256,
            evidence,
            saved.class_names,
            "REFUSED",
            weights="float32" if card is None else card.weights,
            license=None if card is None else card.license,
        )

    def _ready(self, saved: SavedGenerator) -> tuple[Engine, BatchQueue]:
        """Loads a version and warms it up."""
        engine = as_engine(saved.file)
        queue = BatchQueue(
            engine,
            capacity=self._limits.most_queued(engine.image_shape),
            on_batch=self._count,
            together=self._together,
        )
        try:
            queue.warm_up()
            sampling.latents(0, [0], engine.latent_dim)
        except BaseException:
            queue.close()
            raise
        return engine, queue

    def _remember(self, entry: Version) -> None:
        if entry not in self._versions:
            self._versions.append(entry)
        kept = {id(self._served), id(self._previous), id(entry)}
        spare = [version for version in self._versions if id(version) not in kept]
        for version in spare[: max(0, len(self._versions) - LISTED)]:
            self._versions.remove(version)


def _other_signature(new: Engine, served: Engine | None) -> str | None:
    """Returns what the clients of a version cannot know about a new one, or None."""
    assert served is not None
    for name in ("latent_dim", "num_classes", "image_shape"):
        mine, theirs = getattr(new, name), getattr(served, name)
        if mine != theirs:
            return f"its {name} is {mine}, that of the served version {theirs}"
    return None


class Models:
    """All served models, by name, and the thread that looks for new versions.

    Args:
        checkpoints: run folders, .keras files, pretrained names or exported generators.
        poll_seconds: time between two looks at the files.

    The other arguments are those of `ServedModel`. Raises `InputError` for a checkpoint that does not load, and for two
    checkpoints of one name.
    """

    def __init__(
        self,
        checkpoints: Sequence[str | os.PathLike[str]],
        *,
        limits: Limits,
        metrics: Metrics,
        force: bool = False,
        together: bool = True,
        poll_seconds: float = 2.0,
    ) -> None:
        places = find_places(checkpoints)
        self._by_name = {
            place.name: ServedModel(place, limits=limits, metrics=metrics, force=force, together=together)
            for place in places
        }
        self._poll_seconds = poll_seconds
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    @property
    def names(self) -> list[str]:
        """Names of the models, in the order of the checkpoints."""
        return list(self._by_name)

    def get(self, name: str | None) -> ServedModel | None:
        """Returns a model by its name; None: the first. Returns None if there is no such model."""
        return self._by_name.get(self.names[0] if name is None else name)

    def start(self) -> None:
        """Starts to look for new versions."""
        self._watcher.start()

    def close(self) -> None:
        """Stops looking for new versions, and finishes all requests."""
        self._ended.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for model in self._by_name.values():
            model.close()

    def _watch(self) -> None:
        while not self._ended.wait(self._poll_seconds):
            for model in self._by_name.values():
                model.update()


def find_places(checkpoints: Sequence[str | os.PathLike[str]]) -> list[Place]:
    """Returns the places of checkpoints. Raises `InputError` for none, one that is not found, and equal names."""
    if not checkpoints:
        raise InputError("No model to serve", expected="run folders, files or pretrained names", received="none")
    places = [Place.of(checkpoint) for checkpoint in checkpoints]
    names = [place.name for place in places]
    for place in places:
        if names.count(place.name) > 1:
            same = [str(given) for given, name in zip(checkpoints, names) if name == place.name]
            raise InputError("Two models of one name", expected="different names", received=", ".join(same))
    return places
