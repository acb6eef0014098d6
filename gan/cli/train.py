"""gan train."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Suppress

from gan.cli.evaluate import Evaluate, next_evaluation
from gan.cli.exit_status import DONE, FAILED, after_signal, of_verdict
from gan.cli.output import print_result
from gan.cli.train_ray import RayTraining, check_ray, train_on_ray
from gan.config import PRESETS, TrainConfig
from gan.config.arguments import as_arguments
from gan.distributed import cluster
from gan.errors import InputError
from gan.evaluation.report import EvaluationReport
from gan.saving import metadata, models, run_folder, training_state
from gan.saving.commands import resume_command
from gan.saving.extension import LENGTHS, extended_config
from gan.saving.feature_file import find_features
from gan.saving.files import as_path
from gan.saving.initial_checkpoint import find_initial, find_start
from gan.saving.known_images import check_card
from gan.saving.rejected import read_rejected
from gan.saving.zip_safety import ModelFile
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from gan.training.result import TrainingResult

DEFAULT_PRESET = "mnist"
SQLITE = b"SQLite format 3\0"
"""First bytes of a file of `gan feedback`."""


@dataclass(frozen=True)
class Train:
    """Train a GAN and write a run folder.

    PRESET sets the defaults of all options (`gan presets` lists them); without it, they are those of the preset mnist.
    The run folder holds the averaged generator, its configuration, a log and samples. With --tolerance, the exit status
    is the verdict of the last confirmation: 0 within, 3 exceeded, 4 undecided.

    examples:
      gan train mnist-sprint
      gan train --dataset ./photos --image-size 64 --conditioning none --epochs 50
      gan train --resume runs/00001-mnist
      gan train mnist --init-from runs/00001-mnist --feedback runs/00001-mnist/feedback.sqlite
      gan train mnist --ray auto --workers 2
    """

    config: TrainConfig = field(default_factory=TrainConfig)
    preset: Annotated[str, Suppress] = DEFAULT_PRESET
    resume: Path | None = None
    """Run to resume after its last complete interval. The run keeps its options. None: new run.

    `--images`, `--epochs` or `--steps` changes its length, also if it is finished. `--dataset` is the new place of the
    same images.
    """
    output: Path | None = None
    """Run folder to create. None: the next number in runs/."""
    ray: str | None = None
    """Ray cluster whose nodes train: auto, HOST:PORT, or ray://HOST:PORT from a machine outside. None: this machine.

    `auto` is the cluster of this machine. The run folder comes to this machine. The nodes need this package and the
    data. Needs: pip install 'gan-reference[ray]'
    """
    workers: int | None = None
    """With --ray: workers that share each batch, spread over the nodes. None: --ray is not used."""
    dry_run: bool = False
    """Print all options, with their values, as JSON; do not train."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Trains, prints the results and the next commands; returns the exit status."""
        resumed, config = self._check()
        if self.dry_run:
            self._check_initial_weights()
            options = {"preset": self.preset, **resumed, **config.as_dict()}
            print(json.dumps(options, indent=None if self.json else 2))
            return DONE
        if self.ray is not None:
            return train_on_ray(self._on_ray(self.ray))
        runtime.load_tensorflow(lean=True)
        from gan.training.train import resume, train

        if self.resume is None:
            with self._rejected() as lines:
                run = train(self.config, output=self.output, feedback=lines, name=self._name(), preset=self.preset)
        else:
            run = resume(self.resume, config=self.config)
        if not run.is_chief:
            if self.json:
                print_result(run.as_dict(), as_json=True)
            return after_signal(run.signal) if run.signal else FAILED if run.stopped_by == "collapse" else DONE
        report = self._evaluate(run)
        if self.json:
            print_result({**run.as_dict(), **_numbers(report)}, as_json=True)
        else:
            print_result(
                {
                    "generator": run.generator,
                    "samples": run.samples,
                    "animation": run.samples.with_name("samples.gif"),
                    "trained": f"{run.images:,} images of {run.dataset} in {run.seconds:.0f} s"
                    + (", then interrupted" if run.interrupted else ""),
                    **({"resume": resume_command(run.folder)} if run.interrupted else {}),
                    "sample": shell_command("gan", "sample", run.folder, "--num", "64", "--out", "samples.png"),
                    **_ending(run.stopped_by, run.interval),
                    **_verdict(run.folder, report),
                },
                as_json=False,
            )
        if run.signal:
            return after_signal(run.signal)
        if run.stopped_by == "collapse":
            return FAILED
        return of_verdict(None if report is None else report.verdict)

    def _on_ray(self, address: str) -> RayTraining:
        """Returns the same training as options for the workers of a cluster."""
        more, preset = ["--json"] if self.json else [], []
        chief, others = PRESETS.get(self.preset, TrainConfig()), TrainConfig()
        if self.resume is None:
            preset, others = [self.preset], chief
        else:
            chief = metadata.load(self.resume).config  # which the chief reads too, but not the others
        return RayTraining(
            address=address,
            workers=self.workers or 1,
            gpus=self.config.devices,
            chief=[*preset, *as_arguments(self.config, chief), *more],
            others=[*preset, *as_arguments(self.config, others), *more],
            output=self.output,
            name=self._name() if self.resume is None else "",
            resume=self.resume,
            json=self.json,
        )

    @property
    def _to_confirm(self) -> bool:
        return self.config.stopping.tolerance is not None

    def _evaluate(self, run: "TrainingResult") -> EvaluationReport | None:
        """Writes the report of a run with a tolerance. None: it has none, or was interrupted.

        The last confirmation of the run decides the verdict, if it is of the generator that the run kept.
        """
        options = self.config.stopping
        if options.tolerance is None or run.signal:
            return None
        words: list[str | Path] = ["--tolerance", str(options.tolerance), "--classifier", Path(options.classifier)]
        later = shell_command("gan", "evaluate", run.folder, *words)
        print(f"Writing the report, about a minute (later: {later})", file=sys.stderr)
        command = Evaluate(
            str(run.folder), dataset=run.dataset, classifier=options.classifier, tolerance=options.tolerance
        )
        report, _ = command.report(run.confirmed)
        return report

    def _check(self) -> tuple[dict[str, Any], TrainConfig]:
        """Checks the input before TensorFlow is imported. Returns what a dry run prints: a resumed run, and options.

        Raises `InputError` for options that cannot be used.
        """
        check_ray(self.ray, self.workers)
        worker = cluster.from_environment()
        if worker is not None and not worker.is_chief:
            return {"worker": worker.index}, self.config  # only the chief has the run folder
        if self.resume is None:
            run_folder.check_output(self.output)
            self.config.check_start()
            initial = find_initial(self.config)
            with self._rejected() as lines:
                self._check_feedback(lines, None if initial is None else initial.generator)
            if self.config.stopping.features is not None:
                find_features(self.config.stopping.features)
            self._check_classifier(self.config.data.dataset)
            return {}, self.config
        if self.output is not None:
            expected = "--resume RUN alone: a resumed run keeps its folder"
            raise InputError("Both `--resume` and `--output`", expected=expected, received=f"--output {self.output}")
        record = metadata.load(self.resume)
        config = self.config.with_auto(record.config.precision)
        metadata.check_options(record, config)
        self._check_classifier(record.dataset.name)
        saved, _ = training_state.latest(self.resume)
        config = extended_config(self.resume, record, config, saved)
        return {"resume": {"run": str(self.resume), "step": saved.step if saved else 0}}, config

    def _check_initial_weights(self) -> None:
        """Builds the networks, in a dry run that starts from a checkpoint: only they show whether its weights fit."""
        if self.resume is None and self.config.init_from is not None and cluster.is_chief():
            runtime.load_tensorflow(lean=True)
            from gan.models.build import check_initial_weights

            check_initial_weights(self.config)

    @contextmanager
    def _rejected(self) -> Iterator[Path | None]:
        """Yields the JSON lines of the samples that people called wrong. None: no feedback, or the chief has it.

        Raises `InputError` if the file of `gan feedback` cannot be read, or nobody called a sample wrong.
        """
        worker, start = cluster.from_environment(), self.config.init_from
        if self.config.feedback is None or start is None or not (worker is None or worker.is_chief):
            yield None
            return
        given = as_path(self.config.feedback, "feedback")
        if not _is_store(given):
            yield given
            return
        from gan.deployment.feedback.exchange import write_rejected
        from gan.deployment.feedback.store import FeedbackStore

        with TemporaryDirectory() as folder:
            lines = Path(folder) / run_folder.FEEDBACK
            with FeedbackStore(given, find_start(start).sha256, create=False) as store:
                if not write_rejected(store, lines):
                    expected = "one sample or more that most of its judges called wrong"
                    raise InputError("No sample to train on", expected=expected, received=f"none in {given}")
            yield lines

    def _check_feedback(self, lines: Path | None, found: ModelFile | None) -> None:
        num_classes = None
        if lines is not None and found is not None:
            rejected, num_classes = read_rejected(lines), models.describe(found).num_classes
            rejected.check_generator(found.sha256, found.path)
            if num_classes is not None:
                rejected.check_labels(num_classes, self.config.feedback or lines)
        self.config.check_feedback(num_classes)

    def _check_classifier(self, dataset: str) -> None:
        if self._to_confirm:
            self.config.stopping.check_confirmable()
            _, card = models.find_classifier(self.config.stopping.classifier)
            check_card(dataset, card)

    def _name(self) -> str:
        """Returns the name of a numbered run folder: the preset, with the name of another dataset in or after it."""
        own, asked = PRESETS[self.preset].data.dataset, self.config.data.dataset
        if asked == own:
            return self.preset
        asked = re.sub("[^a-z0-9_]+", "-", re.sub(r"\.(npz|npy|zip|csv)$", "", Path(asked).name.lower())).strip("-")
        return self.preset.replace(own, asked, 1) if own in self.preset else f"{self.preset}-{asked}"


def _is_store(file: Path) -> bool:
    """Returns whether a file is one of `gan feedback`, by its first bytes."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(SQLITE)) == SQLITE


def _ending(stopped_by: str | None, interval: int | None) -> dict[str, str]:
    """Returns what stopped the run early, and the interval whose averaged generator was kept."""
    stopped = {} if stopped_by is None else {"stopped by": stopped_by}
    return stopped | ({} if interval is None else {"kept": f"averaged generator of interval {interval}"})


def _numbers(report: EvaluationReport | None) -> dict[str, object]:
    """Returns the verdict and the numbers of the report, for JSON output."""
    if report is None:
        return {}
    rate = {name: row.value for name, row in report.metrics.items() if name.startswith("error_rate")}
    return {"verdict": report.verdict, "num": report.num, **rate, "summary": report.summary}


def _verdict(run: Path, report: EvaluationReport | None) -> dict[str, str]:
    if report is None:
        return next_evaluation(run)
    return {"verdict": str(report.verdict), **report.summary, "report": str(run / run_folder.PAGE)}


def resumed(options: Sequence[str]) -> Train | None:
    """Returns the recorded options of the run in `--resume RUN`, as defaults. None: the options have no `--resume`."""
    for index, option in enumerate(options):
        name, joined, value = option.partition("=")
        if name == "--resume" and (joined or len(options) > index + 1):
            run = Path(value if joined else options[index + 1])
            worker = cluster.from_environment()
            if worker is not None and not worker.is_chief:
                return Train(preset="", resume=run)  # the chief sends the options
            record = metadata.load(run)
            return Train(config=_without_length(record.config, options), preset=record.preset or "", resume=run)
    return None


def _without_length(config: TrainConfig, options: Sequence[str]) -> TrainConfig:
    """Returns the configuration without `epochs` and `steps` if the options give a length: one length replaces all."""
    given = {option.partition("=")[0].removeprefix("--") for option in options if option.startswith("--")}
    if given.isdisjoint(LENGTHS):
        return config
    return replace(config, optimization=replace(config.optimization, epochs=None, steps=None))
