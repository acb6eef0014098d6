"""gan text train questions, and gan text ask."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from gan.cli.exit_status import DONE, UNDECIDED
from gan.cli.output import print_result
from gan.cli.text_report import check_resumed_alone, resume_command, training_result, training_status
from gan.errors import InputError, check_share
from gan.saving import run_folder
from gan.text.data import files
from gan.text.questions.ask import PRETRAINED, Model, find_reader
from gan.text.questions.facts import RELATIONS, load_facts
from gan.text.questions.knowledge import Knowledge, known_facts, load_knowledge
from gan.text.questions.options import QuestionsConfig
from gan.text.runs.text_run import find_run, load_record
from gan.utils import tensorflow as runtime
from gan.utils.commands import shell_command

if TYPE_CHECKING:
    from gan.text.questions.answering import Answer
    from gan.text.questions.training import QuestionsTraining

SHOWN = 100
"""Characters of a question that the lines for people show."""
KEPT = 1_000
"""Characters of a question that the JSON output repeats."""


@dataclass(frozen=True)
class TrainQuestions:
    """Train a reader of questions.

    The reader finds what a question asks for, and about which name, in English and Chinese. It learns from wordings and
    territories for training. Those for validation choose the threshold below which it refuses to answer. Those for
    testing measure it once, and 30 % of their questions ask for what it cannot know. Writes a run folder with the
    network, its record, a log and a report. The exit status is the verdict: 0 within, 3 exceeded, 4 undecided. An
    interrupted training can be resumed. Needs: pip install 'gan-reference[text]'

    examples:
      gan text train questions
      gan text train questions --epochs 10 --output runs/reader
      gan text train questions --resume runs/00001-text-questions
    """

    config: QuestionsConfig = field(default_factory=QuestionsConfig)
    resume: Path | None = None
    """Run to resume after its last complete epoch. It keeps its options. None: a new run."""
    output: Path | None = None
    """Run folder to create. None: the next number in runs/."""
    json: bool = False
    """Print the report as one JSON object on stdout."""

    def run(self) -> int:
        """Trains, and prints the report; returns the exit status."""
        self._check()
        log = partial(print, file=sys.stderr, flush=True)
        runtime.load_tensorflow(lean=True)
        from gan.text.questions.training import resume_questions, train_questions

        if self.resume is None:
            done = train_questions(self.config, output=self.output, log=log)
        else:
            done = resume_questions(self.resume, log=log)
        self._print(done)
        return training_status(done.report, done.signal, load_record(done.folder).config.get("tolerance"))

    def _check(self) -> None:
        """Checks options and files before TensorFlow is imported."""
        if self.resume is None:
            run_folder.check_output(self.output)
            load_facts()
            return
        check_resumed_alone(self.output, self.config, QuestionsConfig())
        find_run(self.resume, "questions")

    def _print(self, done: "QuestionsTraining") -> None:
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
            f"{report.error_rate:.1%} ({lower:.1%} to {upper:.1%}), {report.wrong:,} of {report.num:,} answers"
        )
        languages: Any = report.metrics["languages"]
        for language, numbers in languages.items():
            result[f"  {language}"] = _described(numbers["at_threshold"])
        result["thresholds"] = report.metrics["thresholds"]
        result["verdict"] = f"{report.verdict}, tolerance {report.tolerance:.1%}"
        result["ask"] = shell_command("gan", "text", "ask", "What is the currency of Finland?", "--model", done.folder)
        print_result(result, as_json=False)


def _described(point: Mapping[str, float]) -> str:
    return (
        f"{point['answered']:.1%} answered, {point['error_rate']:.1%} of the answers wrong "
        f"({point['error_rate_lower']:.1%} to {point['error_rate_upper']:.1%}), "
        f"{point['refused']:.1%} without an answer refused"
    )


@dataclass(frozen=True)
class Ask:
    """Answer questions from known facts, or refuse.

    Knows the currency and the official languages of territories, in English and Chinese, from the Unicode CLDR. A
    question about something else is refused, with the reason. Each answer has a score from 0 to 1: how sure it is what
    is asked, about what, and that this is the known name. With --knowledge, the answers come from it instead. The exit
    status is 0 if all questions were answered, and 4 if one was refused.

    examples:
      gan text ask "What is the currency of Finland?" 日本的货币是什么
      gan text ask --file questions.txt --json
      gan text ask "How does the while statement end?" --knowledge python
      gan text ask "When does the library open?" --knowledge faq.jsonl --threshold 0.6
    """

    questions: Annotated[Positional[tuple[str, ...]], arg(metavar="QUESTION")] = ()
    """Questions to answer."""
    file: str | None = None
    """UTF-8 file with one question a line; - is standard input. Empty lines do not count. None: no file."""
    model: str = PRETRAINED
    """Reader of questions: its run folder, or a pretrained name."""
    knowledge: str | None = None
    """What is known: `python`, or a .jsonl file. None: the built-in facts.

    `python` is Python's own reference, of which passages are copied. Each line of a file is a JSON object with the keys
    question and answer; entity, relation and answer; or title and text. A key source is optional.
    """
    threshold: float | None = None
    """Refuse answers of a lower score, from 0 to 1. None: that of the reader; 0.75 for texts found by their words."""
    tolerance: float | None = None
    """Use the lowest recorded threshold whose upper bound of the error rate is within this. None: see above.

    The upper bound of the error rate on the validation questions counts, at 41 thresholds a language. It is not for
    --knowledge, whose error rate is not known.
    """
    json: bool = False
    """Print the answers as one JSON object on stdout."""

    def run(self) -> int:
        """Answers the questions, and prints each answer; returns the exit status."""
        questions = self._questions()
        knowledge = known_facts() if self.knowledge is None else load_knowledge(self.knowledge)
        model = self._model(knowledge)
        if model is not None:
            runtime.load_tensorflow(lean=True)
            runtime.start()
        from gan.text.questions.ask import answer_questions

        answers = answer_questions(questions, knowledge, model, threshold=self.threshold)
        if self.json:
            print_result(
                {"model": None if model is None else self.model, "answers": [_as_json(answer) for answer in answers]},
                as_json=True,
            )
        else:
            print("\n".join(line for answer in answers for line in _lines(answer)))
        return DONE if all(answer.text is not None for answer in answers) else UNDECIDED

    def _questions(self) -> list[str]:
        """Returns all questions. Raises `InputError` for a bad one, and if there are none."""
        if self.threshold is not None:
            check_share("threshold", self.threshold)
        if self.threshold is not None and self.tolerance is not None:
            received = f"--threshold {self.threshold} --tolerance {self.tolerance}"
            raise InputError("Two thresholds", expected="--threshold or --tolerance", received=received)
        if self.tolerance is not None and self.knowledge is not None:
            received = f"--tolerance {self.tolerance} --knowledge {self.knowledge}"
            expected = "--threshold: the errors were measured with the built-in facts"
            raise InputError("No error rate is known for this knowledge", expected=expected, received=received)
        questions = [files.check_text(question) for question in self.questions]
        if self.file is not None:
            lines = files.read_text(self.file).split("\n")
            questions += [files.check_text(line) for line in lines if line.strip()]
        if not questions:
            received = "none" if self.file is None else f"nothing in {self.file}"
            raise InputError(
                "No question", expected="a question, or --file FILE with a question a line", received=received
            )
        return questions

    def _model(self, knowledge: Knowledge) -> Model | None:
        """Returns the reader. None: the knowledge has no facts that it reads, so none is needed."""
        if any(fact.relation in RELATIONS for fact in knowledge.facts):
            return find_reader(self.model, self.tolerance)
        if self.model != PRETRAINED:
            expected = f"no --model: this knowledge has no {' and no '.join(RELATIONS)}, so it is found by its words"
            raise InputError("No reader is needed", expected=expected, received=f"--model {self.model}")
        return None


def _as_json(answer: "Answer") -> dict[str, object]:
    fact = answer.fact if answer.text is not None else None
    return {
        "question": answer.question[:KEPT],
        "answer": answer.text,
        "source": answer.source,
        "score": round(answer.score, 4),
        "reason": answer.reason if answer.text is None else None,
        "relation": fact.relation if fact else None,
        "entity": fact.entity if fact else None,
        "answers": list(fact.answers) if fact else None,
    }


def _lines(answer: "Answer") -> Iterator[str]:
    question = answer.question
    yield question if len(question) <= SHOWN else f"{question[: SHOWN - 3]}..."
    if answer.text is None:
        yield f"  no answer: {answer.reason}"
        return
    yield from (f"  {line}" for line in answer.text.split("\n"))
    yield f"  [{answer.source}] score {answer.score:.2f}"
