"""gan evaluate."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from gan.cli.output import print_result
from gan.config import DataConfig
from gan.errors import check_seed, check_share, check_whole
from gan.evaluation import report as reports
from gan.evaluation.report import Checkpoint, EvaluationReport
from gan.saving import files, models, run_folder
from gan.saving.metadata import check_card, check_classes
from gan.tolerance import EXIT_STATUS
from gan.utils import tensorflow as runtime


@dataclass(frozen=True)
class Evaluate:
    """Evaluate a generator: quality, error rate, robustness and a verdict.

    The error rate is the share of samples that the classifier reads as another class than requested. Every number is
    shown next to the same number for real images. Writes report.json and report.html. The exit status is the verdict:
    0 if the error rate is within the tolerance, 3 if it exceeds it, 4 if its confidence interval includes it or if
    coverage is too low.

    examples:
      gan evaluate mnist --output report
      gan evaluate runs/00001-mnist --tolerance 0.01 --num 5000
    """

    checkpoint: Annotated[Positional[str], arg(metavar="CHECKPOINT")]
    """Run folder, .keras file or pretrained name (`gan doctor` lists them)."""
    dataset: str | None = None
    """Dataset whose test images are compared with the samples. None: the dataset of the training."""
    classifier: str = "mnist-classifier"
    """Classifier for features and error rates: pretrained name or folder of `gan train-classifier`."""
    num: int | None = None
    """Number of samples and of test images, at least 200. None: 10000, or fewer if the dataset is smaller."""
    tolerance: float = 0.02
    """Accepted error rate, from 0 to 1."""
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
        return EXIT_STATUS[report.verdict]

    def report(self) -> tuple[EvaluationReport, Path | None]:
        """Evaluates and writes the report. Returns the report and its folder, or None if it was not written."""
        if self.num is not None:
            check_whole("num", self.num, 200)
        check_share("tolerance", self.tolerance)
        if self.seed is not None:
            check_seed(self.seed)
        file = models.find_generator(self.checkpoint)
        models.describe(file)  # rejects other files before TensorFlow is imported
        extractor = models.find_classifier(self.classifier)
        record = models.load_config(file)
        trained_on = record.dataset.name if record else None
        name = self.dataset or trained_on or extractor.card.data_sets[0]
        check_card(name, extractor.card)
        folder = self.output or self._run_folder()
        if folder is not None:
            files.check_writable(folder / run_folder.REPORT)
            files.check_writable(folder / run_folder.PAGE)
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.data.load import load_dataset
        from gan.evaluation.classifier.extractor import load_classifier
        from gan.evaluation.evaluation import EVALUATION_SEED, Evaluation, evaluate
        from gan.evaluation.html import write_report
        from gan.models.networks.load import load_generator

        generator, described = load_generator(file), models.describe(file)
        classifier, card = load_classifier(extractor)
        options = record.config.data if record and name == trained_on else DataConfig()
        dataset = load_dataset(name, fallback="none", **options.loading)
        if record:
            check_classes(record, dataset.class_names)
        seed = EVALUATION_SEED if self.seed is None else self.seed
        num = self.num or min(10_000, len(dataset.test), len(dataset.validation))
        found = evaluate(
            generator,
            dataset,
            classifier,
            card,
            num=num,
            tolerance=self.tolerance,
            seed=seed,
            trained_on=trained_on,
        )
        checkpoint = Checkpoint(
            self.checkpoint, described.bytes, described.sha256, described.latent_dim, described.num_classes
        )
        report = replace(found.report, checkpoint=checkpoint)
        if folder is not None:
            write_report(folder, Evaluation(report, found.images), checkpoint=self.checkpoint)
        return report, folder

    def _run_folder(self) -> Path | None:
        """Returns the checkpoint if it is a run folder, but not a pretrained one."""
        folder = Path(self.checkpoint)
        pretrained = folder.resolve().parent == models.pretrained_folder().resolve()
        is_run = (folder / run_folder.GENERATOR).is_file()
        return folder if is_run and not (pretrained and folder.name in models.list_checkpoints()) else None


def _print(report: EvaluationReport, folder: Path | None) -> None:
    console = Console()
    table = Table(title=f"{report.num:,} samples against the test images of {report.dataset}", title_justify="left")
    table.add_column("")
    table.add_column("samples", justify="right")
    table.add_column("real images", justify="right")
    explained = console.width >= 120
    if explained:
        table.add_column("How to read it")
    for row in reports.rows(report):
        table.add_row(row["name"], row["value"], row["real"], *([row["meaning"]] if explained else []))
    console.print(table)
    where = "not written (--output FOLDER)" if folder is None else str(folder / run_folder.PAGE)
    print_result({**report.summary, "verdict": report.verdict, "report": where}, as_json=False)
