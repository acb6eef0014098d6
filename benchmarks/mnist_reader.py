"""Trains the classifier `mnist-reader`: python -m benchmarks.mnist_reader OUTPUT.

The network of `gan train-classifier` learns ten digits and an eleventh outcome, "no digit". It learns from what
`find_digit` finds in synthetic photographs. Digits are those training images of MNIST that `mnist-classifier` was
trained on, and printed and drawn ones. The temperature and the bound are chosen on photographs of validation digits,
and on fonts and photographs that were not used for training.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np
from PIL import Image

from benchmarks import marks
from benchmarks.marks import NON_DIGITS, Group, Materials
from benchmarks.photographs import KINDS, draw_mark, draw_scene, photograph
from gan.config import ClassifierConfig
from gan.data import images
from gan.data.handwriting import find_digit
from gan.errors import InputError
from gan.saving import files, run_folder
from gan.saving.metadata import Calibration, ClassifierCard, ClassifierDataset
from gan.utils import tensorflow as runtime

NO_DIGIT = 10
"""Label of pictures without a digit."""
SHARES: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(NON_DIGITS, 1.0),
        "printed letter": 4.0,
        "written letter": 4.0,
        "several digits": 2.0,
        "symbol": 1.5,
    }
)
"""Kind of pictures without a digit -> its share among them, relative to the others."""
CONFIG = ClassifierConfig(width=16, blocks=2, epochs=10)
DATA = "mnist photographs"
"""Name of the data in the card. It is not a dataset, so no report uses this classifier."""
MOST_ANSWERED = 0.006
"""Share of pictures without a digit that are answered at the bound. The goal for other pictures is 0.01."""
LEAST_SIMILAR = 0.4
"""Training images whose reading correlates less with that of the mark alone are labeled as no digit."""


@dataclass(frozen=True)
class Read:
    """What `find_digit` found in synthetic pictures."""

    digits: np.ndarray
    """uint8 [N, 28, 28]."""
    labels: np.ndarray
    """Whole numbers [N]; `NO_DIGIT` for pictures without a digit."""
    kinds: np.ndarray
    """Kind of each picture, [N]."""
    problems: np.ndarray
    """Whether `find_digit` saw a problem, bool [N]."""
    blank: Mapping[str, int]
    """Kind of pictures -> number of pictures in which nothing was found."""

    def without_problems(self) -> "Read":
        """Returns the pictures without a problem. Others are refused before a classifier sees them."""
        kept = ~self.problems
        return Read(self.digits[kept], self.labels[kept], self.kinds[kept], self.problems[kept], self.blank)


def picture(kind: str, index: int, materials: Materials, labels: np.ndarray) -> tuple[np.ndarray, int]:
    """Draws picture `index` of a kind: (uint8 [H, W, 3], its label).

    Kinds are `photographs.KINDS`, `marks.NON_DIGITS`, "MNIST" (the digit itself) and "drawn" (printed or drawn digits).
    The picture is a function of the group, the kind and the index.
    """
    rng = np.random.default_rng([crc32(materials.group.encode()), crc32(kind.encode()), index])
    if kind in NON_DIGITS:
        return marks.draw_non_digit(kind, materials, rng), NO_DIGIT
    if kind == "drawn":
        label = index % 10
        effect = "mixed" if rng.uniform() < 0.5 else "plain"
        return photograph(marks.draw_digit(label, materials.group, rng), draw_scene(effect, rng), rng), label
    chosen = int(rng.integers(len(labels)))
    if kind == "MNIST":
        return np.repeat(materials.digits[chosen][..., None], 3, axis=2), int(labels[chosen])
    mark = draw_mark(materials.digits[chosen], kind, rng)
    pixels = photograph(mark, draw_scene(kind, rng), rng)
    if materials.group == "train" and not _agree(pixels, mark):
        return pixels, NO_DIGIT
    return pixels, int(labels[chosen])


def _agree(pixels: np.ndarray, mark: np.ndarray) -> bool:
    """Returns whether a photograph reads like its mark alone."""
    try:
        readings = [
            find_digit(Image.fromarray(each)).pixels.ravel() for each in (pixels, (255 * mark).astype(np.uint8))
        ]
    except InputError:
        return False
    return bool(np.corrcoef(np.stack(readings))[0, 1] >= LEAST_SIMILAR)


_given: dict[str, Any] = {}
"""Materials and labels of a process of `read_pictures`, so that they are sent once."""


def _begin(materials: Materials, labels: np.ndarray) -> None:
    _given.update(materials=materials, labels=labels)


def _read_one(job: tuple[str, int]) -> tuple[np.ndarray | None, int, str, bool]:
    kind, index = job
    pixels, label = picture(kind, index, **_given)
    try:
        found = find_digit(Image.fromarray(pixels))
    except InputError:
        return None, label, kind, False
    return images.to_uint8(found.pixels)[..., 0], label, kind, found.problem is not None


def read_pictures(counts: Mapping[str, int], materials: Materials, labels: np.ndarray, *, processes: int = 0) -> Read:
    """Draws and reads pictures in parallel.

    Args:
        counts: kind -> number of pictures, see `picture`.
        materials: the group, and its digits of MNIST.
        labels: labels of these digits.
        processes: number of processes. 0: one for each core.
    """
    jobs = [(kind, index) for kind, count in counts.items() for index in range(count)]
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(processes or None, context, _begin, (materials, labels)) as pool:
        results = list(pool.map(_read_one, jobs, chunksize=64))
    found = [result for result in results if result[0] is not None]
    blank = [kind for digit, _, kind, _ in results if digit is None]
    return Read(
        digits=np.stack([digit for digit, *_ in found if digit is not None]),
        labels=np.array([label for _, label, _, _ in found]),
        kinds=np.array([kind for _, _, kind, _ in found]),
        problems=np.array([problem for *_, problem in found]),
        blank={kind: blank.count(kind) for kind in dict.fromkeys(blank)},
    )


def training_counts(total: int) -> dict[str, int]:
    """Divides `total` pictures: 38 % photographs of digits, 10 % MNIST, 10 % drawn digits, 42 % without a digit."""
    mixed, single = 0.19 * total, 0.19 * total / (len(KINDS) - 1)
    counts = {kind: round(mixed if kind == "mixed" else single) for kind in KINDS}
    counts |= {"MNIST": round(0.1 * total), "drawn": round(0.1 * total)}
    unit = 0.42 * total / sum(SHARES.values())
    return counts | {kind: round(unit * share) for kind, share in SHARES.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Trains the classifier, writes its folder, and prints its card."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mnist_reader", description="Train mnist-reader.")
    parser.add_argument("output", type=Path, help="new or empty folder")
    parser.add_argument("--pictures", type=int, default=52_000, help="training pictures (default: %(default)s)")
    parser.add_argument(
        "--bounding", type=int, default=7_000, help="pictures that set the bound (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, default=CONFIG.epochs, help="passes over them (default: %(default)s)")
    options = parser.parse_args(argv)
    run_folder.check_output(options.output)
    device = runtime.start(seed=CONFIG.seed)
    from gan import load_dataset
    from gan.evaluation.classifier.training import without_embedded

    data = load_dataset(CONFIG.dataset, fallback="none")
    read = {}
    groups: Sequence[tuple[Group, Any, int]] = (
        ("train", without_embedded(data.train), options.pictures),
        ("bound", data.validation, options.bounding),
    )
    for group, split, count in groups:
        materials = Materials(group, np.asarray(split.images[..., 0]))
        read[group] = read_pictures(training_counts(count), materials, split.labels)
        print(f"{group}: {len(read[group].labels)} pictures read, {sum(read[group].blank.values())} blank", flush=True)
    config = replace(CONFIG, epochs=options.epochs)
    write_reader(options.output, read["train"], read["bound"], config, device)
    return 0


def write_reader(output: Path, train: Read, bounding: Read, config: ClassifierConfig, device: str) -> None:
    """Trains on pictures, chooses temperature and bound on others, and writes the folder of the classifier."""
    from gan.data.split import Split
    from gan.evaluation.classifier import Extractor, as_input, choose_bound, fit_temperature, probabilities, trained

    started, revision = time.monotonic(), runtime.git_revision()
    train, usable = train.without_problems(), bounding.without_problems()
    splits = [Split(read.digits[..., None], read.labels.astype(np.int64)) for read in (train, usable)]
    model = trained(config, *splits, num_classes=NO_DIGIT + 1, verbose=2)
    seconds = time.monotonic() - started
    logits = Extractor(model).arrays(as_input(usable.digits[..., None]))["logits"]
    calibration = Calibration(temperature=fit_temperature(logits, usable.labels), rejects=True)
    classes = probabilities(logits, calibration)[:, :NO_DIGIT]
    is_digit = usable.labels != NO_DIGIT
    blank = sum(count for kind, count in bounding.blank.items() if kind in NON_DIGITS)
    refused = np.zeros(np.count_nonzero(bounding.problems & (bounding.labels == NO_DIGIT)) + blank)  # at any bound
    bound = choose_bound(np.concatenate([classes[~is_digit].max(axis=1), refused]), MOST_ANSWERED)
    right = classes[is_digit].argmax(axis=1) == usable.labels[is_digit]
    folder = run_folder.new_run(output, "mnist-reader")
    files.write(folder / run_folder.CLASSIFIER, model.save)
    card = ClassifierCard(
        name="mnist-reader",
        config=config,
        data_sets=(DATA,),
        dataset=ClassifierDataset(
            name=DATA,
            image_shape=(28, 28, 1),
            num_classes=NO_DIGIT,
            train=len(train.labels),
            validation=len(usable.labels),
        ),
        weights=model.count_params(),
        accuracy={"validation": float(np.mean(right))},
        calibration=replace(calibration, bound=round(bound, 4)),
        seconds=round(seconds, 1),
        device=device,
        versions=runtime.versions(),
        git_revision=revision,
        sha256=files.sha256(folder / run_folder.CLASSIFIER),
    )
    files.write_json(folder / run_folder.CONFIG, card.as_dict())
    print(f"temperature {calibration.temperature:.3f}, bound {bound:.4f}, {card.accuracy}, sha256 {card.sha256}")


if __name__ == "__main__":
    sys.exit(main())
