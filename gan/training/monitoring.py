"""What is measured after each interval of a training run, and the callbacks that act on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from gan.config import StoppingConfig
from gan.data.dataset import Dataset
from gan.errors import InputError, check
from gan.evaluation.classifier.extractor import Extractor, load_classifier
from gan.evaluation.metrics import PairwiseSSIM, why_no_ssim
from gan.evaluation.metrics.quality import quality_metric
from gan.models.gan import GAN
from gan.models.losses import AdversarialLoss
from gan.saving import models
from gan.saving.metadata import StopReason, check_card, suits
from gan.saving.models import FoundClassifier
from gan.training import callbacks
from gan.training.loop import Schedule

PROBE = "mnist-probe"
"""What `probe="auto"` stands for, where it is for the data."""

LEAST = 200
"""Images that are compared in an interval, however short it is."""

HEALTHY_AFTER = 16_000
"""Images before which a healthy generator, too, may draw one class only: nobody speaks of collapse yet."""


@dataclass(frozen=True)
class Probe:
    """What is measured after each interval: metrics for `GAN.compile` on validation batches for `GAN.fit`.

    By default nothing. `sha256`: of the classifier, for the record of the run. `left_out`: why SSIM is not measured
    although there is a classifier.
    """

    metrics: tuple[keras.metrics.Metric, ...] = ()
    batches: tf.data.Dataset | None = None
    sha256: str | None = None
    left_out: str | None = None

    def __post_init__(self) -> None:
        both = bool(self.metrics) == (self.batches is not None)
        received = f"{len(self.metrics)} metrics, {'no ' if self.batches is None else ''}batches"
        check(both, "probe", "metrics and batches, or neither", received)


def make_probe(options: StoppingConfig, dataset: Dataset, *, images_per_interval: int) -> Probe:
    """Returns the probe that compares fakes with validation images: val_error_rate, val_frechet_distance and others.

    `eval_num` images are compared, but no more than a quarter of an interval's (and at least 200), so that measuring
    takes little of the time; of fewer validation images all. SSIM is left out where the images are too small for it.
    Raises `InputError` when the probe is for another data set.
    """
    found = find_probe(options, dataset.name, dataset.image_shape)
    if found is None:
        return Probe()
    classifier, card = load_classifier(found)
    held_out = dataset.validation
    num = min(options.eval_num, max(LEAST, images_per_interval // 4))
    chosen = np.random.default_rng(0).permutation(len(held_out))[:num]
    metrics: tuple[keras.metrics.Metric, ...] = (quality_metric(Extractor(classifier)),)
    left_out = why_no_ssim(dataset.image_shape)
    if left_out is None:
        metrics += (PairwiseSSIM(stride=4),)
    return Probe(metrics, held_out.take(chosen).in_order(500), card.sha256, left_out)


def find_probe(
    options: StoppingConfig, dataset: str, image_shape: Sequence[int] | None = None
) -> FoundClassifier | None:
    """The classifier that judges each interval of a run on that data set; None: none does.

    Raises `InputError` when one is needed that does not suit the data.
    """
    if options.probe == "none":
        return None
    found = models.find_classifier(PROBE if options.probe == "auto" else options.probe)
    if suits(found.card, dataset, image_shape):
        return found
    needed = options.probe != "auto" or options.tolerance is not None or (options.monitor or "").startswith("val_")
    if needed:
        check_card(dataset, found.card, image_shape)
    return None


def check_monitor(options: StoppingConfig, gan: GAN) -> None:
    """Raises `InputError` when the monitor is no number that this GAN logs, before the first step."""
    if options.monitor is None:
        return
    results = {metric.name: metric.result() for metric in gan.evaluation_metrics}
    measured = [name for own, result in results.items() for name in (result if isinstance(result, dict) else [own])]
    known = sorted({*gan.step_means.names, *(f"val_{name}" for name in measured)})
    if options.monitor not in known:
        raise InputError("Unknown `monitor`", expected=f"one of {known}", received=f"monitor={options.monitor!r}")


def stopping_callbacks(
    options: StoppingConfig,
    dataset: Dataset,
    loss: AdversarialLoss,
    schedule: Schedule,
    log: Callable[[str], None],
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that may end the run early or put back an earlier generator; `log` prints a line.

    A discriminator whose loss has no boundary (wasserstein, relativistic) tells reals from fakes in health, too: its
    accuracies and scores are no sign of a failure.
    """
    delta = {name: getattr(options, name) for name in ("min_delta", "min_rel_delta", "noise_sigmas")}
    found: list[keras.callbacks.Callback] = []
    if options.tolerance is not None:
        found.append(
            callbacks.ToleranceEarlyStopping(
                "val_error_rate_upper",
                "min",
                target=options.tolerance,
                patience=schedule.intervals + 1,
                log=log,
                **delta,
            )
        )
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
    return [*found, collapse]  # the last one that puts weights back wins


def stop_reason(stopping: Sequence[keras.callbacks.Callback]) -> tuple[StopReason | None, int | None]:
    """Returns what ended the training (`target`, `patience`, `collapse` or None) and the interval that was put back.

    Of several callbacks that know one of the two, the last counts.
    """
    stopped_by: StopReason | None = None
    epoch: int | None = None
    for rule in stopping:
        stopped_by = getattr(rule, "stopped_by", None) or stopped_by
        kept = getattr(rule, "kept_epoch", None)
        epoch = epoch if kept is None else kept
    return stopped_by, None if epoch is None else epoch + 1
