"""python -m benchmarks rejection: what rejection by a classifier and by the discriminator changes, and its cost."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.benchmark import Benchmark, Log, Record, provenance
from benchmarks.summary import Table
from gan.errors import InputError, check, check_whole
from gan.evaluation.members import independent
from gan.saving import models
from gan.saving.metadata import check_dataset
from gan.utils import tensorflow as runtime

if TYPE_CHECKING:
    from benchmarks.plot import Figure


@dataclass(frozen=True)
class Rejection(Benchmark):
    """Measure samples before and after rejection: error rate, Frechet distance, precision, recall and coverage.

    Each run folder needs its discriminator.keras. Numbers are of the same seed and classes before and after, against
    the test images. The classifier that rejects is not the one that judges. Finished runs are saved in --out; runs may
    be added.
    """

    runs: tuple[str, ...] = ("runs/sprint", "runs/mlp")
    """Run folders of `gan train mnist-sprint` and `gan train mnist-mlp`, or others."""
    keeps: tuple[float, ...] = (0.9, 0.5)
    """Shares of the first attempts to accept."""
    reject_with: str = "mnist-probe"
    """The classifier that rejects."""
    classifier: str = "mnist-classifier"
    """The classifier that judges."""
    num: int = 10_000
    """Number of samples."""
    out: Path = Path("benchmarks/results/rejection")
    """Folder for results.json, table.md and plot.png."""

    name: ClassVar[str] = "rejection"

    def check(self) -> None:
        check(0 < len(set(self.runs)) == len(self.runs), "runs", "at least one, each once", list(self.runs))
        check(0 < len(set(self.keeps)) == len(self.keeps), "keeps", "at least one, each once", list(self.keeps))
        for keep in self.keeps:
            check(0 < keep <= 1, "keeps", "numbers above 0 and at most 1", keep)
        check_whole("num", self.num, 2)
        judge, rejecting = (models.find_classifier(name).card for name in (self.classifier, self.reject_with))
        if not independent(judge, rejecting):
            raise InputError(
                "The classifier that rejects cannot judge what is left",
                expected="two classifiers without a network in common",
                received=f"{self.reject_with} and {self.classifier}",
            )
        for run in self.runs:
            models.find_discriminator(run)

    def settings(self) -> Mapping[str, Any]:
        found = {"classifier": self.classifier, "reject_with": self.reject_with}
        hashes = {f"{name}_sha256": models.find_classifier(path).card.sha256 for name, path in found.items()}
        return {**found, **hashes, "keeps": self.keeps, "num": self.num}

    def measure(self, record: Record, log: Log) -> None:
        for run in self.runs:
            config = {"generator_sha256": models.describe(run).sha256}
            if not record.has(run, config):
                record.add(run, config, self._measure(run, log))

    def _measure(self, run: str, log: Log) -> dict[str, Any]:
        runtime.start()
        from gan import load_classifier, load_dataset, load_discriminator, load_generator
        from gan.sampling.generators import as_engine
        from gan.selection import compare_rejections, fit_classifier_rejection, fit_discriminator_rejection

        described = models.load_config(run)
        if described is None:
            raise InputError("The dataset of this run is not known", expected="a config.json", received=run)
        data = described.config.data
        dataset = load_dataset(described.dataset.name, fallback="none", **data.loading)
        check_dataset(described.dataset, dataset.describe(), "The images have changed since the training")
        engine, discriminator = as_engine(load_generator(run)), load_discriminator(run)
        rejections = {"classifier": fit_classifier_rejection(engine, self.reject_with)}
        for keep in self.keeps:
            rejections[f"classifier, keep {keep}"] = fit_classifier_rejection(engine, self.reject_with, keep=keep)
            rejections[f"discriminator, keep {keep}"] = fit_discriminator_rejection(
                engine, discriminator, dataset, keep=keep
            )
        log(f"{run}: {len(rejections)} rejections are fitted; {self.num:,} samples of each are measured")
        judge, card = load_classifier(self.classifier)
        compared = compare_rejections(list(rejections.values()), dataset, judge, card, num=self.num)
        return {
            "preset": described.preset,
            "rejections": {
                name: {
                    "fitted_rate": fitted.acceptance_rate,
                    "cut_share": fitted.cut_share,
                    "calibration": fitted.calibration,
                    "error": None if fitted.error is None else asdict(fitted.error),
                    "acceptance_rate": found.acceptance_rate,
                    **asdict(found),
                }
                for (name, fitted), found in zip(rejections.items(), compared)
            },
        }

    def table(self, content: Mapping[str, Any]) -> Table:
        rows, notes = [], []
        for run, result in content["runs"].items():
            each = result["rejections"]
            first = next(iter(each.values()))
            rows.append([f"{run}, none", "1", "1", *_cells(first["before"], first["frechet_floor"])])
            for name, found in each.items():
                cost = found["attempts"] / found["num"]
                rows.append(
                    [
                        f"{run}, {name}",
                        f"{found['acceptance_rate']:.3f}",
                        f"{cost:.2f}",
                        *_cells(found["after"], found["frechet_floor"]),
                    ]
                )
                if found["num"] > found["accepted"]:
                    notes.append(f"{run}, {name}: {found['num'] - found['accepted']} samples have no accepted attempt.")
            error = next(found["error"] for found in each.values() if found["error"])
            by = next(found["calibration"] for found in each.values() if found["error"])
            notes.append(
                f"{run}: D calibrated by {by} regression, on {error['n']:,} other images: expected calibration error "
                f"{error['ece']:.4f}, log loss {error['log_loss']:.4f}, of a constant {error['log_loss_constant']:.4f}."
            )
        settings = content["settings"]
        return Table(
            f"Samples before and after rejection: {settings['num']:,} each, of the same seed and classes, judged by "
            f"{settings['classifier']}; by classifier: {settings['reject_with']} rejects.",
            ["run, rejected by", "yield", "cost", "error rate %", "precision", "recall", "coverage", "Frechet / floor"],
            rows,
            [
                "Yield: accepted share of the attempts. Cost: attempts per sample. Error rate: with its Wilson 95 % "
                "interval. `classifier` without keep: accepted is what it reads as the requested class.",
                *notes,
                "",
                *provenance(content),
            ],
        )

    def figure(self, content: Mapping[str, Any]) -> "Figure":
        from benchmarks.plot import bars

        drawn: dict[str, dict[str, list[float]]] = {"error rate %": {}, "recall": {}, "Frechet / floor": {}}
        for run, result in content["runs"].items():
            each = result["rejections"]
            first = next(iter(each.values()))
            for name, numbers in {"none": first["before"], **{k: v["after"] for k, v in each.items()}}.items():
                values = 100 * numbers["rate"]["wrong"] / numbers["rate"]["n"], numbers["recall"]
                found = *values, numbers["frechet_distance"] / first["frechet_floor"]
                for axis, value in zip(drawn.values(), found):
                    axis[f"{Path(run).name}, {name}"] = [value]
        return bars(drawn, title="Samples before and after rejection", stacked=True)


def _cells(numbers: Mapping[str, Any], floor: float) -> list[str]:
    """Returns error rate with interval, precision, recall, coverage, and the Frechet distance in floors, as text."""
    from gan.tolerance import ErrorRate

    rate = ErrorRate(**numbers["rate"])
    lower, upper = rate.interval
    shares = [f"{numbers[name]:.3f}" for name in ("precision", "recall", "coverage")]
    text = f"{100 * rate.value:.2f} ({100 * lower:.2f} to {100 * upper:.2f})"
    return [text, *shares, f"{numbers['frechet_distance'] / floor:.2f}"]
