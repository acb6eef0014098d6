"""Confirms, while a GAN trains, that it is within its tolerance: on fresh samples, with a classifier of its own.

`ToleranceEarlyStopping` decides when. `SampleConfirmation` measures, and states which conditions are not met.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np

from gan.config import StoppingConfig
from gan.config.stopping import MOST_CONFIRMED
from gan.data.dataset import Dataset
from gan.distributed.devices import DeviceSetup
from gan.errors import InputError, as_json
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor, load_classifier
from gan.evaluation.coverage import CoverageReference
from gan.evaluation.error_rate import measure_samples, real_error_rate
from gan.models.networks.inputs import NetworkInputs
from gan.saving import models
from gan.saving.known_images import check_card
from gan.saving.models import FoundClassifier
from gan.tolerance import (
    CONFIDENCE,
    COVERAGE_SHARE,
    ErrorRate,
    confirmation_size,
    covers,
    fewest_outcomes,
    next_confidence,
)
from gan.training.callbacks.confirmations import (
    EXPECTED_SHARE,
    LEAST_NUM,
    POWER,
    Attempt,
    Outcomes,
    why_unreadable,
)

CONFIRM_SHARE = 0.1
"""Maximum share of a run that its confirmations take, without the last one: of its images, and of its time."""

COVERAGE_NUM = 1_000
"""Samples, and real images, for coverage. Its standard error is then below 0.015."""

CHUNK = 1_000
"""Samples that are measured at a time. A confirmation that cannot succeed any more ends after such a part."""

CONFIRMATION_SEED, NOMINATION_SEED = 3_000_000_019, 3_500_000_011
"""Seeds of the samples, plus the seed of the run. Training and the defaults of the command line use no such seed."""

FIRST = MOST_CONFIRMED
"""Index of the first sample of attempt k is k times this number, so that no two attempts share a sample."""


class SampleConfirmation:
    """The `confirm` and `condition` of `ToleranceEarlyStopping` for a GAN. Each worker must call both.

    A confirmation draws samples that no other attempt has used, with labels that are drawn from the training labels,
    and counts those that the classifier does not read as asked. It also states whether coverage of the test images, and
    the error rate of each class, meet their conditions. The condition for a nomination is the same, with the probe and
    the validation images. A classifier that errs on real test images more often than the tolerance allows confirms
    nothing (`errs_above`).

    Args:
        options: tolerance, tolerance for each class.
        dataset: dataset of the run.
        classifier: classifier of the confirmation.
        probe: classifier of the nomination. None: nothing is checked before a confirmation.
        devices: devices of the run. The chief measures, the others receive its result.
        seed: seed of the run.
    """

    def __init__(
        self,
        options: StoppingConfig,
        dataset: Dataset,
        *,
        classifier: FoundClassifier,
        probe: FoundClassifier | None,
        devices: DeviceSetup,
        seed: int,
    ) -> None:
        self.options = options
        self.dataset = dataset
        self.classifier = classifier
        self.probe = probe
        self.devices = devices
        self.seed = seed
        self.time_left: Callable[[float], float] | None = None
        """Function: duration of all earlier confirmations -> seconds that the next one may take. None: no limit."""
        self._seconds_per_sample = 0.0
        self._real_rates: dict[bool, ErrorRate] = {}
        check_confirmable(options, dataset)

    @property
    def min_num(self) -> int:
        """Minimum number of samples of a confirmation: enough for coverage, and for the tolerance of each class."""
        tolerance, least = self.options.tolerance_per_class, max(LEAST_NUM, self._coverage_num)
        if not tolerance:
            return least
        each = confirmation_size(EXPECTED_SHARE * tolerance, tolerance, CONFIDENCE, POWER) or self.options.confirm_num
        return min(max(least, each * self.dataset.num_classes), self.options.confirm_num)

    @property
    def _coverage_num(self) -> int:
        parts = (self.dataset.train, self.dataset.validation, self.dataset.test)
        return min(COVERAGE_NUM, self.options.confirm_num, *map(len, parts))

    def __call__(self, model: keras.Model, attempt: Attempt) -> Outcomes | None:
        """Measures the averaged generator of a GAN. None: it would take too long, so it is postponed."""
        found = self._measure(model.generator_ema, attempt) if self.devices.is_chief else None
        real = None if found is None or found.real is None else as_json(found.real)
        counted = None if found is None else [found.wrong, found.total, found.unmet, real]
        content: Any = self.devices.broadcast(counted)
        if content is None:
            return None
        wrong, total, unmet, real = content
        return Outcomes(wrong, total, unmet, real and ErrorRate(**real))

    def condition(self, model: keras.Model) -> list[str]:
        """Returns the conditions for a nomination that the averaged generator of a GAN does not meet, as text."""
        unmet = self._unmet_before(model.generator_ema) if self.devices.is_chief else []
        return list(self.devices.broadcast(unmet))

    def _measure(self, generator: keras.Model, attempt: Attempt) -> Outcomes | None:
        expected = attempt.num * self._seconds_per_sample
        if self.time_left is not None and not attempt.is_last and expected > self.time_left(attempt.seconds):
            return None
        reference = self._test
        started, parts = time.monotonic(), []
        rng = np.random.default_rng([self.seed, int(attempt)])
        for first in range(0, attempt.num, CHUNK):
            num = min(CHUNK, attempt.num - first)
            one = self._sample(
                generator, self._extractor, num, CONFIRMATION_SEED, int(attempt) * FIRST + first, self._labels(num, rng)
            )
            parts.append(one if first == 0 else replace(one, features=one.features[:0]))
            if attempt.is_over(sum(int(part.wrong.sum()) for part in parts), first + num):
                break
        wrong = np.concatenate([part.wrong for part in parts])
        labels = None if parts[0].labels is None else np.concatenate([part.labels for part in parts])
        self._seconds_per_sample = (time.monotonic() - started) / len(wrong)
        unmet = _unmet(reference, parts[0].features, "test")
        unmet += self._classes_above(wrong, labels, attempt.confidence, proven=False)
        return Outcomes(int(wrong.sum()), len(wrong), unmet, self._real(generator))

    def _unmet_before(self, generator: keras.Model) -> list[str]:
        unreadable = list(why_unreadable(self._real(generator), self.options.tolerance or 0.0))
        if self.probe is None or unreadable:
            return unreadable
        num = self._coverage_num
        if self.options.tolerance_per_class is not None:
            num = max(num, self.options.eval_num)
        labels = self._labels(num, np.random.default_rng([self.seed, 0]))
        one = self._sample(generator, self._probe_extractor, num, NOMINATION_SEED, 0, labels)
        unmet = _unmet(self._validation, one.features, "validation")
        return unmet + self._classes_above(one.wrong, one.labels, CONFIDENCE, proven=True)

    def _classes_above(
        self, wrong: np.ndarray, labels: np.ndarray | None, confidence: float, *, proven: bool
    ) -> list[str]:
        """Returns the classes that are not within their tolerance; with `proven`, only those that exceed it."""
        tolerance = self.options.tolerance_per_class
        if tolerance is None or labels is None:
            return []
        rates = {label: ErrorRate.of(wrong[labels == label]) for label in np.unique(labels).tolist()}
        bounds = {label: rate.interval_at(confidence)[0 if proven else 1] for label, rate in rates.items()}
        missing = self.dataset.num_classes - len(rates)
        worst = max(bounds, key=lambda label: bounds[label])
        texts = [f"{missing} classes have no sample"] if missing and not proven else []
        if bounds[worst] > tolerance:
            end = "lower" if proven else "upper"
            texts.append(f"class {worst}: {end} bound {100 * bounds[worst]:.3g} %, tolerance {100 * tolerance:.3g} %")
        return texts

    def _labels(self, num: int, rng: np.random.Generator) -> np.ndarray | None:
        """Draws the labels of samples from the training labels, so that classes have the shares of the data."""
        known = self.dataset.train.labels
        return None if known is None else np.asarray(known)[rng.integers(len(known), size=num)]

    def _sample(
        self,
        generator: keras.Model,
        extractor: Extractor,
        num: int,
        seed: int,
        start: int,
        labels: np.ndarray | None,
    ) -> "_Measured":
        requested = labels if NetworkInputs.of(generator).num_classes else None
        drawn = measure_samples(
            generator, extractor, num, seed=(seed + self.seed) % 2**32, start=start, labels=requested
        )
        return _Measured(drawn.wrong, requested, drawn.outputs["features"])

    def _real(self, generator: keras.Model) -> ErrorRate:
        """Returns the error rate of the classifier on real test images: no verdict may need a better one."""
        is_conditional = bool(NetworkInputs.of(generator).num_classes)
        if is_conditional not in self._real_rates:
            rate = real_error_rate(self._extractor, self.dataset.test, is_conditional=is_conditional)
            self._real_rates[is_conditional] = rate
        return self._real_rates[is_conditional]

    @cached_property
    def _extractor(self) -> Extractor:
        return Extractor(load_classifier(self.classifier)[0])

    @cached_property
    def _probe_extractor(self) -> Extractor:
        assert self.probe is not None
        return Extractor(load_classifier(self.probe)[0])

    @cached_property
    def _test(self) -> CoverageReference:
        return CoverageReference.of(self._extractor, self.dataset.test, self.dataset.validation, self._coverage_num)

    @cached_property
    def _validation(self) -> CoverageReference:
        return CoverageReference.of(
            self._probe_extractor, self.dataset.validation, self.dataset.train, self._coverage_num
        )


def _unmet(reference: CoverageReference, samples: np.ndarray, kind: str) -> list[str]:
    """Returns the condition on coverage as text, if these features of samples do not meet it."""
    found = reference.coverage(samples)
    if covers(found, reference.real_coverage):
        return []
    needed = COVERAGE_SHARE * reference.real_coverage
    return [f"coverage of {kind} images {found:.2f}, needed {needed:.2f}"]


@dataclass(frozen=True)
class _Measured:
    """Outcomes of samples: bool [N], their requested labels int [N] (or None), and their features [N, F]."""

    wrong: np.ndarray
    labels: np.ndarray | None
    features: np.ndarray


def make_confirmation(
    options: StoppingConfig, dataset: Dataset, devices: DeviceSetup, *, probe: FoundClassifier | None, seed: int
) -> SampleConfirmation | None:
    """Returns the confirmation of a run, or None if it has no tolerance. For `probe` see `SampleConfirmation`.

    Raises `InputError` if the classifier is for another dataset, the dataset is too small, or no confirmation could
    succeed.
    """
    if options.tolerance is None:
        return None
    options.check_confirmable()
    classifier = models.find_classifier(options.classifier)
    check_card(dataset, classifier.card)
    return SampleConfirmation(options, dataset, classifier=classifier, probe=probe, devices=devices, seed=seed)


def sample_budget(total_images: int) -> int:
    """Returns the samples that all confirmations of a run may use before its end."""
    return int(CONFIRM_SHARE * total_images)


def check_confirmable(options: StoppingConfig, dataset: Dataset) -> None:
    """Raises `InputError` if a dataset has too few images, or `confirm_num` is too low for all its classes."""
    needed = metrics.NEIGHBOURS + 1
    sizes = {"validation": len(dataset.validation), "test": len(dataset.test)}
    if min(sizes.values()) < needed:
        raise InputError(
            "Too few images to confirm a tolerance with",
            expected=f"at least {needed} validation images and {needed} test images, for coverage",
            received=", ".join(f"{size} {name} images" for name, size in sizes.items()),
        )
    if options.tolerance_per_class is not None:
        each = fewest_outcomes(options.tolerance_per_class, next_confidence([], is_last=True)) or options.confirm_num
        if each * dataset.num_classes > options.confirm_num:
            raise InputError(
                "No confirmation could show that `tolerance_per_class` is met",
                expected=f"--confirm-num {each * dataset.num_classes} or more: {each:,} samples of each class",
                received=f"tolerance_per_class={options.tolerance_per_class}, confirm_num={options.confirm_num}",
            )
