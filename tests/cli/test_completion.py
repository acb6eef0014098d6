"""Completions of shells name the commands and options that `gan` reads."""

import ast
import contextlib
import io
import re

import pytest

from gan.cli.help import list_options
from gan.cli.main import COMMANDS, main

ALL = {name: command for group in COMMANDS.values() for name, command in group.items()}


@pytest.fixture(scope="module")
def completions():
    """The completions of bash: a tree of {"options": [{"flags": ...}], "subcommands": {word: ...}}."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(["--tyro-print-completion", "bash"])
    assert ended.value.code in (0, None)
    return ast.literal_eval(re.search("^COMPLETION_SPEC = (.+)$", out.getvalue(), re.MULTILINE)[1])


@pytest.mark.parametrize("name", ALL)
def test_completions_offer_each_command_with_its_options(completions, name):
    place = completions
    for word in name.split():
        place = place["subcommands"][word]
    offered = {flag for option in place["options"] for flag in option["flags"]}
    assert {option.usage.split()[0] for option in list_options(ALL[name]) if option.group != "arguments"} <= offered


def test_completions_offer_no_other_command(completions):
    def names(place):
        below = place["subcommands"]
        return [f"{word} {rest}".strip() for word in below for rest in names(below[word])] if below else [""]

    assert sorted(names(completions)) == sorted(ALL)
