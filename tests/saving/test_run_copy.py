"""Tests copies of a run folder that a process writes to."""

import shutil

import numpy as np
import pytest

from gan.saving import training_state
from gan.saving.run_copy import RunFiles, RunReader, write_run
from gan.saving.training_state import State


def interval(run, number):
    """Writes what a run writes in an interval: the other files, then the state."""
    (run / "samples").mkdir(parents=True, exist_ok=True)
    (run / "state").mkdir(exist_ok=True)
    (run / "log.csv").write_text("images\n" + "".join(f"{16 * n}\n" for n in range(1, number + 1)), encoding="utf-8")
    (run / "samples" / f"{number}.png").write_bytes(bytes([number]))
    training_state.save(run, State(number, number, 16 * number, arrays={"weights": np.full(3, number)}))


def content(run):
    return {p.relative_to(run).as_posix(): p.read_bytes() for p in run.rglob("*") if p.is_file()}


def test_a_copy_equals_the_run_after_each_interval_and_gets_only_what_changed(tmp_path):
    run, copy = tmp_path / "run", tmp_path / "copy"
    reader = RunReader(run)
    assert not reader.has_new_state()
    assert reader.read() == RunFiles()
    for number in range(1, 6):
        interval(run, number)
        assert reader.has_new_state()
        new = reader.read()
        assert not reader.has_new_state()
        states = [f"state/{16 * number:09d}.npz", f"state/{16 * number:09d}.json"]
        assert list(new.changed)[-2:] == states  # the manifest last
        assert set(new.changed) == {"log.csv", f"samples/{number}.png", *states}
        write_run(copy, new)
        assert content(copy) == content(run)
    assert reader.read().changed == {}


def test_a_copy_that_breaks_off_anywhere_holds_the_state_before(tmp_path):
    run, copy = tmp_path / "run", tmp_path / "copy"
    reader = RunReader(run)
    interval(run, 1)
    write_run(copy, reader.read())
    interval(run, 2)
    new = reader.read()
    for length in range(len(new.changed)):
        broken = tmp_path / f"broken{length}"
        shutil.copytree(copy, broken)
        write_run(broken, RunFiles(dict(list(new.changed.items())[:length])))
        found, _ = training_state.latest(broken)
        assert found.interval == 1
    write_run(copy, new)
    assert training_state.latest(copy)[0].interval == 2


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    interval(tmp_path, 1)
    reader, read = RunReader(tmp_path), type(tmp_path).read_bytes

    def read_and_change(path):
        text = read(path)
        if path.name == "log.csv":
            path.write_text("changed", encoding="utf-8")
        return text

    monkeypatch.setattr(type(tmp_path), "read_bytes", read_and_change)
    reader.read()
    monkeypatch.undo()
    assert reader.read().changed == {"log.csv": b"changed"}


def test_a_file_that_is_removed_meanwhile_is_left_out(tmp_path, monkeypatch):
    interval(tmp_path, 1)
    names, read = set(RunReader(tmp_path).read().changed), type(tmp_path).read_bytes

    def remove(path):
        if path.name == "1.png":
            path.unlink()
        return read(path)

    monkeypatch.setattr(type(tmp_path), "read_bytes", remove)
    assert names - set(RunReader(tmp_path).read().changed) == {"samples/1.png"}


def test_locks_and_partial_files_stay_where_they_are(tmp_path):
    run, copy = tmp_path / "run", tmp_path / "copy"
    interval(run, 1)
    (run / "state" / ".1-2.partial.npz").write_bytes(b"half")
    copy.mkdir()
    with training_state.locked(run), training_state.locked(copy):
        new = RunReader(run).read()
        write_run(copy, new)
        assert not any("lock" in name or "partial" in name for name in new.changed)
        assert (copy / "state" / "lock").exists()
        assert training_state.is_locked(copy)


def test_a_disk_that_is_full_is_an_error(tmp_path):
    (tmp_path / "copy").write_text("a file", encoding="utf-8")
    with pytest.raises(OSError, match="copy"):
        write_run(tmp_path / "copy", RunFiles({"log.csv": b""}))


OWN = {"report.json": "of gan evaluate", "feedback.sqlite": "judgements", "samples/mine.png": "of gan sample"}


def add_own(copy):
    for name, text in OWN.items():
        (copy / name).write_text(text, encoding="utf-8")


def assert_only_own(copy, run):
    assert {name for name in content(copy) if name not in content(run)} == set(OWN)
    assert {name: (copy / name).read_text(encoding="utf-8") for name in OWN} == OWN


def test_files_of_other_programs_stay_in_the_copy(tmp_path):
    run, copy = tmp_path / "run", tmp_path / "copy"
    reader = RunReader(run)
    interval(run, 1)
    write_run(copy, reader.read())
    add_own(copy)
    for number in (2, 3):
        interval(run, number)
        new = reader.read()
        write_run(copy, new)
    assert new.removed == ("state/000000016.json", "state/000000016.npz")
    assert_only_own(copy, run)


def test_files_of_other_programs_stay_after_a_restart_and_old_states_do_not(tmp_path):
    """A new driver sends the copy to another node, whose run continues from it."""
    run, copy, other = (tmp_path / name for name in ("run", "copy", "other"))
    reader = RunReader(run)
    for number in (1, 2):
        interval(run, number)
    write_run(copy, reader.read())
    interval(run, 3)
    write_run(copy, RunFiles(reader.read().changed))  # killed before it removes what is old
    assert (copy / "state" / "000000016.json").exists()
    write_run(other, RunReader(copy).read())
    add_own(copy)
    later = RunReader(other)
    later.read()  # the driver has it
    interval(other, 4)
    write_run(copy, later.read())
    assert_only_own(copy, other)
    assert len(list((copy / "state").glob("*.json"))) == training_state.KEPT
    assert training_state.latest(copy)[0].interval == 4
