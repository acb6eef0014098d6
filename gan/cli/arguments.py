"""Reads arguments as people write them: renamed options, counts such as 1e5, `none` for an empty list; near names."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from gan.cli.help import list_options
from gan.errors import InputError, did_you_mean, near_names
from gan.saving import run_folder
from gan.utils.commands import shell_command

RENAMED_OPTIONS = {"--wrong-labels": "--mismatched-labels", "--extractor": "--classifier"}
"""Old name -> new name. The next release removes the old names."""
OTHER_WORDS = {
    "check": "doctor",
    "describe": "info",
    "eval": "evaluate",
    "fit": "train",
    "generate": "sample",
    "invert": "project",
    "list": "presets",
    "models": "doctor",
    "predict": "classify",
    "reconstruct": "project",
    "resume": "train",
    "test": "evaluate",
}
"""Word for a command in other programs -> name of the command."""
EMPTY = "none"
"""The word for an empty list, in any case."""

REGISTRY = ConstructorRegistry()
"""How tyro reads values: as it does by default, except for whole numbers."""


class Command(Protocol):
    """The options of a command."""

    def run(self) -> int:
        """Runs the command; returns its exit status."""


@REGISTRY.primitive_rule
def _whole_number(kind: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[int] | None:
    if kind.type is not int:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda words: read_whole(words[0]),
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
    )


def read_whole(text: str) -> int:
    """Reads a whole number such as 100000, 100_000, 100,000 or 1e5. Raises `ValueError` for other text."""
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text):
        text = text.replace(",", "")
    if re.fullmatch(r"[+-]?\d+(\.\d*)?[eE]\+?\d{1,2}|[+-]?\d+\.0*", text):
        number = Decimal(text)
        if number == number.to_integral_value():
            return int(number)
    if not re.fullmatch(r"[+-]?\d+(_\d+)*", text):
        raise ValueError(f"{text!r} is not a whole number, such as 100000 or 1e5")
    return int(text)


def with_usual_words(words: Sequence[str], command: object) -> list[str]:
    """Returns the options of a command as it expects them.

    Renamed options get their new names, choices their case and hyphens. `none` after an option with a list is removed.

    command: the class of its options, or an instance whose values are the defaults.
    """
    options = {option.usage.partition(" ")[0]: option for option in list_options(command)}
    words = [_with_new_name(word) for word in words]
    found, flag = list[str](), ""
    for before, word, after in zip(["", *words], words, [*words[1:], "--"], strict=False):
        name, joined, value = word.partition("=") if word.startswith("--") else (flag, "", word)
        flag = name.replace("_", "-")
        option = options.get(flag)
        if option is None or value == "":
            found.append(word)
            continue
        is_list = option.usage.endswith(" ...")
        alone = joined or (before.startswith("--") and after.startswith("--"))
        if is_list and alone and value.lower() == EMPTY:
            found += [name] if joined else []
            continue
        value = next((choice for choice in option.choices if _plain(choice) == _plain(value)), value)
        found.append(f"{name}={value}" if joined else value)
    return found


def _plain(choice: str) -> str:
    return choice.lower().replace("-", "_")


def _with_new_name(argument: str) -> str:
    """Returns the argument, with the new name of a renamed option, after a warning on stderr."""
    name, joined, value = argument.partition("=")
    new = RENAMED_OPTIONS.get(name.replace("_", "-"))
    if new is None:
        return argument
    warnings.warn(f"{name} is now {new}; the next release removes the old name", stacklevel=2)
    return f"{new}{joined}{value}"


def unknown_command(words: Sequence[str], commands: Iterable[str]) -> InputError:
    """Returns the error for arguments that do not begin with the name of a command."""
    commands = list(commands)
    starts = {name[: end.start()] for name in commands for end in re.finditer(" ", name)}
    if words[0] in starts:
        return _incomplete_command(words, commands, starts)
    ends = {len(name.split()) for name in commands}
    place = next((i for i in range(1, len(words)) if any(" ".join(words[i : i + n]) in commands for n in ends)), None)
    if words[0].startswith("-") and place is not None:
        expected = shell_command("gan", *words[place:], *words[:place])
        return InputError("An option before the command", expected=expected, received=words[0])
    meant = {**dict.fromkeys(starts), **{name.split()[-1]: name for name in commands}, **dict.fromkeys(commands)}
    near = near_names(words[0], meant, most=1)
    known = OTHER_WORDS.get(words[0].lower()) or (meant[near[0]] or near[0] if near else None)
    hint = f" (did you mean {known}?)" if known else " (gan --help describes them)"
    return InputError("Unknown command", expected=f"one of {commands}{hint}", received=words[0] or "no command")


def _incomplete_command(words: Sequence[str], commands: Sequence[str], starts: Iterable[str]) -> InputError:
    """Returns the error for words of which only the first ones are the start of names of several words."""
    start = max((s for s in starts if s.split() == list(words[: len(s.split())])), key=len)
    below = [name for name in commands if name.startswith(f"{start} ")]
    number = len(start.split())
    following = {name.split()[number]: None for name in below}
    near = near_names(words[number], following, most=1) if len(words) > number else []
    hint = f" (did you mean {start} {near[0]}?)" if near else f" (gan {start} --help describes them)"
    received = shell_command("gan", *words[: number + 1])
    return InputError("Incomplete command", expected=f"one of {below}{hint}", received=received)


def unknown_preset(name: str, command: str, presets: Mapping[str, object]) -> InputError:
    """Returns the error for a first option that is not a preset: it may name a preset, a dataset or a checkpoint."""
    hint = did_you_mean(name, presets)
    of_catalog = re.fullmatch(r"\w+", name) is not None and not Path(name).exists()
    other = ("--dataset", name.lower() if of_catalog else name)
    if command == "train" and (Path(name) / run_folder.CONFIG).is_file():
        hint, other = "", ("--resume", name)
    elif command == "train" and name.lower().endswith(".keras"):
        hint, other = "", ("--init-from", name)
    expected = f"one of {list(presets)}{hint}, or an option: {shell_command('gan', command, *other)}"
    return InputError("Unknown preset", expected=expected, received=name)
