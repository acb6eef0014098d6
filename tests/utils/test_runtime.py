import importlib
import io
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import pytest
import tensorflow as tf
from helpers.commands import ROOT

from gan.errors import InputError
from gan.utils import tensorflow as runtime


def test_start_rejects_another_backend(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(InputError, match=r"Expected KERAS_BACKEND=tensorflow. Received: KERAS_BACKEND=jax"):
        runtime.start()


@pytest.mark.parametrize(
    ("gpus", "device"),
    [([], f"CPU ({platform.machine()}, {os.cpu_count()} cores)"), (["NVIDIA H100", None], "NVIDIA H100, /gpu:1")],
)
def test_the_device_line_names_devices_and_versions(monkeypatch, gpus, device):
    found = {tf.config.PhysicalDevice(f"/gpu:{number}", "GPU"): name for number, name in enumerate(gpus)}
    details = {gpu: {} if name is None else {"device_name": name} for gpu, name in found.items()}
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: list(found))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details.get)
    assert runtime.describe() == f"{device}; TensorFlow {tf.__version__}, Keras {keras.__version__}"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A source tree that `runtime` seems to be imported from, and a function that runs git in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    module = tmp_path / "tree" / Path(runtime.__file__).relative_to(ROOT)
    module.parent.mkdir(parents=True)
    module.write_text("")
    monkeypatch.setattr(runtime, "__file__", str(module))
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)

    def git(*arguments):
        settings = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path / "tree"), *settings, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return tmp_path / "tree", git


def test_the_git_revision_is_the_commit_of_the_tree_and_shows_changes_of_the_package(tree):
    folder, git = tree
    git("init")
    git("add", ".")
    git("commit", "--message", "first")
    head = git("rev-parse", "HEAD")
    assert runtime.git_revision() == head
    (folder / "notes.txt").write_text("not of the package")
    assert runtime.git_revision() == head
    (folder / "gan" / "new.py").write_text("")
    assert runtime.git_revision() == f"{head}-dirty"


def test_an_installed_package_has_no_git_revision(tree):
    folder, git = tree
    assert runtime.git_revision() is None  # no repository
    git("init", str(folder.parent))
    git("-C", str(folder.parent), "add", ".")
    git("-C", str(folder.parent), "commit", "--message", "a repository that holds an environment")
    assert runtime.git_revision() is None


LOG_LINES = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795719700.527601   10865 port.cc:153] oneDNN custom operations are on.\n"
    b"E0000 00:00:1795719710.540726   10865 cuda_platform.cc:52] failed call to cuInit: INTERNAL\n"
    b"To enable the following instructions: AVX2 FMA, rebuild TensorFlow.\n"
)
"""What TensorFlow 2.21 writes while it starts."""


def write_and_fail():
    with runtime.silent_stderr():
        os.write(2, LOG_LINES)
        raise RuntimeError("broken")


def test_log_lines_of_tensorflow_are_dropped_and_other_output_is_kept(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with runtime.silent_stderr():
        os.write(2, b"another thread\n" + LOG_LINES + b"I0 is not a log line\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "another thread\nI0 is not a log line\n"


def test_threads_that_overlap_restore_standard_error(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    first, second = runtime.silent_stderr(), runtime.silent_stderr()
    first.__enter__()
    second.__enter__()
    os.write(2, b"kept\n" + LOG_LINES)
    first.__exit__(None, None, None)
    assert capfd.readouterr().err == ""
    second.__exit__(None, None, None)
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "kept\nafter\n"


@pytest.mark.parametrize("other", [True, False], ids=["both drop all", "one shows"])
def test_all_output_is_dropped_if_all_threads_say_so(capfd, monkeypatch, other):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    first, second = runtime.silent_stderr(drop_all=True), runtime.silent_stderr(drop_all=other)
    first.__enter__()
    second.__enter__()
    os.write(2, b"a diagnostic\n")
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    os.write(2, b"after\n")  # the descriptor is restored, whichever thread leaves last
    assert capfd.readouterr().err == ("" if other else "a diagnostic\n") + "after\n"


def test_output_is_shown_if_there_is_no_temporary_folder(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(runtime.tempfile, "TemporaryFile", lambda: os.close(-1))  # raises OSError
    with runtime.silent_stderr():
        os.write(2, LOG_LINES)
    assert capfd.readouterr().err == LOG_LINES.decode()


def test_a_closed_python_stream_does_not_matter(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    with runtime.silent_stderr():
        os.write(2, LOG_LINES)
    assert capfd.readouterr().err == ""


def test_a_process_without_standard_error_runs(monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setattr(os, "dup", lambda _: os.close(-1))  # OSError, as for a closed descriptor
    monkeypatch.setattr(sys, "stderr", None)
    with runtime.silent_stderr():
        pass


def test_after_an_error_all_held_output_is_shown(capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    with pytest.raises(RuntimeError, match="broken"):
        write_and_fail()
    assert capfd.readouterr().err == LOG_LINES.decode()


@pytest.mark.parametrize("level", ["0", "1", "2"])
def test_a_more_verbose_log_level_of_the_caller_shows_everything(capfd, monkeypatch, level):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with runtime.silent_stderr():
        os.write(2, LOG_LINES)
    assert capfd.readouterr().err == LOG_LINES.decode()


def test_the_log_level_is_left_alone_if_tensorflow_is_imported_already(monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    with runtime.quiet_import():
        pass
    assert "TF_CPP_MIN_LOG_LEVEL" not in os.environ


@pytest.mark.parametrize(
    ("flags", "variables", "expected", "reason"),
    [
        ("avx512_bf16 amx_bf16 amx_tile", {}, "mixed_bfloat16", "oneDNN uses amx_bf16"),
        ("avx512_bf16", {}, "float32", "lacks amx_bf16"),
        ("amx_bf16", {"TF_ENABLE_ONEDNN_OPTS": "0"}, "float32", "TF_ENABLE_ONEDNN_OPTS=0"),
        ("amx_bf16", {"ONEDNN_MAX_CPU_ISA": "avx2"}, "float32", "ONEDNN_MAX_CPU_ISA=avx2"),
        ("amx_bf16", {"ONEDNN_MAX_CPU_ISA": "AVX10_1_512_AMX"}, "mixed_bfloat16", "oneDNN uses amx_bf16"),
        ("amx_bf16", {"ONEDNN_MAX_CPU_ISA": "all"}, "mixed_bfloat16", "oneDNN uses amx_bf16"),
    ],
)
def test_auto_selects_bfloat16_if_the_cpu_has_amx_and_onednn_may_use_it(
    monkeypatch, flags, variables, expected, reason
):
    monkeypatch.setattr(Path, "read_text", lambda path, **_: f"flags : fpu {flags} avx2")
    for name in ("TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert runtime.resolve_precision("auto") == expected
    assert reason in runtime.auto_precision()[1]
    assert runtime.resolve_precision("float32") == "float32"


def test_bfloat16_instructions_come_from_the_list_of_linux(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda path, **_: "flags : fpu avx512_bf16 amx_tile amx_bf16 avx2")
    assert runtime.bfloat16_instructions() == ("amx_bf16", "avx512_bf16")
    monkeypatch.setattr(Path, "read_text", lambda path, **_: "flags : fpu avx512_bf16_new avx2")
    assert runtime.bfloat16_instructions() == ()


def test_bfloat16_instructions_are_empty_without_a_list(monkeypatch):
    def missing(path, **_):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert runtime.bfloat16_instructions() == ()


def test_a_hidden_package_cannot_be_imported_inside(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with runtime._hidden(["colorsys", "shutil"]):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("colorsys")
        assert importlib.import_module("shutil") is shutil  # it was loaded before
    assert importlib.import_module("colorsys").rgb_to_hsv(0.0, 0.0, 0.0) == (0.0, 0.0, 0.0)
