"""The numbers of generators: of many against one reference, and the modes of stacked MNIST that one reaches."""

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
"""Pictures that are drawn and read at once."""
FILE = "modes.json"


@dataclass(frozen=True)
class Judge:
    """Frechet distance, precision, recall, density, coverage and error rate of `num` pictures of a generator.

    The numbers are those of `gan evaluate` with the same `num` and its default seed, and only the quick ones of them.
    `floor`: of the Frechet distance, that of training images; `real`: the numbers of validation images in the place of
    pictures.
    """

    extractor: Extractor
    reference: Reference
    radii: np.ndarray
    labels: np.ndarray | None
    floor: FrechetFloor
    real: dict[str, float]

    @classmethod
    def of(cls, dataset: Dataset, classifier: keras.Model, *, num: int, seed: int = EVALUATION_SEED) -> "Judge":
        """For a data set with at least `num` test and validation images, and a classifier that may judge it."""
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
        """{`frechet_distance`, `frechet_in_floors`, `error_rate`, ...}; the error rate is None without classes."""
        num = len(self.reference.outputs["features"])
        asked = self.labels if NetworkInputs.of(generator).num_classes else None
        found = self._numbers(sampling.generate(generator, num, seed=seed, labels=asked, batch_size=250), asked)
        return {
            **found,
            "error_rate": None if asked is None else found["error_rate"],
            "frechet_in_floors": found["frechet_distance"] / self.floor.mean,
        }

    def _numbers(self, pictures: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        real, fake = self.reference.outputs, self.extractor.arrays(pictures)
        found = quality(self.extractor, real, fake, labels)
        shares = metrics.precision_recall(real["features"], fake["features"], real_radii=self.radii)
        return {**{name: found[name] for name in ("frechet_distance", "error_rate", "class_kl")}, **shares}


@dataclass(frozen=True)
class StackJudge:
    """Reads stacks of three digits with a classifier of one: mode 100 r + 10 g + b of the digits it sees.

    `shares`: [1000], of the data by mode.
    """

    extractor: Extractor
    shares: np.ndarray

    def of_generator(self, generator: keras.Model, num: int, *, seed: int = EVALUATION_SEED) -> dict[str, Any]:
        """The numbers (see `_numbers`) of `num` pictures of a generator without classes of 28 x 28 x 3."""
        parts = [
            self._read(sampling.generate(generator, min(CHUNK, num - start), seed=seed, start=start, batch_size=250))
            for start in range(0, num, CHUNK)
        ]
        digits, sure = (np.concatenate(side) for side in zip(*parts))
        return self._numbers(digits, sure)

    def of_real(self, test: Split, *nums: int, seed: int = EVALUATION_SEED) -> list[dict[str, Any]]:
        """The same of as many real stacks: the limit of the measure, since the classifier errs and samples are few.

        Their channels are those of test images, drawn anew and independently, so that there are as many stacks as one
        wants, each of digits that the classifier was not trained on.
        """
        parts = [self._read(as_input(test.images[start : start + CHUNK])) for start in range(0, len(test), CHUNK)]
        digits, sure = (np.concatenate(side) for side in zip(*parts))
        rng = np.random.default_rng(seed)
        found = []
        for num in nums:
            rows = rng.integers(len(test), size=(num, CHANNELS))
            found.append(self._numbers(digits[rows, range(CHANNELS)], sure[rows, range(CHANNELS)]))
        return found

    def _read(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(digits, whether the classifier is sure of them), each [N, 3], of images [N, 28, 28, 3] in [-1, 1]."""
        channels = np.moveaxis(pictures, -1, 1).reshape(-1, *pictures.shape[1:3], 1)
        logits = self.extractor.arrays(np.ascontiguousarray(channels))["logits"]
        sure = top_probability(logits) >= metrics.SURE
        return logits.argmax(axis=1).reshape(-1, CHANNELS), sure.reshape(-1, CHANNELS)

    def _numbers(self, digits: np.ndarray, sure: np.ndarray) -> dict[str, Any]:
        """{`num`, `modes` reached, `kl` to the data, `kl_uniform` to equally likely modes, `sure`: the share of stacks
        whose three digits are all read with a probability of 0.9 or more, `counts`: stacks by mode}."""
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
    """Shares of the modes [1000] that independent channels have whose digits are as in labels 100 r + 10 g + b [N].

    Counting the labels themselves would add the noise of a finite number of stacks.
    """
    digits = [labels // 100, labels // 10 % 10, labels % 10]
    red, green, blue = (np.bincount(channel, minlength=DIGITS) / len(labels) for channel in digits)
    return np.einsum("r,g,b->rgb", red, green, blue).ravel()


def check_stacks(shape: tuple[int, ...], classifier: keras.Model) -> None:
    """Raises `InputError` unless pictures of this shape are three channels of what the classifier reads."""
    read = tuple(classifier.input.shape[1:])
    if tuple(shape) != (*read[:2], CHANNELS) or read[2] != 1 or classifier.output.shape[-1] != DIGITS:
        raise InputError(
            "The classifier cannot read the channels of these pictures",
            expected=f"pictures {(*read[:2], CHANNELS)}, and a classifier of {DIGITS} digits in grey",
            received=f"pictures {tuple(shape)}, classifier {read} -> {classifier.output.shape[-1]}",
        )


class ModesOverTraining(keras.callbacks.Callback):
    """Counts the modes of the averaged generator after every epoch, into a file of the run folder.

    The file is a list of {"images", "modes", "kl", "sure", "seconds"}, the seconds being those of measuring. It goes on
    when a run is resumed: what it has of images that are seen again is replaced.

    Args:
        folder: the run folder.
        num: samples that are judged.
        say: prints a line.
    """

    def __init__(self, folder: Path, judge: StackJudge, *, num: int, say: Callable[[str], None]) -> None:
        super().__init__()
        self.path = folder / FILE
        self.judge = judge
        self.num = num
        self.say = say

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        began = time.monotonic()
        images = int(scalar(self.model.images_seen))
        found = self.judge.of_generator(self.model.generator_ema, self.num)
        kept = {name: found[name] for name in ("modes", "kl", "sure")}
        entry = {"images": images, **kept, "seconds": round(time.monotonic() - began, 3)}
        files.write_json(self.path, [*(e for e in self.rows() if e["images"] < images), entry])
        self.say(f"{found['modes']} modes, KL {found['kl']:.3f}, by {self.num:,} samples")

    def rows(self) -> list[dict[str, Any]]:
        """What the file holds."""
        return convert(files.read_json(self.path), list[dict[str, Any]], self.path) if self.path.exists() else []


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
