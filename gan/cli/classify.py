"""gan classify."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.errors import InputError
from gan.saving import models
from gan.utils import tensorflow as runtime


@dataclass(frozen=True)
class Classify:
    """Tell the digit in pictures of any size and colour, on an even background."""

    pictures: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE...")]
    """Image files, each of one digit."""
    classifier: str = "mnist-classifier"
    """Folder or pretrained name of a classifier."""
    invert: bool = False
    """The digits are dark on light; otherwise the border of each picture tells."""
    json: bool = False
    """Print exactly one JSON object on stdout: {file: {label, probability}}."""

    def run(self) -> int:
        """Reads all pictures, then prints a line for each."""
        classifier = models.find_classifier(self.classifier)
        shape = list(classifier.card.dataset.image_shape)
        if shape != [28, 28, 1]:
            raise InputError("This classifier reads no digits", expected="image_shape [28, 28, 1]", received=f"{shape}")
        if not self.pictures:
            raise InputError("No picture", expected="one image file or more", received="none")
        import numpy as np

        from gan.data.handwriting import read_digit

        digits = np.stack([read_digit(picture, invert=True if self.invert else None) for picture in self.pictures])
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.evaluation.classifier.extractor import classify, load_classifier

        labels, probabilities = classify(load_classifier(classifier)[0], digits)
        found = {
            str(picture): {"label": int(label), "probability": round(float(probability), 4)}
            for picture, label, probability in zip(self.pictures, labels, probabilities)
        }
        print_result(found, as_json=self.json)
        return DONE
