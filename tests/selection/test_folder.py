"""The folder of a selection: what an interruption leaves, its lock, and a selection that ended meanwhile."""

from dataclasses import replace

import pytest
from helpers.known_selections import LENGTHS, KnownWorkers, quiet, record_of

from gan.errors import InputError
from gan.selection import folder as folders
from gan.selection import selection
from gan.selection.record import load_selection, save_selection
from gan.selection.selection import resume_selection


def test_one_process_works_on_a_selection(tmp_path):
    with folders.locked(tmp_path), pytest.raises(InputError, match="Another process works"), folders.locked(tmp_path):
        pass
    with folders.locked(tmp_path):
        pass


def begin(output, *, record=None, log=quiet):
    """Begins a selection, writes into its folder, and is interrupted."""
    with folders.begun(output, "x", log, ["--ray", "auto"]) as folder:
        (folder / "exported").mkdir()
        (folder / "exported" / "file").touch()
        if record is not None:
            save_selection(folder, record)
        raise KeyboardInterrupt


def test_an_interruption_without_a_record_leaves_what_was_there(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path / "empty")
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_interruption_with_a_record_says_how_to_continue_there(tmp_path):
    lines = []
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path / "s", record=record_of(LENGTHS), log=lines.append)
    assert lines == [
        f"the selection is in {tmp_path / 's'}",
        f"What is finished is kept; gan select --resume {tmp_path / 's'} --ray auto continues",
    ]
    assert (tmp_path / "s" / "exported" / "file").exists()
    ended = [replace(one, ended="failed: x") for one in record_of(LENGTHS).candidates]
    with pytest.raises(KeyboardInterrupt):
        begin(tmp_path / "t", record=replace(record_of(LENGTHS), candidates=tuple(ended)), log=lines.append)
    assert lines[2:] == [f"the selection is in {tmp_path / 't'}"]


def test_a_folder_that_got_a_record_meanwhile_is_not_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(folders.run_folder, "new_run", lambda output, name: output)  # of a process that was as fast
    record = record_of(LENGTHS)
    save_selection(tmp_path, record)
    with pytest.raises(InputError, match="not empty"), folders.begun(tmp_path, "x", quiet):
        pass
    assert load_selection(tmp_path) == record


def test_a_selection_that_ended_meanwhile_is_not_repeated(tmp_path, monkeypatch):
    """The record is read again when this process has the lock."""
    save_selection(tmp_path, record_of(LENGTHS))
    ended = replace(record_of(LENGTHS), order=(), verdict="undecided")
    locked = folders.locked

    def wait(folder):
        save_selection(folder, ended)
        return locked(folder)

    monkeypatch.setattr(selection, "locked", wait)
    found = resume_selection(tmp_path / "selection.json", workers=KnownWorkers(lambda *_: 1 / 0))
    assert (found.folder, found.record) == (tmp_path, ended)
