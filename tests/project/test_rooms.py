"""Tests the structure of the package: its entries, allowed imports, and modules that do not load TensorFlow."""

import ast
import contextlib
import importlib.util
import json
import subprocess
import sys

import pytest
from helpers import rooms
from helpers.commands import ROOT

from gan.utils.tensorflow import OPTIONAL

ENTRIES = {
    "__init__.py",
    "__main__.py",
    "py.typed",
    "errors.py",
    "tolerance",
    "config",
    "data",
    "models",
    "sampling",
    "evaluation",
    "training",
    "deployment",
    "selection",
    "text",
    "saving",
    "distributed",
    "utils",
    "cli",
}
WITHOUT_TENSORFLOW = [
    "gan.cli",
    "gan.cli.main",
    "gan.config",
    "gan.data.images",
    "gan.distributed.cluster",
    "gan.errors",
    "gan.evaluation.report",
    "gan.sampling.labels",
    "gan.sampling.writers",
    "gan.saving.engines.find",
    "gan.saving.metadata",
    "gan.saving.models",
    "gan.saving.training_state",
    "gan.selection.fixed_sequence",
    "gan.selection.frontier",
    "gan.text.data.corpora",
    "gan.text.data.names",
    "gan.text.runs.text_run",
    "gan.tolerance",
]
"""Modules that check options and read metadata. Bad input is rejected before the slow import of TensorFlow."""

FILES = sorted(set(rooms.sources()) - rooms.ABOVE_ALL)


def test_package_contains_exactly_these_entries():
    files = [path for path in rooms.PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.relative_to(rooms.PACKAGE).parts[0] for path in files} == ENTRIES
    assert set(rooms.ROW) | rooms.ABOVE_ALL | {"py"} == {name.partition(".")[0] for name in ENTRIES}


def test_the_tests_of_a_room_lie_in_a_folder_of_its_name():
    """Those of the whole project lie in tests/project."""
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    assert {folder.parts[1] for folder in folders if len(folder.parts) == 2} <= set(rooms.ROW) | {"project"}
    assert all(len(folder.parts) == 2 for folder in folders)


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_only_from_lower_rooms_and_its_own(name):
    room = rooms.room_of(name)
    for other in map(rooms.room_of, rooms.imports()[name]):
        assert other == room or rooms.ROW.get(other, 99) < rooms.ROW[room], f"gan/{name}.py imports {other}"


def test_files_have_no_circular_imports():
    assert rooms.find_cycles(rooms.imports()) == []


def test_finds_cycles_and_the_file_of_a_name():
    assert rooms.find_cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c", "b"]]
    assert rooms.file_of("gan.data.images") == rooms.file_of("gan.data.images.to_uint8") == "data/images"
    assert rooms.file_of("gan.sampling.latents") == "sampling/__init__"
    assert rooms.file_of("gan.GAN") == "__init__"
    assert rooms.file_of("numpy") is None
    assert "data/images" in rooms.imports()["sampling/writers"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_at_most_400_lines(name):
    assert len(rooms.sources()[name].read_text(encoding="utf-8").splitlines()) <= 400


def imported(code):
    """Returns the modules that are loaded after `code` in a new process."""
    code = f"import sys; {code}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_option_checks_and_metadata_do_not_load_tensorflow():
    loaded = imported(f"import {', '.join(WITHOUT_TENSORFLOW)}")
    assert set(WITHOUT_TENSORFLOW) <= set(loaded)
    assert not {"tensorflow", "keras", "tensorflow_datasets"} & set(loaded)


def test_training_loads_no_package_of_other_commands():
    start = "from gan.utils.tensorflow import load_tensorflow; load_tensorflow(lean=True)"
    loaded = imported(f"{start}; import gan.cli.main, gan.training.train")
    assert {"tensorflow", "keras"} <= set(loaded)
    assert not {*OPTIONAL, "mlxtend", "tensorflow_datasets"} & set(loaded)


@pytest.mark.parametrize("package", ["gan.sampling", "gan.evaluation", "gan.deployment", "gan.selection", "gan.text"])
def test_lazy_names_match_the_imports_for_type_checkers(package):
    """The rule for imports counts those under TYPE_CHECKING, so it covers lazy names."""
    module = importlib.import_module(package)
    visible = {
        alias.name: node.module
        for node in ast.walk(ast.parse(rooms.sources()[f"{package[4:]}/__init__"].read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("gan.") and node.module != "gan.utils.lazy"
        for alias in node.names
    }
    assert visible == module._HOMES
    assert sorted(module.__all__) == dir(module) == sorted(visible)
    files = {path.stem for path in rooms.PACKAGE.joinpath(package[4:]).iterdir()}
    assert not set(visible) & files  # a file would take precedence


def test_every_keras_class_is_registered_once():
    registered = [
        node.name
        for path in rooms.sources().values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "register_keras_serializable" in map(decorator_name, node.decorator_list)
    ]
    old = json.loads((ROOT / "tests/saving/revision_53194e3/expected.json").read_text(encoding="utf-8"))
    assert len(registered) == len(set(registered))
    assert {f"gan>{name}" for name in registered} >= set(old["registered_names"])


def decorator_name(decorator):
    """Returns the last part of the name of a decorator: `saving.register(...)` -> `register`."""
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", None)


def programs():
    """Yields (file, program) for each string in tests and benchmarks that is a program and imports from `gan`."""
    excluded = ("test_contributing.py", "test_public_api.py")  # these import missing names on purpose
    for path in sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]):
        if path.name in excluded or "revision_53194e3" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "from gan" in node.value:
                with contextlib.suppress(SyntaxError):
                    yield path.name, ast.parse(node.value)


PROGRAMS = list(programs())


def test_programs_in_strings_import_existing_names():
    assert {"test_devices.py", "test_gan.py", "test_data_streaming.py", "test_old_files.py"} <= {n for n, _ in PROGRAMS}
    for name, program in PROGRAMS:
        for statement in ast.walk(program):
            if isinstance(statement, ast.ImportFrom) and statement.module.partition(".")[0] == "gan":
                module = importlib.import_module(statement.module)
                for alias in statement.names:
                    exists = hasattr(module, alias.name) or importlib.util.find_spec(f"{module.__name__}.{alias.name}")
                    assert exists, f"{name}: from {statement.module} import {alias.name}"
