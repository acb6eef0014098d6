import json

import pytest

from gan.errors import InputError
from gan.evaluation import report as reports


def made_up(**changes):
    report = {
        "dataset": "mnist",
        "num": 1_000,
        "classifier_sha256": "ab",
        "reference": "1000 test images",
        "conditional": True,
        "meaning": {"error_rate": "share", "recall": "share", "copied_share": "share"},
        "metrics": {
            "error_rate": {"value": 0.02, "real": 0.01},
            "error_rate_lower": {"value": 0.013, "real": 0.006},
            "error_rate_upper": {"value": 0.031, "real": 0.018},
            "recall": {"value": 0.9, "real": 0.95},
        },
        "copied_share": 0.1,
        "copied_share_lower": -0.1,
        "copied_share_upper": 0.3,
        "tolerance": 0.02,
        "copied_share_real": {"copied_share": 0.02, "copied_share_lower": -0.2, "copied_share_upper": 0.24},
        "verdict": "undecided",
    }
    return report | changes


@pytest.fixture
def two(tmp_path):
    for name, value in (("a", 0.9), ("b", 0.8)):
        (tmp_path / name).mkdir()
        report = made_up()
        report["metrics"]["recall"] = {"value": value, "real": 0.95}
        (tmp_path / name / "report.json").write_text(json.dumps(report))
    return tmp_path


def test_numbers_are_written_with_what_is_known_of_their_error():
    report = made_up()
    assert reports.written("error_rate", report) == "0.02 (0.013 to 0.031)"
    assert reports.written("error_rate", report, side="real") == "0.01 (0.006 to 0.018)"
    assert reports.written("recall", report) == "0.9"
    report["metrics"]["recall_stderr"] = {"value": 0.01, "real": 0.02}
    assert reports.written("recall", report) == "0.9 ± 0.01"
    assert reports.written("copied_share", report) == "0.100 (-0.100 to 0.300)"
    assert reports.written("copied_share", report, side="real") == "0.020 (-0.200 to 0.240)"
    assert reports.written("copied_share", made_up(copied_share=None)) == "not known"
    assert reports.written("verdict", report) == "undecided"
    assert reports.written("of_another_version", report) == ""


def broken(**changes):
    report = made_up()
    for name, value in changes.items():
        if value is None:
            del report[name]
        else:
            report[name] = value
    return report


@pytest.mark.parametrize(
    "report",
    [
        [],
        broken(metrics=None),
        broken(metrics={"recall": 0.9}),
        broken(metrics={"recall": {"value": "much", "real": 1}}),
        broken(copied_share_lower=None),
        broken(dataset=["mnist"]),
        broken(num="many"),
        broken(meaning=[]),
    ],
)
def test_what_is_no_report_is_refused(report, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(InputError, match=r"in .*report\.json\. Expected"):
        reports.load_report(str(tmp_path))


def test_a_report_nested_beyond_reason_is_damaged(tmp_path):
    (tmp_path / "report.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="Damaged"):
        reports.load_report(str(tmp_path))


@pytest.mark.parametrize("key", reports.MUST_AGREE)
def test_only_reports_made_alike_are_compared(key):
    reports.check_comparable({"a": made_up(), "b": made_up(tolerance=0.5, verdict="within")})
    with pytest.raises(InputError, match=f"same {key}"):
        reports.check_comparable({"a": made_up(), "b": made_up(**{key: "other"})})


def test_reports_stand_side_by_side(gan_command, two):
    done = gan_command("compare", two / "a", two / "b" / "report.json", env={"COLUMNS": "200"})
    assert (done.returncode, done.stderr) == (0, "")
    row = next(line for line in done.stdout.splitlines() if "recall" in line)
    assert [word for word in row.split() if word[0].isdigit()] == ["0.9", "0.8", "0.95"]
    found = json.loads(gan_command("compare", two / "a", two / "b", "--json").stdout)
    assert [numbers["recall"] for numbers in found.values()] == [0.9, 0.8]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a"], "two or more"),
        (["a", "a"], "each once"),
        (["a", "nowhere"], "gan evaluate"),
        (["a", "empty"], "gan evaluate"),
        (["a", "other.json"], "other.json"),
        (["a", "broken.json"], "Damaged"),
    ],
)
def test_what_cannot_be_compared_is_refused(gan_command, two, names, words):
    (two / "empty").mkdir()
    (two / "other.json").write_text("{}")
    (two / "broken.json").write_text("{")
    done = gan_command("compare", *(two / name for name in names))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
