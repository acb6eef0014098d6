"""Sets up the metrics that are computed after each interval, and the callbacks that act on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from gan.config import StoppingConfig
from gan.data.dataset import Dataset
from gan.errors import InputError, check
from gan.evaluation.classifier.extractor import make_extractor
from gan.evaluation.metrics import PairwiseSSIM, why_no_ssim
from gan.evaluation.metrics.quality import quality_metric
from gan.evaluation.report import FEWEST, FeatureSource
from gan.models.gan import GAN
from gan.models.losses import AdversarialLoss
from gan.saving import models
from gan.saving.known_images import ImagesLike, check_card, suits
from gan.saving.metadata import StopReason
from gan.saving.models import FoundClassifier
from gan.tolerance import ErrorRate, fewest_outcomes
from gan.training import callbacks
from gan.training.confirmation import SampleConfirmation, sample_budget
from gan.training.loop import Schedule

PROBE = "mnist-probe"
"""Classifier that `probe="auto"` selects if it suits the dataset."""

NOMINATES = "val_error_rate_upper"
"""Log that nominates an interval for the confirmation of a tolerance."""

MIN_EVAL_NUM = 200
"""Minimum number of images that are compared after an interval, however short it is."""

HEALTHY_AFTER = 16_000
"""Images seen before collapse can be reported. Until then, even a healthy generator may generate a single class."""


@dataclass(frozen=True)
class Probe:
    """What is measured after each interval: metrics for `GAN.compile` and validation batches for `GAN.fit`.

    By default, nothing is measured. `sha256` is the checksum of the classifier, for the metadata of the run; None
    without one. `features` says where the features are from if they are not those of the classifier. `left_out` is the
    reason why SSIM is not measured although other numbers are (None: no reason). `most` is the largest number of images
    that `eval_num` can ask for: that of the validation split.
    """

    metrics: tuple[keras.metrics.Metric, ...] = ()
    batches: tf.data.Dataset | None = None
    sha256: str | None = None
    left_out: str | None = None
    most: int = 0
    features: FeatureSource | None = None

    def __post_init__(self) -> None:
        given = self.metrics if isinstance(self.metrics, (tuple, list)) else (None,)
        fits = all(isinstance(metric, keras.metrics.Metric) for metric in given)
        check(fits, "metrics", "a tuple of keras.metrics.Metric", self.metrics)
        known = self.batches is None or isinstance(self.batches, tf.data.Dataset)
        check(known, "batches", "a tf.data.Dataset, such as `dataset.validation.in_order(500)`", self.batches)
        both = bool(self.metrics) == (self.batches is not None)
        received = f"{len(self.metrics)} metrics, {'no ' if self.batches is None else ''}batches"
        check(both, "probe", "metrics and batches, or neither", received)

    def why_only_at_end(self, tolerance: float, *, budget: int, min_num: int) -> str | None:
        """Returns why a run can be confirmed at its end only, or None.

        Args:
            tolerance: error rate to confirm. Too few images may be measured after an interval to be within it.
            budget: samples of all confirmations before the end.
            min_num: minimum number of samples of a confirmation.
        """
        if budget < min_num:
            return f"{budget:,} samples, for 10 % of the images, are too few to confirm before the end of the run"
        if self.batches is None:
            return "Nothing is measured after an interval: the end of the run decides"
        num = sum(len(tf.nest.flatten(batch)[0]) for batch in self.batches)
        needed = fewest_outcomes(tolerance)
        if needed is not None and num >= needed:
            return None
        way = ""
        if needed is not None and needed <= self.most:
            way = f"; --eval-num {needed} with intervals of {4 * needed:,} images could, too"
        elif needed is not None and self.most:
            way = f" ({needed:,} could, too, but there are {self.most:,} validation images)"
        upper = f"{100 * ErrorRate(0, num).interval[1]:.2g} %"
        return f"{num:,} samples per interval cannot show an error rate below {upper}: the end of the run decides{way}"


def make_probe(options: StoppingConfig, dataset: Dataset, *, images_per_interval: int) -> Probe:
    """Returns the probe that compares samples with validation images: val_error_rate, val_frechet_distance and others.

    Without a classifier for the dataset, the features are those of `options.features`, else of the fixed random
    network; then there are no error rates and no classes. Fewer than two validation images are not compared with these.

    `eval_num` images are compared, but at most a quarter of the images of an interval (and at least 200), to keep the
    evaluation short. If the validation split is smaller, all of it is used, and there are as many samples. SSIM is left
    out if the images are too small for it. Raises `InputError` when the probe is for another dataset, or when features
    are given and there are no images to compare.
    """
    found, held_out = find_probe(options, dataset), dataset.validation
    if found is None and options.features is not None and len(held_out) < FEWEST:
        received = f"features={options.features} with {len(held_out)} validation images"
        expected = f"{FEWEST} validation images or more, or no features"
        raise InputError("Options without effect", expected=expected, received=received)
    if options.probe == "none" or (found is None and len(held_out) < FEWEST):
        return Probe()
    extractor, card = make_extractor(dataset, found, None, options.features)
    num = min(options.eval_num, max(MIN_EVAL_NUM, images_per_interval // 4))
    chosen = np.random.default_rng(0).permutation(len(held_out))[:num]
    metrics: tuple[keras.metrics.Metric, ...] = (quality_metric(extractor),)
    left_out = why_no_ssim(dataset.image_shape)
    if left_out is None:
        metrics += (PairwiseSSIM(stride=4),)
    sha256, source = None if card is None else card.sha256, None if extractor.given is None else extractor.given.source
    return Probe(metrics, held_out.take(chosen).in_order(500), sha256, left_out, len(held_out), source)


def find_probe(options: StoppingConfig, dataset: ImagesLike) -> FoundClassifier | None:
    """Returns the classifier that evaluates each interval of a run on a dataset. None: no classifier.

    Raises `InputError` when the options need a classifier and the selected classifier does not suit the dataset.
    """
    if options.probe == "none":
        return None
    found = models.find_classifier(PROBE if options.probe == "auto" else options.probe)
    if suits(found.card, dataset):
        return found
    if options.probe != "auto" or options.tolerance is not None:
        check_card(dataset, found.card)
    return None


def check_monitor(options: StoppingConfig, gan: GAN, probe: Probe) -> None:
    """Raises `InputError`, before the first step, when this GAN does not log a number to monitor."""
    monitored = [options.monitor] * (options.monitor is not None)
    monitored += [NOMINATES] * (options.tolerance is not None and bool(gan.evaluation_metrics))
    results = {metric.name: metric.result() for metric in gan.evaluation_metrics}
    measured = [name for own, result in results.items() for name in (result if isinstance(result, dict) else [own])]
    known = sorted({*gan.step_means.names, *(f"val_{name}" for name in measured)})
    for name in monitored:
        if name not in known:
            needs = "" if probe.sha256 or probe.features is None else "; error rates and classes need a classifier"
            raise InputError("Unknown `monitor`", expected=f"one of {known}{needs}", received=f"monitor={name!r}")


def stopping_callbacks(
    options: StoppingConfig,
    dataset: Dataset,
    loss: AdversarialLoss,
    schedule: Schedule,
    log: Callable[[str], None],
    confirmation: SampleConfirmation | None = None,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that may stop the run early or restore an earlier generator. `log` prints a line.

    `confirmation` confirms the tolerance of the options; None: they have none.

    Some losses have no decision boundary (wasserstein, relativistic). With them, even a healthy discriminator may have
    high accuracies and a large gap between its scores, so neither counts as a sign of failure.
    """
    delta = {name: getattr(options, name) for name in ("min_delta", "min_rel_delta", "noise_sigmas")}
    found: list[keras.callbacks.Callback] = []
    if confirmation is not None:
        stopping = callbacks.ToleranceEarlyStopping(
            NOMINATES,
            "min",
            target=options.tolerance,
            patience=schedule.intervals + 1,
            confirm=confirmation,
            condition=confirmation.condition,
            budget=sample_budget(schedule.total_images),
            min_num=confirmation.min_num,
            max_num=options.confirm_num,
            log=log,
            **delta,
        )
        found.append(stopping)
        if options.when_refuted == "reduce":
            found.append(callbacks.ReduceLROnRefusal(stopping, log=log))
    if options.monitor is not None:
        rule = callbacks.ToleranceEarlyStopping if options.when_stale == "stop" else callbacks.ReduceLROnTolerance
        found.append(rule(options.monitor, options.monitor_mode, patience=options.patience, log=log, **delta))
    without_boundary: dict[str, None] = {} if loss.boundary is not None else {"max_accuracy": None, "max_gap": None}
    collapse = callbacks.CollapseMonitor(
        action=options.on_collapse,
        start_from_epoch=HEALTHY_AFTER // schedule.images_per_interval,
        failure_signs=callbacks.FailureSigns(num_classes=max(1, dataset.num_classes), **without_boundary),
        log=log,
    )
    return [*found, collapse]  # if several callbacks restore weights, the last one wins


def stop_reason(stopping: Sequence[keras.callbacks.Callback]) -> tuple[StopReason | None, int | None]:
    """Returns what stopped the training (`target`, `patience`, `collapse` or None), and the restored interval or None.

    If several callbacks report either of them, the last callback counts.
    """
    stopped_by: StopReason | None = None
    epoch: int | None = None
    for rule in stopping:
        stopped_by = getattr(rule, "stopped_by", None) or stopped_by
        kept = getattr(rule, "kept_epoch", None)
        epoch = epoch if kept is None else kept
    return stopped_by, None if epoch is None else epoch + 1
