"""How many modes of a distribution samples reach, and how far their shares are from the data's."""

import numpy as np


def modes_reached(counts: np.ndarray) -> int:
    """Number of modes that have a sample at all; counts: [M], samples by mode."""
    return int((np.asarray(counts) > 0).sum())


def mode_kl(counts: np.ndarray, data: np.ndarray | None = None) -> float:
    """KL(samples || data) in nats: sum over modes of p log(p / q), where p is the share of samples and q of data.

    Modes without a sample add nothing (they cost by what the others have too much); it is infinite when samples are in
    a mode that the data do not have, and NaN without samples. One mode of M that are equally likely gives log M. N
    samples of the data themselves give about (M - 1) / 2N, not 0: 0.019 for 26,000 samples of 1,000 modes. The
    "reverse KL" of arXiv:1705.07761, arXiv:1712.04086 (section 4) and arXiv:2501.05441.

    Args:
        counts: [M], samples by mode.
        data: [M], shares or counts of the data by mode; None: all modes are equally likely.
    """
    counts = np.asarray(counts, np.float64)
    data = np.ones(counts.shape) if data is None else np.asarray(data, np.float64)
    if not counts.sum():
        return float("nan")
    p, q = counts / counts.sum(), data / data.sum()
    seen = p > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(p[seen] * (np.log(p[seen]) - np.log(q[seen]))))
