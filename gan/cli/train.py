"""gan train."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Suppress

from gan.cli.evaluate import Evaluate
from gan.cli.exit_status import DONE, FAILED, after_signal
from gan.cli.output import print_result
from gan.config import PRESETS, TrainConfig
from gan.distributed import cluster
from gan.errors import InputError
from gan.evaluation.report import EvaluationReport
from gan.saving import metadata, models, run_folder, training_state
from gan.saving.metadata import check_card
from gan.tolerance import EXIT_STATUS
from gan.utils import tensorflow as runtime

DEFAULT_PRESET = "mnist"


@dataclass(frozen=True)
class Train:
    """Train a GAN: gan train [PRESET] [--option value ...]. `gan presets` lists the presets; the default is mnist.

    Writes a run folder with the averaged generator, its configuration, a log and samples. With --tolerance the exit
    status is that of `gan evaluate`: 0 within, 3 exceeded, 4 undecided.
    """

    config: TrainConfig = field(default_factory=TrainConfig)
    preset: Annotated[str, Suppress] = DEFAULT_PRESET
    resume: Path | None = None
    """A run folder whose broken-off run goes on, from its last complete interval; other options stay as it has them."""
    output: Path | None = None
    """The run folder; None: the next number under runs/."""
    dry_run: bool = False
    """Print the resolved configuration as JSON and stop."""
    json: bool = False
    """Print exactly one JSON object on stdout."""

    def run(self) -> int:
        """Trains, and says where things are and what to do next."""
        resumed = self._check()
        if self.dry_run:
            shown = {"preset": self.preset, **resumed, **self.config.as_dict()}
            print(json.dumps(shown, indent=None if self.json else 2))
            return DONE
        runtime.load_tensorflow(lean=True)
        from gan.training.train import resume, train

        if self.resume is None:
            run = train(self.config, output=self.output, name=self._name(), preset=self.preset)
        else:
            run = resume(self.resume, config=self.config)
        if not run.is_chief:
            if self.json:
                print_result(run.as_dict(), as_json=True)
            return after_signal(run.signal) if run.signal else FAILED if run.stopped_by == "collapse" else DONE
        confirmed = self._confirm(run.folder, run.dataset) if self._to_confirm and not run.signal else None
        if self.json:
            print_result({**run.as_dict(), **_numbers(confirmed)}, as_json=True)
        else:
            print_result(
                {
                    "generator": run.generator,
                    "samples": run.samples,
                    "animation": run.samples.with_name("samples.gif"),
                    "trained": f"{run.images:,} images of {run.dataset} in {run.seconds:.0f} s"
                    + (", then interrupted" if run.interrupted else ""),
                    **({"resume": f"gan train --resume {run.folder}"} if run.interrupted else {}),
                    "sample": f"gan sample {run.folder} --num 64 --out digits.png",
                    **_ending(run.stopped_by, run.interval),
                    **_verdict(run.folder, confirmed),
                },
                as_json=False,
            )
        if run.signal:
            return after_signal(run.signal)
        if run.stopped_by == "collapse":
            return FAILED
        return DONE if confirmed is None else EXIT_STATUS[confirmed.verdict]

    @property
    def _to_confirm(self) -> bool:
        return self.config.stopping.tolerance is not None

    def _confirm(self, run: Path, dataset: str) -> EvaluationReport:
        """The report of the finished run on fresh samples, by a classifier that did not choose it."""
        options = self.config.stopping
        assert options.tolerance is not None
        later = f"gan evaluate {run} --tolerance {options.tolerance} --classifier {options.classifier}"
        print(f"Confirming on fresh samples, about a minute (to do it later: {later})", file=sys.stderr)
        command = Evaluate(str(run), dataset=dataset, classifier=options.classifier, tolerance=options.tolerance)
        report, _ = command.report()
        return report

    def _check(self) -> dict[str, Any]:
        """What a dry run says of a run that goes on. Raises `InputError` for what can be refused before TensorFlow."""
        here = cluster.from_environment()
        if here is not None and not here.is_chief:
            return {"worker": here.index}  # the folder is the chief's
        if self.resume is None:
            run_folder.check_output(self.output)
            if self.config.init_from is not None:
                models.find_generator(self.config.init_from)
            self._check_classifier(self.config.data.dataset)
            return {}
        if self.output is not None:
            expected = "--resume RUN alone: a run goes on in its own folder"
            raise InputError("Both `--resume` and `--output`", expected=expected, received=f"--output {self.output}")
        record = metadata.load(self.resume)
        metadata.check_options(record, self.config)
        self._check_classifier(record.dataset.name)
        saved, _ = training_state.latest(self.resume)
        return {"resume": {"run": str(self.resume), "step": saved.step if saved else 0}}

    def _check_classifier(self, dataset: str) -> None:
        if self._to_confirm:
            _, card = models.find_classifier(self.config.stopping.classifier)
            check_card(dataset, card)

    def _name(self) -> str:
        """Names a numbered run folder: the preset, with another data set in place of its own, or behind."""
        own, asked = PRESETS[self.preset].data.dataset, self.config.data.dataset
        if asked == own:
            return self.preset
        asked = re.sub("[^a-z0-9_]+", "-", Path(asked).name.removesuffix(".npz").lower()).strip("-")
        return self.preset.replace(own, asked, 1) if own in self.preset else f"{self.preset}-{asked}"


def _ending(stopped_by: str | None, interval: int | None) -> dict[str, str]:
    """What ended the run early, and which average it left."""
    ended = {} if stopped_by is None else {"stopped by": stopped_by}
    return ended | ({} if interval is None else {"kept": f"the average of interval {interval}"})


def _numbers(confirmed: EvaluationReport | None) -> dict[str, object]:
    """The verdict for programs."""
    if confirmed is None:
        return {}
    rate = {name: row.value for name, row in confirmed.metrics.items() if name.startswith("error_rate")}
    return {"verdict": confirmed.verdict, "num": confirmed.num, **rate, "summary": confirmed.summary}


def _verdict(run: Path, confirmed: EvaluationReport | None) -> dict[str, str]:
    if confirmed is None:
        return {"evaluate": f"gan evaluate {run}"}
    return {"verdict": confirmed.verdict, **confirmed.summary, "report": str(run / run_folder.PAGE)}


def resumed(options: Sequence[str]) -> Train | None:
    """The defaults of `gan train --resume RUN`: what the run recorded. None where the options name no run."""
    for place, option in enumerate(options):
        name, joined, value = option.partition("=")
        if name == "--resume" and (joined or len(options) > place + 1):
            run = Path(value if joined else options[place + 1])
            here = cluster.from_environment()
            if here is not None and not here.is_chief:
                return Train(preset="", resume=run)  # it hears of the run from the chief
            record = metadata.load(run)
            return Train(config=record.config, preset=record.preset or "", resume=run)
    return None
