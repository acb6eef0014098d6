"""Files and pipes have the same encoding in every locale: each call that opens text names it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("gan", "benchmarks") for path in (ROOT / folder).rglob("*.py") if "tests" not in path.parts
)
POSITION_OF_MODE = {"open": 1, "fdopen": 1}
"""Function -> position of its mode, if it is not a method; `path.open` has it one position earlier."""


def in_encoding_of_locale(call: ast.Call) -> bool:
    """Returns whether a call opens, reads or writes text without naming its encoding."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    named = {part.arg: part.value for part in call.keywords}
    if "encoding" in named:
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) < (1 if name == "read_text" else 2)
    if name in ("run", "Popen", "check_output", "check_call", "call"):
        return "text" in named or "universal_newlines" in named
    if name == "TextIOWrapper":
        return len(call.args) < 2
    if name not in POSITION_OF_MODE:
        return False
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    if isinstance(owner, ast.Name) and owner.id in ("Image", "os", "urllib", "webbrowser") and name == "open":
        return False  # opens no text
    is_method = owner is not None and name == "open"
    position = POSITION_OF_MODE[name] - is_method
    mode = named.get("mode", call.args[position] if len(call.args) > position else None)
    if is_method and call.args and not (isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rwaxbt+")):
        return False  # a member of an archive, which is bytes
    return mode is None or "b" not in str(getattr(mode, "value", ""))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_text_names_its_encoding(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert [call.lineno for call in calls if in_encoding_of_locale(call)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("open(path)", True),
        ("open(path, 'w')", True),
        ("path.open()", True),
        ("path.open('a')", True),
        ("path.read_text()", True),
        ("path.write_text(text)", True),
        ("subprocess.run(words, text=True)", True),
        ("os.fdopen(1, 'w')", True),
        ("open(path, 'rb')", False),
        ("path.open(mode='wb')", False),
        ("path.open(encoding='utf-8')", False),
        ("path.read_text('utf-8')", False),
        ("subprocess.run(words)", False),
        ("Image.open(path)", False),
        ("archive.open(f'{name}.npy')", False),
    ],
)
def test_the_search_finds_text_without_an_encoding(code, found):
    assert in_encoding_of_locale(ast.parse(code).body[0].value) == found
