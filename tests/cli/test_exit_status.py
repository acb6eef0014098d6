"""Exit statuses: docs/command-line.md lists all of them, and each has its own number."""

import re
import signal

from helpers.commands import ROOT

from gan.cli import exit_status
from gan.tolerance import EXIT_STATUS

STATUSES = {name: value for name, value in vars(exit_status).items() if name.isupper() and isinstance(value, int)}


def test_the_page_of_the_command_line_lists_every_status():
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \|", page, flags=re.MULTILINE)
    listed = [int(number) for row in rows for number in row.split(", ")]
    assert sorted(listed) == sorted(set(STATUSES.values()))


def test_statuses_are_different():
    assert exit_status.WITHIN == exit_status.DONE == 0
    others = [value for name, value in STATUSES.items() if name != "WITHIN"]
    assert len(others) == len(set(others))


def test_a_verdict_has_its_status():
    statuses = (exit_status.WITHIN, exit_status.EXCEEDED, exit_status.UNDECIDED)
    assert statuses == tuple(EXIT_STATUS[verdict] for verdict in ("within", "exceeded", "undecided")) == (0, 3, 4)


def test_the_status_of_a_signal_is_that_of_shells():
    assert (exit_status.INTERRUPTED, exit_status.TERMINATED) == (130, 143)
    assert exit_status.after_signal(signal.SIGKILL) == 137
