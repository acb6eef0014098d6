import math

import pytest

from benchmarks.summary import PowerLaw, Spread, Table, format_spread
from benchmarks.tests.tables import rows_of


def test_large_numbers_are_written_without_an_exponent():
    assert Spread.of([2.634, 1088.6, 91.0]).format() == "91 (2.63 to 1,090)"


def test_spread_of_four_numbers_by_hand():
    spread = Spread.of([4.0, 1.0, float("nan"), 3.0, None, 2.0])
    assert spread == Spread(n=4, median=2.5, least=1.0, most=4.0)
    assert spread.format(".2f") == "2.50 (1.00 to 4.00)"
    assert Spread.of([7.0]) == Spread(n=1, median=7.0, least=7.0, most=7.0)
    assert Spread.of([]) is None
    assert [format_spread(values, ".1f", scale=10) for values in ([], [None], [0.25], [0.25, 0.5])] == [
        "-", "-", "2.5", "3.8 (2.5 to 5.0)"
    ]  # fmt: skip


def test_table_is_aligned_markdown():
    table = Table("Title.", ["name", "n"], [["a", "1"], ["b|c", "1,000"]], ["Note."])
    assert table.markdown() == (
        "Title.\n\n| name   |     n |\n|:-------|------:|\n| a      |     1 |\n| b\\|c   | 1,000 |\n\nNote.\n"
    )
    with pytest.raises(ValueError, match="Expected 2 cells"):
        Table("", ["name", "n"], [["a"]])


def test_a_power_law_finds_its_exponent():
    law = PowerLaw.of([(x, 3.0 * x**1.5) for x in (1.0, 2.0, 8.0, 32.0)])
    assert law is not None
    assert (law.factor, law.exponent, law.stderr) == (
        pytest.approx(3.0),
        pytest.approx(1.5),
        pytest.approx(0, abs=1e-9),
    )
    assert law.curve([(1.0, 0.0), (4.0, 0.0)], count=3) == [
        pytest.approx(p) for p in [(1, 3), (2, 3 * 2**1.5), (4, 24)]
    ]
    assert PowerLaw.of([(2.0, 1.0), (2.0, 3.0)]) is None
    assert PowerLaw.of([]) is None
    two = PowerLaw.of([(1.0, 2.0), (10.0, 20.0)])
    assert two is not None
    assert two.exponent == pytest.approx(1.0)
    assert math.isnan(two.stderr)
    assert two.format() == "1.00"


def test_standard_error_of_an_exponent_equals_the_slope_error():
    law = PowerLaw.of([(1.0, 1.0), (2.0, 2.0), (4.0, 8.0)])  # log2: (0, 0), (1, 1), (2, 3); residuals 1/6, -1/3, 1/6
    assert law is not None
    assert law.factor == pytest.approx(2 ** (-1 / 6))
    assert (law.exponent, law.stderr) == (pytest.approx(1.5), pytest.approx(math.sqrt((1 / 6) / 2)))
    assert law.format() == "1.50 ± 0.29"


def test_numbers_in_tables_are_not_reformatted():
    table = Table("", ["name", "n"], [["1.50", "1.50"], ["2e3", "0.10"]])
    assert rows_of(table.markdown())[1:] == [["1.50", "1.50"], ["2e3", "0.10"]]
