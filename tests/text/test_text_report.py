"""Tests of the report of a text model: error rate, interval, verdict and exit status."""

import json
import signal
from pathlib import Path

import pytest

from gan.cli.text_report import check_resumed_alone, training_result, training_status
from gan.errors import InputError, as_json
from gan.text.data.corpus import CorpusRecord
from gan.text.recognition.recognizer_config import RecognizerConfig
from gan.text.runs.report import TextReport, load_text_report
from gan.text.runs.text_run import TextRecord, TextResult
from gan.tolerance import EXIT_STATUS, ErrorRate


def report(wrong=5, num=100, **options):
    return TextReport.of("recognizer", ErrorRate(wrong, num), sha256="ab", **options)


def test_the_interval_is_the_one_of_wilson():
    """(p + z^2/2n +- z sqrt(p(1 - p)/n + z^2/4n^2)) / (1 + z^2/n) for p = 0.1, n = 100, z = 1.959964."""
    found = report(10)
    assert (found.wrong, found.num, found.error_rate) == (10, 100, 0.1)
    assert found.error_rate_lower == pytest.approx(0.0552291, abs=1e-6)
    assert found.error_rate_upper == pytest.approx(0.1743657, abs=1e-6)
    assert found.rate == ErrorRate(10, 100)


def test_without_a_tolerance_there_is_no_verdict():
    found = report()
    assert (found.verdict, found.samples_needed, found.exit_status) == (None, None, 0)


@pytest.mark.parametrize(
    ("wrong", "tolerance", "verdict"), [(0, 0.1, "within"), (50, 0.1, "exceeded"), (5, 0.1, "undecided")]
)
def test_the_verdict_gives_the_exit_status(wrong, tolerance, verdict):
    found = report(wrong, tolerance=tolerance)
    assert found.verdict == verdict
    assert found.exit_status == EXIT_STATUS[verdict]
    assert (found.samples_needed is not None) == (verdict == "undecided")
    if found.samples_needed:
        decided = report(wrong * found.samples_needed // 100, found.samples_needed, tolerance=tolerance)
        assert decided.verdict != "undecided"


def test_low_coverage_forbids_within_and_more_samples_would_not_help():
    found = report(0, tolerance=0.1, covers=False)
    assert (found.verdict, found.samples_needed) == ("undecided", None)
    assert report(50, tolerance=0.1, covers=False).verdict == "exceeded"
    assert report(5, tolerance=0.1, covers=False).samples_needed is None


def test_a_report_comes_back_from_its_file(tmp_path):
    found = report(tolerance=0.1, metrics={"f1": {"fi": 0.5, "sv": float("nan")}, "seconds": 2})
    found.save(tmp_path)
    json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)  # no NaN
    loaded = load_text_report(tmp_path)
    assert loaded.metrics == {"f1": {"fi": 0.5, "sv": None}, "seconds": 2}
    assert (loaded.rate, loaded.verdict, loaded.kind) == (found.rate, found.verdict, "recognizer")


def test_a_missing_report_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="This run has no report"):
        load_text_report(tmp_path)


@pytest.mark.parametrize(
    "change", [{"wrong": 101}, {"wrong": -1}, {"num": 0}, {"verdict": "good"}, {"kind": "poem"}, {"error_rate": None}]
)
def test_a_damaged_report_is_refused(tmp_path, change):
    report().save(tmp_path)
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(InputError, match=r"report\.json"):
        load_text_report(tmp_path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"Damaged report\.json"):
        load_text_report(tmp_path)


def record(**ended):
    corpus = CorpusRecord(name="by hand", letters="ab", length=2, train=1)
    result = TextResult(epochs=3, seconds=1.5, numbers={"val_loss": 0.5}, **ended)
    return TextRecord(kind="recognizer", config={}, corpus=corpus, result=result)


def test_all_trainings_print_the_same_keys():
    keys = {"run", "kind", "epochs", "seconds", "interrupted", "stopped_by", "numbers"}
    done = training_result(Path("r"), record(interrupted=False, stopped_by="patience"), report(tolerance=0.1))
    assert done.keys() == keys | as_json(report()).keys()
    assert (done["run"], done["epochs"], done["stopped_by"], done["num"]) == ("r", 3, "patience", 100)
    cut = training_result(Path("r"), record(interrupted=True), None)
    assert cut.keys() == keys | {"resume"}
    assert cut["resume"] == "gan text train recognizer --resume r"


def test_a_training_with_a_tolerance_does_not_end_with_0_without_its_verdict():
    assert training_status(None, signal.SIGTERM, 0.1) == 128 + signal.SIGTERM
    assert (training_status(None, None, 0.1), training_status(None, None, None)) == (4, 0)
    assert training_status(report(50, tolerance=0.1), None, 0.1) == 3


def test_options_beside_a_resumed_run():
    check_resumed_alone(None, RecognizerConfig(), RecognizerConfig())
    with pytest.raises(InputError, match=r"Received: --epochs 3 --output x"):
        check_resumed_alone(Path("x"), RecognizerConfig(epochs=3), RecognizerConfig())
