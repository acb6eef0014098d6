"""gan text train model."""

import sys
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

from gan.cli.exit_status import DONE, after_signal
from gan.cli.output import print_result
from gan.errors import as_json
from gan.saving import run_folder
from gan.text.corpora import load_corpus
from gan.text.language_config import LanguageModelConfig
from gan.text.text_run import NETWORK, check_one_start, find_run
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
        default = LanguageModelConfig()
        names = (one.name for one in fields(default))
        changed = {name: getattr(self.config, name) for name in names}
        given = {name: value for name, value in changed.items() if value != getattr(default, name)}
        check_one_start(self.resume, output=self.output, **given)
        log = partial(print, file=sys.stderr, flush=True)
        if self.resume is None:
            run_folder.check_output(self.output)
            corpus = load_corpus(self.config.data, self.config.languages)
        else:
            find_run(self.resume, "model")
        runtime.load_tensorflow(lean=True)
        from gan.text.language_training import resume_language_model, train_language_model

        if self.resume is None:
            run = train_language_model(self.config, corpus=corpus, output=self.output, log=log)
        else:
            run = resume_language_model(self.resume, log=log)
        result = run.record.result
        assert result is not None
        network = run.folder / NETWORK["model"]
        report = {} if run.report is None else as_json(run.report)
        if self.json:
            ended = {"interrupted": result.interrupted, "stopped_by": result.stopped_by}
            spent = {"epochs": result.epochs, "seconds": result.seconds}
            print_result({"folder": str(run.folder), **spent, **ended, **result.numbers, **report}, as_json=True)
        else:
            trained = f"{result.epochs} epochs in {result.seconds:.0f} s" + (
                ", then interrupted" if result.interrupted else ""
            )
            again = shell_command("gan", "text", "train", "model", "--resume", run.folder)
            use = shell_command("gan", "text", "generate", run.folder)
            following = {"resume": again} if result.interrupted else {"network": network, "generate": use}
            print_result({"trained": trained, **result.numbers, **report, **following}, as_json=False)
        if run.signal:
            return after_signal(run.signal)
        return DONE if run.report is None else run.report.exit_status
