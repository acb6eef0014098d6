"""The structure of the package: its entries, who may import whom, and what loads no TensorFlow."""

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
    "tolerance.py",
    "config",
    "data",
    "models",
    "sampling",
    "evaluation",
    "training",
    "saving",
    "distributed",
    "utils",
    "cli",
}
WITHOUT_TENSORFLOW = [
    "gan.cli",
    "gan.config",
    "gan.data.images",
    "gan.distributed.cluster",
    "gan.errors",
    "gan.evaluation.report",
    "gan.sampling.labels",
    "gan.sampling.writers",
    "gan.saving.metadata",
    "gan.saving.models",
    "gan.saving.training_state",
    "gan.tolerance",
]
"""What checks options and reads records: bad input is refused before TensorFlow is imported, which takes seconds."""

FILES = sorted(set(rooms.sources()) - rooms.ABOVE_ALL)


def test_the_package_holds_exactly_these_entries():
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


def test_no_two_files_import_each_other_in_a_circle():
    assert rooms.circles(rooms.imports()) == []


def test_a_circle_and_the_file_of_a_name_are_found():
    assert rooms.circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c", "b"]]
    assert rooms.file_of("gan.data.images") == rooms.file_of("gan.data.images.to_uint8") == "data/images"
    assert rooms.file_of("gan.sampling.latents") == "sampling/__init__"
    assert rooms.file_of("gan.GAN") == "__init__"
    assert rooms.file_of("numpy") is None
    assert "data/images" in rooms.imports()["sampling/writers"]


@pytest.mark.parametrize("name", FILES)
def test_a_file_can_be_read_at_once(name):
    assert len(rooms.sources()[name].read_text(encoding="utf-8").splitlines()) <= 400


def imported(code):
    """The modules that are loaded after `code`, in a process of its own."""
    code = f"import sys; {code}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_what_checks_options_and_reads_records_loads_no_tensorflow():
    loaded = imported(f"import {', '.join(WITHOUT_TENSORFLOW)}")
    assert set(WITHOUT_TENSORFLOW) <= set(loaded)
    assert not {"tensorflow", "keras", "tensorflow_datasets"} & set(loaded)


def test_a_training_loads_no_package_that_only_other_commands_use():
    start = "from gan.utils.tensorflow import load_tensorflow; load_tensorflow(lean=True)"
    loaded = imported(f"{start}; import gan.cli.main, gan.training.train")
    assert {"tensorflow", "keras"} <= set(loaded)
    assert not {*OPTIONAL, "mlxtend", "tensorflow_datasets"} & set(loaded)


@pytest.mark.parametrize("package", ["gan.sampling", "gan.evaluation"])
def test_names_that_load_late_are_those_that_type_checkers_see(package):
    """So the rule above holds for them too: the imports under TYPE_CHECKING are counted."""
    module = importlib.import_module(package)
    shown = {
        alias.name: node.module
        for node in ast.walk(ast.parse(rooms.sources()[f"{package[4:]}/__init__"].read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("gan.") and node.module != "gan.utils.lazy"
        for alias in node.names
    }
    assert shown == module._HOMES
    assert sorted(module.__all__) == dir(module) == sorted(shown)
    assert not set(shown) & {path.stem for path in rooms.PACKAGE.joinpath(package[4:]).iterdir()}  # a file would win


def test_every_keras_class_is_registered_once():
    registered = [
        node.name
        for path in rooms.sources().values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and "register_keras_serializable" in map(called, node.decorator_list)
    ]
    old = json.loads((ROOT / "tests/saving/revision_53194e3/expected.json").read_text(encoding="utf-8"))
    assert len(registered) == len(set(registered))
    assert {f"gan>{name}" for name in registered} >= set(old["registered_names"])


def called(decorator):
    """`keras.saving.register_keras_serializable(...)` -> its last name."""
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", None)


def programs():
    """(file, program) of each string in tests and benchmarks that is a program and imports from `gan`."""
    elsewhere = ("test_contributing.py", "test_public_api.py")  # of names that are not there, on purpose
    for path in sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]):
        if path.name in elsewhere or "revision_53194e3" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "from gan" in node.value:
                with contextlib.suppress(SyntaxError):
                    yield path.name, ast.parse(node.value)


PROGRAMS = list(programs())


def test_programs_in_strings_import_what_is_there():
    assert {"test_devices.py", "test_gan.py", "test_data_streaming.py", "test_old_files.py"} <= {n for n, _ in PROGRAMS}
    for name, program in PROGRAMS:
        for statement in ast.walk(program):
            if isinstance(statement, ast.ImportFrom) and statement.module.partition(".")[0] == "gan":
                module = importlib.import_module(statement.module)
                for alias in statement.names:
                    there = hasattr(module, alias.name) or importlib.util.find_spec(f"{module.__name__}.{alias.name}")
                    assert there, f"{name}: from {statement.module} import {alias.name}"
