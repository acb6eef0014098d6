"""Tests of the self-test of XLA, its watchdog, its memory, and the decision that it leads to."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.tiny import dense_gan, small_gan

from gan import GAN
from gan.errors import InputError, as_json, convert
from gan.models import augment, ema, jit, penalties, self_test, self_test_memory, self_test_process, xla
from gan.models.adaptive import Adaptive
from gan.models.networks.inspect import layers_of
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
TOLD = "testing XLA in another process, which may take 60 s to compile; --jit off skips this"
FAILED = SelfTest("mlp on digits", "A GPU", False, "the first steps with XLA took more than 60 s", "2026-01-02", 64)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache folder of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
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
        self_test_memory.remember(gan, result, pytest.fail)
    assert jit.decide(gan, "auto", title="digits", log=pytest.fail) == (on, reason)
    assert dense_gan(jit_compile="auto").jit_compile is on


def test_auto_is_off_on_a_cpu():
    gan = dense_gan()
    self_test_memory.remember(gan, PASSED, pytest.fail)
    decision = jit.decide(gan, "auto", log=pytest.fail)
    assert decision == (False, "on a CPU, XLA makes convolutions slower")


def test_off_is_off(gpu):
    assert not jit.decide(dense_gan(), "off", log=pytest.fail).on


@pytest.mark.parametrize(
    ("result", "on"), [(PASSED, True), (SLOWER, True), (FAILED, False)], ids=["passed", "slower", "failed"]
)
def test_on_runs_the_self_test_once_for_each_batch_size(monkeypatch, cache, result, on):
    calls, lines = [], []

    def test(gan, *, title, batch_size):
        calls.append((title, batch_size))
        return replace(result, batch_size=batch_size)

    monkeypatch.setattr(self_test, "self_test", test)
    for batch_size in (7, 7, 8):
        assert jit.decide(dense_gan(), "on", title="x", batch_size=batch_size, log=lines.append).on is on
    assert calls == [("x", 7), ("x", 8)]
    off = "XLA is off: the self-test of 2026-01-02 failed: the first steps with XLA took more than 60 s"
    file = next(cache.glob("self-tests/*-7.json"))
    expected = [TOLD, off, f"{off}; to repeat it, remove {file}", TOLD, off]
    assert lines == (expected if not on else [TOLD, TOLD])


def test_a_test_that_was_not_possible_is_not_remembered(monkeypatch):
    lines = []
    monkeypatch.setattr(self_test, "self_test", lambda *_, **__: replace(FAILED, reason="no memory", conclusive=False))
    for _ in range(2):
        assert not jit.decide(dense_gan(), "on", log=lines.append).on
    assert lines == [TOLD, "XLA is off: the self-test of 2026-01-02 was not possible: no memory"] * 2
    assert self_test_memory.all_remembered() == []


def test_deterministic_kernels_and_layers_without_support_turn_xla_off():
    tf.config.experimental.enable_op_determinism()
    with pytest.warns(UserWarning, match="XLA is off: deterministic kernels, which Keras does not use with XLA"):
        assert not dense_gan(jit_compile=True).jit_compile
    lines = []
    assert not jit.decide(dense_gan(), "on", log=lines.append).on
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
    self_test_memory.remember(gan, PASSED, pytest.fail)
    assert self_test_memory.remembered(dense_gan()) == PASSED
    assert self_test_memory.remembered(dense_gan(), 64) == PASSED
    assert self_test_memory.remembered(dense_gan(), 65) is None
    assert self_test_memory.all_remembered() == [PASSED]
    assert self_test_memory.remembered(dense_gan(generator=[keras.layers.Dense(2)])) is None
    for changed in (
        lambda patch: patch.setattr(runtime, "device_name", lambda: "another card"),
        lambda patch: patch.setattr(runtime, "installed_version", lambda name: "9.9"),
        lambda patch: patch.setattr(tf.sysconfig, "get_build_info", lambda: {"cudnn_version": "10"}),
        lambda patch: patch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=0"),
        lambda patch: patch.setenv("TF_XLA_FLAGS", "--tf_xla_async_compilation=true"),
    ):
        with monkeypatch.context() as patch:
            changed(patch)
            assert self_test_memory.remembered(gan) is None
    (file,) = cache.glob("self-tests/*.json")
    file.write_text("{")
    assert self_test_memory.remembered(gan) is None
    for damaged in ({"title": 3}, {**as_json(PASSED), "xla_ms": None}):
        file.write_text(json.dumps({"result": damaged}))
        assert self_test_memory.all_remembered() == []


def test_the_hash_of_a_network_is_that_of_its_structure():
    def hashed(gan=None, **options):
        return self_test_memory.network_hash(gan or small_gan(**options))

    same_networks = small_gan()
    same = hashed(same_networks)
    assert hashed(seed=5) == same  # other weights, and other automatic names
    faster = dense_gan(g_optimizer=keras.optimizers.SGD(7.0))
    assert hashed(faster) == hashed(dense_gan())
    with runtime.precision("mixed_bfloat16"):
        half = small_gan()
    augmented = GAN(same_networks.generator, same_networks.discriminator, augment=augment.get(("translation",)))
    augmented.compile(*(keras.optimizers.Adam() for _ in range(2)), penalties=["r1"])
    others = [
        hashed(half),
        hashed(classes=0),
        hashed(shape=(8, 8, 1)),
        hashed(penalties=[]),
        hashed(loss="hinge"),
        hashed(critic_steps=2),
        hashed(dense_gan()),
        hashed(dense_gan(g_optimizer="adam")),
        hashed(simultaneous=True),
        hashed(mismatched_labels=0.5),
        hashed(augmented),
        *(hashed(dense_gan(generator=[keras.layers.Activation(kind, name=kind)])) for kind in ("relu", "sigmoid")),
    ]
    assert len({same, *others}) == 1 + len(others)


def test_a_cache_folder_that_cannot_be_written_costs_one_line(cache):
    cache.write_text("a file")
    lines = []
    self_test_memory.remember(dense_gan(), PASSED, lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("the result of the self-test cannot be remembered: ")
    assert self_test_memory.remembered(dense_gan()) is None
    assert self_test_memory.all_remembered() == []


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
    values = json.dumps({"xla_ms": 1.0, "plain_ms": 2.0, "compile_seconds": 3.0})
    write = f"pathlib.Path({self_test.RESULT!r}).write_text({values!r})"
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


def test_a_process_without_a_result_is_not_a_passed_test(monkeypatch, tmp_path):
    process(monkeypatch, tmp_path, "")
    result = self_test.self_test(dense_gan())
    assert (result.passed, result.conclusive, result.reason) == (False, False, "the process ended without a result")


def test_the_process_imports_nothing_from_the_current_folder(monkeypatch, tmp_path):
    process(monkeypatch, tmp_path, "pathlib.Path('result.json').write_text('{\"failure\": \"here\"}')")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "pathlib.py").write_text("raise SystemExit('foreign code')")
    monkeypatch.chdir(tmp_path / "foreign")
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    assert self_test.self_test(dense_gan()).reason == "here"


def test_a_test_that_cannot_start_is_not_possible(monkeypatch, tmp_path):
    class Own(keras.layers.Dense):
        def get_config(self):
            return {**super().get_config(), "function": object()}

    class Subclass(GAN):
        pass

    networks = dense_gan()
    subclass = Subclass(networks.generator, networks.discriminator)
    subclass.compile("sgd", "adam", penalties=())
    results = [self_test.self_test(gan) for gan in (dense_gan(generator=[Own(2)]), subclass)]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    results.append(self_test.self_test(dense_gan()))
    assert [(one.passed, one.conclusive) for one in results] == [(False, False)] * 3
    reasons = ("Cannot serialize object", "only a GAN is tested, not its subclass Subclass", "[Errno 2] No such file")
    for one, reason in zip(results, reasons):
        assert one.reason.startswith(reason)


@pytest.mark.parametrize("leads", [True, False], ids=["own group", "other group"])
def test_the_process_ends_with_its_input(monkeypatch, tmp_path, leads):
    """Its input ends when the process that asked has ended, also if that one was killed."""
    left, done = [b"x", b""], []
    monkeypatch.setattr(os, "read", lambda *_: left.pop(0))
    monkeypatch.setattr(os, "getpgid", lambda _: os.getpid() if leads else os.getpid() + 1)
    monkeypatch.setattr(os, "killpg", lambda group, number: done.append((group, number)))
    monkeypatch.setattr(os, "kill", lambda process, number: done.append((process, number)))
    (tmp_path / "test").mkdir()
    self_test_process.end_with_input(tmp_path / "test")
    assert done == [*([(os.getpid(), signal.SIGKILL)] if leads else []), (os.getpid(), signal.SIGTERM)]
    assert not (tmp_path / "test").exists()


@pytest.mark.slow  # it imports TensorFlow twice
def test_no_process_is_left_when_the_one_that_asked_is_killed(tmp_path):
    files.write_json(tmp_path / self_test.TRIAL, as_json(self_test.trial(dense_gan(), 8)))
    code = (
        f"from pathlib import Path; from gan.models import self_test; self_test._run_child(Path({str(tmp_path)!r}), 60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        deadline = time.monotonic() + 120
        while not (tmp_path / self_test.PHASE).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert len(children) == 1
        parent.kill()
    while _runs(int(children[0])) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(int(children[0]))


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


def compared(*, losses=(1.0, 1.0), moved=(1.0, 1.0), start=0.0, most=0.01):
    """Compares one log and one network of one weight: (plain, XLA) each."""
    plain, xla_ = ({"generator": np.array([start + value])} for value in moved)
    logs = [np.array([[value]]) for value in losses]
    return self_test_process.compare(*logs, {"generator": np.array([start])}, plain, xla_, most)


def test_differences_are_relative_to_the_logs_and_to_the_way_of_the_weights():
    found = compared(losses=(4.0, 4.02), moved=(5.0, 5.04), start=1.0)
    assert found == {"loss_difference": pytest.approx(0.005), "weight_difference": pytest.approx(0.008)}
    small = compared(losses=(0.0, 0.0005))
    assert small["loss_difference"] == pytest.approx(0.005)  # relative to 0.1
    still = compared(moved=(0.0, 5e-8), start=1.0)
    assert still["weight_difference"] == pytest.approx(0.005)  # relative to 1e-5 of the weight


@pytest.mark.parametrize("wrong", [1.02, float("nan")])
def test_a_large_difference_is_a_failure(wrong):
    assert "loss difference differs by" in compared(losses=(1.0, wrong))["failure"]
    assert "generator differs by" in compared(moved=(1.0, wrong))["failure"]
    if wrong == 1.02:
        assert "failure" not in compared(losses=(1.0, wrong), moved=(1.0, wrong), most=0.1)


def test_each_network_is_compared_by_itself():
    before = {"discriminator": np.zeros(3), "average": np.zeros(3)}
    plain = {"discriminator": np.full(3, 100.0), "average": np.full(3, 0.1)}
    still = {**plain, "average": np.zeros(3)}  # a moving average that stands still
    found = self_test_process.compare(np.ones((1, 1)), np.ones((1, 1)), before, plain, still, 0.01)
    assert (found["weight_difference"], found["failure"].split()[:3]) == (1.0, ["average", "differs", "by"])


def test_half_precision_is_compared_less_strictly():
    assert self_test_process.largest_difference(dense_gan()) == 0.01
    with runtime.precision("mixed_bfloat16"):
        assert self_test_process.largest_difference(dense_gan()) == 0.1


def in_this_process(tested, folder, **changes):
    """Returns the result that the process of the self-test writes, without another process."""
    files.write_json(folder / self_test.TRIAL, as_json(replace(self_test.trial(tested, batch_size=8), **changes)))
    self_test_process.main(folder)
    return json.loads((folder / self_test.RESULT).read_text())


def test_xla_passes_on_a_small_network(monkeypatch, tmp_path):
    timed = []

    def speeds(gan, batches, steps, functions):
        timed.append((list(steps), list(functions), [isinstance(f, xla.FirstExecution) for f in functions.values()]))
        return measure(gan, batches, steps, functions)

    measure = self_test_process.speeds
    monkeypatch.setattr(self_test_process, "speeds", speeds)
    found = in_this_process(dense_gan(penalties=[penalties.R1(every=6)], simultaneous=True), tmp_path)
    assert "failure" not in found
    assert found["loss_difference"] < 1e-4
    assert found["weight_difference"] < 1e-3
    assert min(found[name] for name in ("compile_seconds", "plain_ms", "xla_ms")) > 0
    assert timed == [(list(range(18)), ["plain_ms", "xla_ms"], [False, False])]  # whole periods, each program compiled


def test_a_wrong_step_fails(monkeypatch, tmp_path):
    """The moving average stands still with XLA."""
    update = ema.update

    def broken(average, generator, images, half_life):
        update(average, generator, images, 1e9 if with_xla[0] else half_life)

    with_xla = [False]
    monkeypatch.setattr(ema, "update", broken)
    make = self_test_process.train_function

    def train_function(gan, *, jit_compile):
        with_xla[0] = jit_compile
        made = make(gan, jit_compile=False)  # the fault is in the step, so no XLA is needed
        gan.jit_compile = jit_compile
        return made

    monkeypatch.setattr(self_test_process, "train_function", train_function)
    assert in_this_process(dense_gan(), tmp_path)["failure"].startswith("average differs by 1")


def test_an_adaptive_augmentation_is_compared_at_its_largest_probability(tmp_path):
    tested = dense_gan(augment=augment.get(("brightness",), probability="ada"))
    files.write_json(tmp_path / self_test.TRIAL, as_json(self_test.trial(tested, batch_size=8)))
    trial = convert(files.read_json(tmp_path / self_test.TRIAL), self_test.Trial, tmp_path / self_test.TRIAL)
    gan = self_test_process.make_gan(trial)
    [part] = [layer for layer in layers_of(gan.augment) if isinstance(layer, Adaptive)]
    assert float(part.probability) == pytest.approx(part.limit)
    said = {"d_loss": 1.0, "real_accuracy": 0.5, "augment_probability": 0.8}
    gan.train_function = lambda batches: said
    assert self_test_process.logs(gan, iter(()), [0, 1]).tolist() == [[1.0], [1.0]]


def test_speeds_belong_to_their_function():
    gan, made = dense_gan(), []
    functions = {"slow": lambda _: made.append("slow") or time.sleep(0.02), "fast": lambda _: made.append("fast")}
    taken = self_test_process.speeds(gan, None, range(2), functions)
    assert made == ["slow", "slow", "fast", "fast"] * 3
    assert taken["slow"] >= 20 > taken["fast"]


def test_another_device_is_no_test_of_this_one(tmp_path):
    found = in_this_process(dense_gan(), tmp_path, device="a card")
    assert found == {"failure": f"the test found {runtime.device_name()} instead of a card", "conclusive": False}


def test_networks_that_another_process_cannot_build_are_not_tested(tmp_path):
    trial = self_test.trial(dense_gan(), 8)
    unknown = json.loads(json.dumps(trial.gan).replace('"class_name": "Dense"', '"class_name": "Own"'))
    found = in_this_process(dense_gan(), tmp_path, gan=unknown)
    assert found["failure"].startswith("another process cannot build these networks: ")
    assert found["conclusive"] is False


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
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as child:
        error = child.stderr.read()
        assert child.wait() == 1
    assert "NotADirectoryError" in error
