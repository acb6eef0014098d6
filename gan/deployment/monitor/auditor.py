"""Reads a share of what is served, in a thread, and acts on alarms. No answer waits for it."""

import hashlib
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from gan.deployment.monitor.alarm import Alarm
from gan.deployment.monitor.choice import AuditChoice
from gan.deployment.monitor.model_audit import ModelAudit, VersionFacts
from gan.deployment.monitor.options import TOLERANCE, AuditOptions, other_classes
from gan.deployment.monitor.prometheus import AuditCollector
from gan.deployment.monitor.snapshot import AuditSnapshot, ModelSnapshot, take_snapshot
from gan.deployment.monitor.version_audit import ReadSamples
from gan.deployment.monitor.webhook import Webhook
from gan.deployment.serve.log import Repeats, write_log
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models, ServedModel, Version
from gan.deployment.serve.request import Asked, Origin
from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor, load_classifier
from gan.evaluation.metrics import wrong_outcomes

MOST_WAITING, MOST_VALUES = 4_096, 2**22
"""Most samples, and most numbers in them, that wait to be read. More are dropped."""

BATCH = 64
"""Samples that are read at a time. Larger batches keep the generator waiting for longer."""

LINGER_SECONDS = 1.0
"""Time that samples wait for others to fill a batch. A batch of 4 costs a quarter of one of 64."""

NICEST = 19
"""Priority of the thread: any other one goes first."""

Read = Callable[[np.ndarray], np.ndarray]
"""Returns the logits [N, classes] of samples float32 [N, H, W, C]."""


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Samples of one request that wait to be read."""

    model: str
    version: Version
    origin: Origin
    images: np.ndarray
    standing: int
    """Number of the sample that stands for its request."""


class Auditor:
    """Audits the served models.

    `start` starts the thread, and `close` ends it when all that waits is read. Samples are chosen and copied after
    their answer was computed. If there is no room for them they are dropped: that depends on the traffic, never on what
    they show, so those that are read still have the error rate of their classes.

    Args:
        models: the models. Each gets its observer.
        options: what is audited.
        metrics: what `/metrics` shows.
        clock: returns the time in seconds, for the burn rates.
        read: reads samples instead of the classifier of the options, together with its number of classes.

    Raises `InputError` for a classifier that does not suit a model, and as `load_classifier` does.
    """

    def __init__(
        self,
        models: Models,
        options: AuditOptions,
        *,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        read: tuple[Read, int] | None = None,
    ) -> None:
        self._options = options
        self._models = {name: model for name in models.names if (model := models.get(name)) is not None}
        self._read, classes = read or _reader(options, self._models.values())
        self._audits = {
            name: ModelAudit(name, read_classes=classes, clock=clock, seed=options.seed) for name in self._models
        }
        self._choices = {name: AuditChoice(options.share, options.seed, name) for name in self._models}
        self._requests = dict.fromkeys(self._models, 0)
        self._waiting = deque[_Chosen]()
        self._queued, self._since = 0, 0.0
        """Samples that are not read yet, and when the first one of them came."""
        self._changed = threading.Condition()
        """Guards what waits."""
        self._state = threading.Lock()
        """Guards the audits."""
        self._closed = False
        self._repeats = Repeats()
        self._webhook = None if options.webhook is None else Webhook(options.webhook)
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)
        for name, model in self._models.items():
            model.observe = self._observer(name)
        metrics.add_collector(AuditCollector(self.snapshot))

    def start(self) -> None:
        """Starts to read."""
        self._thread.start()
        if self._webhook is not None:
            self._webhook.start()

    def close(self) -> None:
        """Reads what waits, and ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        if self._webhook is not None:
            self._webhook.close()

    def snapshot(self) -> AuditSnapshot:
        """Returns the state of all audits, for the metrics and the status page."""
        with self._state:
            models = [self._snapshot(name, model.served) for name, model in self._models.items()]
        return AuditSnapshot(
            share=self._options.share,
            classifier=self._options.classifier.card.name or self._options.classifier.file.path.parent.name,
            actions=tuple(self._options.actions),
            waiting=self._queued,
            failed_webhooks=0 if self._webhook is None else self._webhook.failed,
            models=tuple(models),
        )

    def _snapshot(self, name: str, served: Version) -> ModelSnapshot:
        return take_snapshot(self._audits[name], _facts(served, self._options), served.class_names, served.stopped)

    def _observer(self, name: str) -> Callable[[Version, Asked, np.ndarray], None]:
        def observe(version: Version, asked: Asked, images: np.ndarray) -> None:
            try:
                self._observe(name, version, asked, images)
            except Exception as error:  # of any class: the answer is computed, and must not fail
                self._note_failure(name, 0, error)

        return observe

    def _observe(self, name: str, version: Version, asked: Asked, images: np.ndarray) -> None:
        """Chooses samples of an answer and copies them."""
        with self._changed:
            request = self._requests[name]
            self._requests[name] = request + 1
        rows = self._choices[name].rows(request, len(images))
        if not len(rows):
            return
        most = max(1, min(MOST_WAITING, MOST_VALUES // math.prod(images.shape[1:])))
        room = rows[: max(0, most - self._queued)]
        chosen = None
        if len(room):
            origin = asked.origin(room, version.num_classes, version.class_names)
            chosen = _Chosen(name, version, origin, images[room], request % len(room))
        with self._changed:
            self._audits[name].dropped += len(rows) - len(room)
            if chosen is not None:
                if not self._waiting:
                    self._since = time.monotonic()
                self._waiting.append(chosen)
                self._queued += len(room)
                if len(self._waiting) == 1 or self._queued >= BATCH:
                    self._changed.notify()

    def _work(self) -> None:
        with suppress(OSError, AttributeError):  # not on every system
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICEST)
        while batch := self._take():
            rows = sum(len(chosen.images) for chosen in batch)
            try:
                alarms = self._audit(batch)
            except Exception as error:  # of any class: the server serves on, and the next batch may be read
                self._note_failure(batch[0].model, rows, error)
            else:
                for alarm in alarms:
                    self._act(alarm, batch[0].version)
            with self._changed:
                self._queued -= rows

    def _take(self) -> list[_Chosen]:
        """Waits for samples, and returns requests of one version, about a batch. Empty: closed, and all is read."""
        with self._changed:
            while self._queued < BATCH and not self._closed:
                left = self._since + LINGER_SECONDS - time.monotonic() if self._waiting else None
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            batch, rows = list[_Chosen](), 0
            while self._waiting and rows < BATCH and (not batch or self._waiting[0].version is batch[0].version):
                chosen = self._waiting.popleft()
                batch.append(chosen)
                rows += len(chosen.images)
            return batch

    def _audit(self, batch: Sequence[_Chosen]) -> list[Alarm]:
        """Reads samples of one version, and adds them to its audit."""
        first = batch[0]
        images = np.concatenate([chosen.images for chosen in batch])
        logits = np.concatenate([self._read(images[at : at + BATCH]) for at in range(0, len(images), BATCH)])
        labels = [chosen.origin.labels for chosen in batch if chosen.origin.labels is not None]
        wrong = np.asarray(wrong_outcomes(logits, np.concatenate(labels) if labels else None))
        alarms, at = list[Alarm](), 0
        facts = _facts(first.version, self._options)
        with self._state:
            for chosen in batch:
                rows = slice(at, at + len(chosen.images))
                samples = _as_read(chosen, logits[rows].argmax(axis=1), wrong[rows])
                alarms += self._audits[first.model].add(facts, samples)
                at = rows.stop
        return alarms

    def _act(self, alarm: Alarm, version: Version) -> None:
        """Does what the options say about an alarm."""
        stops = "stop" in self._options.actions and alarm.can_stop
        if stops:
            version.stopped = version.stopped or alarm.reason
        with suppress(OSError, ValueError):  # a log that cannot be written must not end the thread
            write_log("alarm", level="error" if stops else "warning", stopped=stops, **alarm.as_dict())
        if self._webhook is not None:
            self._webhook.post({"event": "alarm", "stopped": stops, **alarm.as_dict()})

    def _note_failure(self, name: str, samples: int, error: Exception) -> None:
        """Counts samples that were not read, and writes one error a second to the log."""
        with self._changed:
            self._audits[name].failed += samples
        left_out = self._repeats.count(repr(error))
        if left_out is not None:
            with suppress(OSError, ValueError):
                write_log("audit_failed", level="error", model=name, reason=repr(error), left_out=left_out)


def _reader(options: AuditOptions, models: Iterable[ServedModel]) -> tuple[Read, int]:
    """Returns what reads samples and its number of classes. Raises `InputError` if it does not suit a model."""
    network, card = load_classifier(options.classifier)
    extractor = Extractor(network)
    rejects = card.calibration is not None and card.calibration.rejects
    classes = extractor.classes - rejects
    for model in models:
        served = model.served
        if served.image_shape != card.dataset.image_shape:
            raise InputError(
                "The classifier is for images of another shape",
                expected=f"images of shape {served.image_shape} for {model.name}",
                received=f"images of shape {card.dataset.image_shape}",
            )
        if served.num_classes not in (0, classes):
            raise other_classes(classes, served.num_classes)
    read: Read = lambda images: np.asarray(extractor(images)["logits"])  # noqa: E731
    read(np.zeros((BATCH, *card.dataset.image_shape), np.float32))  # traces the graph before the first request
    return read, extractor.classes


def _facts(version: Version, options: AuditOptions) -> VersionFacts:
    measured = None if version.evidence is None else version.evidence.measured.tolerance
    return VersionFacts(
        number=version.number,
        sha256=version.sha256,
        tolerance=options.tolerance or measured or TOLERANCE,
        num_classes=version.num_classes,
        latent_dim=version.latent_dim,
    )


def _as_read(chosen: _Chosen, read: np.ndarray, wrong: np.ndarray) -> ReadSamples:
    origin = chosen.origin
    return ReadSamples(
        source=origin.source,
        keys=[int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") for name in origin.names],
        wrong=wrong,
        read=read,
        asked=origin.labels,
        latents=origin.latents,
        stands=np.arange(len(read)) == chosen.standing,
    )
