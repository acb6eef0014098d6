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
    """Classify images of handwritten digits.

    The images can have any size and color. The background must be even.
    """

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGE...")]
    """Image files with one digit each."""
    classifier: str = "mnist-classifier"
    """Classifier: its folder or pretrained name."""
    invert: bool = False
    """Dark digits on a light background. By default, the border of each image decides."""
    json: bool = False
    """Print the result as one JSON object on stdout: {file: {label, probability}}."""

    def run(self) -> int:
        """Classifies the images and prints one line for each; returns the exit status."""
        classifier = models.find_classifier(self.classifier)
        shape = list(classifier.card.dataset.image_shape)
        if shape != [28, 28, 1]:
            raise InputError(
                "Not a classifier of MNIST digits", expected="image_shape [28, 28, 1]", received=f"{shape}"
            )
        if not self.images:
            raise InputError("No image", expected="at least one image file", received="none")
        import numpy as np

        from gan.data.handwriting import read_digit

        digits = np.stack([read_digit(file, invert=True if self.invert else None) for file in self.images])
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.evaluation.classifier.extractor import classify, load_classifier

        labels, probabilities = classify(load_classifier(classifier)[0], digits)
        found = {
            str(file): {"label": int(label), "probability": round(float(probability), 4)}
            for file, label, probability in zip(self.images, labels, probabilities)
        }
        print_result(found, as_json=self.json)
        return DONE
