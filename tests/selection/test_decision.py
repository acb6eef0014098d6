"""The decision of a selection: the plan of the test, the order of the candidates, and the choice."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.known_selections import (
    LENGTHS,
    KnownWorkers,
    costed,
    decided,
    known,
    quiet,
    record_of,
    searched,
    write_generator,
)

from gan.cli.selection_table import print_selection
from gan.errors import InputError, TrainingError
from gan.evaluation.reference import EvaluatedImages
from gan.selection import looks
from gan.selection.decision import (
    check_classifiers,
    check_inputs,
    check_not_all_failed,
    explain_errors,
    find_inputs,
    fix_order,
    new_record,
    plan_samples,
    plan_test,
)
from gan.selection.looks import SampleLook
from gan.selection.record import WITHOUT_LABELS, SelectionOptions, load_selection, save_selection


def test_a_generator_that_changed_after_its_last_look_is_not_tested(tmp_path, monkeypatch):
    workers = KnownWorkers(known)
    record = fix_order(costed(searched(record_of({"a": 800}), workers, tmp_path), tmp_path, workers), quiet)
    write_generator(tmp_path / "trials" / "a", "trained further")
    with pytest.raises(InputError, match="The generator of a changed since the last look"):
        decided(tmp_path, monkeypatch, {"a": 0}, record)


def test_tests_until_one_does_not_pass_and_chooses_the_last_that_did(tmp_path, monkeypatch):
    """Tolerance 5 %, 2,000 samples: 70 wrong pass, 90 do not."""
    record, look, saved = decided(tmp_path, monkeypatch, {"a": 60, "b": 70, "c": 90})
    assert (record.chosen, record.verdict) == ("b", "within")
    assert [name for name, _, _ in look.asked] == ["a", "b", "c"]
    assert len({seed for _, _, seed in look.asked}) == 3
    assert [record.candidate(name).test.passed for name in "abc"] == [True, True, False]
    assert saved[0].candidate("a").outcome is not None
    assert saved[0].verdict is None


def test_a_measured_outcome_is_final(tmp_path, monkeypatch):
    _, _, saved = decided(tmp_path, monkeypatch, {"a": 60, "b": 70, "c": 90})
    record, look, _ = decided(tmp_path, monkeypatch, {"a": 0, "b": 90, "c": 0}, saved[0])
    assert [name for name, _, _ in look.asked] == ["b"]
    assert record.chosen == "a"
    assert record.candidate("a").test.wrong == 60


@pytest.mark.parametrize(("wrong", "verdict"), [(200, "exceeded"), (100, "undecided")])
def test_none_is_chosen_if_the_first_does_not_pass(tmp_path, monkeypatch, wrong, verdict):
    record, look, _ = decided(tmp_path, monkeypatch, {"a": wrong})
    assert (record.chosen, record.verdict, len(look.asked)) == (None, verdict, 1)


def test_nothing_to_test_is_undecided(tmp_path, monkeypatch):
    workers = KnownWorkers(known, coverage={"a": 0.1})
    record = searched(record_of({"a": 800}), workers, tmp_path)
    record = fix_order(costed(record, tmp_path, workers), quiet)
    assert record.candidate("a").dropped == "coverage"
    record, look, _ = decided(tmp_path, monkeypatch, {}, record)
    assert (record.chosen, record.verdict, look.asked) == (None, "undecided", [])


def test_two_hundred_candidates(tmp_path, monkeypatch):
    """The error falls with the length of the run, so that all finished ones are on the frontier."""
    lengths = {f"c{number:03}": 1_000 + 10 * number for number in range(200)}
    wrong = {name: 60 - number // 4 for number, name in enumerate(lengths)}
    workers = KnownWorkers(lambda name, images: wrong[name])
    record = searched(record_of(lengths), workers, tmp_path)
    record = fix_order(costed(record, tmp_path, workers), quiet)
    assert len(record.order) == 200
    record, look, _ = decided(tmp_path, monkeypatch, {name: 2 * wrong[name] for name in lengths}, record)
    tested = [name for name, _, _ in look.asked]
    assert tested == list(record.order[: len(tested)])
    assert record.chosen == tested[-2]
    save_selection(tmp_path, record)
    assert load_selection(tmp_path) == record


def test_the_test_is_planned_for_three_quarters_of_the_tolerance():
    assert plan_test(SelectionOptions(tolerance=0.01)) == 15_425
    assert plan_test(SelectionOptions(tolerance=0.01, num=500)) == 500
    with pytest.raises(InputError, match="No test could show this tolerance"):
        plan_test(SelectionOptions(tolerance=1e-6))


def test_fewer_samples_than_could_pass_are_refused():
    """0.5^5 = .031 is above .025, so 5 samples cannot pass at a tolerance of 0.5, but 6 can."""
    assert plan_test(SelectionOptions(tolerance=0.5, num=6)) == 6
    with pytest.raises(InputError, match=r"No test could show this tolerance.*--num 6 or more.*5 samples"):
        plan_test(SelectionOptions(tolerance=0.5, num=5))
    with pytest.raises(InputError, match="--num 381 or more"):
        plan_test(SelectionOptions(tolerance=0.01, num=50))
    with pytest.raises(InputError, match="a tolerance that 10,000,000 samples can show"):
        plan_test(SelectionOptions(tolerance=1e-8, num=50))


def test_samples_are_at_least_as_many_as_images_for_coverage():
    data = type("Data", (), {"name": "x", "test": range(1_200), "validation": range(9_000), "train": range(50_000)})
    options, num = plan_samples(SelectionOptions(tolerance=0.01, num=50, look_num=60), data)
    assert (options.look_num, num) == (2_000, 1_200)
    options, num = plan_samples(SelectionOptions(tolerance=0.5, look_num=3_000), data)
    assert (options.look_num, num) == (3_000, 1_200)


def test_search_and_test_need_two_classifiers():
    same = SelectionOptions(tolerance=0.1, probe="mnist-classifier")
    with pytest.raises(InputError, match="One classifier for search and test"):
        check_classifiers(same, "mnist")
    with pytest.raises(InputError, match="stacked-mnist"):
        check_classifiers(SelectionOptions(tolerance=0.1), "stacked-mnist")
    check_classifiers(SelectionOptions(tolerance=0.1), "mnist5k")


def test_other_data_and_classifiers_than_at_the_start_are_refused():
    data = type("Data", (), {"whole_fingerprint": "of the data"})
    found = find_inputs(SelectionOptions(tolerance=0.1), data)
    assert found.keys() == {"dataset", "probe", "classifier"}
    record = replace(record_of(LENGTHS), inputs=found)
    check_inputs(record, found)
    for name in found:
        with pytest.raises(InputError, match=f"The {name} changed since the start of this selection"):
            check_inputs(record, {**found, name: "another one"})


def test_samples_that_are_not_finite_are_wrong_wherever_they_are(monkeypatch):
    """Of 1,020 samples, those of the indices 3, 500 and 1,019 have NaN. The last two blocks are after the coverage."""
    broken, seen = (3, 500, 1_019), []

    def draw(engine, extractor, num, *, seed, start, labels):
        images, values = np.zeros((num, 2, 2, 1), np.float32), np.zeros((num, 2))
        for index in broken:
            if start <= index < start + num:
                images[index - start, 0, 0] = np.nan
        return EvaluatedImages(images, None, {"logits": np.add(values, (9.0, 0.0)), "features": values})

    def coverage(features):
        seen.append(len(features))
        return 0.5

    monkeypatch.setattr(looks, "measure_samples", draw)
    monkeypatch.setattr(looks, "as_engine", lambda generator: type("Engine", (), {"num_classes": 0}))
    reference = type("Reference", (), {"features": np.zeros((10, 2)), "coverage": staticmethod(coverage)})
    assert SampleLook(None, None, reference).measure(None, num=1_020, seed=0) == (3, 1_020, 0.5)
    assert seen == [9]


def test_candidates_that_all_fail_are_an_error_with_the_first_reason(tmp_path):
    workers = KnownWorkers(lambda name, images: f"no {name}")
    record = searched(record_of(LENGTHS, budget="2499"), workers, tmp_path)
    with pytest.raises(TrainingError, match=r"All candidates failed\. a failed: no a"):
        check_not_all_failed(record)
    one_left_out = searched(record_of({"a": 100, "b": 900}, budget="200"), workers, tmp_path)
    with pytest.raises(TrainingError, match="no a"):
        check_not_all_failed(one_left_out)
    workers = KnownWorkers(lambda name, images: 10 if name == "b" else "no")
    check_not_all_failed(searched(record_of({"a": 100, "b": 100}), workers, tmp_path))


def test_candidates_without_labels_are_named_in_a_line_and_in_the_table(tmp_path, monkeypatch, capsys):
    """And the guarantee is that of both together: chosen, and above the tolerance."""
    workers, lines = KnownWorkers(known), []
    asked = record_of({"a": 800, "b": 700})
    one, other = asked.candidates
    data = type("Data", (), {"name": "mnist", "whole_fingerprint": "0"})
    given = [replace(one, is_conditional=False), other]
    record = new_record(asked.options, data, given, num=2_000, command="")
    explain_errors(record, lines.append)
    explain_errors(asked, lines.append)
    assert lines == [f"a: {WITHOUT_LABELS}"]
    record = fix_order(costed(searched(record, workers, tmp_path), tmp_path, workers), quiet)
    record, _, _ = decided(tmp_path, monkeypatch, {"a": 0, "b": 0}, record)
    print_selection(record, tmp_path, tmp_path / "plot.png")
    printed = " ".join(capsys.readouterr().out.split())
    assert f"wrong of 5,000 samples, as mnist-probe sees them; a: {WITHOUT_LABELS}" in printed
    assert "probability that a candidate is chosen whose error rate is above the tolerance is at most 2.5 %" in printed
