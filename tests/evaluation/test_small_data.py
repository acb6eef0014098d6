"""Evaluations with few images: numbers that they do not define are not known, and the others are as always."""

import json
from dataclasses import astuple, replace

import numpy as np
import pytest
from helpers.reports import made_up
from helpers.tiny import small_gan

from gan.errors import InputError
from gan.evaluation.classifier.extractor import as_input, load_classifier
from gan.evaluation.evaluation import evaluate, evaluate_samples
from gan.evaluation.html import page
from gan.evaluation.reference import NEEDED, why_few
from gan.evaluation.report import load_report
from gan.evaluation.report_text import headline, summary
from gan.saving import files
from gan.tolerance import wilson_interval

pytestmark = pytest.mark.filterwarnings(r"ignore:\d+ samples prove little:UserWarning")


def small(digits, train, validation, test):
    """Returns the digits with so few images in each split."""
    parts = {"train": train, "validation": validation, "test": test}
    return replace(digits, **{name: getattr(digits, name).take(np.arange(size)) for name, size in parts.items()})


@pytest.fixture(scope="module")
def evaluated(small_classifier):
    classifier, card = load_classifier(small_classifier[0])

    def run(dataset, num, *, labels=True, **options):
        chosen = dataset.train.take(np.arange(num))
        return evaluate_samples(
            as_input(chosen.images), chosen.labels if labels else None, dataset, classifier, card, **options
        )

    return run


@pytest.mark.parametrize(("num", "labels"), [(2, True), (5, False), (6, True), (20, False)])
def test_exactly_the_numbers_that_few_images_do_not_define_are_not_known(evaluated, digits, tmp_path, num, labels):
    evaluation = evaluated(small(digits, 60, num, num), num, labels=labels)
    report = evaluation.report
    assert report.num == num
    undefined = {name for name, needed in NEEDED.items() if num < needed}
    for name, row in report.metrics.items():
        if name in undefined:
            assert row.value is row.real is None
            assert f"needs {NEEDED[name]} images; these are {num}" in report.not_known[name]
        elif name not in ("pairwise_ssim", "frechet_distance_stderr"):
            assert None not in astuple(row), name
    assert set(report.not_known) - undefined <= {"pairwise_ssim"}
    wrong = round(report.metrics["error_rate"].value * num)
    lower, upper = (report.metrics[f"error_rate_{end}"].value for end in ("lower", "upper"))
    assert (lower, upper) == pytest.approx(wilson_interval(wrong, num))
    text = json.dumps(report.as_dict(), allow_nan=False)
    files.write_json(tmp_path / "report.json", json.loads(text))
    assert load_report(str(tmp_path)) == replace(report, seconds=load_report(str(tmp_path)).seconds)
    assert "nan" not in page(evaluation, checkpoint="x").partition("</style>")[2].split("<svg")[0].lower()
    for sentence in report.summary.values():
        assert "nan" not in sentence.lower().split()


def test_without_coverage_no_generator_is_within_a_tolerance():
    values = {**dict.fromkeys(("error_rate", "error_rate_lower"), (0.0, 0.0)), "error_rate_upper": (0.5, 0.5)}
    values |= dict.fromkeys(("precision", "recall", "coverage"), (None, None))
    values |= dict.fromkeys(("frechet_distance", "pairwise_ssim"), (1.0, 1.0))
    report = made_up(
        values, num=5, tolerance=1.0, undecided_because_of=("coverage",), not_known=why_few(5), frechet_in_floors=None
    )
    assert headline(report) == "Undecided: too few images to measure variety"
    assert "Coverage is not known: it needs 6 images; these are 5." in summary(report)["tolerance"]
    assert "too low" not in summary(report)["tolerance"]
    assert "1, compared with the distance of real images (0.8 ± 0.15)" in summary(report)["fidelity"]


def test_five_right_samples_do_not_decide(evaluated, digits):
    """Even without an error, the interval of so few samples reaches far beyond the tolerance."""
    values = {
        **dict.fromkeys(("error_rate", "error_rate_lower"), (0.0, 0.0)),
        "error_rate_upper": (wilson_interval(0, 5)[1],) * 2,
        **dict.fromkeys(("frechet_distance", "precision", "recall", "coverage", "pairwise_ssim"), (1.0, 1.0)),
    }
    report = made_up(values, num=5, undecided_because_of=("error_rate",), samples_needed=189)
    assert "189 new samples would decide" in summary(report)["tolerance"]
    assert headline(report) == "Undecided: more samples needed"


def test_a_pair_of_different_classes_has_no_similarity_within_a_class(evaluated, digits):
    two = np.array([np.flatnonzero(digits.train.labels == label)[0] for label in (3, 8)])
    dataset = small(digits, 60, 2, 2)
    chosen = replace(dataset, train=digits.train.take(np.concatenate([two, np.arange(50)])))
    report = evaluated(chosen, 2).report
    assert report.metrics["pairwise_ssim"].value is None
    assert report.not_known["pairwise_ssim"] == "no class has two images"
    assert "not known: no class has two images" in report.summary["similarity"]


def test_fewer_training_than_held_out_images_leave_the_share_of_copies_unknown(evaluated, digits):
    """Equal images in all splits are at distance 0, which has no multiples."""
    part = digits.train.take(np.arange(8))
    report = evaluated(replace(digits, train=part, validation=digits.validation, test=part), 8).report
    assert report.copied_share is report.copied_share_real.copied_share is None
    assert report.frechet_floor.mean == pytest.approx(0.0, abs=1e-6)
    assert report.frechet_in_floors is None or abs(report.frechet_in_floors) < 10


@pytest.mark.parametrize(
    ("sizes", "num", "words"),
    [
        ((60, 6, 6), 1, "from 2 to 10000000"),
        ((60, 6, 6), 10**7 + 1, "from 2 to 10000000"),
        ((60, 1, 6), 2, "at least 2 training, 2 validation and 2 test images.*1 validation images"),
        ((60, 6, 1), 2, "1 test images"),
    ],
)
def test_a_refusal_names_a_possible_range_or_what_is_missing(small_classifier, digits, sizes, num, words):
    classifier, card = load_classifier(small_classifier[0])
    with pytest.raises(InputError, match=words):
        evaluate(small_gan().generator_ema, small(digits, *sizes), classifier, card, num=num)


def test_a_whole_evaluation_of_two_images(small_classifier, digits):
    classifier, card = load_classifier(small_classifier[0])
    with pytest.warns(UserWarning, match="2 samples prove little"):
        evaluation = evaluate(small_gan().generator_ema, small(digits, 60, 2, 2), classifier, card, num=2)
    assert evaluation.report.reconstruction.num == 2
    assert {point.n for point in evaluation.report.perturbation} == {2}
    assert {"samples", "neighbours", "reconstructions"} == set(evaluation.images)
