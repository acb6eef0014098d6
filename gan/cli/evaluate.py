"""gan evaluate."""

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from gan.cli.evaluation_inputs import EvaluationInputs, evaluation_commands, known_classifiers
from gan.cli.exit_status import of_verdict
from gan.cli.output import print_result, print_table
from gan.config import ReadingOptions
from gan.errors import InputError, check_seed, check_share, check_whole
from gan.evaluation import report as reports
from gan.evaluation.report import Checkpoint, EvaluationReport
from gan.evaluation.report_text import summary
from gan.evaluation.stopping import load_stopping_history
from gan.saving import files, metadata, run_folder
from gan.saving.feature_file import find_features
from gan.saving.saved_generator import find_saved
from gan.tolerance import Confirmation
from gan.utils import tensorflow as runtime


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a generator: quality, error rate, robustness and a verdict.

    The error rate is the share of samples that the classifier reads as another class than requested. Every number is
    shown next to the same number for real images. Writes report.json and report.html. Without a classifier for the
    data, the report has no error rate. With --tolerance, the exit status is the verdict: 0 if the error rate is within
    the tolerance, 3 if it exceeds it, 4 if its confidence interval includes it, if coverage is too low, or if the
    classifier is wrong on more real images than the tolerance allows.

    examples:
      gan evaluate mnist --tolerance 0.02 --output report
      gan evaluate runs/00001-mnist --tolerance 0.01 --num 5000
      gan evaluate runs/00002-pictures --classifier none --features network.keras:pooled
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file, pretrained name (`gan doctor` lists them), hf://USER/NAME or exported generator."""
    dataset: str | None = None
    """Dataset whose test images are compared with the samples. None: the dataset of the training."""
    reading: ReadingOptions = field(default_factory=ReadingOptions)
    classifier: str | None = None
    """Classifier for features and error rates: name, folder or none. None: one that suits, or no classifier.

    `mnist-classifier`, those in the options of the run and the folder RUN-classifier are tried. Without a classifier,
    there is no error rate, and faults are not tried.
    """
    features: str | None = None
    """Model for the features: FILE.keras or FILE.keras:LAYER. None: the classifier, or a fixed random network.

    Any Keras model of such images will do. Its default layer is named `features`, or is the one before the last. The
    random network sees texture and color more than meaning.
    """
    num: int | None = None
    """Number of samples, from 2 to 10 million. None: 10000, or the size of the smallest split.

    All of them count for the error rate. The first ones, as many as the smallest split has, are compared with test
    images. Below 200, the report proves little; numbers that few images do not define are not known.
    """
    tolerance: float | None = None
    """Accepted error rate, from 0 to 1, for a verdict; needs a classifier. None: numbers without a verdict."""
    output: Path | None = None
    """Folder for the report. None: the run folder; no report for other checkpoints."""
    seed: int | None = None
    """Seed of the samples; another seed gives fresh samples. None: a fixed seed that only evaluations use."""
    json: bool = False
    """Print the report as one JSON object on stdout."""

    def run(self) -> int:
        """Evaluates, writes the report and prints a table; returns the exit status of the verdict."""
        report, folder = self.report()
        if self.json:
            print_result(report.as_dict(), as_json=True)
        else:
            _print(report, folder)
        return of_verdict(report.verdict)

    def _check_tolerance(self, given: EvaluationInputs) -> None:
        """Raises `InputError` for a tolerance without a classifier, with the command that trains one."""
        if self.tolerance is None:
            return
        command = given.classifier_command()
        way = "gan train-classifier makes one" if command is None else command
        raise InputError(
            "A tolerance needs a classifier",
            expected=f"a classifier for {given.dataset} (--classifier FOLDER; {way})",
            received=f"--tolerance {self.tolerance:g}",
        )

    def report(self, confirmed: Confirmation | None = None) -> tuple[EvaluationReport, Path | None]:
        """Evaluates and writes the report. Returns the report and its folder, or None if it was not written.

        `confirmed` is the confirmation, at the end of the run, of this generator for this tolerance. It decides the
        verdict. None: the samples of the report decide.
        """
        if self.num is not None:
            check_whole("num", self.num, reports.FEWEST, reports.MOST_NUM)
        if self.tolerance is not None:
            check_share("tolerance", self.tolerance)
        if self.seed is not None:
            check_seed(self.seed)
        given = EvaluationInputs.find(self.checkpoint, self.classifier, self.dataset, self.reading)
        features = None if self.features is None else find_features(self.features)
        if not given.candidates:
            self._check_tolerance(given)
        saved = given.saved
        stopping = load_stopping_history(saved.folder, saved.record) if saved.record else None
        folder = self.output or given.run_folder
        if folder is not None:
            files.check_writable(folder / run_folder.REPORT)
            files.check_writable(folder / run_folder.PAGE)
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.evaluation.evaluation import EVALUATION_SEED, Evaluation, evaluate
        from gan.evaluation.html import write_report
        from gan.evaluation.reference import most_samples
        from gan.sampling.generators import as_engine

        engine, described = as_engine(saved.file), find_saved(saved.file).summary
        dataset = given.load_dataset()
        classifier = given.classifier_for(dataset)
        if classifier is None:
            self._check_tolerance(given)
            if self.classifier is None:
                _tell_missing(given)
        seed = EVALUATION_SEED if self.seed is None else self.seed
        num = self.num or min(10_000, most_samples(dataset))
        found = evaluate(
            engine,
            dataset,
            classifier,
            features=features,
            num=num,
            tolerance=self.tolerance,
            seed=seed,
            trained_on=given.trained_on(dataset),
        )
        checkpoint = Checkpoint(
            self.checkpoint, described.bytes, described.sha256, engine.latent_dim, engine.num_classes
        )
        report = replace(found.report, checkpoint=checkpoint, stopping=stopping)
        if confirmed is not None:
            report = report.decided_by(confirmed)
        if stopping is not None or confirmed is not None:
            report = replace(report, summary=summary(report))
        if folder is not None:
            write_report(folder, Evaluation(report, found.images), checkpoint=self.checkpoint)
        return report, folder


def _tell_missing(given: EvaluationInputs) -> None:
    """Says on stderr that no classifier suits the data, and how to get one."""
    command = given.classifier_command()
    way = "" if command is None else f" (for both: {command})"
    print(f"No classifier suits {given.dataset}: no error rate and no verdict{way}", file=sys.stderr)


def next_evaluation(run: Path) -> dict[str, str]:
    """Returns the command that evaluates a run; before it the training of a classifier if none suits the run's data.

    Data without classes is evaluated without a classifier. Empty if the data has too few images.
    """
    record = metadata.load(run)
    data = record.dataset
    if min(data.train, data.validation, data.test) < reports.FEWEST:
        return {}
    return evaluation_commands(run, data, record.config.data, known_classifiers(record))


def _print(report: EvaluationReport, folder: Path | None) -> None:
    samples = reports.samples_text(report.num, report.compared)
    table = Table(title=f"{samples} against the test images of {report.dataset}", title_justify="left")
    table.add_column("")
    table.add_column("samples", justify="right")
    table.add_column("real images", justify="right")
    explained = Console().width >= 120
    if explained:
        table.add_column("How to read it")
    for row in reports.rows(report):
        table.add_row(row["name"], row["value"], row["real"], *([row["meaning"]] if explained else []))
    print_table(table, wraps=explained)
    where = "not written (--output FOLDER)" if folder is None else str(folder / run_folder.PAGE)
    print_result({**report.summary, "verdict": report.verdict or "none", "report": where}, as_json=False)
