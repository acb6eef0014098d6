"""gan ensemble."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich import box
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE, ended_by_sigterm
from gan.cli.output import print_result, print_table
from gan.config import ReadingOptions
from gan.evaluation.members import find_members
from gan.saving import run_folder
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command
from gan.utils.simplex import check_weights

if TYPE_CHECKING:
    from gan.evaluation.classifier.cost import ClassifierCost
    from gan.evaluation.classifier.fitting import EnsembleScore, MadeEnsemble

COLUMNS = ("", "weight", "log loss", "error rate", "ECE", "KiB", "ms")


@dataclass(frozen=True)
class Ensemble:
    """Combine classifiers into one by a weighted mean of their probabilities.

    The weights, and a temperature for each classifier, minimize the log loss on the validation split. The table
    compares single classifiers, equal weights and these weights on the test split. Writes a folder with the classifier
    and its card, for --classifier and --probe. The classifiers must have been trained on the same dataset.

    examples:
      gan ensemble runs/seed1 runs/seed2 mnist-probe --output runs/ensemble
      gan ensemble mnist-probe mnist-classifier --weights 0.4 0.6
      gan evaluate mnist --classifier runs/ensemble
    """

    classifiers: Annotated[Positional[tuple[str, ...]], arg(metavar="CLASSIFIER...")]
    """Folders of `gan train-classifier` or pretrained names. Two or more."""
    output: Path | None = None
    """Folder to create. None: the next number in runs/."""
    weights: tuple[float, ...] = ()
    """Weights of the classifiers, in their order: numbers >= 0 that sum to 1. Without them, they are fitted."""
    dataset: str | None = None
    """Dataset for weights and tests, one of all cards. None: the first one that all classifiers have in common."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Fits, measures and writes the ensemble, and prints the table; returns the exit status."""
        found, name = find_members(self.classifiers, self.dataset)
        if self.weights:
            check_weights("weights", self.weights, len(found))
        run_folder.check_output(self.output)
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.evaluation.classifier.fitting import make_ensemble

        with Console(stderr=True).status("fitting and measuring"), ended_by_sigterm():
            made = make_ensemble(found, self.output, dataset=name, reading=self.reading, weights=self.weights or None)
        if self.json:
            print_result(made.as_dict(), as_json=True)
        else:
            _print(made)
        return DONE


def _print(made: "MadeEnsemble") -> None:
    fitted, data = made.fitted, made.card.dataset
    title = f"{data.name}: fitted on {data.validation:,} validation images, measured on {data.test:,} test images"
    shown = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for column in COLUMNS:
        shown.add_column(column, justify="right" if column else "left")
    parts = zip(fitted.folders, fitted.members, fitted.singles, made.costs)
    for number, (folder, member, single, cost) in enumerate(parts):
        mark = " *" if number == fitted.best else ""
        weight = f"{member.weight:.3f}\nT {member.temperature:.2f}"
        shown.add_row(folder.name + mark, weight, *_scores(single), *_cost(cost))
    shown.add_section()
    shown.add_row("equal weights", "", *_scores(fitted.equal), "", "")
    shown.add_row(f"{fitted.weights} weights", "", *_scores(fitted.weighted), *_cost(made.cost))
    temperature = f"T {fitted.calibration.temperature:.2f}"
    shown.add_row("calibrated", temperature, *_scores(fitted.calibrated), "", "")
    print_table(shown)
    print_result(
        {
            "*": "best alone, by the log loss on the validation split",
            "T": "temperature: logits are divided by it; that of the last row is in the card of the ensemble",
            "log loss": "on the test split, in nats; that of the validation split below it",
            "error rate": "on the test split, 95 % interval below it",
            "ECE": "expected calibration error on the test split, 15 bins",
            "ms": "for one batch: median of rounds that alternate between the classifiers, fastest-slowest below it",
            "parameters": f"{made.cost.parameters:,}, of members {', '.join(f'{c.parameters:,}' for c in made.costs)}",
            "folder": str(made.folder),
            "sha256": made.card.sha256,
            "evaluate": shell_command("gan", "evaluate", "CHECKPOINT", "--classifier", made.folder),
        },
        as_json=False,
    )


def _scores(score: "EnsembleScore") -> tuple[str, ...]:
    rate = score.test.error_rate
    lower, upper = (100 * bound for bound in rate.interval)
    return (
        f"{score.test.log_loss:.5f}\n{score.validation.log_loss:.5f}",
        f"{100 * rate.value:.2f} %\n{lower:.2f}-{upper:.2f}",
        f"{score.test.calibration_error:.4f}",
    )


def _cost(cost: "ClassifierCost") -> tuple[str, str]:
    spread = f"{cost.milliseconds_fastest:.1f}-{cost.milliseconds_slowest:.1f}"
    return f"{cost.bytes / 2**10:,.0f}", f"{cost.milliseconds:.1f}\n{spread}"
