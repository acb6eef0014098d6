"""gan text train recognizer, and gan text recognize."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE
from gan.cli.output import print_result
from gan.cli.text_report import (
    check_resumed_alone,
    resume_command,
    training_result,
    training_status,
    verdict_lines,
)
from gan.errors import InputError, Json, check_share, check_whole
from gan.saving import run_folder
from gan.text.data import files
from gan.text.data.corpus import Corpus
from gan.text.data.labeled_corpus import load_labeled
from gan.text.recognition.recognizer_config import READ, RecognizerConfig
from gan.text.runs.text_run import find_network, find_run, load_record
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from gan.text.recognition.recognizer import Feature, Recognition
    from gan.text.recognition.recognizer_training import RecognizerTraining

SHOWN = 60
"""Characters of a text that the lines for people show."""
KEPT = 1_000
"""Characters of a text that the JSON output repeats."""


@dataclass(frozen=True)
class TrainRecognizer:
    """Train a recognizer of categories.

    Writes a run folder with the network, its record, a log and a report. The weights of the epoch with the fewest
    errors on the validation texts are kept, and measured once on the test texts. With --tolerance, the exit status is
    the verdict: 0 within, 3 exceeded, 4 undecided. An interrupted training can be resumed.

    examples:
      gan text train recognizer
      gan text train recognizer --languages fi sv da nb --epochs 20
      gan text train recognizer --data questions.csv --tolerance 0.1
      gan text train recognizer --resume runs/00001-text-recognizer
    """

    config: RecognizerConfig = field(default_factory=RecognizerConfig)
    resume: Path | None = None
    """Run to resume after its last complete epoch. It keeps its options. None: a new run."""
    output: Path | None = None
    """Run folder to create. None: the next number in runs/."""
    json: bool = False
    """Print the report as one JSON object on stdout."""

    def run(self) -> int:
        """Trains, and prints the report; returns the exit status."""
        corpus = self._check()
        log = partial(print, file=sys.stderr, flush=True)
        runtime.load_tensorflow(lean=True)
        from gan.text.recognition.recognizer_training import resume_recognizer, train_recognizer

        if self.resume is None:
            done = train_recognizer(self.config, corpus=corpus, output=self.output, log=log)
        else:
            done = resume_recognizer(self.resume, log=log)
        self._print(done)
        return training_status(done.report, done.signal, load_record(done.folder).config.get("tolerance"))

    def _check(self) -> Corpus | None:
        """Checks options and files before TensorFlow is imported. Returns the texts; None: those of the resumed run."""
        if self.resume is None:
            run_folder.check_output(self.output)
            return load_labeled(self.config)
        check_resumed_alone(self.output, self.config, RecognizerConfig())
        find_run(self.resume, "recognizer")
        return None

    def _print(self, done: "RecognizerTraining") -> None:
        report, record = done.report, load_record(done.folder)
        if self.json:
            print_result(training_result(done.folder, record, report), as_json=True)
            return
        result: dict[str, object] = {"run": str(done.folder)}
        if report is None:
            print_result(result | {"resume": resume_command(done.folder, record)}, as_json=False)
            return
        lower, upper = report.rate.interval
        result["error rate"] = (
            f"{report.error_rate:.1%} ({lower:.1%} to {upper:.1%}), {report.wrong:,} of {report.num:,}"
        )
        result |= {f"  {name}": line for name, line in _classes(report.metrics)}
        result |= verdict_lines(report, "test texts")
        result["recognize"] = shell_command("gan", "text", "recognize", "TEXT", "--model", done.folder)
        print_result(result, as_json=False)


def _classes(metrics: dict[str, Json]) -> Iterator[tuple[str, str]]:
    """Yields each category and its error rate, as text."""
    rates = metrics["error_rate_by_class"]
    assert isinstance(rates, dict)
    for name, rate in rates.items():
        yield name, f"{rate['error_rate']:.1%} ({rate['lower']:.1%} to {rate['upper']:.1%}) of {rate['num']:,}"


@dataclass(frozen=True)
class Recognize:
    """Recognize the category of texts, and why.

    Prints the category of each text with its probability, and the n-grams that decided: what each of them adds to the
    score of the category, relative to the mean of all categories. ^ is the beginning of a text and $ its end. A text
    with fewer known than unknown characters has no category.

    examples:
      gan text recognize Germania Niemcy "Republika Czeska"
      gan text recognize --file names.txt --json
      gan text recognize "where is my parcel" --model runs/00001-text-recognizer
    """

    texts: Annotated[Positional[tuple[str, ...]], arg(metavar="TEXT")] = ()
    """Texts to recognize."""
    file: str | None = None
    """UTF-8 file with one text a line; - is standard input. Empty lines do not count. None: no file."""
    model: str = "names-recognizer"
    """Recognizer: its run folder, or a pretrained name."""
    top: int = 3
    """Most probable categories to print for each text."""
    features: int = 5
    """N-grams to print for each text: those that speak for the category most. 0: none."""
    unsure: float | None = None
    """Give no category below this probability, from 0 to 1. None: always give the most probable one."""
    json: bool = False
    """Print the results as one JSON object on stdout."""

    def run(self) -> int:
        """Recognizes the texts, and prints a result for each; returns the exit status."""
        check_whole("top", self.top, 1)
        check_whole("features", self.features, 0)
        if self.unsure is not None:
            check_share("unsure", self.unsure)
        texts = self._texts()
        find_network(*find_run(self.model, "recognizer"))
        runtime.load_tensorflow(lean=True)
        runtime.start()
        from gan.text.recognition.recognizer import load_recognizer

        recognizer = load_recognizer(self.model)
        found = recognizer.recognize(texts, unsure=self.unsure or 0.0)
        known = [index for index, one in enumerate(found) if one.category is not None]
        explained = recognizer.explain_all([texts[index] for index in known]) if self.features else [[] for _ in known]
        features = dict(zip(known, explained))
        results = [
            (text, one, features.get(index, [])[: self.features]) for index, (text, one) in enumerate(zip(texts, found))
        ]
        if self.json:
            print_result({"model": self.model, "results": [self._result(*one) for one in results]}, as_json=True)
        else:
            print("\n".join(line for one in results for line in self._lines(*one)))
        return DONE

    def _texts(self) -> list[str]:
        """Returns all texts. Raises `InputError` for a bad one, and if there are none."""
        texts = [files.check_text(text) for text in self.texts]
        if self.file is not None:
            lines = files.read_text(self.file).split("\n")
            texts += [files.check_text(line[: READ + 1]) for line in lines if line.strip()]
        if not texts:
            received = "none" if self.file is None else f"nothing in {self.file}"
            raise InputError("No text", expected="a text, or --file FILE with a text a line", received=received)
        return texts

    def _result(self, text: str, found: "Recognition", features: "Sequence[Feature]") -> dict[str, object]:
        return {
            "text": text[:KEPT],
            "category": found.category,
            "probability": found.probability,
            "probabilities": dict(list(found.probabilities.items())[: self.top]),
            "read": found.text,
            "is_cut": found.is_cut,
            "reason": found.reason,
            "features": [
                {"ngram": one.ngram, "start": one.start, "contribution": one.contribution} for one in features
            ],
        }

    def _lines(self, text: str, found: "Recognition", features: "Sequence[Feature]") -> Iterator[str]:
        yield text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."
        if found.is_cut:
            yield f"  only its first {len(found.text):,} characters are read"
        ranked = ", ".join(f"{name} {share:.1%}" for name, share in list(found.probabilities.items())[: self.top])
        if found.category is None:
            yield f"  no category: {found.reason}"
        else:
            yield f"  {ranked}"
        if features:
            yield "  " + "  ".join(f"{feature.ngram} {feature.contribution:+.2f}" for feature in features)
