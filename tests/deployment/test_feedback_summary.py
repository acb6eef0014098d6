"""What judgements say: bounds, verdicts, judges and agreement, against direct computation."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from helpers.judgements import CLASSES, SHA256, audit_plan, gold_plan, judge_some, open_store, undo_last
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from gan.cli.feedback_report import print_summary
from gan.deployment.feedback.estimate import estimate_lines
from gan.deployment.feedback.pictures import StratifiedPlan
from gan.deployment.feedback.showing import Counts
from gan.deployment.feedback.strata import save_plan
from gan.deployment.feedback.summary import FeedbackSummary, summarize
from gan.errors import InputError, as_json, convert
from gan.tolerance import (
    GoldCounts,
    StratifiedCounts,
    WrongRange,
    confidence_sequence,
    corrected_bounds,
    corrected_rate,
    gold_needed,
    outcomes_needed,
    verdict_of_bounds,
    worst_class_so_far,
)


def answers(wrong=(), unsure=()):
    return lambda picture: "wrong" if picture.index in wrong else "unsure" if picture.index in unsure else "right"


def test_the_audit_has_the_bounds_of_the_sequence_at_every_look(tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        said = answers(wrong=range(0, 1_000, 9))
        for _ in range(5):
            judge_some(store, 7, said=said)
            summary = summarize(store, "audit", 0.02)
            counts = summary.counts
            assert (summary.lower, summary.upper) == confidence_sequence(counts.wrong, counts.n)
            assert summary.rate == counts.wrong / counts.n
            assert summary.verdict == verdict_of_bounds((summary.lower, summary.upper), 0.02)
            assert (summary.corrected, summary.agreement, summary.strata, summary.predicted) == (None,) * 4
        assert summary.verdict == "exceeded"
        assert summary.more == 0


def test_the_worst_class_of_an_audit_is_that_of_its_pictures(tmp_path):
    with open_store(tmp_path, overlap=0.3) as store:
        plan = audit_plan(store)
        judge_some(store, 60, said=lambda p: "unsure" if p.index % 11 == 0 else "wrong" if p.label == 4 else "right")
        summary = summarize(store, "audit", 0.02, num_classes=CLASSES)
        shown = [plan.picture(place) for place in range(summary.counts.n)]
        called = []
        for label in range(CLASSES):
            mine = [p for p in shown if p.label == label]
            unsure = sum(p.index % 11 == 0 for p in mine)
            wrong = len(mine) - unsure if label == 4 else 0
            called.append(WrongRange(wrong, wrong + unsure, len(mine)))
        assert summary.worst == worst_class_so_far(called)
        assert (summary.worst.label, summary.worst.rate) == (4, 1.0)
        assert summary.worst.lower > summary.lower
        assert (
            summarize(store, "audit", 0.02).worst is summarize(store, "report", 0.02, num_classes=CLASSES).worst is None
        )
        assert convert(as_json(summary), FeedbackSummary, "summary") == summary


def test_what_is_unsure_or_waits_counts_against_both_bounds(tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, 50, said=answers(wrong=(3,), unsure=(4, 5)))
        store.next_picture("ann", "audit", audit_plan(store))
        summary = summarize(store, "audit", 0.02)
        assert summary.counts == Counts(right=97, wrong=1, unsure=2, waiting=1)
        assert (summary.lower, summary.upper) == (confidence_sequence(1, 101)[0], confidence_sequence(4, 101)[1])
        assert summary.rate == 1 / 98


@pytest.mark.parametrize(("num", "wrong"), [(0, ()), (20, ()), (60, (3,)), (40, range(0, 80, 8))])
def test_more_judgements_are_those_of_the_tolerance_arithmetic(num, wrong, tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, num, said=answers(wrong=wrong))
        summary = summarize(store, "audit", 0.02)
        assert summary.more == outcomes_needed(summary.counts.wrong, summary.counts.n, 0.02)


def test_that_many_more_judgements_decide(tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, 20, ("ann",), said=answers())
        more = summarize(store, "audit", 0.05).more
        judge_some(store, more - 1, ("ann",), said=answers())
        assert summarize(store, "audit", 0.05).verdict == "undecided"
        judge_some(store, 1, ("ann",), said=answers())
        assert summarize(store, "audit", 0.05).verdict == "within"


def careless(picture):
    """Calls every tenth wrong real image right, every twentieth right one wrong, and is unsure of a few."""
    if picture.kind == "gold":
        if picture.index % 31 == 5:
            return "unsure"
        return "wrong" if (picture.truth == "wrong") == bool(picture.index % 10) else "right"
    return "wrong" if picture.index % 12 == 5 else "right"


def test_judged_gold_corrects_the_rate_and_the_verdict(tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, 150, gold=gold_plan(store, 0.3), said=careless)
        summary = summarize(store, "audit", 0.02)
        wrong, right = (store.counts("audit", kind="gold", truth=truth) for truth in ("wrong", "right"))
        gold = GoldCounts(wrong.wrong, wrong.n, right.right, right.n, wrong.unsure, right.unsure)
        called = WrongRange.known(summary.counts.wrong, summary.counts.n)
        corrected = summary.corrected
        assert corrected.gold == gold
        assert gold.wrong_open + gold.right_open > 0
        assert (corrected.sensitivity, corrected.specificity) == (gold.sensitivity, gold.specificity)
        assert (corrected.lower, corrected.upper) == corrected_bounds(called, gold)
        assert corrected.rate == corrected_rate(called, gold)
        assert corrected.more_gold == gold_needed(called, gold, 0.02)
        assert summary.verdict == verdict_of_bounds((corrected.lower, corrected.upper), 0.02) == "undecided"
        assert verdict_of_bounds((summary.lower, summary.upper), 0.02) == "exceeded"
        assert summarize(store, "audit", 0.5).verdict == "within"


def perfect(picture):
    return picture.truth or "right"


def test_gold_that_is_needed_makes_the_interval_as_narrow_as_the_tolerance(tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, 150, gold=gold_plan(store, 0.05), said=perfect)
        needed = summarize(store, "audit", 0.03).corrected.more_gold
        assert needed
        judge_some(store, 200, gold=gold_plan(store, 0.8, 2_000), said=perfect)
        corrected = summarize(store, "audit", 0.03).corrected
        assert (corrected.more_gold, corrected.upper - corrected.lower <= 0.03) == (0, True)


def test_judges_are_measured_one_by_one(tmp_path):
    with open_store(tmp_path, overlap=0.0) as store:
        judge_some(store, 80, ("ann",), gold=gold_plan(store, 0.4), said=perfect)
        judge_some(store, 40, ("bob",), gold=gold_plan(store, 0.4), said=lambda picture: "right")
        ann, bob = summarize(store, "audit", 0.02).judges
        assert (ann.judge, ann.sensitivity, ann.specificity) == ("ann", 1.0, 1.0)
        assert (bob.judge, bob.sensitivity, bob.specificity) == ("bob", 0.0, 1.0)
        assert ann.counts.judged + ann.gold == 80
        assert bob.counts.judged + bob.gold == 40
        with store.snapshot() as connection:
            times = [row for (row,) in connection.execute("SELECT milliseconds FROM showing WHERE judge = 'ann'")]
        assert 0 <= np.median(times) - ann.milliseconds < 0.1 * np.median(times)


def stratified_store(tmp_path, flagged=(2, 30, 77), num_unflagged=40):
    store = open_store(tmp_path, overlap=0.0)
    plan = StratifiedPlan(store.seed_of("stratified"), CLASSES, 200, flagged, num_unflagged)
    save_plan(store, plan, SHA256)
    return store, plan


def test_stratified_bounds_are_exact_at_the_end_and_hold_before(tmp_path):
    store, plan = stratified_store(tmp_path)
    with store:
        said = answers(wrong=(2, 30), unsure=(77,))
        bounds, verdicts = [], []
        for _ in range(plan.size + 1):
            summary = summarize(store, "stratified", 0.1)
            bounds.append((summary.lower, summary.upper))
            verdicts.append(summary.verdict)
            judge_some(store, 1, ("ann",), mode="stratified", plan=plan, said=said)
        final = StratifiedCounts(num=200, flagged=WrongRange(2, 3, 3), unflagged=WrongRange.known(0, 40))
        assert bounds[-1] == final.bounds()
        assert summary.rate == summary.predicted == final.rate == (3 / 200) * (2 / 2)
        assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in pairwise(bounds))
        assert bounds[0] == (0, 1)
        assert verdicts[-1] == "undecided"
        assert summary.more is None
        assert summary.strata.size == plan.size == 43


def test_stratified_gold_has_corrected_bounds(tmp_path):
    store, plan = stratified_store(tmp_path)
    with store:
        judge_some(store, 60, mode="stratified", plan=plan, gold=gold_plan(store, 0.3), said=careless)
        summary = summarize(store, "stratified", 0.1)
        called = StratifiedCounts(
            num=200,
            flagged=WrongRange(*(store.counts("stratified", is_flagged=True).wrong,) * 2, 3),
            unflagged=WrongRange(*(store.counts("stratified", is_flagged=False).wrong,) * 2, 40),
        )
        gold = summary.corrected.gold
        assert gold.wrong + gold.right == store.counts("stratified", kind="gold").n
        assert (summary.corrected.lower, summary.corrected.upper) == corrected_bounds(called, gold)
        assert summary.corrected.lower <= summary.lower
        assert summary.corrected.upper >= summary.upper
        assert store.counts("audit").n == summarize(store, "audit", 0.1).counts.n == 0


@pytest.mark.parametrize("mode", ["audit", "stratified"])
def test_a_blind_summary_does_not_tell_what_waits(mode, tmp_path):
    found, kinds = [], []
    for share in (0.0, 0.99):
        folder = tmp_path / str(share)
        folder.mkdir()
        store, planned = stratified_store(folder)
        plan = planned if mode == "stratified" else audit_plan(store)
        with store:
            judge_some(store, 20, mode=mode, plan=plan, gold=gold_plan(store, 0.4), said=careless)
            kinds.append(store.next_picture("ann", mode, plan, gold_plan(store, share)).picture.kind)
            found.append(summarize(store, mode, 0.1, is_blind=True))
            seen = summarize(store, mode, 0.1)
            assert found[-1].lower <= seen.lower
            assert found[-1].upper >= seen.upper
            assert found[-1].counts.waiting == 1
    assert kinds == ["sample", "gold"]
    assert replace(found[0], judges=()) == replace(found[1], judges=())
    assert estimate_lines(found[0]) == estimate_lines(found[1])


@pytest.mark.parametrize(("unsure", "more"), [((), 140), (range(200), None)])
def test_unsure_answers_of_a_plan_stay_open_in_what_would_decide(unsure, more, tmp_path):
    store, plan = stratified_store(tmp_path, flagged=(), num_unflagged=150)
    with store:
        said = answers(unsure=unsure)
        judge_some(store, 10, ("ann",), mode="stratified", plan=plan, said=said)
        assert summarize(store, "stratified", 0.1).more == more
        judge_some(store, 140, ("ann",), mode="stratified", plan=plan, said=said)
        verdict = summarize(store, "stratified", 0.1).verdict
        assert (verdict == "undecided") == (more is None)


def test_flags_bound_no_rate(tmp_path, capsys):
    """Somebody who browses chooses the pictures, and another one may see the same: 3 flags of 4 showings of 2."""
    with open_store(tmp_path) as store:
        plan = audit_plan(store)
        assert summarize(store, "report", 0.02).flagged_share is None
        store.browse("eve", plan, 1, 1)
        for judge in ("ann", "bob", "cid"):
            ((shown, _),) = store.browse(judge, plan, 0, 1)
            store.judge(shown.token, judge, "wrong", 5, "report")
        summary = summarize(store, "report", 0.02)
        assert (summary.lower, summary.upper, summary.rate, summary.verdict) == (0.0, 1.0, None, None)
        assert summary.flagged_share == 0.75
        print_summary(summary, as_json_object=False)
        print_summary(summary, as_json_object=True)
        said = " ".join(capsys.readouterr().out.split())
        assert "of the pictures shown, at least 75.00 %: a lower bound only, since not everybody flags" in said
        assert '"flagged_share": 0.75' in said
        assert '"lower": 0.0' in said
        assert summarize(store, "audit", 0.02).flagged_share is None


def test_a_plan_that_would_decide_says_how_many_judgements_are_left(tmp_path):
    store, plan = stratified_store(tmp_path, flagged=(), num_unflagged=150)
    with store:
        judge_some(store, 10, ("ann",), mode="stratified", plan=plan, said=answers())
        assert summarize(store, "stratified", 0.1).more == 140
        assert summarize(store, "stratified", 0.001).more is None


def test_agreement_is_that_of_other_libraries(tmp_path):
    with open_store(tmp_path, overlap=1.0) as store:
        rng = np.random.default_rng(0)
        said = {}

        def noisy(picture):
            truth = said.setdefault(picture.index, rng.choice(["right", "wrong", "unsure"], p=[0.7, 0.2, 0.1]))
            return str(truth if rng.random() < 0.8 else rng.choice(["right", "wrong", "unsure"]))

        judge_some(store, 150, said=noisy)
        for _ in range(20):  # counts of pairs follow what is taken back
            back = undo_last(store, "ann")
            store.judge(back.token, "ann", noisy(back.picture), 5, "audit")
            undo_last(store, "bob")
            judge_some(store, 1, ("bob",), said=noisy)
        agreement = summarize(store, "audit", 0.02).agreement
        with store.snapshot() as connection:
            pairs = connection.execute(
                "SELECT a.said, b.said FROM showing a JOIN showing b ON a.picture = b.picture AND a.is_first = 1 "
                "AND b.is_first = 0 WHERE a.judged_at AND b.judged_at"
            ).fetchall()
    first, second = zip(*pairs, strict=True)
    names = ("right", "wrong", "unsure")
    table = np.array([[pairs.count((a, b)) for b in names] for a in names])
    assert agreement.n == len(pairs) > 100
    assert agreement.kappa == pytest.approx(cohens_kappa(table).kappa)
    assert agreement.kappa == pytest.approx(cohen_kappa_score(first, second))
    assert agreement.same == pytest.approx(np.trace(table) / table.sum())
    both, one = table[1, 1], table[1].sum() + table[:, 1].sum() - 2 * table[1, 1]
    assert agreement.positive == pytest.approx(2 * both / (2 * both + one))


def test_agreement_without_variety_has_no_kappa(tmp_path):
    with open_store(tmp_path, overlap=1.0) as store:
        judge_some(store, 5, said=answers())
        agreement = summarize(store, "audit", 0.02).agreement
        assert (agreement.same, agreement.kappa, agreement.positive) == (1.0, None, None)


def test_a_summary_is_json_and_back(tmp_path):
    store, plan = stratified_store(tmp_path)
    with store:
        judge_some(store, 30, mode="stratified", plan=plan, gold=gold_plan(store, 0.3), said=careless)
        summary = summarize(store, "stratified", 0.1)
        assert convert(as_json(summary), FeedbackSummary, "summary") == summary


def test_bad_requests_are_refused(tmp_path):
    with open_store(tmp_path) as store:
        for tolerance in (-0.1, 1.1, float("nan")):
            with pytest.raises(InputError, match="tolerance"):
                summarize(store, "audit", tolerance)
        with pytest.raises(InputError, match="No plan"):
            summarize(store, "stratified", 0.02)
