"""Tests of fixed-sequence testing: its stops, its choice, its resumption, and bad input."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.errors import InputError, as_json, convert
from gan.selection import Outcome, SequenceResult, run_sequence
from gan.tolerance import EXIT_STATUS, binomial_p_value, passes_test

TOLERANCE, NUM = 0.1, 100  # up to 4 pass, up to 15 are undecided


class Measure:
    """Gives outcomes by name, and remembers the names that it was called with."""

    def __init__(self, outcomes):
        self.outcomes, self.calls = outcomes, []

    def __call__(self, name):
        self.calls.append(name)
        outcome = self.outcomes[name]
        return outcome if isinstance(outcome, Outcome) else Outcome(wrong=outcome, num=NUM)


def run(outcomes, *, tolerance=TOLERANCE, num=NUM, done=None):
    """Returns the result of a sequence in the order of the dict, and the names that were measured."""
    measure = Measure(outcomes)
    return run_sequence(list(outcomes), measure, tolerance=tolerance, num=num, done=done), measure.calls


def test_the_limits_of_this_file():
    assert [passes_test(wrong, NUM, TOLERANCE) for wrong in (4, 5)] == [True, False]


def test_stops_at_the_first_that_does_not_pass_and_chooses_the_one_before():
    result, calls = run({"a": 0, "b": 4, "c": 5, "d": 0})
    assert calls == [one.name for one in result.tested] == ["a", "b", "c"]
    assert [one.passed for one in result.tested] == [True, True, False]
    assert (result.chosen, result.verdict, result.status) == ("b", "within", 0)
    assert result.tested[0].p_value == pytest.approx(0.9**100)
    assert result.tested[1].p_value == binomial_p_value(4, NUM, TOLERANCE)
    assert result.tested[2].verdict == "undecided"


def test_chooses_the_last_if_all_pass():
    result, calls = run({"a": 4, "b": 4, "c": 0})
    assert (calls, result.chosen, result.status) == (["a", "b", "c"], "c", 0)


@pytest.mark.parametrize(
    ("wrong", "expected"), [(5, "undecided"), (15, "undecided"), (16, "exceeded"), (100, "exceeded")]
)
def test_the_first_one_decides_the_verdict_if_it_does_not_pass(wrong, expected):
    result, calls = run({"a": wrong, "b": 0})
    assert (calls, result.chosen, result.verdict) == (["a"], None, expected)
    assert result.status == EXIT_STATUS[expected] == {"undecided": 4, "exceeded": 3}[expected]


def test_an_exceeded_one_after_a_passed_one_is_within():
    result, _ = run({"a": 0, "b": 100})
    assert (result.chosen, result.verdict, result.status) == ("a", "within", 0)


@pytest.mark.parametrize(("coverage", "passed"), [(0.8, True), (0.79, False), (math.nan, False)])
def test_coverage_is_a_condition(coverage, passed):
    result, _ = run({"a": Outcome(wrong=0, num=NUM, coverage=coverage, real_coverage=1.0)})
    assert (result.tested[0].passed, result.chosen) == (passed, "a" if passed else None)
    assert result.verdict == result.tested[0].verdict == ("within" if passed else "undecided")


@pytest.mark.parametrize(
    ("wrong", "num", "tolerance", "rejects", "expected"),
    [(0, 373, 0.01, True, "undecided"), (1, 16, 0.3, False, "within"), (0, 381, 0.01, True, "within")],
)
def test_both_the_exact_test_and_the_verdict_are_conditions(wrong, num, tolerance, rejects, expected):
    result, _ = run({"a": Outcome(wrong=wrong, num=num)}, tolerance=tolerance, num=num)
    test, passed = result.tested[0], rejects and expected == "within"
    assert (test.p_value <= 0.025, test.verdict, test.passed) == (rejects, expected, passed)
    assert (result.chosen, result.verdict) == (("a", "within") if passed else (None, "undecided"))


def test_resumes_without_measuring_again():
    outcomes = {"a": 0, "b": 4, "c": 4, "d": 5, "e": 0}
    whole, _ = run(outcomes)
    for number in range(5):
        done = {name: Outcome(wrong=outcomes[name], num=NUM) for name in list(outcomes)[:number]}
        result, calls = run(outcomes, done=done)
        assert result == whole
        assert calls == list(outcomes)[number:4]


def test_an_outcome_that_failed_stays_failed():
    result, calls = run({"a": 0, "b": 0}, done={"a": Outcome(wrong=50, num=NUM)})
    assert (calls, result.chosen, result.verdict) == ([], None, "exceeded")


@pytest.mark.parametrize("done", [["b"], ["a", "c"], ["nonsense"]])
def test_outcomes_of_another_sequence_are_bad_input_before_a_measurement(done):
    outcomes = {name: Outcome(wrong=0, num=NUM) for name in done}
    measure = Measure({"a": 0, "b": 0, "c": 0})
    with pytest.raises(InputError, match="Outcomes of another sequence"):
        run_sequence(["a", "b", "c"], measure, tolerance=TOLERANCE, num=NUM, done=outcomes)
    assert measure.calls == []


def test_outcomes_after_the_stop_are_bad_input():
    done = {"a": Outcome(wrong=50, num=NUM), "b": Outcome(wrong=0, num=NUM)}
    with pytest.raises(InputError, match=r"first candidates only.* \['a'\]. Received: outcomes of \['b'\]"):
        run({"a": 50, "b": 0}, done=done)


def test_another_number_of_samples_than_planned_is_bad_input():
    with pytest.raises(InputError, match=r"100 samples of a, as planned\. Received: num=99"):
        run({"a": Outcome(wrong=0, num=99)})


@pytest.mark.parametrize(
    ("names", "tolerance", "num", "message"),
    [
        ([], 0.1, 100, "`names`. Expected at least one"),
        (["a", "a"], 0.1, 100, "`names`. Expected unique"),
        (["a"], 0.0, 100, "`tolerance`"),
        (["a"], 1.1, 100, "`tolerance`"),
        (["a"], math.nan, 100, "`tolerance`"),
        (["a"], 0.1, 0, "`num`"),
    ],
)
def test_bad_input(names, tolerance, num, message):
    measure = Measure({"a": 0})
    with pytest.raises(InputError, match=message):
        run_sequence(names, measure, tolerance=tolerance, num=num)
    assert measure.calls == []


@pytest.mark.parametrize("counts", [{"wrong": -1}, {"wrong": 101}, {"num": 0}])
def test_bad_outcomes(counts):
    with pytest.raises(InputError):
        Outcome(**({"wrong": 0, "num": NUM} | counts))


def test_is_read_from_json_as_written():
    result, _ = run({"a": 0, "b": Outcome(wrong=4, num=NUM, coverage=0.9, real_coverage=0.95), "c": 16})
    assert convert(as_json(result), SequenceResult, "selection.json") == result
    outcome = Outcome(wrong=4, num=NUM, coverage=0.9, real_coverage=0.95)
    assert convert(as_json(outcome), Outcome, "selection.json") == outcome


@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.sampled_from([1.0, 1.0, 1.0, 0.7])), min_size=1, max_size=8),
    tolerance=st.sampled_from([0.05, 0.1, 0.2, 1.0]),
)
def test_the_chosen_one_passed_and_all_before_it(rows, tolerance):
    outcomes = {
        f"c{number}": Outcome(wrong=wrong, num=NUM, coverage=coverage) for number, (wrong, coverage) in enumerate(rows)
    }
    result, calls = run(outcomes, tolerance=tolerance)
    passes = [
        binomial_p_value(one.wrong, NUM, tolerance) <= 0.025
        and passes_test(one.wrong, NUM, tolerance)
        and one.coverage >= 0.8
        for one in outcomes.values()
    ]
    number = passes.index(False) if False in passes else len(passes)
    assert result.chosen == (f"c{number - 1}" if number else None)
    assert calls == list(outcomes)[: number + 1]
    assert (result.verdict == "within") == (result.chosen is not None) == (result.status == 0)
    for one in result.tested:
        assert not one.passed or one.verdict == "within"
