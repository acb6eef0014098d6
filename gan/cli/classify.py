"""gan classify."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.data import images
from gan.errors import InputError
from gan.saving import files, models
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from gan.evaluation.classifier.answers import Answer

MOST_NAMED = 5
"""Refused files that the error names."""
UNBOUNDED = "not known for this classifier: every image gets a label (--bound sets one)"


@dataclass(frozen=True)
class Classify:
    """Classify images of handwritten digits.

    An image shows one digit, on any background that a photograph of paper has: uneven light, noise, ruled lines. An
    image that is not read as a digit is refused, with the reason. Prints the outcome of every image. The exit status is
    2 if one was refused or cannot be read.
    """

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE...")]
    """Image files with one digit each."""
    classifier: str = "mnist-reader"
    """Classifier: its folder or pretrained name."""
    bound: float | None = None
    """Refuse images whose digit has a lower probability, from 0 to 1. None: the bound of the classifier."""
    invert: bool = False
    """Dark digits on a light background. By default, each image decides."""
    show: Path | None = None
    """Image (.png) to write: each file with the digit that was found, and what the classifier saw. None: no image."""
    json: bool = False
    """Print the result as one JSON object on stdout: {file: {label, probability}}; a refused file has a reason."""

    def run(self) -> int:
        """Classifies the images and prints one line for each; returns the exit status.

        Raises `InputError` after the lines if an image was refused or cannot be read.
        """
        if self.bound is not None and not 0 <= self.bound <= 1:
            raise InputError("Bad `--bound`", expected="a probability from 0 to 1", received=f"bound={self.bound}")
        if self.show is not None:
            if self.show.suffix != ".png" or self.show.is_dir():
                raise InputError("Bad `--show`", expected="a .png file", received=repr(str(self.show)))
            files.check_writable(self.show)
        classifier = models.find_classifier(self.classifier)
        shape = list(classifier.card.dataset.image_shape)
        if shape != [28, 28, 1]:
            raise InputError(
                "Not a classifier of MNIST digits", expected="image_shape [28, 28, 1]", received=f"{shape}"
            )
        if not self.images:
            raise InputError("No image", expected="at least one image file", received="none")
        from gan.data.handwriting import find_digits

        found = find_digits(self.images, invert=True if self.invert else None)
        unread = {str(file): _unread(each) for file, each in zip(self.images, found) if isinstance(each, InputError)}
        if all(isinstance(each, InputError) for each in found):  # there is nothing to load a classifier for
            self._print(unread, has_bound=True)
            raise _refusal(unread)
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.evaluation.classifier.answers import answer_found
        from gan.evaluation.classifier.extractor import load_classifier
        from gan.evaluation.classifier.sheet import draw_readings

        model, card = load_classifier(classifier)
        readings = answer_found(self.images, found, model, card, bound=self.bound)
        results = {str(reading.file): _result(reading.answer) for reading in readings}
        has_bound = self.bound is not None or (card.calibration is not None and card.calibration.bound is not None)
        self._print(results, has_bound=has_bound)
        if self.show is not None:
            self.show.parent.mkdir(parents=True, exist_ok=True)
            files.write(self.show, partial(images.save_png, image=draw_readings(readings)))
            if not self.json:
                print_result({"show": str(self.show)}, as_json=False)
        if any(result["label"] is None for result in results.values()):
            raise _refusal(results)
        return DONE

    def _print(self, results: Mapping[str, dict[str, Any]], *, has_bound: bool) -> None:
        if self.json:
            print_result(results, as_json=True)
            return
        lines: dict[str, object] = {
            name: f"no digit: {result['reason']}" if result["label"] is None else result
            for name, result in results.items()
        }
        if not has_bound:
            lines["bound"] = UNBOUNDED
        print_result(lines, as_json=False)


def _result(answer: "Answer") -> dict[str, Any]:
    probability = None if answer.probability is None else round(answer.probability, 4)
    result: dict[str, Any] = {"label": answer.label, "probability": probability}
    return result if answer.reason is None else {**result, "reason": answer.reason}


def _unread(error: InputError) -> dict[str, Any]:
    from gan.data.handwriting import reason_of

    return {"label": None, "probability": None, "reason": reason_of(error)}


def _refusal(results: Mapping[str, dict[str, Any]]) -> InputError:
    """Returns the error that names the first refused files, and says why they were refused."""
    refused = [f"{name}: {result['reason']}" for name, result in results.items() if result["label"] is None]
    more = f"; and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
    return InputError(
        f"Not read as a digit: {len(refused)} of {len(results)} image{'s' * (len(results) > 1)}",
        expected="one digit in each image",
        received="; ".join(refused[:MOST_NAMED]) + more,
    )
