"""Tests of the self-test of XLA, its watchdog, its memory, and the decision that it leads to."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import dense_gan, small_gan

from gan.errors import InputError, as_json
from gan.models import self_test, self_test_process
from gan.models.self_test import SelfTest
from gan.saving import files
from gan.utils import tensorflow as runtime

PASSED = SelfTest(
    title="mlp on digits",
    device="A GPU",
    passed=True,
    reason="",
    tested="2026-01-02T03:04:05+00:00",
    batch_size=64,
    compile_seconds=8.2,
    plain_ms=8.85,
    xla_ms=1.25,
    loss_difference=1e-6,
    weight_difference=1e-4,
)
SLOWER = replace(PASSED, xla_ms=8.85 / 1.04)
FAILED = SelfTest("mlp on digits", "A GPU", False, "the first steps with XLA took more than 60 s", "2026-01-02", 64)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache folder of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(self_test.platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(runtime, "gpu_names", lambda: ["A GPU"])


# --- the decision


@pytest.mark.parametrize(
    ("result", "on", "reason"),
    [
        (None, False, "no self-test of digits on this device; gan doctor --test-jit PRESET runs one"),
        (FAILED, False, "the self-test failed: the first steps with XLA took more than 60 s"),
        (SLOWER, False, "the self-test was not faster"),
        (PASSED, True, "the self-test passed; 8.85 ms a step without XLA, 1.25 ms with it; 8 s to compile"),
    ],
    ids=["none", "failed", "slower", "passed"],
)
def test_auto_follows_the_remembered_self_test_on_a_gpu(gpu, result, on, reason):
    gan = dense_gan()
    if result is not None:
        self_test.remember(gan, result, pytest.fail)
    assert self_test.decide(gan, "auto", title="digits", log=pytest.fail) == (on, reason)
    assert dense_gan(jit_compile="auto").jit_compile is on


def test_auto_is_off_on_a_cpu():
    gan = dense_gan()
    self_test.remember(gan, PASSED, pytest.fail)
    decision = self_test.decide(gan, "auto", log=pytest.fail)
    assert decision == (False, "on a CPU, XLA makes convolutions many times slower")


def test_off_is_off(gpu):
    assert not self_test.decide(dense_gan(), "off", log=pytest.fail).on


@pytest.mark.parametrize(("result", "on"), [(PASSED, True), (SLOWER, True), (FAILED, False)])
def test_on_runs_the_self_test_once(monkeypatch, result, on):
    calls, lines = [], []
    monkeypatch.setattr(self_test, "self_test", lambda gan, **options: calls.append(options) or result)
    for _ in range(2):
        assert self_test.decide(dense_gan(), "on", title="x", batch_size=7, log=lines.append).on is on
    assert calls == [{"title": "x", "batch_size": 7}]
    assert lines[0].startswith("testing XLA in another process, where compilation may take 60 s")
    told = "XLA is off: the self-test of 2026-01-02 failed: the first steps with XLA took more than 60 s"
    assert [line.startswith(told) for line in lines[1:]] == ([] if on else [True, True])


def test_deterministic_kernels_and_layers_without_support_turn_xla_off():
    tf.config.experimental.enable_op_determinism()
    with pytest.warns(UserWarning, match="XLA is off: deterministic kernels, which Keras does not use with XLA"):
        assert not dense_gan(jit_compile=True).jit_compile
    lines = []
    assert not self_test.decide(dense_gan(), "on", log=lines.append).on
    assert lines == ["XLA is off: deterministic kernels, which Keras does not use with XLA"]
    from tensorflow.python.framework import config

    config.disable_op_determinism()
    assert dense_gan(jit_compile=True).jit_compile
    unsupported = keras.layers.Dense(1, name="special")
    unsupported.supports_jit = False
    with pytest.warns(UserWarning, match="XLA is off: layers that XLA does not support: special"):
        assert not dense_gan(discriminator=[unsupported], jit_compile=True).jit_compile


# --- the memory


def test_a_result_is_remembered_for_its_device_versions_flags_and_network(monkeypatch, cache):
    gan = dense_gan()
    self_test.remember(gan, PASSED, pytest.fail)
    assert self_test.remembered(dense_gan()) == PASSED
    assert self_test.all_remembered() == [PASSED]
    assert self_test.remembered(dense_gan(generator=[keras.layers.Dense(2)])) is None
    for changed in (
        lambda patch: patch.setattr(runtime, "device_name", lambda: "another card"),
        lambda patch: patch.setattr(runtime, "installed_version", lambda name: "9.9"),
        lambda patch: patch.setattr(tf.sysconfig, "get_build_info", lambda: {"cudnn_version": "10"}),
        lambda patch: patch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0"),
    ):
        with monkeypatch.context() as patch:
            changed(patch)
            assert self_test.remembered(gan) is None
    (file,) = cache.glob("self-tests/*.json")
    file.write_text("{")
    assert self_test.remembered(gan) is None
    file.write_text('{"result": {"title": 3}}')
    assert self_test.all_remembered() == []


def test_the_hash_of_a_network_is_that_of_its_structure():
    def hashed(gan=None, **options):
        return self_test.network_hash(gan or small_gan(**options))

    same = hashed()
    assert hashed(seed=5) == same  # other weights, and other automatic names
    faster = dense_gan(g_optimizer=keras.optimizers.SGD(7.0))
    assert hashed(faster) == hashed(dense_gan())
    with runtime.precision("mixed_bfloat16"):
        half = small_gan()
    others = [
        hashed(half),
        hashed(classes=0),
        hashed(shape=(8, 8, 1)),
        hashed(penalties=[]),
        hashed(loss="hinge"),
        hashed(critic_steps=2),
        hashed(dense_gan()),
        hashed(dense_gan(g_optimizer="adam")),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_a_cache_folder_that_cannot_be_written_costs_one_line(cache):
    cache.write_text("a file")
    lines = []
    self_test.remember(dense_gan(), PASSED, lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("the result of the self-test cannot be remembered: ")
    assert self_test.remembered(dense_gan()) is None
    assert self_test.all_remembered() == []


# --- the watchdog


def process(monkeypatch, folder, code):
    """Replaces the process of the self-test by one that runs `code` in the folder of the test."""
    (folder / "stand_in.py").write_text(f"import os, sys, time, pathlib\nos.chdir(sys.argv[1])\n{code}")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(self_test, "PROCESS", "stand_in")


def phase(name):
    return f"pathlib.Path({self_test.PHASE!r}).write_text({name!r})\n"


def test_a_compilation_that_hangs_is_ended(monkeypatch, tmp_path):
    child = "import subprocess\nc = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    note = f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(c.pid))\n"
    process(monkeypatch, tmp_path, child + note + phase(self_test.COMPILE) + "time.sleep(60)")
    result = self_test.self_test(dense_gan(), limit=0.5)
    assert (result.passed, result.reason) == (False, "the first steps with XLA took more than 0.5 s")
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 20
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_limit_of_the_compilation_does_not_apply_before(monkeypatch, tmp_path):
    wait = "time.sleep(0.6)\n"
    write = f'pathlib.Path({self_test.RESULT!r}).write_text(\'{{"xla_ms": 1.0, "plain_ms": 2.0}}\')'
    process(monkeypatch, tmp_path, phase("building the network") + wait + phase(self_test.COMPILE) + write)
    result = self_test.self_test(dense_gan(), limit=0.5)
    assert (result.passed, result.reason, result.xla_ms, result.plain_ms) == (True, "", 1.0, 2.0)
    monkeypatch.setattr(self_test, "START_LIMIT", 0.2)
    assert self_test.self_test(dense_gan()).reason == "building the network took more than 0.2 s"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("os.kill(os.getpid(), 11)", "the first steps with XLA ended the process (signal 11): no message"),
        ("sys.exit('no\\nplan found\\n')", "the first steps with XLA ended the process (exit status 1): plan found"),
    ],
)
def test_a_process_that_dies_is_a_failed_test(monkeypatch, tmp_path, end, reason):
    process(monkeypatch, tmp_path, phase(self_test.COMPILE) + end)
    assert self_test.self_test(dense_gan()).reason == reason


def test_a_layer_that_the_process_does_not_know_is_a_failed_test(monkeypatch, tmp_path):
    process(monkeypatch, tmp_path, "")

    class Own(keras.layers.Dense):
        def get_config(self):
            return {**super().get_config(), "function": object()}

    gan, lines = dense_gan(generator=[Own(2)]), []
    assert not self_test.decide(gan, "on", log=lines.append).on
    assert "Cannot serialize object" in lines[1]  # the result cannot be remembered
    assert lines[2].startswith("XLA is off: the self-test of ")
    assert "Cannot serialize object" in lines[2]


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_bad_limits_are_refused(limit):
    with pytest.raises(InputError, match="limit"):
        self_test.self_test(dense_gan(), limit=limit)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "InternalError"),
        ("no plan", "no plan"),
        ('Graph execution error:\n\nDetected at node a/b defined at (most recent call last):\n  File "x.py"\nno', "no"),
        ("cannot compile {{node a/b}} here\nThe op is created at:", "cannot compile  here"),
        ("x" * 300, "x" * 197 + "..."),
    ],
    ids=["empty", "plain", "graph", "marks", "long"],
)
def test_the_reason_of_an_error_is_one_line(message, reason):
    assert runtime.reason_of(tf.errors.InternalError(None, None, message)) == reason


# --- the comparison


def test_differences_are_relative_to_the_losses_and_to_the_way_of_the_weights():
    losses = np.array([[0.5, 4.0]])
    found = self_test_process.compare(
        losses, losses + np.array([[0.01, 0.16]]), np.array([3.0, 4.0]), np.array([3.0, 4.2])
    )
    assert found == {"loss_difference": pytest.approx(0.04), "weight_difference": pytest.approx(0.04)}


@pytest.mark.parametrize("wrong", [1.2, float("nan")])
def test_a_large_difference_is_a_failure(wrong):
    ones = np.ones((1, 2))
    assert "loss difference of" in self_test_process.compare(ones, ones * wrong, np.ones(2), np.ones(2))["failure"]
    assert "weight difference of" in self_test_process.compare(ones, ones, np.ones(2), np.ones(2) * wrong)["failure"]


def in_this_process(gan, folder):
    """Returns the result that the process of the self-test writes, without another process."""
    files.write_json(folder / self_test.TRIAL, as_json(self_test.trial(gan, batch_size=8)))
    self_test_process.main(folder)
    return json.loads((folder / self_test.RESULT).read_text())


def test_xla_passes_on_a_small_network(tmp_path):
    found = in_this_process(dense_gan(penalties=["r2"]), tmp_path)
    assert "failure" not in found
    assert found["loss_difference"] < 1e-5
    assert found["weight_difference"] < 1e-4
    assert min(found[name] for name in ("compile_seconds", "plain_ms", "xla_ms")) > 0


def test_an_operation_that_xla_cannot_compile_is_a_failure(monkeypatch, tmp_path):
    plain = tf.math.softplus
    monkeypatch.setattr(
        keras.ops, "softplus", lambda x: plain(tf.ensure_shape(tf.numpy_function(np.copy, [x], x.dtype), x.shape))
    )
    gan = dense_gan(loss="wasserstein")
    monkeypatch.setattr(
        type(gan.adversarial_loss),
        "generator",
        lambda _, real, fake: tf.stop_gradient(keras.ops.softplus(fake)) - fake,
    )
    found = in_this_process(gan, tmp_path)
    assert found["failure"].startswith("Detected unsupported operations when trying to compile graph")


@pytest.mark.slow  # the parts of it are tested above
def test_the_self_test_of_convolutions_in_another_process():
    result = self_test.self_test(small_gan(), title="digits", batch_size=16)
    assert (result.passed, result.reason, result.title, result.batch_size) == (True, "", "digits", 16)
    assert result.weight_difference < 1e-3
    assert result.describe().startswith("passed; ")


@pytest.mark.slow  # it imports TensorFlow
def test_the_process_is_a_module_that_runs():
    """The other tests replace it, or call it in this process."""
    command = [sys.executable, "-m", self_test.PROCESS, os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())})
    assert done.returncode == 1
    assert "NotADirectoryError" in done.stderr
