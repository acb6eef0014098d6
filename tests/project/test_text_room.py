"""Tests that the room of texts can be deleted: two lines of the command line and two of the public names mention it."""

import re
import shutil
import subprocess
import sys

import pytest
from helpers import rooms

COMMANDS = "cli/text_commands"
"""The one file outside the room that the command line imports for it."""
OWN = sorted(name for name in rooms.sources() if name.startswith(("text/", "cli/text_")))
LINES = {
    "cli/main": [
        "from gan.cli.text_commands import TEXT_COMMANDS",
        "    **TEXT_COMMANDS,",
    ],
    "__init__": [
        "    from gan import config, deployment, evaluation, sampling, selection, text, tolerance",
        '    "text": "gan.text",',
        '    "text",',
    ],
}
"""File -> its lines that mention the room."""
MENTION = re.compile(r"gan\.text|gan\.cli\.text_|TEXT_COMMANDS|^ +\"text\",$|^ +from gan import .*\btext\b")

HELP = """
import contextlib, io, sys
from pathlib import Path

import gan.cli

assert Path(gan.__file__).parent == Path(sys.argv[1]) / "gan", gan.__file__
out = io.StringIO()
with contextlib.redirect_stdout(out):
    try:
        gan.cli.main(["--help"])
    except SystemExit as ended:
        assert ended.code == 0
assert "train-classifier" in out.getvalue() and " text " not in out.getvalue(), out.getvalue()
assert gan.cli.main(["text", "ask"]) == 2
"""
"""Asks a copy of the package for help. Argument: its folder."""

EVERYTHING = """
import importlib

for path in sorted(Path(gan.__file__).parent.rglob("*.py")):
    name = ".".join(path.relative_to(sys.argv[1]).with_suffix("").parts)
    if path.stem not in ("__init__", "__main__"):
        importlib.import_module(name)
assert all(hasattr(gan, name) for name in gan.__all__)
assert not [name for name in sys.modules if name.startswith(("gan.text", "gan.cli.text"))]
"""
"""Imports every module of the copy, and every public name."""


def test_no_other_file_imports_the_room():
    users = {name for name, files in rooms.imports().items() if set(OWN) & files} - set(OWN)
    assert users == {"cli/main", "__init__"}
    assert rooms.imports()["cli/main"] & set(OWN) == {COMMANDS}
    assert rooms.imports()["__init__"] & set(OWN) == {"text/__init__"}


def test_no_other_file_mentions_the_room():
    found = {}
    for name, path in rooms.sources().items():
        if name not in OWN:
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if MENTION.search(line)]
            found |= {name: lines} if lines else {}
    assert found == LINES


def without_room(folder):
    """Copies the package to a folder, without the room and the lines that mention it."""
    shutil.copytree(rooms.PACKAGE, folder / "gan", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.rmtree(folder / "gan" / "text")
    for path in (folder / "gan" / "cli").glob("text_*.py"):
        path.unlink()
    for name, lines in LINES.items():
        path = folder / "gan" / f"{name}.py"
        text = path.read_text(encoding="utf-8")
        for line in lines:
            assert text.count(f"{line}\n") == 1, line
            kept = f"{line.replace(' text,', '')}\n" if " import config" in line else ""
            text = text.replace(f"{line}\n", kept)
        path.write_text(text, encoding="utf-8")


PROGRAMS = [pytest.param(HELP, id="help"), pytest.param(HELP + EVERYTHING, id="all", marks=pytest.mark.slow)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_rest_of_the_package_works_without_the_room(tmp_path, program):
    without_room(tmp_path)
    done = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Unknown command" in done.stderr
