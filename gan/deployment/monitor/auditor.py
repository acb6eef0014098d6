"""Reads a share of what is served, in a thread, and acts on alarms.

An answer waits only until its chosen samples are copied: at most `MOST_VALUES` numbers, 16 MiB.
"""

import hashlib
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from gan.deployment.monitor.alarm import Alarm
from gan.deployment.monitor.checker import RETRY_SECONDS, Checker, Read
from gan.deployment.monitor.choice import AuditChoice
from gan.deployment.monitor.model_audit import ModelAudit, VersionFacts
from gan.deployment.monitor.options import AuditOptions, other_classes, watched_tolerance
from gan.deployment.monitor.prometheus import AuditCollector
from gan.deployment.monitor.snapshot import AuditSnapshot, ModelSnapshot, take_snapshot
from gan.deployment.monitor.stop_check import CheckedAlarm
from gan.deployment.monitor.version_audit import ReadSamples
from gan.deployment.monitor.webhook import Webhook
from gan.deployment.serve.batching import QueueFullError
from gan.deployment.serve.log import Repeats, write_log
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models, ServedModel
from gan.deployment.serve.request import Asked, Origin
from gan.deployment.serve.version import Version
from gan.errors import InputError, Json
from gan.evaluation.classifier.extractor import Extractor, load_classifier
from gan.evaluation.metrics import wrong_outcomes
from gan.tolerance import Confirmation

MOST_WAITING, MOST_VALUES = 4_096, 2**22
"""Most samples, and most numbers in them, that wait to be read. More are dropped."""

BATCH = 64
"""Samples that are read at a time. Larger batches keep the generator waiting for longer."""

LINGER_SECONDS = 1.0
"""Time that samples wait for others to fill a batch. A batch of 4 costs a quarter of one of 64."""

NICEST = 19
"""Priority of the thread: any other one goes first."""


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
        clock: returns the time in seconds, for the burn rates and the time between alarms.
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
        self._clock = clock
        self._checker = Checker(self._read, self._confirmations, batch=BATCH)
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
        """Reads what waits, gives checks up, and ends."""
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
            models = [self._snapshot(name, model) for name, model in self._models.items()]
        check = self._checker.state
        return AuditSnapshot(
            share=self._options.share,
            classifier=self._options.classifier.card.name or self._options.classifier.file.path.parent.name,
            actions=tuple(self._options.actions),
            waiting=self._queued,
            checking=None if check is None else (check.alarm.model, check.read, check.num),
            failed_webhooks=0 if self._webhook is None else self._webhook.failed,
            models=tuple(models),
        )

    def _snapshot(self, name: str, model: ServedModel) -> ModelSnapshot:
        served = model.served
        return take_snapshot(
            self._audits[name],
            _facts(served, self._options),
            served.class_names,
            stopped=served.stopped,
            has_previous=model.has_previous,
        )

    def _confirmations(self, name: str, sha256: str) -> list[Confirmation]:
        with self._state:
            return self._audits[name].confirmations(sha256)

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
        if sys.platform == "linux":  # elsewhere a thread has no priority of its own, and this would be the process's
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICEST)
        while True:
            batch = self._take()
            if batch:
                self._audit(batch)
                with self._changed:
                    self._queued -= sum(len(chosen.images) for chosen in batch)
            elif self._closed:
                break
            self._check()
        for version, check in self._checker.abandon(self._clock()):
            self._report(version, check)

    def _take(self) -> list[_Chosen]:
        """Waits for samples or for a check that is due. Returns requests of one version, about a batch, or none."""
        with self._changed:
            while self._queued < BATCH and not self._closed:
                until_check = self._checker.seconds_left(self._clock())
                until_batch = self._since + LINGER_SECONDS - time.monotonic() if self._waiting else None
                left = min((each for each in (until_check, until_batch) if each is not None), default=None)
                if until_batch is not None and until_batch <= 0:
                    break
                if left is not None and left <= 0:
                    return []
                self._changed.wait(left)
            batch, rows = list[_Chosen](), 0
            while self._waiting and rows < BATCH and (not batch or self._waiting[0].version is batch[0].version):
                chosen = self._waiting.popleft()
                batch.append(chosen)
                rows += len(chosen.images)
            return batch

    def _audit(self, batch: Sequence[_Chosen]) -> None:
        """Reads samples of one version, adds them to its audit, and acts on alarms."""
        version, left = batch[0].version, sum(len(chosen.images) for chosen in batch)
        try:
            for parts in _in_batches(batch):
                for alarm in self._read_parts(version, parts):
                    self._act(alarm, version)
                left -= sum(len(rows) for _, rows in parts)
        except Exception as error:  # of any class: the server serves on, and the next batch may be read
            self._note_failure(batch[0].model, left, error)

    def _read_parts(self, version: Version, parts: Sequence[tuple[_Chosen, range]]) -> list[Alarm]:
        """Reads parts of requests, about a batch together, and adds them to the audit. Returns the alarms."""
        images = np.concatenate([chosen.images[rows.start : rows.stop] for chosen, rows in parts])
        logits, at, alarms = self._read(images), 0, list[Alarm]()
        facts, samples = _facts(version, self._options), list[ReadSamples]()
        for chosen, rows in parts:
            samples.append(_as_read(chosen, rows, logits[at : at + len(rows)]))
            at += len(rows)
        for part in samples:
            with self._state:  # for a part at a time: the status page and the metrics wait for it
                alarms += self._audits[parts[0][0].model].add(facts, part)
        return alarms

    def _check(self) -> None:
        """Draws and reads a batch of a check that is due."""
        try:
            ended = self._checker.step(self._clock())
            if ended is not None:
                self._report(*ended)
        except QueueFullError:
            time.sleep(RETRY_SECONDS)
        except Exception as error:  # of any class: the audit goes on
            self._note_failure(next(iter(self._models)), 0, error)

    def _act(self, alarm: Alarm, version: Version) -> None:
        """Reports an alarm, and nominates its version to be stopped if the options say so."""
        nominates = "stop" in self._options.actions and alarm.can_stop and not version.stopped
        if nominates:
            self._checker.nominate(version, alarm, self._clock())
        self._tell("alarm", level="warning", nominates=nominates, **alarm.as_dict())

    def _report(self, version: Version, check: CheckedAlarm) -> None:
        """Reports a check, and stops its version if it confirms the alarm."""
        is_confirmed = check.outcome == "confirmed"
        if is_confirmed:
            version.stopped = version.stopped or check.summary
        with self._state:
            self._audits[check.model].add_check(check)
        self._tell("alarm_check", level="error" if is_confirmed else "warning", stopped=is_confirmed, **check.as_dict())

    def _tell(self, event: str, *, level: str, **fields: Json) -> None:
        """Writes to the log, and posts to the webhook."""
        write_log(event, level=level, **fields)
        if self._webhook is not None:
            self._webhook.post({"event": event, **fields})

    def _note_failure(self, name: str, samples: int, error: Exception) -> None:
        """Counts samples that were not read, and writes one error a second to the log."""
        with self._changed:
            self._audits[name].failed += samples
        left_out = self._repeats.count(repr(error))
        if left_out is not None:
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
        tolerance=watched_tolerance(options.tolerance, measured),
        num_classes=version.num_classes,
        latent_dim=version.latent_dim,
    )


def _in_batches(batch: Sequence[_Chosen]) -> Iterator[list[tuple[_Chosen, range]]]:
    """Yields the samples of requests in their order, in parts of requests that are a batch together."""
    parts, room = list[tuple[_Chosen, range]](), BATCH
    for chosen in batch:
        first = 0
        while first < len(chosen.images):
            rows = range(first, min(first + room, len(chosen.images)))
            parts.append((chosen, rows))
            first, room = rows.stop, room - len(rows)
            if not room:
                yield parts
                parts, room = [], BATCH
    if parts:
        yield parts


def _as_read(chosen: _Chosen, rows: range, logits: np.ndarray) -> ReadSamples:
    """Returns what was read of some samples of a request. logits: [N, classes]."""
    origin = chosen.origin.part(rows)
    return ReadSamples(
        source=origin.source,
        keys=[int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") for name in origin.names()],
        wrong=np.asarray(wrong_outcomes(logits, origin.labels)),
        read=logits.argmax(axis=1),
        asked=origin.labels,
        latents=origin.latents,
        stands=np.arange(rows.start, rows.stop) == chosen.standing,
    )
