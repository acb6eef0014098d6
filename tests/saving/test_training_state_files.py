"""Tests of the files of a training state: what is loaded after every kind of damage. They need no TensorFlow."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from filelock import lock_descriptor

from gan.errors import InputError
from gan.saving import files, training_state
from gan.saving.training_state import State


def state_at(interval, **arrays):
    arrays = arrays or {"generator/000/kernel": np.arange(6, dtype=np.float32).reshape(2, 3) + interval}
    callbacks = {"Stop": {"best": float("nan"), "limit": float("inf"), "wait": interval}}
    return State(interval, 10 * interval, 160 * interval, callbacks=callbacks, arrays=arrays)


def names(run):
    return sorted(file.name for file in (run / "state").iterdir())


@pytest.fixture
def run(tmp_path):
    """A run folder with the states of intervals 1 and 2."""
    (tmp_path / "state").mkdir()
    for interval in (1, 2):
        training_state.save(tmp_path, state_at(interval))
    return tmp_path


def test_a_loaded_state_equals_the_saved_state(tmp_path):
    (tmp_path / "state").mkdir()
    arrays = {
        "a/0": np.array([1.5, -0.0, 1e-45], np.float32),
        "b/0": np.array(7, np.int64),
        "c/0": np.zeros((0, 3)),
    }
    saved = State(3, 30, 480, stopped=True, callbacks={"Log": {"seconds": 0.1 + 0.2, "name": "ü"}}, arrays=arrays)
    training_state.save(tmp_path, saved)
    found, damaged = training_state.latest(tmp_path)
    assert damaged == []
    assert (found.interval, found.step, found.images, found.stopped) == (3, 30, 480, True)
    assert found.callbacks == saved.callbacks
    assert list(found.arrays) == list(arrays)
    for name, array in arrays.items():
        assert found.arrays[name].dtype == array.dtype
        assert found.arrays[name].tobytes() == array.tobytes()


def test_keeps_the_newest_two_states(run):
    training_state.save(run, state_at(3))
    assert names(run) == ["000000320.json", "000000320.npz", "000000480.json", "000000480.npz"]
    assert training_state.latest(run)[0].interval == 3
    assert np.isnan(training_state.latest(run)[0].callbacks["Stop"]["best"])


def test_a_run_without_states_has_no_latest_state(tmp_path):
    assert training_state.latest(tmp_path) == (None, [])


def test_arrays_without_a_manifest_are_not_a_state(run):
    (run / "state" / "000000480.npz").write_bytes(b"half")
    found, damaged = training_state.latest(run)
    assert (found.interval, damaged) == (2, [])
    training_state.discard_after(run, found)
    assert names(run) == ["000000160.json", "000000160.npz", "000000320.json", "000000320.npz"]


def test_a_manifest_without_arrays_is_a_damaged_state(run):
    (run / "state" / "000000320.npz").unlink()
    found, damaged = training_state.latest(run)
    assert found.interval == 1
    assert damaged == ["the training state 000000320 is damaged: its arrays are missing"]


def test_detects_every_flipped_or_missing_byte(run):
    random = np.random.default_rng(0)
    manifest, arrays = run / "state" / "000000320.json", run / "state" / "000000320.npz"
    for file in (manifest, arrays):
        whole = file.read_bytes()
        for place in range(len(whole)) if file == manifest else random.integers(0, len(whole), 60):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << int(random.integers(8))
            file.write_bytes(flipped)
            found, damaged = training_state.latest(run)
            # a flipped byte may turn white space at the end of a manifest into other white space
            same = file == manifest and _json(flipped) == _json(whole)
            assert found.interval == (2 if same else 1), (file, place)
            assert len(damaged) == (0 if same else 1)
        for length in (0, 1, len(whole) // 2, len(whole) - 2):
            file.write_bytes(whole[:length])
            assert training_state.latest(run)[0].interval == 1
        file.write_bytes(whole)
    assert training_state.latest(run)[0].interval == 2


def _json(content):
    try:
        return json.loads(content)
    except ValueError:
        return None


def test_names_both_states_if_both_are_damaged(run):
    for file in (run / "state").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-5])
    found, damaged = training_state.latest(run)
    assert found is None
    titles = [line.split(" is ")[0] for line in damaged]
    assert titles == ["the training state 000000320", "the training state 000000160"]


def test_older_states_stay_until_the_new_state_is_verified(run, monkeypatch):
    monkeypatch.setattr(files, "sha256", lambda path: "0" * 64)
    with pytest.raises(OSError, match="does not read back"):
        training_state.save(run, state_at(3))
    assert {"000000160.json", "000000160.npz", "000000320.json", "000000320.npz"} <= set(names(run))
    assert training_state.latest(run)[0].interval == 2


def test_a_failed_write_leaves_only_the_older_states(run, monkeypatch):
    before = names(run)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        training_state.save(run, state_at(3))
    assert names(run) == before


def _forge(run, arrays_file):
    """Replaces the arrays of the newest state and updates the checksums."""
    manifest = run / "state" / "000000320.json"
    manifest.with_suffix(".npz").write_bytes(arrays_file)
    content = json.loads(manifest.read_text())["content"] | {"sha256": training_state._sha256(arrays_file)}
    manifest.write_text(
        json.dumps({"content": content, "sha256": training_state._sha256(training_state._text(content))})
    )


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("code-was-run",)


@pytest.mark.parametrize("pickled", ["object array", "bare pickle"])
def test_never_loads_a_pickle(run, monkeypatch, pickled):
    monkeypatch.chdir(run)
    buffer = io.BytesIO()
    if pickled == "object array":
        np.savez(buffer, a=np.array([Hostile()], dtype=object))
    else:
        buffer.write(pickle.dumps(Hostile()))
    _forge(run, buffer.getvalue())
    found, damaged = training_state.latest(run)
    assert found.interval == 1
    assert "damaged" in damaged[0]
    assert not (run / "code-was-run").exists()


def test_rejects_arrays_that_unpack_to_far_more_than_their_size(run):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.zeros(2**26, np.int8))
    _forge(run, buffer.getvalue())
    with pytest.raises(InputError, match="unpacks to far more"):
        training_state.latest(run)


def test_a_header_with_a_too_large_shape_is_damage(run):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**15,)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", header.getvalue() + b"1234")
    _forge(run, buffer.getvalue())
    assert training_state.latest(run)[0].interval == 1


def test_rejects_another_format_and_names_it(run):
    manifest = run / "state" / "000000320.json"
    content = json.loads(manifest.read_text())["content"] | {"format": 99}
    manifest.write_text(
        json.dumps({"content": content, "sha256": training_state._sha256(training_state._text(content))})
    )
    with pytest.raises(InputError, match=r"version 1 or 2\. .*99"):
        training_state.latest(run)


def test_discards_later_states_and_partly_written_files(run):
    (run / "state" / ".000000480.17.partial.npz").write_bytes(b"half")
    (run / "state" / "lock").touch()
    training_state.discard_after(run, training_state.latest(run)[0])
    assert names(run) == ["000000160.json", "000000160.npz", "000000320.json", "000000320.npz", "lock"]
    training_state.discard_after(run, state_at(1))
    assert names(run) == ["000000160.json", "000000160.npz", "lock"]
    training_state.discard_after(run, None)
    assert names(run) == ["lock"]


def test_one_process_locks_a_run_and_its_end_unlocks_it(tmp_path):
    assert not training_state.is_locked(tmp_path)
    code = """
import sys, time, pathlib
from gan.saving import training_state
with training_state.locked(pathlib.Path(sys.argv[1])):
    print(1, flush=True)
    time.sleep(99)
"""
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"1\n"
    assert training_state.is_locked(tmp_path)
    with pytest.raises(InputError, match="Another process trains in this folder"), training_state.locked(tmp_path):
        pass
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert not training_state.is_locked(tmp_path)
    with training_state.locked(tmp_path):
        assert training_state.is_locked(tmp_path)
    assert not training_state.is_locked(tmp_path)


def test_rejects_locking_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be written"), training_state.locked(tmp_path):
        pass


def test_the_lock_file_stays_and_is_locked_does_not_change_it(tmp_path):
    assert not training_state.is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []  # `is_locked` creates neither a folder nor a file
    with training_state.locked(tmp_path):
        pass
    file = tmp_path / "state" / "lock"
    file.write_text("somebody's note")
    before = file.stat()
    with training_state.locked(tmp_path):
        assert training_state.is_locked(tmp_path)
    assert not training_state.is_locked(tmp_path)
    after = file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names(tmp_path) == ["lock"]
    assert file.read_text() == "somebody's note"


def test_a_process_that_only_checks_the_lock_does_not_block_a_run(tmp_path, monkeypatch):
    (tmp_path / "state").mkdir()
    checking = (tmp_path / "state" / "lock").open("w")
    assert lock_descriptor(checking.fileno(), blocking=False)
    waits = []

    def stop_checking(seconds):
        waits.append(seconds)
        checking.close()

    monkeypatch.setattr(training_state.time, "sleep", stop_checking)
    with training_state.locked(tmp_path):
        assert training_state.is_locked(tmp_path)
    assert len(waits) == 1


def test_a_read_only_lock_file_shows_whether_it_is_locked(tmp_path, monkeypatch):
    """The lock file of another user's run opens only for reading. `Path.open` is patched, as tests may run as root."""
    opened = Path.open

    def read_only(path, mode="r", *options, **more):
        if mode != "r":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, mode, *options, **more)

    with training_state.locked(tmp_path):
        monkeypatch.setattr(Path, "open", read_only)
        assert training_state.is_locked(tmp_path)
    assert not training_state.is_locked(tmp_path)
    with pytest.raises(InputError, match="cannot be written"), training_state.locked(tmp_path):
        pass
