"""Prints a selection."""

from pathlib import Path

from rich import box
from rich.table import Table

from gan.cli.output import print_result, print_table
from gan.selection.cost import UNITS, CandidateCost
from gan.selection.record import CandidateRecord, SelectionRecord
from gan.utils.commands import shell_command

COLUMNS = ("", "images", "wrong", "coverage", "cost", "test", "")
IMAGES = COLUMNS.index("images")
"""The column that only candidates which are trained here need."""

GUARANTEE = (
    "the probability that a candidate is chosen whose error rate is above the tolerance is at most 2.5 %, "
    "as the classifier of the test counts errors"
)


def print_selection(record: SelectionRecord, folder: Path, plot: Path) -> None:
    """Prints all candidates, those on the frontier first, then what was chosen and how it was tested."""
    shown = Table(title=f"{len(record.candidates):,} candidates", title_justify="left", box=box.SIMPLE_HEAD)
    shown.show_edge, shown.padding = False, (0, 1, 0, 0)
    kept = [number for number in range(len(COLUMNS)) if record.trains or number != IMAGES]
    for number, column in ((number, COLUMNS[number]) for number in kept):
        shown.add_column(column, justify="right" if column else "left", no_wrap=number == 0)
    order = list(record.order or ())
    place = {one.name: (0, order.index(one.name)) if one.name in order else (1, 0) for one in record.candidates}
    for one in sorted(record.candidates, key=lambda one: (*place[one.name], not one.is_finished, one.name)):
        cells = _cells(one, chosen=one.name == record.chosen)
        shown.add_row(*(cells[number] for number in kept))
    print_table(shown)
    options = record.options
    lines: dict[str, object] = {
        "wrong": f"of {options.look_num:,} samples, as {options.probe} sees them",
        "coverage": f"of validation images; real images cover {_real_coverage(record)}",
        "cost": f"{UNITS[options.cost]}" + _rounds(record) + _where(record),
        "test": f"wrong of {record.num or 0:,} fresh samples, as {options.classifier} sees them; 95 % below it",
    }
    if record.without_labels:
        lines["wrong"] = f"{lines['wrong']}; {record.without_labels}"
    if record.chosen is not None:
        one = record.candidate(record.chosen)
        assert one.generator is not None
        generator = folder / one.generator
        lines["chosen"] = f"{one.name}, the cheapest of those that passed at the tolerance of {options.tolerance:g}"
        lines["generator"] = generator
        sampled = generator if one.run is None else folder / one.run
        lines["sample"] = shell_command("gan", "sample", sampled, "--out", "digits.png")
        lines["guarantee"] = GUARANTEE
    else:
        lines["chosen"] = "none: no candidate passed its test" if order else "none: no finished candidate to test"
    lines |= {"verdict": record.verdict, "plot": plot, "selection": folder}
    print_result(lines, as_json=False)


def _real_coverage(record: SelectionRecord) -> str:
    found = [one.looks[-1].real_coverage for one in record.candidates if one.looks]
    return f"{found[0]:.3f}" if found else "not known"


def _rounds(record: SelectionRecord) -> str:
    rounds = max((one.cost.rounds for one in record.candidates if one.cost is not None), default=1)
    return f": median of {rounds} rounds, lowest-highest below it" if rounds > 1 else ""


def _where(record: SelectionRecord) -> str:
    return f"; {record.where}" if record.where else ""


def _cells(one: CandidateRecord, *, chosen: bool) -> tuple[str, ...]:
    look = one.looks[-1] if one.looks else None
    return (
        one.name,
        "" if look is None or not one.images else f"{look.images:,}",
        "" if look is None else f"{100 * look.error:.2f} %",
        "" if look is None else f"{look.coverage:.3f}",
        "" if one.cost is None else _cost(one.cost),
        _test(one),
        "chosen" if chosen else one.state,
    )


def _cost(cost: CandidateCost) -> str:
    value = _number(cost.value)
    return value if cost.rounds == 1 else f"{value}\n{_number(cost.lowest)}-{_number(cost.highest)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 99.95 or value == round(value) else f"{value:#.3g}"


def _test(one: CandidateRecord) -> str:
    if one.test is None:
        return ""
    lower, upper = one.test.interval
    return f"{100 * one.test.wrong / one.test.num:.2f} %\n{100 * lower:.2f}-{100 * upper:.2f}"
