"""gan text train gan."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gan.cli.output import print_result
from gan.cli.text_report import (
    check_resumed_alone,
    report_lines,
    resume_command,
    training_result,
    training_status,
)
from gan.saving import run_folder
from gan.text.data.corpora import load_corpus
from gan.text.generation.judges import class_places
from gan.text.generation.text_gan_config import NO_RECOGNIZER, TextGanConfig
from gan.text.runs.text_run import find_network, find_run
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from gan.text.generation.text_gan_training import TextGanRun


@dataclass(frozen=True)
class TrainTextGan:
    """Train a GAN of texts with categories.

    Writes a run folder like that of gan train: the averaged generator, a log, sheets of generated texts, and a state.
    At the end, a recognizer judges fresh texts: the report holds their error rate, coverage, novelty and Frechet
    distance beside those of real texts. With --tolerance, the exit status is the verdict: 0 within, 3 exceeded, 4
    undecided. An interrupted training can be resumed.

    examples:
      gan text train gan
      gan text train gan --languages fi sv tr --steps 2000 --output runs/three
      gan text train gan --resume runs/00001-text-gan
    """

    config: TextGanConfig = field(default_factory=TextGanConfig)
    resume: Path | None = None
    """Run to resume after its last complete interval. It keeps its options. None: a new run."""
    output: Path | None = None
    """Run folder to create. None: the next number in runs/."""
    json: bool = False
    """Print the report as one JSON object on stdout."""

    def run(self) -> int:
        """Trains, and prints the report; returns the exit status."""
        self._check()
        runtime.load_tensorflow(lean=True)
        from gan.text.generation.text_gan_training import resume_text_gan, train_text_gan

        done = train_text_gan(self.config, output=self.output) if self.resume is None else resume_text_gan(self.resume)
        self._print(done)
        return training_status(done.report, done.signal, done.record.config.get("tolerance"))

    def _check(self) -> None:
        """Checks options and files before TensorFlow is imported."""
        if self.resume is None:
            run_folder.check_output(self.output)
            corpus = load_corpus(self.config.data, self.config.languages)
            self.config.check_fit(corpus)
            for recognizer in {self.config.probe, self.config.judge} - {NO_RECOGNIZER}:
                folder, record = find_run(recognizer, "recognizer")
                find_network(folder, record)
                class_places(corpus.class_names, record.corpus.class_names)
            return
        check_resumed_alone(self.output, self.config, TextGanConfig())
        find_run(self.resume, "gan")

    def _print(self, done: "TextGanRun") -> None:
        if self.json:
            print_result(training_result(done.folder, done.record, done.report), as_json=True)
            return
        result: dict[str, object] = {"run": str(done.folder)}
        if done.record.result is not None and done.record.result.interrupted:
            result["resume"] = resume_command(done.folder, done.record)
        else:
            result["samples"] = str(done.folder / run_folder.SAMPLES)
            result["generate"] = shell_command("gan", "text", "generate", done.folder)
        print_result(result | (report_lines(done.report) if done.report else {}), as_json=False)
