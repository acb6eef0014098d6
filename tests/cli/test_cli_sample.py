"""gan sample with many samples: files, shards, and the files of an interrupted command."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from gan import build_generator
from gan.cli.main import main
from gan.data import images
from gan.sampling import writers


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("tiny") / "tiny.keras"
    build_generator((8, 8, 1), 4, 10, width=2).save(path)
    return str(path)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def failing(monkeypatch, *, at, error):
    """Makes the conversion of the `at`-th batch fail."""
    convert, calls = images.to_uint8, []

    def convert_or_fail(batch):
        calls.append(len(batch))
        if len(calls) == at:
            raise error
        return convert(batch)

    monkeypatch.setattr(images, "to_uint8", convert_or_fail)


def test_shards_are_complete_files_of_the_same_samples(checkpoint, here, monkeypatch):
    monkeypatch.setattr(writers, "CHUNK", 64)  # of classes and indices, so that the file has several
    options = ["sample", checkpoint, "--num", "150", "--start", "5", "--label", "2-4"]
    assert main([*options, "--out", "all.npz"]) == 0
    assert main([*options, "--out", "shards", "--shard", "70"]) == 0
    shards = sorted((here / "shards").iterdir())
    assert [shard.name for shard in shards] == ["00000005.npz", "00000075.npz", "00000145.npz"]
    parts, whole = [read(shard) for shard in shards], read("all.npz")
    assert [len(part["images"]) for part in parts] == [70, 70, 10]
    for name in ("images", "labels", "indices"):
        joined = np.concatenate([part[name] for part in parts])
        assert (joined.dtype, joined.shape) == (whole[name].dtype, whole[name].shape)
        assert np.abs(joined.astype(int) - whole[name]).max() <= (1 if name == "images" else 0)
    np.testing.assert_array_equal(whole["indices"], np.arange(5, 155))
    np.testing.assert_array_equal(whole["labels"], 2 + np.arange(5, 155) % 3)


def test_an_interrupted_command_prints_the_options_that_resume_it(checkpoint, here, monkeypatch, capsys):
    options = ["sample", checkpoint, "--out", "shards", "--shard", "20"]
    assert main([*options[:-4], "--num", "90", "--out", "whole", "--shard", "20"]) == 0
    with monkeypatch.context() as broken:
        failing(broken, at=3, error=KeyboardInterrupt())
        assert main([*options, "--num", "90"]) == 130
    said = capsys.readouterr().err
    assert "samples 0 to 39 are in shards" in said
    assert sorted(path.name for path in (here / "shards").iterdir()) == ["00000000.npz", "00000020.npz"]
    go_on = re.search(r"--start \d+ --num \d+", said)[0].split()
    assert go_on == ["--start", "40", "--num", "50"]
    assert main([*options, *go_on]) == 0
    for path in (here / "whole").iterdir():
        for name, array in read(path).items():
            np.testing.assert_array_equal(read(here / "shards" / path.name)[name], array)
    assert len(list((here / "shards").iterdir())) == len(list((here / "whole").iterdir())) == 5


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")],
    ids=["disk", "memory"],
)
def test_an_interrupted_folder_of_png_files_can_be_resumed(checkpoint, here, monkeypatch, capsys, error):
    failing(monkeypatch, at=2, error=error)
    monkeypatch.setattr(writers, "CHUNK", 3)
    assert main(["sample", checkpoint, "--num", "8", "--start", "2", "--out", "files"]) == 1
    said = capsys.readouterr().err
    assert "--start 5 --num 5" in said
    assert getattr(error, "message", error.args[-1:] and error.args[-1]) in said
    assert sorted(path.name for path in (here / "files").iterdir()) == [f"{index:08d}.png" for index in (2, 3, 4)]


@pytest.mark.parametrize(("error", "status"), [(OSError(28, "No space left on device"), 1), (KeyboardInterrupt(), 130)])
def test_a_file_that_fails_while_it_is_written_is_removed(checkpoint, here, monkeypatch, capsys, error, status):
    failing(monkeypatch, at=2, error=error)
    assert main(["sample", checkpoint, "--num", "3000", "--out", "all.npz"]) == status
    assert list(here.iterdir()) == []
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_sigterm_leaves_no_incomplete_file(checkpoint, here, monkeypatch):
    convert = images.to_uint8
    monkeypatch.setattr(images, "to_uint8", lambda batch: os.kill(os.getpid(), signal.SIGTERM) or convert(batch))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        main(["sample", checkpoint, "--num", "3000", "--out", "all.npz"])
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert list(here.iterdir()) == []


def test_rejects_an_index_that_is_too_large(checkpoint, capsys):
    assert main(["sample", checkpoint, "--label", "7", "--interpolate", "0", "9" * 20]) == 2
    assert "Bad `interpolate`" in capsys.readouterr().err


def test_the_bar_goes_to_stderr(checkpoint, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    assert main(["sample", checkpoint, "--num", "3000", "--out", "all.npz", "--json"]) == 0
    said = capsys.readouterr()
    assert "sampling" in said.err
    assert "3000/3000" in said.err
    result = json.loads(said.out)
    assert result.pop("seconds") > 0
    assert result == {"samples": 3_000, "out": "all.npz", "seed": 0}


def test_rejects_samples_that_do_not_fit_on_the_disk(checkpoint, here, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=10**7))
    assert main(["sample", checkpoint, "--num", "1000000", "--out", "new/shards", "--shard", "10"]) == 2
    assert "Expected 64 MB. Received: 10 MB free" in capsys.readouterr().err
    assert list(here.iterdir()) == []


def test_large_files_are_announced(checkpoint, monkeypatch, capsys):
    from gan.cli import sample

    monkeypatch.setattr(sample, "LARGE", 64 * 100)
    assert main(["sample", checkpoint, "--num", "99", "--out", "a.npz"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["sample", checkpoint, "--num", "100", "--out", "a.npz"]) == 0
    assert capsys.readouterr().err.startswith("gan: a.npz will take")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_samples(checkpoint):
    code = (
        "import pathlib, re, sys; from gan.cli.main import main; assert main(sys.argv[1:]) == 0;"
        "print(int(re.search(r'VmHWM:\\s+(\\d+) kB', pathlib.Path('/proc/self/status').read_text())[1]) / 1024)"
    )

    def peak(num: int, *options: str) -> float:
        command = [sys.executable, "-c", code, "sample", checkpoint, "--num", str(num), *options]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])

    if not Path("/proc/self/status").is_file():
        pytest.skip("the system does not tell a process its memory")
    for options in (
        ["--out", "all.npz"],
        ["--out", "all.npz", "--label", "2-4"],
        ["--out", "shards", "--shard", "9999"],
    ):
        assert peak(300_000, *options) < peak(100_000, *options) + 10  # the samples would be 13 MB more, as floats 51
