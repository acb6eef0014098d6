"""Runs the checks of alarms, a batch at a time, through the queues of the versions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gan.deployment.monitor.alarm import Alarm
from gan.deployment.monitor.stop_check import PAUSE_SECONDS, CheckedAlarm, StopCheck
from gan.deployment.serve.batching import QueueClosedError, QueueFullError
from gan.deployment.serve.version import Version
from gan.evaluation.metrics import wrong_outcomes
from gan.tolerance import Confirmation

RETRY_SECONDS = 0.05
"""Time to wait for room in the queue of a version."""

Read = Callable[[np.ndarray], np.ndarray]
"""Returns the logits [N, classes] of samples float32 [N, H, W, C]."""


@dataclass(eq=False)
class _Nominated:
    """A version that an alarm nominates to be stopped, and when its check is due."""

    version: Version
    alarm: Alarm
    due: float


class Checker:
    """Checks versions that alarms nominate, one after another. Not safe for threads: the audit's thread alone uses it.

    A version is checked at most once in `PAUSE_SECONDS`; an alarm within them is checked after them. A batch shares the
    queue with requests, one part of a batch as each of them has, so that answers go on.

    Args:
        read: reads samples.
        done: returns the checks of a version before, by the name of its model and its SHA-256.
        batch: samples that are drawn and read in one step.
    """

    def __init__(self, read: Read, done: Callable[[str, str], list[Confirmation]], *, batch: int) -> None:
        self._read, self._done, self._batch = read, done, batch
        self._nominated = list[_Nominated]()
        self._ended: dict[Version, float] = {}
        """When the last check of a version ended."""
        self._running: tuple[Version, StopCheck] | None = None

    @property
    def state(self) -> StopCheck | None:
        """The check that runs, or None."""
        running = self._running
        return None if running is None else running[1]

    def nominate(self, version: Version, alarm: Alarm, now: float) -> None:
        """Asks for a check, unless one of this version runs or waits already."""
        waiting = [each.version for each in self._nominated]
        if version in waiting or (self._running is not None and self._running[0] is version):
            return
        self._ended = {each: end for each, end in self._ended.items() if now - end < PAUSE_SECONDS}
        due = self._ended[version] + PAUSE_SECONDS if version in self._ended else now
        self._nominated.append(_Nominated(version, alarm, due))

    def seconds_left(self, now: float) -> float | None:
        """Returns the time until `step` has something to do; None: nothing waits."""
        if self._running is not None:
            return 0.0
        return max(0.0, min(each.due for each in self._nominated) - now) if self._nominated else None

    def step(self, now: float) -> tuple[Version, CheckedAlarm] | None:
        """Draws and reads a batch. Returns a check that ended, with its version.

        An error of the engine or of the reader ends it. Raises `QueueFullError` if there is no room now.
        """
        if self._running is None:
            due = [each for each in self._nominated if each.due <= now]
            if not due:
                return None
            version, alarm = due[0].version, due[0].alarm
            check = StopCheck(
                alarm,
                self._done(alarm.model, alarm.sha256),
                latent_dim=version.latent_dim,
                num_classes=version.num_classes,
            )
            self._running = version, check
            self._nominated.remove(due[0])
        version, check = self._running
        try:
            self._add(version, check)
        except QueueFullError:
            raise
        except QueueClosedError:
            return self._end(now, "the version is no longer loaded")
        except Exception as error:  # of an engine or a reader, of any class
            return self._end(now, f"the samples could not be drawn or read: {error!r}")
        return self._end(now) if check.is_done else None

    def _add(self, version: Version, check: StopCheck) -> None:
        queue, rows = version.queue, check.next_rows(self._batch)
        if queue is None:
            raise QueueClosedError
        images = queue.submit(
            len(rows), lambda part: check.inputs(range(rows.start + part.start, rows.start + part.stop))
        ).result()
        check.add(np.asarray(wrong_outcomes(self._read(images), check.labels(rows))))

    def _end(self, now: float, problem: str = "") -> tuple[Version, CheckedAlarm]:
        assert self._running is not None
        (version, check), self._running = self._running, None
        self._ended[version] = now
        return version, check.end(problem)

    def abandon(self, now: float) -> list[tuple[Version, CheckedAlarm]]:
        """Gives up what runs and what waits, because the server ends. Returns the check that ran."""
        self._nominated.clear()
        return [] if self._running is None else [self._end(now, "the server ends")]
