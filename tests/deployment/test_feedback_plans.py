"""Plans of pictures for judges: which samples, with which classes, and which real images between them."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from helpers.judgements import SEED
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from gan.deployment.feedback.pictures import (
    AuditPlan,
    GoldPlan,
    StratifiedPlan,
    label_of,
    seed_of_mode,
    shuffled,
    uniform,
)
from gan.errors import InputError

LABELS = [index % 10 for index in range(500)]


def test_numbers_of_a_plan_are_those_of_a_published_hash():
    """A function of text alone: every machine and every version shows the same pictures."""
    assert uniform(0, "label", 0) == pytest.approx(0.5762273385804313, abs=1e-12)
    assert seed_of_mode(7, "audit") == 7
    assert len({seed_of_mode(7, mode) for mode in ("audit", "stratified", "report", "gold")}) == 4


def test_numbers_are_uniform_and_independent_of_the_one_before():
    numbers = np.array([uniform(SEED, "x", index) for index in range(20_000)])
    assert chisquare(np.histogram(numbers, 20, (0, 1))[0]).pvalue > 1e-3
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(len(numbers))


def test_the_audit_shows_each_sample_once_with_classes_that_are_independent_of_the_place():
    plan = AuditPlan(SEED, 10)
    pictures = [plan.picture(place) for place in range(10_000)]
    assert [picture.index for picture in pictures] == list(range(10_000))
    assert {(picture.kind, picture.seed, picture.truth) for picture in pictures} == {("sample", SEED, None)}
    labels = [picture.label for picture in pictures]
    assert chisquare(list(Counter(labels).values())).pvalue > 1e-3
    assert chisquare(list(Counter(pairwise(labels)).values())).pvalue > 1e-3
    assert AuditPlan(SEED, 0).picture(5).label is None


@given(size=st.integers(1, 90), seed=st.integers(0, 2**32 - 1))
def test_a_shuffle_is_a_permutation(size, seed):
    assert sorted(shuffled(number, size, seed, "x") for number in range(size)) == list(range(size))


def test_a_shuffle_puts_each_number_everywhere_equally_often():
    seen = Counter((number, shuffled(number, 5, seed, "x")) for seed in range(1_500) for number in range(5))
    assert chisquare([seen[number, place] for number in range(5) for place in range(5)]).pvalue > 1e-3


@given(
    num=st.integers(1, 200),
    share=st.floats(0, 1),
    others=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_stratified_plan_has_all_flagged_samples_and_the_planned_number_of_others(num, share, others, seed):
    flagged = tuple(index for index in range(num) if uniform(seed, "test", index) < share)
    num_unflagged = int(others * (num - len(flagged)))
    plan = StratifiedPlan(seed, 10, num, flagged, num_unflagged)
    pictures = [plan.picture(place) for place in range(plan.size)]
    assert tuple(sorted(picture.index for picture in pictures if picture.is_flagged)) == flagged
    rest = [picture.index for picture in pictures if not picture.is_flagged]
    assert len(rest) == len(set(rest)) == num_unflagged
    assert not set(rest) & set(flagged)
    assert all(picture.label == label_of(seed, picture.index, 10) for picture in pictures)
    assert plan.places == {picture.index: place for place, picture in enumerate(pictures)}


def test_each_unflagged_sample_is_chosen_equally_often_and_flags_come_in_random_order():
    chosen, first_flags = Counter(), 0
    for seed in range(1_500):
        plan = StratifiedPlan(seed, 10, 12, (2, 7), 4)
        chosen.update(picture.index for picture in map(plan.picture, range(6)) if not picture.is_flagged)
        first_flags += plan.picture(0).is_flagged
    assert chisquare([chosen[index] for index in range(12) if index not in (2, 7)]).pvalue > 1e-3
    assert abs(first_flags / 1_500 - 2 / 6) < 4 * np.sqrt(2 / 9 / 1_500)


@pytest.mark.parametrize(
    ("flagged", "num_unflagged"),
    [((3, 2), 1), ((2, 2), 1), ((10,), 1), ((-1,), 1), ((1,), 10), ((), -1)],
)
def test_an_impossible_plan_is_refused(flagged, num_unflagged):
    with pytest.raises(InputError):
        StratifiedPlan(SEED, 10, 10, flagged, num_unflagged)


def test_gold_has_its_share_and_half_of_it_has_a_wrong_class():
    plan = GoldPlan(SEED, 0.2, LABELS, 10)
    due = [plan.is_due("ann", turn) for turn in range(10_000)]
    assert abs(np.mean(due) - 0.2) < 4 * np.sqrt(0.2 * 0.8 / len(due))
    images = [plan.picture(judge, number) for judge in "abcdefgh" for number in range(len(LABELS))]
    wrong = [image for image in images if image.truth == "wrong"]
    assert abs(len(wrong) / len(images) - 0.5) < 4 * 0.5 / np.sqrt(len(images))
    assert all((image.label == LABELS[image.index]) == (image.truth == "right") for image in images)
    moves = Counter((image.label - LABELS[image.index]) % 10 for image in wrong)
    assert chisquare([moves[move] for move in range(1, 10)]).pvalue > 1e-3


@pytest.mark.parametrize("judge", ["ann", "bob"])
def test_a_judge_gets_each_real_image_once_and_others_get_another_order(judge):
    plan = GoldPlan(SEED, 0.2, LABELS, 10)
    order = [plan.picture(judge, number).index for number in range(len(LABELS))]
    assert sorted(order) == list(range(len(LABELS)))
    assert order != [plan.picture("zoe", number).index for number in range(len(LABELS))]
    with pytest.raises(InputError):
        plan.picture(judge, len(LABELS))


@pytest.mark.parametrize("options", [{"share": 1.0}, {"share": -0.1}, {"labels": []}, {"num_classes": 1}, {"seed": -1}])
def test_gold_that_is_no_plan_is_refused(options):
    with pytest.raises(InputError):
        GoldPlan(**{"seed": SEED, "share": 0.1, "labels": LABELS, "num_classes": 10, **options})
