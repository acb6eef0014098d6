"""Exit statuses of the commands: every one that they end with, once."""

import signal

from gan.tolerance import EXIT_STATUS

DONE = 0
"""The command did what it was asked for."""
FAILED = 1
"""It failed on the way: a full disk, a loss that became NaN, a collapse that ended the training."""
BAD_INPUT = 2
"""Bad input: a message names what was expected and what was received; nothing was written."""
WITHIN = EXIT_STATUS["within"]
"""The error rate is within the tolerance."""
EXCEEDED = EXIT_STATUS["exceeded"]
"""The error rate exceeds the tolerance."""
UNDECIDED = EXIT_STATUS["undecided"]
"""The samples do not decide whether the error rate is within the tolerance."""


def after_signal(number: int) -> int:
    """The status of a command that a signal ended: 128 + its number, as shells report it."""
    return 128 + number


INTERRUPTED = after_signal(signal.SIGINT)
"""Ctrl-C ended the command."""
TERMINATED = after_signal(signal.SIGTERM)
"""SIGTERM ended the command."""
