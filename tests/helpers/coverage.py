"""Exact coverage of intervals, by sums over all outcomes."""

import numpy as np


def ever_outside(interval, rate, most, *, start=1):
    """Returns the probability that `rate` is outside the interval at some number of outcomes from `start` to `most`.

    interval: (wrong, n) -> bounds that grow with `wrong`. The numbers of wrong outcomes that contain the rate are then
    a range, which moves by at most a few with each outcome. The probabilities of all paths within the ranges are added.
    """
    fewest, above = 0, 1  # contained: fewest <= wrong < above
    inside = np.zeros(most + 2)
    inside[0] = 1.0
    for n in range(1, most + 1):
        inside[1 : n + 1] = (1 - rate) * inside[1 : n + 1] + rate * inside[:n]
        inside[0] *= 1 - rate
        if n < start:
            continue
        while fewest <= n and interval(fewest, n)[1] < rate:
            fewest += 1
        while fewest > 0 and interval(fewest - 1, n)[1] >= rate:
            fewest -= 1
        above = max(above, fewest)
        while above <= n and interval(above, n)[0] <= rate:
            above += 1
        while above > fewest and interval(above - 1, n)[0] > rate:
            above -= 1
        inside[:fewest] = 0.0
        inside[above:] = 0.0
    return 1 - inside.sum()
