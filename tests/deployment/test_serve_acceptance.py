from dataclasses import replace

import pytest

from gan.deployment.serve.acceptance import Evidence, newest_evidence, reason_to_refuse
from gan.saving.engines.card import GeneratorVerdict
from gan.tolerance import ErrorRate

MEASURED = GeneratorVerdict(
    verdict="within",
    tolerance=0.02,
    error_rate=0.01,
    error_rate_lower=0.008,
    error_rate_upper=0.012,
    num=10_000,
    dataset="mnist",
    classifier_sha256="ab",
)
SERVED = Evidence(MEASURED, coverage=0.9, coverage_num=10_000, conditional=True)
CARD = Evidence(MEASURED, from_card=True)


def changed(**changes):
    """Returns the evidence with other fields of its verdict, or another coverage."""
    own = {name: changes.pop(name) for name in ("coverage", "coverage_num", "conditional") if name in changes}
    return replace(SERVED, measured=replace(MEASURED, **changes), **own)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (None, "no report with an error rate: gan evaluate --classifier FOLDER"),
        (changed(dataset="cifar10"), "its report is of cifar10"),
        (changed(classifier_sha256="cd"), "another classifier"),
        (changed(conditional=False), "its report does not count samples of a wrong class"),
        (changed(error_rate_lower=0.0121, error_rate_upper=0.015), "its error rate is higher: at least 0.0121"),
        (changed(verdict="undecided"), "its verdict is worse: undecided at the tolerance of 0.02, not within"),
        (changed(verdict="exceeded"), "its verdict is worse: exceeded"),
        (changed(tolerance=0.5, error_rate_upper=0.03), "its verdict is worse: undecided"),
        (changed(coverage=0.85), "its coverage is lower"),
    ],
    ids=["none", "dataset", "classifier", "labels", "rate", "undecided", "exceeded", "own tolerance", "coverage"],
)
def test_a_worse_version_is_refused(new, reason):
    assert reason in reason_to_refuse(new, SERVED)


def test_known_images_are_compared_instead_of_names():
    known = replace(SERVED, measured=replace(MEASURED, train_sha256="a"))
    assert "of other images of mnist" in reason_to_refuse(changed(train_sha256="b"), known)
    assert reason_to_refuse(changed(train_sha256="a", dataset="copy"), known) is None
    assert reason_to_refuse(changed(train_sha256="a"), SERVED) is None


def test_a_classifier_that_errs_on_real_images_decides_nothing_at_another_tolerance():
    rates = {"tolerance": 0.5, "verdict": "exceeded", "error_rate_lower": 0.008, "error_rate_upper": 0.012}
    assert changed(**rates).verdict_at(0.02) == "within"
    assert changed(**rates, real_rate=ErrorRate(14, 28)).verdict_at(0.02) == "undecided"
    assert changed(**rates, real_rate=ErrorRate(14, 28)).verdict_at(0.5) == "exceeded"


@pytest.mark.parametrize(
    "new",
    [
        SERVED,
        changed(error_rate_lower=0.012, error_rate_upper=0.015),
        changed(error_rate=0.001, error_rate_lower=0.0, error_rate_upper=0.002),
        changed(tolerance=0.001, verdict="exceeded"),
        changed(coverage=0.895),
        changed(coverage=None),
        changed(coverage=0.5, coverage_num=2),
        changed(classifier_sha256=None),
        CARD,
    ],
    ids=["equal", "overlap", "better", "own tolerance", "coverage overlaps", "no coverage", "few", "old card", "card"],
)
def test_a_version_that_is_not_worse_is_taken(new):
    assert reason_to_refuse(new, SERVED) is None


def test_without_a_report_of_the_served_version_any_report_is_enough():
    assert reason_to_refuse(changed(verdict="exceeded"), None) is None
    assert "no report" in reason_to_refuse(None, None)


def test_a_better_verdict_is_taken():
    assert reason_to_refuse(SERVED, changed(verdict="undecided")) is None
    assert reason_to_refuse(changed(verdict="undecided"), changed(verdict="exceeded")) is None


def test_a_report_is_replaced_by_a_report_only():
    other = changed(error_rate=0.011)
    assert newest_evidence(SERVED, other) == other
    assert newest_evidence(SERVED, None) == newest_evidence(SERVED, CARD) == SERVED
    assert newest_evidence(CARD, SERVED) == newest_evidence(None, SERVED) == SERVED
    assert newest_evidence(None, None) is None
