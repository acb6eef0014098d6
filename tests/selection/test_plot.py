"""The plot of a selection: labels of points that lie close together, and what is drawn without a search."""

from dataclasses import replace

from helpers.known_selections import record_of

from gan.selection.plot import FEW, _labels, common_options, plot_selection


def test_near_points_have_one_label_at_the_cheapest_of_them():
    points = [("c", 1_000.0, 0.4), ("b", 110.0, 0.41), ("a", 100.0, 0.4), ("far", 100.0, 0.8)]
    expected = [(["a", "b"], 100.0, 0.4), (["far"], 100.0, 0.8), (["c"], 1_000.0, 0.4)]
    assert _labels(points, is_log=True) == _labels(points, is_log=False) == expected
    assert _labels([], is_log=True) == []


def test_points_of_equal_cost_and_error_have_one_label():
    points = [(str(number), 7.0, 0.4) for number in range(FEW)]
    assert _labels(points, is_log=True) == [([name for name, *_ in points], 7.0, 0.4)]


def test_names_leave_out_the_options_that_all_candidates_have():
    assert common_options(["mnist,images=4,lr=1", "cgan,images=4,lr=1"]) == "images=4,lr=1"
    assert common_options(["mnist,images=4", "mnist,images=8"]) == common_options(["mnist", "cgan"]) == ""


def test_without_a_search_only_the_costs_are_drawn():
    record = record_of({"a": 800, "b": 800})
    saved = replace(record, candidates=tuple(replace(one, config=None) for one in record.candidates))
    widths = [int.from_bytes(plot_selection(one)[16:20], "big") for one in (record, saved)]
    assert (record.trains, saved.trains) == (True, False)
    assert widths == [1650, 1050]
