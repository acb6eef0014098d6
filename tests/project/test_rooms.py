"""The structure of the package: its entries, who may import whom, and what loads no TensorFlow."""

import subprocess
import sys

import pytest
from helpers import rooms

import gan

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


def test_importing_gan_imports_nothing_of_it():
    assert [name for name in imported("import gan") if name.startswith("gan.")] == []


def test_every_public_name_resolves():
    for name in gan.__all__:
        assert getattr(gan, name) is not None
    assert set(gan.__all__) == set(dir(gan))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        gan.nonsense  # noqa: B018
