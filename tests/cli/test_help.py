"""The help texts: all options are there, each with one line that says what it does."""

import re
import sys
from dataclasses import fields, replace

import pytest

from gan.cli import help
from gan.cli.main import COMMANDS, main
from gan.cli.train import Train
from gan.config import PRESETS, DataConfig, ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig

ALL = {name: command for group in COMMANDS.values() for name, command in group.items()}
MOST_TEXT = 115
"""Characters of a description, without choices and default."""
PARTS = {"data": DataConfig, "model": ModelConfig, "optimization": OptimizationConfig, "stopping": StoppingConfig}


def shown(capsys, monkeypatch, *arguments, columns=110):
    """The help as printed on a terminal of that width."""
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def groups(text):
    """Title -> flags, in the order of a help text."""
    found, title = {}, None
    for line in text.splitlines():
        if re.fullmatch(r"\w+:", line):
            title = line[:-1]
        elif flag := re.match(r"  --([a-z0-9-]+)", line):
            found.setdefault(title, []).append(flag[1])
    return found


def flags(cls, *without):
    return {field.name.replace("_", "-") for field in fields(cls)} - set(without)


@pytest.mark.parametrize("name", ALL)
def test_every_option_has_a_short_description(name):
    for option in help.list_options(ALL[name]):
        text = " ".join(option.sentences)
        assert re.fullmatch(r"[A-Z].*[.]", text), option.usage
        assert len(text) <= MOST_TEXT, (option.usage, len(text))
        assert "default: )" not in option.note, f"{option.usage}: its docstring does not say what None means"
        assert "None" not in option.usage + option.text()


def test_help_shows_the_first_options_of_each_group_in_one_line_each(capsys, monkeypatch):
    text = shown(capsys, monkeypatch, "train", "--help", columns=100)
    found = groups(text)
    assert tuple(found) == help.GROUPS
    assert sum(map(len, found.values())) == len(help.BASIC) <= 12
    start = text.index("\ndata:")
    rows = [line for line in text[start:].splitlines() if line.startswith("  ")]
    assert len(rows) == len(help.BASIC)
    assert text.splitlines()[-1] == "All options: gan train --help-all"


def test_help_all_shows_every_option_in_the_same_groups(capsys, monkeypatch):
    found = groups(shown(capsys, monkeypatch, "train", "--help-all"))
    assert tuple(found) == help.GROUPS
    for title, part in PARTS.items():
        assert flags(part) <= set(found[title])
    assert set().union(*found.values()) == {
        *set().union(*map(flags, PARTS.values())),
        *flags(TrainConfig, *PARTS, "source"),
        *flags(Train, "config", "preset"),
    }


@pytest.mark.parametrize("name", sorted(set(ALL) - {"train"}))
def test_commands_with_few_options_show_all_of_them(capsys, monkeypatch, name):
    text = shown(capsys, monkeypatch, *name.split(), "--help")
    assert text.startswith(f"usage: gan {name} ")
    assert text == shown(capsys, monkeypatch, *name.split(), "--help-all")
    assert all(option.usage in text for option in help.list_options(ALL[name]))


def test_the_overview_has_one_line_for_each_command(capsys, monkeypatch):
    text = shown(capsys, monkeypatch, "--help", columns=100)
    assert rows(text) == list(ALL)
    assert text == shown(capsys, monkeypatch, "--help-all", columns=100)


def rows(text):
    """Names of the commands of an overview with one line for each, in their order."""
    return [name for name, _ in re.findall(r"^  (\S+(?: \S+)*)  +([A-Z].+\.)$", text, flags=re.MULTILINE)]


STARTS = {
    start: [name for name in ALL if name.startswith(f"{start} ")]
    for start in sorted({" ".join(name.split()[:n]) for name in ALL for n in range(1, len(name.split()))})
}
"""First words of names of several words -> the names."""


def test_some_commands_have_names_of_several_words():
    assert STARTS["text train"] == [f"text train {kind}" for kind in ("gan", "model", "recognizer", "questions")]
    assert set(STARTS["text"]) > set(STARTS["text train"])


@pytest.mark.parametrize("start", STARTS)
def test_the_overview_of_first_words_has_the_commands_that_begin_with_them(capsys, monkeypatch, start):
    text = shown(capsys, monkeypatch, *start.split(), "--help", columns=100)
    assert rows(text) == STARTS[start]
    for words in (["help", *start.split()], [*start.split(), "-h"], [*start.split()[:1], "-h", *start.split()[1:]]):
        assert shown(capsys, monkeypatch, *words, columns=100) == text


class First:
    """One."""


class Second:
    """Two."""


def test_the_column_of_descriptions_is_as_wide_as_the_names_of_a_group():
    text = help.format_overview("What it is.", {"one": {"a": First}, "two": {"some long name": Second, "b": First}})
    assert text.splitlines()[4:11] == [
        "one:", "  a  One.", "", "two:", "  some long name  Two.", "  b               One.", "",
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [60, 80, 300])
def test_lines_fit_the_terminal(capsys, monkeypatch, columns):
    options = shown(capsys, monkeypatch, "train", "--help-all", columns=columns).split("\ndata:")[1]
    assert max(map(len, options.splitlines())) <= min(columns, help.WIDEST)


def test_defaults_are_those_of_the_preset():
    def note(option, preset):
        found = help.list_options(Train(config=PRESETS[preset]))
        return next(one.note for one in found if one.usage.split()[0] == option)

    assert note("--d-learning-rate", "mnist") == "(default: half of --learning-rate)"
    assert note("--d-learning-rate", "dcgan") == "(default: 0.0002)"
    assert note("--penalties", "r3gan") == "[r1 (default), r2 (default), wgan_gp, dragan]"
    assert note("--penalties", "dcgan") == "[r1, r2, wgan_gp, dragan] (default: none)"
    assert note("--no-simultaneous", "tf-tutorial") == ""
    assert note("--channels", "mnist") == "[1, 3] (default: as in the dataset)"


def test_the_switch_of_an_option_that_a_preset_turns_on_is_the_one_that_is_parsed(capsys):
    assert PRESETS["tf-tutorial"].optimization.simultaneous
    assert main(["train", "tf-tutorial", "--no-simultaneous", "--dry-run"]) == 0
    assert '"simultaneous": false' in capsys.readouterr().out


def test_help_of_a_resumed_run_shows_its_options(capsys, monkeypatch, tmp_path):
    asked = Train(config=replace(TrainConfig(), seed=1234), resume=tmp_path)
    monkeypatch.setattr(sys.modules["gan.cli.main"], "resumed", lambda options: asked)
    assert "(default: 1234)" in shown(capsys, monkeypatch, "train", "--resume", str(tmp_path), "--help")


@pytest.mark.parametrize("options", [["nonsense"], ["--resume", "missing"]])
def test_help_comes_before_errors_of_the_preset_and_the_run(capsys, monkeypatch, options):
    assert "--dataset NAME" in shown(capsys, monkeypatch, "train", *options, "--help")
    assert main(["train", *options]) == 2


def test_no_command_is_an_error_that_lists_them(capsys):
    assert main([]) == 2
    err = capsys.readouterr().err
    assert all(name in err for name in ALL)
