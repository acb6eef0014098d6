"""Training of the reader of questions: exact resume, run folder, and the numbers of the pretrained one."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from gan.errors import InputError
from gan.text.questions import training
from gan.text.questions.answering import FactAnswerer
from gan.text.questions.ask import find_thresholds
from gan.text.questions.exam import exam_questions
from gan.text.questions.facts import LANGUAGES, load_facts, load_others
from gan.text.questions.grading import measure
from gan.text.questions.options import QuestionsConfig
from gan.text.questions.reader import build_reader, load_reader
from gan.text.questions.report import grade_exam
from gan.text.questions.training import resume_questions, train_questions
from gan.text.runs.report import load_text_report
from gan.text.runs.text_run import find_run, load_record

TINY = {"width": 4, "embedding": 2, "blocks": 1, "epochs": 2, "examples": 24, "batch_size": 12}


@pytest.fixture
def few_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exams of every 97th question, so that they take no time."""
    for module in ("training", "report"):
        monkeypatch.setattr(f"gan.text.questions.{module}.exam_questions", few)


def few(split, *, varied=False):
    return exam_questions(split, varied=varied)[::97]


def test_a_network_has_a_probability_for_each_meaning_and_each_tag():
    model = build_reader(9, 12, width=4, embedding=2, blocks=1, dropout=0.0)
    found = model(np.zeros((3, 12), np.int32))
    assert found["meaning"].shape == (3, 3)
    assert found["tags"].shape == (3, 12, 3)
    np.testing.assert_allclose(np.sum(found["tags"], axis=-1), 1.0, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("few_questions")
def test_a_resumed_training_is_the_one_without_an_interruption(tmp_path, monkeypatch):
    lines = []
    config = QuestionsConfig(**TINY)
    whole = train_questions(config, output=tmp_path / "whole", log=lines.append)
    assert whole.report is not None
    draw, stopped = training.QuestionMaker.draw, []

    def interrupting(self, num, *, seed, epoch):
        if epoch == 1 and not stopped:
            stopped.append(epoch)
            os.kill(os.getpid(), signal.SIGINT)
        return draw(self, num, seed=seed, epoch=epoch)

    monkeypatch.setattr(training.QuestionMaker, "draw", interrupting)
    part = train_questions(config, output=tmp_path / "part", log=lines.append)
    assert part.report is None
    assert part.signal == signal.SIGINT
    with pytest.raises(InputError, match="threshold"):
        find_thresholds(part.folder, load_record(part.folder))
    again = resume_questions(tmp_path / "part", log=lines.append)
    first, second = (load_reader(*find_run(one.folder)).network.get_weights() for one in (whole, again))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.report.metrics == whole.report.metrics
    record = load_record(again.folder)
    assert record.resumed == (1,)
    assert set(find_thresholds(again.folder, record)) == set(LANGUAGES)
    assert resume_questions(tmp_path / "part", log=lines.append).report == load_text_report(again.folder)
    (again.folder / "report.json").unlink()
    assert resume_questions(tmp_path / "part", log=lines.append).report.metrics == again.report.metrics


def test_the_pretrained_reader_is_small_and_was_trained_with_the_defaults():
    folder, record = find_run("questions", "questions")
    assert record.options(QuestionsConfig, folder) == QuestionsConfig()
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 2 * 2**20
    training.load_questions().check_same(record.corpus)
    report = load_text_report(folder)
    assert report.verdict == "within"
    assert report.sha256 == record.sha256
    for numbers in report.metrics["languages"].values():
        assert 1 - numbers["at_90_percent_answered"]["error_rate_upper"] >= 0.95
        assert numbers["at_threshold"]["refused"] >= 0.95


def test_a_tolerance_chooses_the_lowest_threshold_that_keeps_it():
    folder, record = find_run("questions", "questions")
    lowest = find_thresholds(folder, record, 0.9)
    strict = find_thresholds(folder, record, 0.02)
    assert all(lowest[language] <= strict[language] for language in LANGUAGES)
    with pytest.raises(InputError, match="No threshold keeps"):
        find_thresholds(folder, record, 0.0)


@pytest.mark.slow
def test_the_pretrained_reader_answers_the_test_exam_as_its_report_says():
    folder, record = find_run("questions", "questions")
    report = load_text_report(Path(folder))
    answerer = FactAnswerer(load_reader(folder, record), load_facts(), load_others())
    grades = grade_exam(answerer, exam_questions("test"))
    for language in LANGUAGES:
        part = [one for one in grades if one.language == language]
        point = measure(part, find_thresholds(folder, record)[language])
        recorded = report.metrics["languages"][language]["at_threshold"]
        assert point.num == pytest.approx(recorded["num"], abs=5)
        assert point.answered >= 0.9
        assert point.error_rate_upper <= 0.05
        assert point.refused >= 0.95
