"""Exit statuses of the commands."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gan.tolerance import EXIT_STATUS, Verdict

DONE = 0
"""The command succeeded."""
FAILED = 1
"""The command failed while it ran: full disk, NaN loss, training stopped by mode collapse."""
BAD_INPUT = 2
"""Bad input. The message says what was expected and what was received. No file was written."""
WITHIN = EXIT_STATUS["within"]
"""The error rate is within the tolerance."""
EXCEEDED = EXIT_STATUS["exceeded"]
"""The error rate exceeds the tolerance."""
UNDECIDED = EXIT_STATUS["undecided"]
"""Neither within nor exceeded: the interval includes the tolerance, coverage is low, or the classifier errs itself."""


def of_verdict(verdict: Verdict | None) -> int:
    """Returns the status of a verdict; without one, the command just succeeded."""
    return DONE if verdict is None else EXIT_STATUS[verdict]


def after_signal(number: int) -> int:
    """Returns the status of a command that a signal ended: 128 + its number, as in shells."""
    return 128 + number


INTERRUPTED = after_signal(signal.SIGINT)
"""Ctrl-C ended the command."""
TERMINATED = after_signal(signal.SIGTERM)
"""SIGTERM ended the command."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Ends the command on SIGTERM as on Ctrl-C: no incomplete file is left. The exit status is `TERMINATED`."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(after_signal(number))

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
