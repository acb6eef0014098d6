"""Summarizes a run for people: its adaptive augmentation, its confirmations, and what would help."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression

from gan.config import TrainConfig
from gan.config.stopping import MOST_CONFIRMED
from gan.errors import InputError
from gan.evaluation.report import load_report
from gan.models.adaptive import PROBABILITY
from gan.saving import log_file, models, run_folder
from gan.saving.commands import resume_command
from gan.saving.metadata import RunMetadata
from gan.tolerance import Confirmation, samples_needed, wilson_interval
from gan.training.callbacks.confirmations import AGAIN, EXPECTED_SHARE, UNREADABLE

MOST_LONGER = 10.0
"""A longer run is suggested up to this multiple of its length. Further away, the curve says little."""


def confirmation_summary(folder: Path, record: RunMetadata) -> list[str]:
    """Returns three lines about the confirmations of a finished run: result, cost, and what would help.

    Empty if there was none, or the run was interrupted.
    """
    result, tolerance = record.result, record.config.stopping.tolerance
    if result is None or result.interrupted or not result.confirmations or tolerance is None:
        return []
    last = result.confirmations[-1]
    images = log_file.images_at(folder / run_folder.LOG, last.interval)
    num, seconds = sum(one.num for one in result.confirmations), sum(one.seconds for one in result.confirmations)
    return [
        result_line(last, tolerance, f"fresh samples of interval {last.interval} ({images:,} images)"),
        f"Confirmations: {len(result.confirmations)}, on {num:,} samples, in {seconds:.1f} s.{guarantee(last, 'run')}",
        _what_helps(folder, record, last, tolerance),
    ]


def augmentation_summary(folder: Path) -> list[str]:
    """Returns a line about the adaptive augmentation of a finished run. Empty if the run had none."""
    found = [row[PROBABILITY] for row in log_file.rows(folder / run_folder.LOG) if PROBABILITY in row]
    if not found:
        return []
    if not any(found):
        return ["Adaptive augmentation: the probability stayed 0, so no image was augmented."]
    last, most = f"{found[-1]:.3f} in the last interval", f"at most {max(found):.3f} in one"
    return [f"Adaptive augmentation: the mean probability was {last}, {most}."]


def guarantee(last: Confirmation, whole: str) -> str:
    """Returns the error guarantee of a confirmation that is `within`, as a sentence. `whole` is what it holds for."""
    return f" At most 5 % of all {whole}s end within the tolerance by mistake." if last.verdict == "within" else ""


def result_line(last: Confirmation, tolerance: float, outcomes: str) -> str:
    """Describes the result of the last confirmation in one line. `outcomes` says what it measured."""
    answer = {"within": "Within", "exceeded": "Not within", "undecided": "Not shown to be within"}[last.verdict]
    lower, upper = map(percent, last.bounds)
    unmet = "".join(f"; {condition}" for condition in last.unmet)
    return (
        f"{answer} the tolerance of {percent(tolerance)}: of {last.num:,} {outcomes}, {percent(last.rate.value)} are "
        f"wrong ({lower} to {upper}){unmet}."
    )


def _what_helps(folder: Path, record: RunMetadata, last: Confirmation, tolerance: float) -> str:
    """Returns what the run saved, or what would bring it within its tolerance."""
    assert record.result is not None
    planned = record.total_steps * record.result.images // max(1, record.result.steps)
    if last.verdict == "within":
        if record.result.images >= planned:
            return f"The run took all {planned:,} planned images."
        saved = 1 - record.result.images / planned
        return f"The run took {record.result.images:,} of {planned:,} planned images and saved {100 * saved:.0f} %."
    if any(condition.startswith(UNREADABLE) for condition in last.unmet):
        return "What would help: a better classifier (gan train-classifier), or a higher tolerance."
    ways = [
        *_longer(folder, record, last, tolerance),
        *_better_preset(record, tolerance),
        *_more_samples(record.config, last, tolerance),
    ]
    unknown = "It is not known what would help. A longer run (--images) or more latent dimensions might."
    return f"What would help: {'; '.join(ways)}." if ways else unknown


def _longer(folder: Path, record: RunMetadata, last: Confirmation, tolerance: float) -> list[str]:
    """Returns a longer run, if the curve of the error rate still falls far enough."""
    assert record.result is not None
    images = images_for(
        [(row["images"], row.get("val_error_rate", math.nan)) for row in log_file.rows(folder / run_folder.LOG)],
        last.rate.value,
        EXPECTED_SHARE * tolerance,
    )
    if images is None or record.result.stopped_by is not None:
        return []
    words = resume_command(folder, "--images", str(images))
    return [f"a longer run, of about {images:,} images if its curve goes on ({words})"]


def images_for(curve: Sequence[tuple[float, float]], rate: float, goal: float) -> int | None:
    """Returns the length at which the error rate would fall from `rate`, now, to `goal`.

    The second half of the curve of (images, error rate) is extrapolated as a power of the number of images. Returns
    None if the curve does not fall there, or the length is more than `MOST_LONGER` times the present one.
    """
    points = [(images, value) for images, value in curve[len(curve) // 2 :] if value > 0 and math.isfinite(value)]
    if len(points) < 3 or not 0 < goal < rate:
        return None
    now = curve[-1][0]
    logarithms = ([math.log(images) for images, _ in points], [math.log(value) for _, value in points])
    slope = linear_regression(*logarithms).slope
    if not slope < 0:
        return None
    factor = math.exp(min(math.log(rate / goal) / -slope, 100.0))
    return round(now * factor / 1000) * 1000 if 1 < factor <= MOST_LONGER else None


@dataclass(frozen=True)
class _Known:
    """A preset with the error rate of its pretrained generator."""

    preset: str
    checkpoint: str
    rate: float
    upper: float
    num: int


def _better_preset(record: RunMetadata, tolerance: float) -> list[str]:
    """Returns the preset whose pretrained generator of the same data has the lowest error rate, if it is within."""
    found = [one for one in _known_presets(record) if one.preset != record.preset and one.upper <= tolerance]
    if not found:
        return []
    best = min(found, key=lambda one: one.rate)
    return [
        f"the preset {best.preset}: its generator {best.checkpoint} has an error rate of {percent(best.rate)} of "
        f"{best.num:,} samples (at most {percent(best.upper)})"
    ]


def _known_presets(record: RunMetadata) -> list[_Known]:
    found = []
    for name in models.list_checkpoints():
        folder = models.pretrained_folder() / name
        with suppress(InputError):  # a classifier, or no report
            known, report = models.load_config(models.find_generator(name)), load_report(folder)
            row = report.metrics["error_rate"]
            same = known is not None and known.dataset.name == record.dataset.name
            is_alike = report.conditional == (record.config.model.conditioning != "none")
            if same and is_alike and known is not None and known.preset and row.value is not None:
                _, upper = wilson_interval(round(row.value * report.num), report.num)
                found.append(_Known(known.preset, name, row.value, upper, report.num))
    return found


def _more_samples(config: TrainConfig, last: Confirmation, tolerance: float) -> list[str]:
    """Returns more samples, if the error rate is the reason and they could decide."""
    needed = samples_needed(last.rate, tolerance, confidence=last.confidence)
    if last.verdict != "undecided" or last.unmet or needed is None:
        return []
    if not config.stopping.confirm_num < AGAIN * needed <= MOST_CONFIRMED:
        return []
    return [f"more samples, in a new run with --confirm-num {AGAIN * needed}"]


def percent(share: float) -> str:
    """Returns a share in percent, with three digits."""
    return f"{100 * share:.3g} %"
