"""Burn rates of a tolerance, as of an error budget: how fast errors use it up."""

from collections import deque
from collections.abc import Callable

from gan.errors import check_positive, check_whole

HOUR = 3_600.0
WINDOWS = {"1h": HOUR, "6h": 6 * HOUR, "1d": 24 * HOUR, "3d": 72 * HOUR}
"""Windows by name, in seconds."""

BUCKETS = 60
"""Parts of a window. It ends with the current part, so it is up to 1/60 shorter than stated."""


class _Window:
    """Counts of the last `BUCKETS` parts of a window: [number of the part, outcomes, wrong ones]."""

    def __init__(self, seconds: float) -> None:
        self._part = seconds / BUCKETS
        self._counts = deque[list[int]](maxlen=BUCKETS)

    def add(self, now: float, n: int, wrong: int) -> None:
        part = int(now // self._part)
        if self._counts and part <= self._counts[-1][0]:  # a clock that went back counts now
            part = self._counts[-1][0]
        else:
            self._counts.append([part, 0, 0])
        self._counts[-1][1] += n
        self._counts[-1][2] += wrong

    def totals(self, now: float) -> tuple[int, int]:
        first = int(now // self._part) - BUCKETS + 1
        kept = [counts for counts in self._counts if counts[0] >= first]
        return sum(counts[1] for counts in kept), sum(counts[2] for counts in kept)


class BurnRates:
    """The error rate in the last hour, six hours, day and three days, divided by the tolerance.

    1: errors come as fast as the tolerance allows. 10: ten times as fast. Each window is 60 counts of its parts, so
    the memory does not depend on the traffic. Beyer and others 2018, The Site Reliability Workbook, chapter 5.

    Args:
        clock: returns the time in seconds, of any start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._windows = {name: _Window(seconds) for name, seconds in WINDOWS.items()}

    def add(self, n: int, wrong: int) -> None:
        """Counts outcomes of now."""
        check_whole("n", n, 0)
        check_whole("wrong", wrong, 0, n)
        now = self._clock()
        for window in self._windows.values():
            window.add(now, n, wrong)

    def values(self, tolerance: float) -> dict[str, float | None]:
        """Returns the burn rate of each window by its name; None: nothing was read in it."""
        check_positive("tolerance", tolerance)
        now = self._clock()
        totals = {name: window.totals(now) for name, window in self._windows.items()}
        return {name: wrong / n / tolerance if n else None for name, (n, wrong) in totals.items()}
