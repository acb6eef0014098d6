"""Tests temporary folders, and that those of killed processes are removed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import lock_descriptor

from gan.utils import working_folder as module
from gan.utils.working_folder import LOCK, working_folder


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def names(place):
    return sorted(path.name for path in place.iterdir())


def test_a_folder_is_new_and_is_removed_at_the_end(place):
    with working_folder("gan-x") as one, working_folder("gan-x") as two:
        assert names(place) == sorted([one.name, two.name])
        (one / "run").mkdir()
        (one / "run" / "file").touch()
    assert names(place) == []
    with pytest.raises(ValueError, match="fault"), working_folder("gan-x"):
        raise ValueError("fault")
    assert names(place) == []


def test_the_folder_of_a_killed_process_is_removed_by_the_next_one(place):
    program = f"""
import os, signal, tempfile
from gan.utils.working_folder import working_folder
tempfile.tempdir = {str(place)!r}
with working_folder("gan-x") as folder:
    (folder / "file").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment)
    assert done.returncode == -signal.SIGKILL
    [left] = place.iterdir()
    assert {path.name for path in left.iterdir()} == {LOCK, "file"}
    with working_folder("gan-y"):
        assert left.exists()
    with working_folder("gan-x") as folder:
        assert names(place) == [folder.name]


def test_folders_of_others_stay(place):
    (place / "gan-x-made-by-hand").mkdir()
    closed = place / "gan-x-closed"
    closed.mkdir()
    (closed / LOCK).mkdir()  # cannot be opened, like the file of another user
    with working_folder("gan-x"):
        pass
    assert names(place) == ["gan-x-closed", "gan-x-made-by-hand"]


def test_a_folder_that_was_removed_before_its_lock_is_made_again(place, monkeypatch):
    removed = []

    def lock(descriptor, **options):
        if not removed:
            [folder] = place.iterdir()
            (folder / LOCK).unlink()
            folder.rmdir()
            removed.append(folder)
        return lock_descriptor(descriptor, **options)

    monkeypatch.setattr(module, "lock_descriptor", lock)
    with working_folder("gan-x") as folder:
        assert folder != Path(removed[0])
        assert (folder / LOCK).exists()
