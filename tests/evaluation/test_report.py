import json
import re
from dataclasses import replace

import pytest
from helpers.reports import VALUES, made_up

from gan.errors import InputError
from gan.evaluation import report as reports
from gan.evaluation.report import (
    Checkpoint,
    ClassErrorRate,
    CopiedShare,
    FeatureSource,
    PerturbationPoint,
    Reconstruction,
)
from gan.saving import models
from gan.tolerance import worst_class

ABSENT = object()


@pytest.fixture
def two(tmp_path):
    for name, value in (("a", 0.9), ("b", 0.8)):
        (tmp_path / name).mkdir()
        report = made_up({**VALUES, "recall": (value, 0.95)})
        (tmp_path / name / "report.json").write_text(json.dumps(report.as_dict()))
    return tmp_path


def test_numbers_are_formatted_with_their_uncertainty():
    report = made_up(copied_share_real=CopiedShare(0.02, -0.2, 0.24))
    assert reports.written("error_rate", report) == "0.02 (0.013 to 0.031)"
    assert reports.written("error_rate", report, column="real") == "0.01 (0.006 to 0.018)"
    assert reports.written("recall", report) == "0.9"
    assert reports.written("recall", made_up({**VALUES, "recall_stderr": (0.01, 0.02)})) == "0.9 ± 0.01"
    assert reports.written("copied_share", report) == "0.100 (-0.100 to 0.300)"
    assert reports.written("copied_share", report, column="real") == "0.020 (-0.200 to 0.240)"
    assert reports.written("copied_share", made_up(), column="real") == "not known"
    assert reports.written("copied_share", made_up(copied_share=None)) == "not known"
    assert [reports.written(name, report) for name in ("verdict", "tolerance")] == ["undecided", "0.02"]
    assert reports.written("verdict", report, column="real") == ""
    assert reports.written("of_another_version", report) == ""


def test_the_worst_class_is_a_number_like_the_others():
    worst, real = worst_class([2, 0, 12], [1_000] * 3), worst_class([0, 1, 0], [1_000] * 3)
    report = made_up(worst_class=worst, worst_class_real=real)
    assert reports.written("worst_class", report) == "0.012 (0.00531 to 0.0209), class 2"
    assert reports.written("worst_class", report, column="real") == "0.001 (8.37e-06 to 0.00556), class 1"
    assert reports.numbers(report)["worst_class"] == 0.012
    explained = replace(report, meaning={**report.meaning, "worst_class": "share"})
    assert "worst_class" in [row["name"] for row in reports.rows(explained)]
    assert "worst_class" not in [row["name"] for row in reports.rows(replace(explained, worst_class=None))]
    assert reports.written("worst_class", made_up(worst_class=worst_class([0, 0], [1_000] * 2))) == "0 (0 to 0.00368)"
    assert reports.written("worst_class", made_up()) == reports.written("worst_class", made_up(), column="real") == ""


def test_unknown_numbers_state_the_reason():
    report = made_up({"recall": (None, None)}, not_known={"recall": "too few"})
    row = {"name": "recall", "value": "not known", "real": "not known", "meaning": "share Not known: too few."}
    assert row in reports.rows(report)
    others = {"copied_share": 0.1, "num": 1_000, "tolerance": 0.02, "verdict": "undecided"}
    assert reports.numbers(report) == {"recall": None, **others}


def test_saved_report_loads_unchanged(tmp_path):
    whole = made_up(
        checkpoint=Checkpoint("mnist", 10, "cd", None, 0),
        copied_share_real=CopiedShare(None, None, None),
        error_rate_by_class=(ClassErrorRate(3, 100, 0.01, 0.05),),
        worst_class=worst_class([0, 0, 0, 1], [0, 0, 0, 100]),
        worst_class_real=worst_class([1, 0, 0, 0], [50, 0, 0, 50]),
        undecided_because_of=("coverage",),
        summary={"tolerance": "Undecided."},
        reconstruction=Reconstruction(64, 400, 2),
        perturbation=(PerturbationPoint("none", 0.0, 1_000, 0.01, 0.005, 0.02),),
    )
    for report in (whole, made_up()):
        (tmp_path / "report.json").write_text(json.dumps(report.as_dict(), allow_nan=False))
        assert reports.load_report(str(tmp_path)) == report
    absent = {"checkpoint", "copied_share_real", "worst_class", "worst_class_real", "reconstruction", "perturbation"}
    assert whole.as_dict().keys() - made_up().as_dict().keys() == absent
    assert made_up().as_dict()["samples_needed"] is None


@pytest.mark.parametrize("name", ["mnist", "mnist-mlp", "mnist-unconditional"])
def test_reports_of_pretrained_generators_load(name):
    report = reports.load_report(name)
    assert sum(report.class_histogram.samples) == report.num == report.compared
    content = json.loads((models.pretrained_folder() / name / "report.json").read_text())
    assert json.loads(json.dumps(report.as_dict()))["metrics"] == content["metrics"]


def test_reports_of_earlier_revisions_load(tmp_path):
    """Earlier reports use the key `pictures` in class_histogram instead of `samples`, and have no `not_known`."""
    content = json.loads(json.dumps(made_up().as_dict()))
    content["class_histogram"]["pictures"] = content["class_histogram"].pop("samples")
    assert content.pop("not_known") == {}
    assert content.pop("compared") == content["num"]
    content["samples_at_hand"] = 10_000
    (tmp_path / "report.json").write_text(json.dumps(content))
    assert reports.load_report(str(tmp_path)) == made_up()


def malformed(**changes):
    return {name: value for name, value in (made_up().as_dict() | changes).items() if value is not ABSENT}


@pytest.mark.parametrize(
    ("report", "place"),
    [
        ([], "content"),
        (malformed(metrics=ABSENT), "metrics"),
        (malformed(metrics={"recall": 0.9}), "metrics.recall"),
        (malformed(metrics={"recall": {"value": "much", "real": 1}}), "metrics.recall.value"),
        (malformed(copied_share_lower=ABSENT), "copied_share_lower"),
        (malformed(dataset=["mnist"]), "dataset"),
        (malformed(num="many"), "num"),
        (malformed(num=0), "num"),
        (malformed(compared=-1), "compared"),
        (malformed(num=999), "compared"),
        (malformed(meaning=[]), "meaning"),
        (malformed(verdict="good"), "verdict"),
        (malformed(frechet_floor={"mean": 1.0, "spread": 0.1}), "frechet_floor.draws"),
        (malformed(checkpoint="mnist"), "checkpoint"),
    ],
)
def test_rejects_invalid_reports(report, place, tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(report))
    with pytest.raises(InputError, match=rf"Bad `?{re.escape(place)}`? in .*report\.json\. Expected"):
        reports.load_report(str(tmp_path))


def test_rejects_excessively_nested_json(tmp_path):
    (tmp_path / "report.json").write_text("[" * 100_000)
    with pytest.raises(InputError, match="Damaged"):
        reports.load_report(str(tmp_path))


@pytest.mark.parametrize("key", reports.MUST_AGREE)
def test_comparison_requires_equal_settings(key):
    reports.check_comparable({"a": made_up(), "b": made_up(tolerance=0.5, verdict="within")})
    other = {"compared": 500, "features_used": FeatureSource("random", "all", "cd", 240)}.get(key, "other")
    field = "features" if key == "features_used" else key
    with pytest.raises(InputError, match=f"same {key}"):
        reports.check_comparable({"a": made_up(), "b": made_up(**{field: other})})


@pytest.mark.parametrize("split", ["train", "test"])
def test_comparison_requires_the_same_images_whatever_their_name_is(split):
    """Two files with the same training images may have other test images."""
    both = {"train_sha256": "a", "test_sha256": "b"}
    reports.check_comparable({"a": made_up(**both), "b": made_up(dataset="copy", **both)})
    reports.check_comparable({"a": made_up(), "b": made_up(**both)})  # an earlier revision recorded none
    with pytest.raises(InputError, match=f"one SHA-256 of the {split} images.*b: other"):
        reports.check_comparable({"a": made_up(**both), "b": made_up(**both | {f"{split}_sha256": "other"})})


def test_a_report_that_does_not_name_its_features_has_those_of_its_classifier():
    source = FeatureSource("classifier", "features", "ab", 128)
    reports.check_comparable({"earlier": made_up(), "now": made_up(features=source)})
    with pytest.raises(InputError, match="same features_used"):
        reports.check_comparable({"earlier": made_up(), "now": made_up(features=replace(source, layer="logits"))})


def test_compare_prints_reports_side_by_side(gan_command, two):
    done = gan_command("compare", two / "a", two / "b" / "report.json", env={"COLUMNS": "200"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "worst_class" not in done.stdout  # of reports of an earlier revision
    row = next(line for line in done.stdout.splitlines() if "recall" in line)
    assert [word for word in row.split() if word[0].isdigit()] == ["0.9", "0.8", "0.95"]
    found = json.loads(gan_command("compare", two / "a", two / "b", "--json").stdout)
    assert [numbers["recall"] for numbers in found.values()] == [0.9, 0.8]


def test_compare_shows_the_numbers_of_samples_where_they_differ(gan_command, two):
    """The error rates of 1,000 and of 5,000 samples are comparable, if as many are compared with test images."""
    more = made_up(num=5_000, compared=1_000)
    assert "num" not in gan_command("compare", two / "a", two / "b", env={"COLUMNS": "200"}).stdout.split()
    (two / "b" / "report.json").write_text(json.dumps(more.as_dict()))
    title, *lines = gan_command("compare", two / "a", two / "b", env={"COLUMNS": "200"}).stdout.splitlines()
    assert title.strip() == "first 1,000 samples against mnist"
    rows = [line.replace("│", " ").split() for line in lines]
    assert ["num", "1,000", "5,000"] in rows
    (two / "a" / "report.json").write_text(json.dumps(more.as_dict()))
    same = gan_command("compare", two / "a", two / "b").stdout.splitlines()
    assert same[0].strip() == "5,000 samples, the first 1,000 of them against mnist"


def test_compare_shows_the_worst_class_where_it_is_known(gan_command, two):
    report = made_up(worst_class=worst_class([2, 12], [1_000] * 2), worst_class_real=worst_class([0, 1], [1_000] * 2))
    (two / "a" / "report.json").write_text(json.dumps(report.as_dict()))
    done = gan_command("compare", two / "a", two / "b", env={"COLUMNS": "200"})
    row = next(line for line in done.stdout.splitlines() if "worst_class" in line)
    cells = [cell.strip() for cell in re.split("[│┃]", row)]
    real = reports.written("worst_class", report, column="real")
    assert [cell for cell in cells if cell] == ["worst_class", reports.written("worst_class", report), real]
    found = json.loads(gan_command("compare", two / "a", two / "b", "--json").stdout)
    assert [numbers.get("worst_class") for numbers in found.values()] == [0.012, None]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a"], "two or more"),
        (["a", "a"], "each once"),
        (["a", "nowhere"], "gan evaluate"),
        (["a", "empty"], "gan evaluate"),
        (["a", "other.json"], "other.json"),
        (["a", "damaged.json"], "Damaged"),
    ],
)
def test_compare_rejects_bad_input(gan_command, two, names, words):
    (two / "empty").mkdir()
    (two / "other.json").write_text("{}")
    (two / "damaged.json").write_text("{")
    done = gan_command("compare", *(two / name for name in names))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
