"""gan text train model."""

import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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
from gan.text.data.corpus import Corpus
from gan.text.generation.judges import class_places
from gan.text.generation.language_config import LanguageModelConfig
from gan.text.runs.text_run import NETWORK, find_network, find_run
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command


@dataclass(frozen=True)
class TrainLanguageModel:
    """Train a language model of names or of your own texts.

    The model predicts the next character, also of a category. The weights that are best on the validation texts are
    kept, and rated once on the test texts. With --tolerance, a recognizer judges generated names, and the exit status
    is the verdict: 0 within, 3 exceeded, 4 undecided.

    examples:
      gan text train model
      gan text train model --data poems.txt --epochs 30
      gan text train model --resume runs/00001-text-model
    """

    config: LanguageModelConfig = field(default_factory=LanguageModelConfig)
    resume: Path | None = None
    """Run to resume after its last complete epoch. The run keeps its options. None: new run."""
    output: Path | None = None
    """Run folder to create. None: the next number in runs/."""
    json: bool = False
    """Print the result as one JSON object on stdout."""

    def run(self) -> int:
        """Trains, prints the results and the next commands; returns the exit status."""
        corpus = self._check()
        log = partial(print, file=sys.stderr, flush=True)
        runtime.load_tensorflow(lean=True)
        from gan.text.generation.language_training import resume_language_model, train_language_model

        if corpus is not None:
            run = train_language_model(self.config, corpus=corpus, output=self.output, log=log)
        else:
            assert self.resume is not None
            run = resume_language_model(self.resume, log=log)
        result = run.record.result
        assert result is not None
        network = run.folder / NETWORK["model"]
        if self.json:
            print_result(training_result(run.folder, run.record, run.report), as_json=True)
        else:
            trained = f"{result.epochs} epochs in {result.seconds:.0f} s" + (
                ", then interrupted" if result.interrupted else ""
            )
            use = shell_command("gan", "text", "generate", run.folder)
            following: dict[str, object] = {"network": network, "generate": use}
            if result.interrupted:
                following = {"resume": resume_command(run.folder, run.record)}
            report = report_lines(run.report) if run.report else {}
            print_result({"trained": trained, **result.numbers, **report, **following}, as_json=False)
        return training_status(run.report, run.signal, run.record.config.get("tolerance"))

    def _check(self) -> Corpus | None:
        """Checks options and files before TensorFlow is imported. Returns the texts; None: they are those of a run."""
        if self.resume is not None:
            check_resumed_alone(self.output, self.config, LanguageModelConfig())
            find_run(self.resume, "model")
            return None
        run_folder.check_output(self.output)
        corpus = load_corpus(self.config.data, self.config.languages)
        if self.config.judge_name is not None:
            folder, record = find_run(self.config.judge_name, "recognizer")
            find_network(folder, record)
            class_places(corpus.class_names, record.corpus.class_names)
        return corpus
