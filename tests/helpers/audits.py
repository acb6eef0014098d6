"""Simulated audits: many streams of outcomes at once, and samples that a classifier has read."""

import numpy as np
from scipy.special import gammaln

from gan.deployment.monitor.detectors import (
    BINS,
    STAKE,
    WINDOWS,
    bets_on_bins,
    bets_on_rates,
    next_evidence,
    rates_to_detect,
    remember_bins,
)
from gan.deployment.monitor.version_audit import ReadSamples
from gan.tolerance import PRIOR


def log_evidence(wrong, n, tolerance):
    """Log likelihood ratio of the mixture of `confidence_sequence` against a tolerance."""
    a, b = PRIOR

    def log_beta(x, y):
        return gammaln(x) + gammaln(y) - gammaln(x + y)

    mixture = log_beta(a + wrong, b + n - wrong) - log_beta(a, b)
    return mixture - wrong * np.log(tolerance) - (n - wrong) * np.log1p(-tolerance)


def first_exceeded(places, n, tolerance, confidence):
    """The number of outcomes after which each stream exceeds the tolerance, [R]; infinity: never within n.

    places: number of each wrong outcome, from 1, ascending [R, W]. It is what `AuditedRate` decides: after each wrong
    outcome, the lower bound is above the tolerance where the tolerance is rejected and the observed rate above it.
    """
    wrong = np.arange(1, places.shape[1] + 1)
    rejected = log_evidence(wrong, places, tolerance) > -np.log(1 - confidence)
    hits = rejected & (wrong > tolerance * places) & (places <= n)
    return np.where(hits.any(axis=1), places[np.arange(len(places)), hits.argmax(axis=1)], np.inf)


def first_changed(places, n, tolerance, mean_samples):
    """The number of outcomes after which `RateDetector` alarms first, [R]; places as for `first_exceeded`.

    Between two wrong outcomes M only moves towards a / (1 - a), far below an alarm: after k right ones it is
    a^k M + a (1 - a^k) / (1 - a), where a is the bet on a right outcome.
    """
    rates = rates_to_detect(tolerance)
    right, on_wrong = bets_on_rates(rates, tolerance)
    m = np.zeros((len(places), len(rates)))
    found = np.full(len(places), np.inf)
    before = np.zeros(len(places))
    for column in places.T:
        kept = right ** (column - before - 1)[:, None]
        m = next_evidence(kept * m + right * (1 - kept) / (1 - right), on_wrong)
        hit = m.mean(axis=1) >= mean_samples
        found = np.where(hit & (column <= n), np.minimum(found, column), found)
        m[hit], before = 0.0, column
    return found


def wrong_places(runs, n, rate, seed):
    """Numbers of the wrong outcomes of streams of a constant rate, int [R, W]: as many as n outcomes may have."""
    most = int(n * rate + 8 * np.sqrt(n * rate) + 20)
    return np.cumsum(np.random.default_rng(seed).geometric(rate, (runs, most)), axis=1)


def first_uniform_alarm(numbers, mean_samples):
    """The number of outcomes after which `UniformDetector` alarms first, [R]. numbers: yields arrays [R]."""
    m = counts = found = None
    windows = np.asarray(WINDOWS)
    for number, values in enumerate(numbers, start=1):
        if m is None:
            m, counts = np.zeros((len(values), len(windows))), np.zeros((len(values), len(windows), BINS))
            found = np.full(len(values), np.inf)
        bins = np.minimum((values * BINS).astype(int), BINS - 1)
        m = next_evidence(m, bets_on_bins(counts, bins))
        counts = remember_bins(counts, bins, windows)
        hit = m.mean(axis=1) >= mean_samples
        found, m[hit] = np.where(hit & np.isinf(found), number, found), 0.0
    return found


def read_samples(wrong, *, source="seeds", asked=None, keys=None, latents=None, first=0):
    """Samples that were read, with the classes asked in turn and a request of each sample."""
    wrong = np.asarray(wrong, bool)
    asked = np.arange(first, first + len(wrong)) % 3 if asked is None else np.asarray(asked)
    return ReadSamples(
        source=source,
        keys=list(range(first, first + len(wrong))) if keys is None else keys,
        wrong=wrong,
        read=np.where(wrong, (asked + 1) % 3, asked),
        asked=asked,
        latents=latents,
        stands=np.ones(len(wrong), bool),
    )


def largest_uniform_evidence(streams, n, seed):
    """The largest evidence that `UniformDetector` ever has within n uniform numbers, if no alarm resets it, [R].

    Weights are kept relative to one that decays, so that a step touches one bin of each stream, not all of them.
    """
    rng, windows = np.random.default_rng(seed), np.asarray(WINDOWS)
    kept, scale, total = 1 - 1 / windows, np.ones(len(windows)), np.zeros(len(windows))
    counts = np.zeros((streams * len(windows), BINS))
    first = np.arange(streams * len(windows)).reshape(streams, -1) * BINS
    m, most = np.zeros((streams, len(windows))), np.zeros(streams)
    for step in range(n):
        if step % 10_000 == 0:
            bins = rng.integers(0, BINS, (10_000, streams))
            counts *= np.tile(scale, streams)[:, None]
            scale[:] = 1.0
        places = first + bins[step % 10_000][:, None]
        own = counts.ravel()[places]
        m = next_evidence(m, 1 - STAKE + STAKE * BINS * (own * scale + 0.5) / (total + 0.5 * BINS))
        scale, total = scale * kept, total * kept + 1
        counts.ravel()[places] = own + 1 / scale
        np.maximum(most, m.mean(axis=1), out=most)
    return most
