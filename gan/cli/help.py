"""Help texts of the commands, from the docstrings of the commands and of their options.

The first paragraph of an option's docstring is its help; the short help shows the first sentence only. The sentence
"None: X." says what the default None stands for. Further paragraphs appear only in the API reference.
"""

import ast
import inspect
import re
import shutil
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from tyro.conf import Positional, Suppress

GROUPS = ("data", "model", "optimization", "stopping", "output")
"""Groups of the options of a training run. All but the last are parts of `TrainConfig`."""
GROUP_OF = {
    "init_from": "model",
    "freeze_d": "model",
    "feedback": "optimization",
    "feedback_share": "optimization",
    "seed": "optimization",
    "devices": "optimization",
    "precision": "optimization",
    "deterministic": "optimization",
}
"""Field outside these parts -> group, if it is not output."""
BASIC = (
    "dataset",
    "image_size",
    "conditioning",
    "images",
    "epochs",
    "batch_size",
    "learning_rate",
    "seed",
    "tolerance",
    "resume",
    "output",
)
"""Options of a training run that the short help shows."""
VALUE_OF_FIELD = {
    "image_size": "SIZE",
    "background": "COLOR",
    "feedback": "FILE",
    "pixel_range": "LOW HIGH",
    "init_from": "CHECKPOINT",
    "interpolate": "FIRST LAST",
    "label": "CLASS",
    "monitor": "COLUMN",
    "out": "PATH",
    "output": "FOLDER",
    "resume": "FOLDER",
}
"""Field -> name of its value, unless `VALUE_OF_TYPE` gives it."""
VALUE_OF_TYPE = {int: "N", float: "X", Path: "PATH", str: "NAME"}
"""Type of the value, or of its choices -> name of the value."""
JOINED = "\N{NO-BREAK SPACE}"
"""A space at which `textwrap` does not break a line."""
WIDEST = 120
"""Largest width of a help text, in columns."""


@dataclass(frozen=True)
class Option:
    """An option or argument of a command, as the help shows it."""

    name: str
    """Name of its field."""
    group: str
    """Title of its group."""
    usage: str
    """Flag and value, such as `--seed N`."""
    sentences: tuple[str, ...]
    """Description, without the default."""
    note: str
    """Choices and default; may be empty."""
    choices: tuple[str, ...] = ()
    """Names that its value must be one of; empty: other values."""

    def text(self, *, short: bool = False) -> str:
        """Returns the description with choices and default. short: only its first sentence."""
        return " ".join([*self.sentences[: 1 if short else None], self.note]).strip()


def format_help(prog: str, command: object, *, show_all: bool = False, has_presets: bool = False) -> str:
    """Returns the help text of a command.

    Args:
        prog: the command as it is typed, such as `gan train`.
        command: the class of its options, or an instance whose values are the defaults.
        show_all: show all options of a training run, not only the `BASIC` ones.
        has_presets: whether the command accepts the name of a preset as its first argument.
    """
    options = list_options(command)
    short = not show_all and any(option.group in GROUPS for option in options)
    shown = [option for option in options if not short or option.name in BASIC]
    arguments = [option.usage for option in options if option.group == "arguments"]
    usage = " ".join(["usage:", prog, *["[PRESET]"] * has_presets, *arguments, "[--option value ...]"])
    lines = [usage, "", *_description(_class_of(command))]
    width = max(len(option.usage) for option in shown)
    for title in ("arguments", *GROUPS, "options"):
        rows = [(option.usage, option.text(short=short)) for option in shown if option.group == title]
        if rows:
            lines += ["", f"{title}:", *_table(rows, width)]
    if short:
        lines += ["", f"All options: {prog} --help-all"]
    return "\n".join(lines)


def format_overview(description: str, commands: Mapping[str, Mapping[str, type]]) -> str:
    """Returns the help text of `gan`. commands: title of a group -> name -> class of the options."""
    lines = ["usage: gan COMMAND [--option value ...]", "", description]
    for title, group in commands.items():
        width = max(map(len, group))
        rows = [(name, _paragraphs(_docstring(command))[0]) for name, command in group.items()]
        lines += ["", f"{title}:", *_table(rows, width)]
    return "\n".join([*lines, "", "Options of a command: gan COMMAND --help"])


def list_options(command: object) -> list[Option]:
    """Returns the options of a command in the order of its fields, those of nested dataclasses included.

    command: the class of the options, or an instance whose values are the defaults.
    """
    found = list(_fields(command, ""))
    names = {name for name, *_ in found}
    of_run = any(group for _, group, *_ in found)
    return [
        _option(name, group or (GROUP_OF.get(name, "output") if of_run else "options"), hint, default, doc, names)
        for name, group, hint, default, doc in found
    ]


def _fields(part: Any, group: str) -> Iterator[tuple[str, str, Any, Any, str]]:
    """Returns name, group (may be empty), annotated type, default and docstring of each option."""
    cls = _class_of(part)
    hints, docs = get_type_hints(cls, include_extras=True), _docstrings(cls)
    for field in fields(cls):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if not isinstance(part, type):
            default = getattr(part, field.name)
        if is_dataclass(default):
            yield from _fields(default, field.name if field.name in GROUPS else group)
        elif Suppress not in get_args(hints[field.name]):
            yield field.name, group, hints[field.name], default, docs[field.name]


def _option(name: str, group: str, hint: Any, default: Any, doc: str, names: Collection[str]) -> Option:
    text, _, of_none = _with_flags(_paragraphs(doc)[0], names).partition(" None: ")
    sentences = tuple(re.split(r"(?<=\.) ", text))
    flag = _flag(name)
    if Positional in get_args(hint):
        metavar = next(part.metavar for part in get_args(hint) if hasattr(part, "metavar"))
        return Option(name, "arguments", metavar, sentences, "")
    if isinstance(default, bool):
        usage = flag if not default else f"--no-{flag[2:]}"
        return Option(name, group, usage, sentences if not default else (f"Turns off: {text}",), "")
    types = list(_types(hint))
    choices = [choice for kind in types if get_origin(kind) is Literal for choice in get_args(kind)]
    types += map(type, choices)
    chosen = default if isinstance(default, tuple) else (default,)
    notes = []
    if choices:
        notes.append(f"[{', '.join(f'{choice} (default)' if choice in chosen else str(choice) for choice in choices)}]")
    if default is MISSING:
        notes.append("(required)")
    elif not set(chosen) & set(choices):
        notes.append(f"(default: {of_none.removesuffix('.') if default is None else _written(default)})")
    value = VALUE_OF_FIELD.get(name) or next(value for kind, value in VALUE_OF_TYPE.items() if kind in types)
    usage = f"{flag} {value}{' ...' * isinstance(default, tuple)}"
    named = tuple(choice for choice in choices if isinstance(choice, str))
    return Option(name, group, usage, sentences, " ".join(notes), named)


def _types(hint: Any) -> Iterator[Any]:
    """Returns the types and literals that an annotation consists of, such as float and None for float | None."""
    parts = () if get_origin(hint) is Literal else get_args(hint)
    yield from [kind for part in parts for kind in _types(part)] or [hint]


def _written(default: Any) -> str:
    """Returns a default as a person types it."""
    if isinstance(default, tuple):
        return " ".join(map(str, default)) or "none"
    return f"{default:g}" if isinstance(default, float) else str(default)


def _flag(name: str) -> str:
    """Returns the flag of a field. A field may end with `_`, because its name would be a keyword of Python."""
    return "--" + name.rstrip("_").replace("_", "-")


def _with_flags(text: str, names: Collection[str]) -> str:
    """Replaces the names of options by their flags: `d_width` becomes --d-width."""
    return re.sub(r"`(\w+)`", lambda found: _flag(found[1]) if found[1] in names else found[0], text)


def _class_of(command: Any) -> type:
    return command if isinstance(command, type) else type(command)


def _docstring(cls: type) -> str:
    """Returns the docstring of a class from its source, which has it under `python -OO` too."""
    return ast.get_docstring(_tree(cls)) or ""


def _tree(cls: type) -> ast.ClassDef:
    return cast(ast.ClassDef, ast.parse(inspect.getsource(cls)).body[0])


def _docstrings(cls: type) -> dict[str, str]:
    """Returns the docstring below each field of a dataclass, those of the dataclasses that it extends included."""
    docs = {}
    for part in filter(is_dataclass, reversed(cls.__mro__)):
        for statements in pairwise(_tree(part).body):
            match statements:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                    docs[name] = doc
    return docs


def _paragraphs(doc: str) -> list[str]:
    """Returns the paragraphs of a docstring, each as one line unless it is indented."""
    parts = inspect.cleandoc(doc).split("\n\n")
    return [part if "\n  " in part else " ".join(part.split()) for part in parts]


def _description(cls: type) -> list[str]:
    """Returns the lines of a class docstring, filled; lines with indented ones below stay as they are."""
    width, lines = max(_columns(), 40), list[str]()
    for part in _paragraphs(_docstring(cls)):
        lines += ["", *(part.splitlines() if "\n" in part else textwrap.wrap(part, width))]
    return lines[1:]


def _table(rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """Returns lines of a name of at most `width` characters and a text beside it, wrapped to the terminal."""
    for name, text in rows:
        whole = re.sub(r"\(default: \S+\)|\S+ \(default\)", lambda part: part[0].replace(" ", JOINED), text)
        beside = textwrap.wrap(whole, max(_columns() - width - 4, 20), break_on_hyphens=False)
        yield from (
            f"  {label:<{width}}  {line.replace(JOINED, ' ')}"
            for label, line in zip([name] + [""] * len(beside), beside)
        )


def _columns() -> int:
    return min(shutil.get_terminal_size().columns, WIDEST)
