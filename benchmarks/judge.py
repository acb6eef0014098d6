"""Evaluates generators against one shared reference, and counts modes of stacked MNIST."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gan import sampling
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.distributed.replicas import scalar
from gan.errors import InputError, convert
from gan.evaluation import metrics
from gan.evaluation.classifier.extractor import Extractor, as_input, top_probability
from gan.evaluation.evaluation import EVALUATION_SEED
from gan.evaluation.metrics.quality import quality
from gan.evaluation.reference import Reference, choose_labels, choose_subsets, limit_images
from gan.evaluation.report import FrechetFloor
from gan.models.networks import NetworkInputs
from gan.saving import files

SHARES = ("precision", "recall", "density", "coverage")
DIGITS, CHANNELS = 10, 3
MODES = DIGITS**CHANNELS
CHUNK = 2_000
"""Samples that are generated and classified at once."""
FILE = "modes.json"


@dataclass(frozen=True)
class Judge:
    """Computes Frechet distance, precision, recall, density, coverage and error rate of `num` samples.

    The numbers equal those of `gan evaluate` with the same `num` and its default seed. Slow metrics are left out.
    `floor`: Frechet distance of training images. `real`: the same numbers for validation images instead of samples.
    """

    extractor: Extractor
    reference: Reference
    radii: np.ndarray
    labels: np.ndarray | None
    floor: FrechetFloor
    real: dict[str, float]

    @classmethod
    def of(cls, dataset: Dataset, classifier: keras.Model, *, num: int, seed: int = EVALUATION_SEED) -> "Judge":
        """Creates a judge. The dataset has at least `num` test and validation images, and fits the classifier."""
        dataset = limit_images(dataset)
        chosen = choose_subsets(dataset, num, seed)
        extractor = Extractor(classifier)
        reference = Reference(extractor, extractor.arrays(as_input(chosen.test.images)), as_input(dataset.train.images))
        judge = cls(
            extractor,
            reference,
            metrics.squared_radii(reference.outputs["features"]),
            choose_labels(dataset, num, seed),
            reference.floor(chosen.floor),
            {},
        )
        judge.real.update(judge._numbers(as_input(chosen.validation.images), chosen.validation.labels))
        return judge

    def numbers(self, generator: keras.Model, *, seed: int = EVALUATION_SEED) -> dict[str, float | None]:
        """Returns {`frechet_distance`, `frechet_in_floors`, `error_rate`, ...}. error_rate is None without classes."""
        num = len(self.reference.outputs["features"])
        asked = self.labels if NetworkInputs.of(generator).num_classes else None
        found = self._numbers(sampling.generate(generator, num, seed=seed, labels=asked, batch_size=250), asked)
        return {
            **found,
            "error_rate": None if asked is None else found["error_rate"],
            "frechet_in_floors": found["frechet_distance"] / self.floor.mean,
        }

    def _numbers(self, images: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        real, fake = self.reference.outputs, self.extractor.arrays(images)
        found = quality(self.extractor, real, fake, labels)
        shares = metrics.precision_recall(real["features"], fake["features"], real_radii=self.radii)
        return {**{name: found[name] for name in ("frechet_distance", "error_rate", "class_kl")}, **shares}


@dataclass(frozen=True)
class StackJudge:
    """Finds the modes of stacks of three digits with a classifier of single digits. Mode: 100 r + 10 g + b.

    `shares`: [1000], share of each mode in the data.
    """

    extractor: Extractor
    shares: np.ndarray

    def of_generator(self, generator: keras.Model, num: int, *, seed: int = EVALUATION_SEED) -> dict[str, Any]:
        """Returns the numbers (see `_numbers`) of `num` samples of an unconditional generator, 28 x 28 x 3."""
        parts = [
            self._read(sampling.generate(generator, min(CHUNK, num - start), seed=seed, start=start, batch_size=250))
            for start in range(0, num, CHUNK)
        ]
        digits, sure = (np.concatenate(side) for side in zip(*parts))
        return self._numbers(digits, sure)

    def of_real(self, test: Split, *nums: int, seed: int = EVALUATION_SEED) -> list[dict[str, Any]]:
        """Returns the same numbers for real stacks, one dict per entry of `nums`.

        They are the limit of the measure, since the classifier makes errors and the number of stacks is finite.
        Channels of test images are drawn independently. This gives any number of stacks of digits that the classifier
        was not trained on.
        """
        parts = [self._read(as_input(test.images[start : start + CHUNK])) for start in range(0, len(test), CHUNK)]
        digits, sure = (np.concatenate(side) for side in zip(*parts))
        rng = np.random.default_rng(seed)
        found = []
        for num in nums:
            rows = rng.integers(len(test), size=(num, CHANNELS))
            found.append(self._numbers(digits[rows, range(CHANNELS)], sure[rows, range(CHANNELS)]))
        return found

    def _read(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Maps images [N, 28, 28, 3] in [-1, 1] to (digits, whether the classifier is confident), each [N, 3]."""
        channels = np.moveaxis(images, -1, 1).reshape(-1, *images.shape[1:3], 1)
        logits = self.extractor.arrays(np.ascontiguousarray(channels))["logits"]
        sure = top_probability(logits) >= metrics.SURE
        return logits.argmax(axis=1).reshape(-1, CHANNELS), sure.reshape(-1, CHANNELS)

    def _numbers(self, digits: np.ndarray, sure: np.ndarray) -> dict[str, Any]:
        """Returns {`num`, `modes`: modes reached, `kl`: KL to the data, `kl_uniform`: KL to equally likely modes,
        `sure`: share of stacks whose three digits are all read with a probability of at least 0.9, `counts`: stacks by
        mode}.
        """
        counts = np.bincount(digits @ [100, 10, 1], minlength=MODES)
        return {
            "num": len(digits),
            "modes": modes_reached(counts),
            "kl": mode_kl(counts, self.shares),
            "kl_uniform": mode_kl(counts),
            "sure": float(sure.all(axis=1).mean()),
            "counts": counts.tolist(),
        }


def mode_shares(labels: np.ndarray) -> np.ndarray:
    """Returns the shares of the modes [1000] for independent channels, from labels 100 r + 10 g + b [N].

    Each channel keeps its distribution of digits. Counting the labels directly would add the noise of a finite number
    of stacks.
    """
    digits = [labels // 100, labels // 10 % 10, labels % 10]
    red, green, blue = (np.bincount(channel, minlength=DIGITS) / len(labels) for channel in digits)
    return np.einsum("r,g,b->rgb", red, green, blue).ravel()


def check_stacks(shape: tuple[int, ...], classifier: keras.Model) -> None:
    """Raises `InputError` unless each of the three channels fits the input of the classifier."""
    read = tuple(classifier.input.shape[1:])
    if tuple(shape) != (*read[:2], CHANNELS) or read[2] != 1 or classifier.output.shape[-1] != DIGITS:
        raise InputError(
            "The classifier cannot read the channels of these images",
            expected=f"images {(*read[:2], CHANNELS)}, and a grayscale classifier of {DIGITS} digits",
            received=f"images {tuple(shape)}, classifier {read} -> {classifier.output.shape[-1]}",
        )


class ModesOverTraining(keras.callbacks.Callback):
    """Counts the modes of the averaged generator after every interval, and writes them to a file of the run folder.

    The file is a list of {"images", "modes", "kl", "sure", "seconds"}. The seconds are the time of the measurement. If
    a run is resumed, entries of images that are seen again are replaced.

    Args:
        folder: the run folder.
        judge: counts the modes.
        num: samples to evaluate.
        log: prints a line.
    """

    def __init__(self, folder: Path, judge: StackJudge, *, num: int, log: Callable[[str], None]) -> None:
        super().__init__()
        self.path = folder / FILE
        self.judge = judge
        self.num = num
        self.log = log

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        began = time.monotonic()
        images = int(scalar(self.model.images_seen))
        found = self.judge.of_generator(self.model.generator_ema, self.num)
        kept = {name: found[name] for name in ("modes", "kl", "sure")}
        entry = {"images": images, **kept, "seconds": round(time.monotonic() - began, 3)}
        files.write_json(self.path, [*(e for e in self.rows() if e["images"] < images), entry])
        self.log(f"{found['modes']} modes, KL {found['kl']:.3f}, by {self.num:,} samples")

    def rows(self) -> list[dict[str, Any]]:
        """Returns the entries of the file."""
        return convert(files.read_json(self.path), list[dict[str, Any]], self.path) if self.path.exists() else []


def modes_reached(counts: np.ndarray) -> int:
    """Returns the number of modes with at least one sample. counts: [M], samples by mode."""
    return int((np.asarray(counts) > 0).sum())


def mode_kl(counts: np.ndarray, data: np.ndarray | None = None) -> float:
    """Computes KL(samples || data) in nats: sum over modes of p log(p / q), with shares p of samples and q of data.

    Modes without a sample add nothing; they increase the shares of the other modes. The result is infinite if samples
    are in a mode without data, and NaN without samples. All samples in one of M equally likely modes give log M. N
    samples of the data itself give about (M - 1) / 2N instead of 0: 0.019 for 26,000 samples of 1,000 modes. This is
    the "reverse KL" of arXiv:1705.07761, arXiv:1712.04086 (section 4) and arXiv:2501.05441.

    Args:
        counts: [M], samples by mode.
        data: [M], shares or counts of the data by mode. None: all modes are equally likely.
    """
    counts = np.asarray(counts, np.float64)
    data = np.ones(counts.shape) if data is None else np.asarray(data, np.float64)
    if not counts.sum():
        return float("nan")
    p, q = counts / counts.sum(), data / data.sum()
    seen = p > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(p[seen] * (np.log(p[seen]) - np.log(q[seen]))))
