"""Options of `gan sample --reject`, and the rejection that they ask for."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gan.errors import InputError
from gan.saving import models
from gan.saving.known_images import check_card
from gan.saving.metadata import check_classes, check_dataset
from gan.saving.run_folder import DISCRIMINATOR
from gan.saving.saved_generator import SavedGenerator
from gan.selection.rejection.limits import KEEP, MOST_ATTEMPTS, check_attempts, check_keep

if TYPE_CHECKING:
    from gan.saving.engines.engine import Engine
    from gan.selection.rejection.fitting import FittedRejection

RejectBy = Literal["classifier", "discriminator"]
CLASSIFIER = "mnist-probe"
"""The classifier that rejects, unless another one is given. Reports use another, `mnist-classifier`."""
COMPARE = "gan.selection.compare_rejections; in a checkout: python -m benchmarks rejection --runs RUN"
"""What measures the samples before and after rejection."""


@dataclass(frozen=True)
class RejectionOptions:
    """The checked options. `keep`: share of the first attempts to accept. None: the default of the method."""

    by: RejectBy
    keep: float | None
    classifier: str | None
    attempts: int | None

    @classmethod
    def of(
        cls, by: RejectBy | None, keep: float | None, classifier: str | None, attempts: int | None
    ) -> "RejectionOptions | None":
        """Returns the options. None: nothing is rejected. Raises `InputError` for bad ones, or without effect."""
        given = {"keep": keep, "reject-with": classifier, "attempts": attempts}
        alone = [f"--{name} {value}" for name, value in given.items() if value is not None]
        if by is None:
            if alone:
                expected = "--reject classifier or --reject discriminator too"
                raise InputError(
                    f"Nothing is rejected, so {alone[0]} has no effect", expected=expected, received=alone[0]
                )
            return None
        if keep is not None:
            check_keep(keep)
        if attempts is not None:
            check_attempts("attempts", attempts)
        if by == "discriminator" and classifier is not None:
            raise InputError(
                "The discriminator rejects, so --reject-with has no effect",
                expected="--reject classifier, or no --reject-with",
                received=f"--reject-with {classifier}",
            )
        return cls(by, keep, classifier, attempts)

    @property
    def words(self) -> list[str]:
        """The options as words of a command."""
        given = {"--keep": self.keep, "--reject-with": self.classifier, "--attempts": self.attempts}
        return ["--reject", self.by, *(str(w) for pair in given.items() if pair[1] is not None for w in pair)]

    def find(self, saved: SavedGenerator) -> "Fit":
        """Finds what rejects the samples of a generator, before TensorFlow is imported.

        Raises `InputError` if it does not exist or is for other data.
        """
        return _FIND[self.by](self, saved)

    @property
    def most_attempts(self) -> int:
        """Maximum number of attempts per sample."""
        return MOST_ATTEMPTS if self.attempts is None else self.attempts


Fit = Callable[["Engine", float | None], "FittedRejection"]
"""(generator, truncation) -> the rejection that is fitted to it. Raises `InputError` if it does not suit it."""


def _find_classifier(options: RejectionOptions, saved: SavedGenerator) -> Fit:
    found = models.find_classifier(options.classifier or CLASSIFIER)
    if saved.images is not None:
        has_digests = None not in (saved.images.fingerprint, found.card.dataset.train_sha256)
        if has_digests or not any(map(saved.draws, found.card.data_sets)):
            check_card(saved.images, found.card)

    def fit(engine: "Engine", truncation: float | None) -> "FittedRejection":
        from gan.selection.rejection.fitting import fit_classifier_rejection

        return fit_classifier_rejection(
            engine, found, keep=options.keep, truncation=truncation, most_attempts=options.most_attempts
        )

    return fit


def _find_discriminator(options: RejectionOptions, saved: SavedGenerator) -> Fit:
    path, data, name = saved.folder / DISCRIMINATOR, saved.data, saved.dataset
    if saved.card is not None or not path.is_file():
        received = "an exported generator" if saved.card is not None else f"no file {path}"
        raise InputError(
            "This generator has no discriminator",
            expected=f"a run folder of `gan train` with a {DISCRIMINATOR}, or --reject classifier",
            received=received,
        )
    if data is None or name is None:
        raise InputError(
            "The dataset of this generator is not known, so its discriminator cannot be calibrated",
            expected="a run folder with a config.json",
            received=str(saved.folder),
        )
    file = models.find_discriminator(path)

    def fit(engine: "Engine", truncation: float | None) -> "FittedRejection":
        from gan.data.load import load_dataset
        from gan.models.networks.load import load_discriminator
        from gan.selection.rejection.fitting import fit_discriminator_rejection

        dataset = load_dataset(name, fallback="none", **data.loading)
        check_classes(saved.class_names, dataset.class_names)
        if saved.trained_on is not None:
            check_dataset(saved.trained_on, dataset.describe(), "The images have changed since the training")
        discriminator = load_discriminator(file)
        return fit_discriminator_rejection(
            engine,
            discriminator,
            dataset,
            keep=KEEP if options.keep is None else options.keep,
            truncation=truncation,
            most_attempts=options.most_attempts,
        )

    return fit


_FIND: Mapping[RejectBy, Callable[[RejectionOptions, SavedGenerator], Fit]] = {
    "classifier": _find_classifier,
    "discriminator": _find_discriminator,
}


class Column:
    """Values that one thread adds in order, and another takes in the same order, in other numbers at a time."""

    def __init__(self) -> None:
        self._parts: deque[np.ndarray] = deque()

    def add(self, values: np.ndarray) -> None:
        """Adds values [N]."""
        self._parts.append(values)

    def take(self, num: int) -> np.ndarray:
        """Removes the first `num` values, and returns them. They were added before."""
        taken = []
        while num > 0:
            part = self._parts.popleft()
            taken.append(part[:num])
            if len(part) > num:
                self._parts.appendleft(part[num:])
            num -= len(taken[-1])
        return np.concatenate(taken)


class RejectedSamples:
    """Samples of a rejection, with what is known of them: columns for the files, and sums for the summary."""

    def __init__(self, rejection: "FittedRejection") -> None:
        self._rejection = rejection
        self._attempts, self._accepted = Column(), Column()
        self._made = self._found = self._missed = 0

    def stream(self, num: int, *, seed: int, start: int, labels: np.ndarray | None) -> Iterator[np.ndarray]:
        """Yields batches of the kept samples start, ..., start + num - 1, as `sampling.stream` does, and notes them."""
        sampler = self._rejection.sampler
        for kept in sampler.stream(num, seed=seed, start=start, labels=labels):
            self._made += int(kept.made(sampler.most_attempts).sum())
            self._found += int(kept.accepted.sum())
            self._missed += int((~kept.accepted).sum())
            self._attempts.add(kept.attempts)
            self._accepted.add(kept.accepted)
            yield kept.images

    @property
    def columns(self) -> dict[str, tuple[np.dtype, Callable[[range], np.ndarray]]]:
        """The arrays of an .npz file: {name: (type, function of a range of numbers)}, for `SampleBatches.noted`."""
        return {
            "attempts": (np.dtype(np.int32), lambda part: self._attempts.take(len(part))),
            "accepted": (np.dtype(bool), lambda part: self._accepted.take(len(part))),
        }

    def summary(self, *, as_json: bool) -> dict[str, object]:
        """Returns the lines of the summary. People are also told what measures the samples before and after."""
        fitted = self._rejection
        error = {} if fitted.error is None else {"calibration": {"by": fitted.calibration, **asdict(fitted.error)}}
        return {
            "attempts": self._made,
            "accepted_share": self._found / self._made,
            "without_acceptance": self._missed,
            **error,
            **({} if as_json else {"before and after": COMPARE}),
        }

    def warn(self) -> None:
        """Prints a line on stderr if the calibration has found that the discriminator tells nothing."""
        error = self._rejection.error
        if error is not None and error.log_loss >= error.log_loss_constant:
            losses = f"{error.log_loss:.4f}, that of a constant {error.log_loss_constant:.4f}"
            line = f"the discriminator does not tell held-out images from samples: its calibrated log loss is {losses}"
            print(f"gan: {line}", file=sys.stderr)
