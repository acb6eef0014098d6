"""gan train-classifier."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from tyro.conf import Suppress

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.config import ClassifierConfig
from gan.saving import run_folder
from gan.tolerance import EXIT_STATUS
from gan.utils import tensorflow as runtime

DEFAULT_CLASSIFIER = "mnist-classifier"


@dataclass(frozen=True)
class TrainClassifier:
    """Train a classifier for reports or probes.

    PRESET is mnist-classifier (the default, for reports) or mnist-probe (small and fast, for use while a GAN trains).
    Training images are rotated, shifted and scaled slightly. The weights of the epoch that is best on the validation
    split are kept and evaluated once on the test split. Writes a folder with the classifier and its card at the end;
    an interrupted training writes nothing. With --tolerance, the exit status is the verdict of the last confirmation: 0
    within, 3 exceeded, 4 undecided.
    """

    config: ClassifierConfig = field(default_factory=ClassifierConfig)
    preset: Annotated[str, Suppress] = DEFAULT_CLASSIFIER
    output: Path | None = None
    """Folder to create. None: the next number in runs/."""
    json: bool = False
    """Print the card of the classifier as one JSON object on stdout."""

    def run(self) -> int:
        """Trains, and prints the accuracy for each class; returns the exit status, with a tolerance of its verdict."""
        run_folder.check_output(self.output)
        runtime.load_tensorflow(lean=True)
        import keras

        from gan.data.load import load_dataset
        from gan.evaluation.classifier.training import make_classifier
        from gan.training.held_out_confirmation import classifier_summary, held_out_stopping

        runtime.start(seed=self.config.seed)
        data = self.config.data
        dataset = load_dataset(data.dataset, fallback=data.dataset_fallback, **data.loading)
        stopping = held_out_stopping(self.config, dataset, partial(print, file=sys.stderr if self.json else sys.stdout))
        history = keras.callbacks.History()
        card = make_classifier(
            self.config,
            self.output,
            name=self.preset,
            dataset=dataset,
            callbacks=[history] if stopping is None else [history, stopping],
            verbose=0 if self.json else 2,
        )
        verdict = None if stopping is None else stopping.verdict
        if self.json:
            print_result({**card.as_dict(), **({"verdict": verdict} if verdict else {})}, as_json=True)
            return DONE if verdict is None else EXIT_STATUS[verdict]
        for label, row in card.by_class.items():
            if isinstance(row, dict):
                print(f"{label:>12}  " + "  ".join(f"{name} {value:.4g}" for name, value in row.items()))
        print_result({**card.accuracy, "sha256": card.sha256}, as_json=False)
        if stopping is None or verdict is None:
            return DONE
        print("\n".join(classifier_summary(card, stopping, history.history)))
        return EXIT_STATUS[verdict]
