"""The error rate of any number of samples, in blocks: no test images, and memory for a block only."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from gan import sampling
from gan.data import images
from gan.data.split import Split
from gan.errors import check, check_whole
from gan.evaluation.classifier.extractor import Extractor, as_input
from gan.evaluation.reference import EvaluatedImages
from gan.evaluation.report import MOST_NUM, ClassErrorRate
from gan.sampling.generators import GeneratorLike, as_engine
from gan.sampling.labels import Labels, labels_for
from gan.tolerance import ErrorRate, WorstClass, worst_class

BATCH = 250
"""Samples that the generator draws at a time."""

MOST_REAL = 10_000
"""Real images on which the error rate of a classifier is measured, at most."""

BLOCK = 500
"""Samples that are checked and classified at a time, a multiple of `BATCH`."""


@dataclass(frozen=True)
class SampleOutcomes:
    """Which samples are wrong: bool [N]; and their requested labels int [N], or None."""

    wrong: np.ndarray
    labels: np.ndarray | None

    @property
    def rate(self) -> ErrorRate:
        """The error rate of all samples."""
        return ErrorRate.of(self.wrong)

    def numbers(self) -> dict[str, float]:
        """Returns {name: value} of the error rate, the ends of its interval and its standard error."""
        rate, (lower, upper) = self.rate.value, self.rate.interval
        stderr = math.sqrt(rate * (1.0 - rate) / len(self.wrong))
        ends = {"": rate, "_lower": lower, "_upper": upper, "_stderr": stderr}
        return {f"error_rate{end}": value for end, value in ends.items()}

    def by_class(self, classes: int) -> tuple[ClassErrorRate, ...]:
        """Returns the error rate of each requested class that has samples; () without requests."""
        if self.labels is None:
            return ()
        of_class = {label: self.wrong[self.labels == label] for label in range(classes)}
        rates = {label: ErrorRate.of(outcomes) for label, outcomes in of_class.items() if len(outcomes)}
        return tuple(ClassErrorRate(label, rate.n, rate.value, rate.interval[1]) for label, rate in rates.items())

    def worst_class(self, classes: int) -> WorstClass | None:
        """Returns the requested class with the highest error rate, with bounds for all of them; None: no requests."""
        if self.labels is None:
            return None
        wrong, total = (
            np.bincount(labels, minlength=classes).tolist() for labels in (self.labels[self.wrong], self.labels)
        )
        return worst_class(wrong, total)


def real_error_rate(extractor: Extractor, real: Split, *, is_conditional: bool, num: int = MOST_REAL) -> ErrorRate:
    """Returns the error rate of a classifier on real images, counted as that of samples. See `errs_above`.

    Args:
        extractor: the classifier.
        real: test images, of which `num` at most are drawn at random.
        is_conditional: whether samples are to be of requested classes; else those that it does not clearly recognize
            are wrong.
        num: largest number of images.
    """
    drawn = real.take(np.random.default_rng(0).permutation(len(real))[:num])
    labels = np.asarray(drawn.labels) if is_conditional and drawn.labels is not None else None
    return ErrorRate.of(wrong_in_blocks(in_blocks(as_input(drawn.images)), extractor, labels))


def find_wrong(
    generator: GeneratorLike,
    extractor: Extractor,
    num: int,
    *,
    seed: int,
    start: int = 0,
    labels: Labels = None,
) -> np.ndarray:
    """Draws samples start, ..., start + num - 1 of a seed, and returns which are wrong: bool [num].

    Needs no test images, and the memory of `BLOCK` samples. `gan.evaluate` counts the same samples with the same labels
    as wrong.

    >>> wrong = find_wrong(generator, Extractor(classifier), 100_000, seed=7, labels=choose_labels(data, 100_000, 7))
    >>> ErrorRate.of(wrong).interval

    Args:
        generator: conditional or unconditional.
        extractor: the classifier that decides which samples are wrong, see `metrics.wrong_outcomes`.
        num: number of samples, from 1 to `MOST_NUM`.
        seed: seed of the samples, 0 <= seed < 2**32.
        start: index of the first sample, >= 0.
        labels: requested classes: one for all samples, or int [num], such as those of `reference.choose_labels`; None:
            index modulo the number of classes. An unconditional generator has none.

    Raises `InputError` for numbers out of range, for labels that the generator does not know, and for samples that are
    not finite or not in [-1, 1].
    """
    check_whole("num", num, 1, MOST_NUM)
    check_whole("start", start, 0)
    engine = as_engine(generator)
    requested = labels_for(np.arange(start, start + num), engine.num_classes, labels)
    batches = sampling.stream(engine, num, seed=seed, start=start, labels=requested, batch_size=BATCH)
    return wrong_in_blocks(_joined(batches), extractor, requested)


def measure_samples(
    generator: GeneratorLike,
    extractor: Extractor,
    num: int,
    *,
    seed: int,
    start: int = 0,
    labels: np.ndarray | None = None,
) -> EvaluatedImages:
    """Draws a block of samples and returns it with its outputs, all in memory. `find_wrong` describes the arguments.

    Samples that are not finite are not refused: they are wrong.
    """
    drawn = sampling.generate(generator, num, seed=seed, start=start, labels=labels, batch_size=BATCH)
    return EvaluatedImages(drawn, labels, extractor.arrays(drawn))


def wrong_in_blocks(blocks: Iterable[np.ndarray], extractor: Extractor, labels: np.ndarray | None) -> np.ndarray:
    """Returns which samples are wrong: bool [N], for blocks float32 [B, H, W, C] of N samples in all.

    labels: requested classes int [N], or None. Raises `InputError` for another number of labels, and for samples that
    are not finite or not in [-1, 1].
    """
    wrong, done = [np.zeros(0, bool)], 0
    for block in blocks:
        check_samples(block)
        requested = None if labels is None else labels[done : done + len(block)]
        wrong.append(EvaluatedImages(block, requested, extractor.arrays(block)).wrong)
        done += len(block)
    check(labels is None or len(labels) == done, "labels", f"{done} labels", 0 if labels is None else len(labels))
    return np.concatenate(wrong)


def in_blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Yields an array [N, ...] in blocks of `BLOCK`."""
    return (samples[first : first + BLOCK] for first in range(0, len(samples), BLOCK))


def check_samples(samples: np.ndarray) -> None:
    """Raises `InputError` unless samples are finite, and in [-1, 1] apart from rounding."""
    check(bool(np.isfinite(samples).all()), "samples", "finite images", "NaN or infinity")
    largest = float(max(samples.max(initial=0.0), -samples.min(initial=0.0)))
    check(largest <= images.LARGEST_VALUE, "samples", "values in [-1, 1]", largest)


def _joined(batches: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Joins batches of `BATCH` to blocks of `BLOCK`."""
    while block := list(islice(batches, BLOCK // BATCH)):
        yield np.concatenate(block)
