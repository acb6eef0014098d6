"""gan train-classifier."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Suppress

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.config import ClassifierConfig
from gan.saving import run_folder
from gan.utils import tensorflow as runtime

DEFAULT_CLASSIFIER = "mnist-classifier"


@dataclass(frozen=True)
class TrainClassifier:
    """Train a classifier for reports or probes.

    PRESET is mnist-classifier (the default, for reports) or mnist-probe (small and fast, for use while a GAN trains).
    Training images are rotated, shifted and scaled slightly. The weights of the epoch that is best on the validation
    split are kept and evaluated once on the test split. Writes a folder with the classifier and its card at the end;
    an interrupted training writes nothing.
    """

    config: ClassifierConfig = field(default_factory=ClassifierConfig)
    preset: Annotated[str, Suppress] = DEFAULT_CLASSIFIER
    output: Path | None = None
    """Folder to create. None: the next number in runs/."""
    json: bool = False
    """Print the card of the classifier as one JSON object on stdout."""

    def run(self) -> int:
        """Trains, and prints the accuracy for each class; returns the exit status."""
        run_folder.check_output(self.output)
        runtime.load_tensorflow(lean=True)
        from gan.evaluation.classifier.training import make_classifier

        card = make_classifier(self.config, self.output, name=self.preset, verbose=0 if self.json else 2)
        if self.json:
            print_result(card.as_dict(), as_json=True)
            return DONE
        for label, row in card.by_class.items():
            if isinstance(row, dict):
                print(f"{label:>12}  " + "  ".join(f"{name} {value:.4g}" for name, value in row.items()))
        print_result({**card.accuracy, "sha256": card.sha256}, as_json=False)
        return DONE
