"""Served models and their versions: update, refusal, rollback."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from gan import sampling
from gan.deployment.names import license_of
from gan.deployment.serve.acceptance import find_evidence, newest_evidence, reason_to_refuse
from gan.deployment.serve.batching import BatchQueue, QueueClosedError
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.log import write_log
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.place import Place, Stamp, find_places
from gan.deployment.serve.request import Asked
from gan.deployment.serve.version import ModelStoppedError, Version, other_signature
from gan.errors import InputError, Json
from gan.sampling.generators import as_engine
from gan.saving.engines.engine import Engine
from gan.saving.saved_generator import SavedGenerator

Observer = Callable[[Version, Asked, np.ndarray], None]
"""What sees each answer: the version, what was asked, and the samples float32 [N, H, W, C]. It must be fast."""

LISTED = 20
"""Versions that a model lists; older ones are forgotten, but not those that were rolled back."""


class ServedModel:
    """A model: the version that answers, the one before it, and what became of others.

    Args:
        place: where new versions come from.
        limits: bounds the queues.
        metrics: counts batches and samples.
        force: take new versions whatever their reports say. One that was rolled back is not taken.
        together: False computes each request alone, to compare with.

    Raises `InputError` if there is no version that loads.
    """

    def __init__(
        self, place: Place, *, limits: Limits, metrics: Metrics, force: bool = False, together: bool = True
    ) -> None:
        self.name, self._place, self._limits, self._force, self._together = place.name, place, limits, force, together
        self._count = metrics.batch_counter(self.name)
        self._changing = threading.Lock()
        self.observe: Observer = lambda version, asked, samples: None
        """Called with each answer."""
        self._problem: str | None = None
        self._held_back: str | None = None
        """Why the newest file is not served although its version is loaded."""
        self._seen: tuple[Stamp, str] | None = (place.stamp(), "")
        """The files, and why the served version was stopped, at the last look: what decides of the newest file."""
        self._versions = list[Version]()
        saved = place.find()
        first = self._entry(saved)
        first.load(*self._ready(saved))
        first.decision = "SERVED"
        self._loaded: tuple[Version, Version | None] = (first, None)
        """The served version and the one before it. Replaced as a whole, under `_changing`; read at any time."""
        self._versions.append(first)
        metrics.watch_model(self.name, queued=lambda: self.served.queued, version=lambda: self.served.number)

    @property
    def served(self) -> Version:
        """The version that answers requests without a version number."""
        return self._loaded[0]

    @property
    def has_previous(self) -> bool:
        """Whether a version before the served one is loaded, so that a rollback is possible."""
        return self._loaded[1] is not None

    def version(self, number: int) -> Version | None:
        """Returns a loaded version by its number, or None."""
        return next((version for version in self._loaded if version is not None and version.number == number), None)

    def submit(self, number: int | None, asked: Asked) -> tuple[Version, "Future[np.ndarray]"]:
        """Adds a request to the queue of a version; None: the served one.

        Returns the version that computes it, and its samples. Raises `InputError` if the version cannot draw what is
        asked, `LookupError` if it is not loaded, `ModelStoppedError` if it was stopped, `QueueClosedError` if the model
        is closed, and `QueueFullError`.
        """
        tried: Version | None = None
        while True:
            version = self.served if number is None else self.version(number)
            if version is None:
                raise LookupError
            if version.stopped:
                raise ModelStoppedError(version.stopped)
            if version is tried:
                raise QueueClosedError
            engine, queue = version.engine, version.queue
            if engine is not None and queue is not None:
                asked.check_version(version)
                job = asked.prepare(engine, version.class_names, self._limits)
                try:
                    return version, queue.submit(job.rows, job.inputs)
                except QueueClosedError:
                    pass
            tried = version  # it was replaced meanwhile, and its successor is served already; a closed model has none

    def as_dict(self, number: int | None = None) -> dict[str, Json]:
        """Returns the status as TensorFlow Serving does, and why the newest file is not served.

        Raises `LookupError` for a version that is not known.
        """
        with self._changing:
            listed = [v.as_dict() for v in reversed(self._versions) if number is None or v.number == number]
        if not listed:
            raise LookupError
        return {"model_version_status": listed, "problem": self._problem or self._held_back}

    def update(self) -> None:
        """Takes a new version, if there is one that may take over. Does nothing while no file has changed.

        When the served version is stopped, the newest file is looked at again: it may be better than no answer.

        A file that is damaged, not yet complete or cannot be read is tried again by the next call.
        """
        try:
            stamp = self._place.stamp()
            seen = (stamp, self.served.stopped)
            settled = seen == self._seen or self._consider(stamp)
        except Exception as error:  # also of Keras, TensorFlow and the engines: the loaded version serves on
            problem = error.problem if isinstance(error, InputError) else "The newest version does not load"
            problem = self._place.without_folder(problem)
            if problem != self._problem:
                write_log("update_failed", level="error", model=self.name, reason=str(error) or repr(error))
            self._problem = problem
        else:
            self._problem, self._seen = None, seen if settled else self._seen

    def _consider(self, stamp: Stamp) -> bool:
        """Takes the newest version or refuses it.

        Returns False, and does nothing, if meanwhile its files changed, or a rollback changed what it is judged by.
        """
        saved, loaded = self._place.find(), self._loaded
        served, previous = loaded
        entry = self._entry(saved)
        if entry is served or entry.decision == "ROLLED_BACK":  # a rollback is a decision of a person: also with force
            self._held_back = None
            return True
        known = None if served.stopped else served.evidence  # the report of a version that was stopped is refuted
        reason = None if self._force else reason_to_refuse(entry.evidence, known)
        try:
            if reason is None and entry is not previous:
                entry.load(*self._ready(saved))
                reason = None if self._force else other_signature(entry, served)
            if self._place.stamp() != stamp:
                return False
            return self._take_over(entry, loaded) if reason is None else self._refuse(entry, reason, loaded)
        finally:
            if entry not in self._loaded:
                entry.release()

    def _take_over(self, entry: Version, judged: tuple[Version, Version | None]) -> bool:
        """Serves a version, keeps the one before it, and releases the one before that.

        The version may be the previous one, whose file came back: then it answers again, also if it was stopped.
        Returns False if other versions are loaded than those
        that it was judged by.
        """
        before, oldest = judged
        with self._changing:
            if self._loaded is not judged:
                return False
            before.decision = "PREVIOUS"
            if oldest is not None:
                oldest.decision = "REPLACED"
            entry.decision, entry.reason, entry.stopped = "SERVED", "", ""
            self._loaded, self._held_back = (entry, before), None
            self._remember(entry)
        write_log("update", model=self.name, version=entry.number, sha256=entry.sha256, forced=self._force)
        if oldest is not None and oldest is not entry:
            oldest.release()
        return True

    def _refuse(self, entry: Version, reason: str, judged: tuple[Version, Version | None]) -> bool:
        """Lists a version as refused. The previous one, whose file came back, stays loaded for a rollback.

        Returns False as `_take_over` does.
        """
        with self._changing:
            if self._loaded is not judged:
                return False
            if entry is judged[1]:
                held_back = f"Version {entry.number} is the newest again, but stays the previous one: {reason}"
                is_new, self._held_back = held_back != self._held_back, held_back
            else:
                is_new, self._held_back = (entry.decision, entry.reason) != ("REFUSED", reason), None
                entry.decision, entry.reason = "REFUSED", reason
                self._remember(entry)
        if is_new:
            write_log("refused", level="warning", model=self.name, version=entry.number, reason=reason)
        return True

    def rollback(self) -> tuple[int, int]:
        """Returns to the version before. Returns the numbers of the version that was served, and of that one.

        The version that was left is not taken again, also not with `force` or another report, until the server starts
        again: then the newest file is served. The version before answers again, also if it was stopped: a rollback is
        a decision of a person. Raises `LookupError` if no version before it is loaded.
        """
        with self._changing:
            left, before = self._loaded
            if before is None:
                raise LookupError
            before.decision, left.decision = "SERVED", "ROLLED_BACK"
            before.stopped = ""
            self._loaded, self._held_back = (before, None), None
        write_log("rollback", level="warning", model=self.name, version=before.number, left=left.number)
        left.release()
        return left.number, before.number

    def close(self) -> None:
        """Finishes all requests."""
        for version in self._loaded:
            if version is not None:
                version.release()

    def _entry(self, saved: SavedGenerator) -> Version:
        """Returns the entry of a version, by its SHA-256, with its newest evidence."""
        known = self._versions
        found = next((version for version in known if version.sha256 == saved.summary.sha256), None)
        evidence = find_evidence(saved)
        if found is not None:
            evidence = newest_evidence(found.evidence, evidence)
            if evidence != found.evidence:
                found.evidence = evidence
                write_log("report", model=self.name, version=found.number, report=found.as_dict()["report"])
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
            license=license_of(saved),
            is_mixture=saved.is_mixture,
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
        kept = (*self._loaded, entry)
        spare = [v for v in self._versions if v not in kept and v.decision != "ROLLED_BACK"]
        for version in spare[: max(0, len(self._versions) - LISTED)]:
            self._versions.remove(version)


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
                try:
                    model.update()
                except Exception as error:  # of any class: the next look may succeed
                    write_log("update_failed", level="error", model=model.name, reason=repr(error))
