"""Tests of training on several devices and workers, and of mixed precision."""

import json
import os
import signal
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.commands import OFFLINE, ROOT, UNWATCHED
from helpers.comparison import assert_same, assert_same_run, rows_of, values
from helpers.ports import free_ports
from helpers.tiny import QUICK, small_gan

from gan import GAN, build_generator, load_generator, train
from gan.distributed import devices, replicas
from gan.errors import InputError
from gan.models.network_copy import averaged_copy
from gan.saving import metadata
from gan.training import callbacks
from gan.utils import tensorflow as runtime

REPLICAS = ROOT / "tests" / "helpers" / "replica_training.py"


def worker_environment(index, ports):
    """Returns the environment of one of two workers on the loopback interface."""
    workers = [f"127.0.0.1:{port}" for port in ports]
    return {
        **OFFLINE,
        "TF_CONFIG": json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}),
    }


def start_two(fork_server, folder, *arguments, ports=None, **faults):
    """Starts two workers with the same arguments in separate folders. Returns (process, output file) of each."""
    ports, started = ports or free_ports(2), []
    for index in range(2):
        worker_folder = folder / f"worker{index}"
        worker_folder.mkdir(parents=True, exist_ok=True)
        fault = {**faults.get("both", {}), **faults.get(f"worker{index}", {})}
        output = worker_folder / "output"
        environment = worker_environment(index, ports)
        started.append((fork_server.start(*arguments, output=output, environment=environment, **fault), output))
    return started


def wait_both(fork_server, started):
    return [(fork_server.wait(process), output.read_text()) for process, output in started]


@pytest.fixture(scope="module")
def one_process(fork_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one")
    status, printed = fork_server.run(folder / "moves.npz", 1, output=folder / "output", script=str(REPLICAS))
    assert status == 0, printed
    return dict(np.load(folder / "moves.npz"))


def assert_same_moves(found, expected):
    """Checks that weights move equally in each step and logs agree, to a millionth of each array's largest number."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert np.any(value), f"{name} did not move"
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6 * np.abs(value).max(), err_msg=name)


def test_two_devices_move_the_weights_like_one_device(fork_server, one_process, tmp_path):
    status, printed = fork_server.run(tmp_path / "moves.npz", 2, output=tmp_path / "output", script=str(REPLICAS))
    assert status == 0, printed
    assert_same_moves(dict(np.load(tmp_path / "moves.npz")), one_process)


@pytest.mark.slow  # the test of two devices, above, is the stand-in
def test_two_workers_move_the_weights_like_one_process(fork_server, one_process, tmp_path):
    both = start_two(fork_server, tmp_path, "moves.npz", 1, both={"script": str(REPLICAS)})
    for (status, printed), worker_folder in zip(wait_both(fork_server, both), ("worker0", "worker1")):
        assert status == 0, printed
        assert_same_moves(dict(np.load(tmp_path / worker_folder / "moves.npz")), one_process)


@pytest.mark.slow  # the first test of this file is the stand-in
def test_a_run_on_two_devices_writes_a_complete_run_folder(fork_server, tmp_path):
    run = tmp_path / "run"
    command = ["train", "mnist", "--dataset", "mnist5k", "--steps", 2, "--batch-size", 32]
    command += ["--eval-every", 32, "--devices", 2]
    status, printed = fork_server.run(*command, "--output", run, output=tmp_path / "output")
    assert status == 0, printed
    assert "device: 2 replicas; " in printed
    rows = rows_of(run / "log.csv")
    assert [row["images"] for row in rows] == ["32", "64"]
    assert all(np.isfinite(float(row[name])) for row in rows for name in ("g_loss", "val_frechet_distance"))
    generator = keras.models.load_model(run / "generator.keras", compile=False)
    assert not any(getattr(layer, "synchronized", False) for layer in generator.layers)
    assert np.isfinite(generator([np.zeros((2, 32), np.float32), np.arange(2)])).all()


def test_mixed_precision_trains_and_saves_a_float32_generator(tmp_path, monkeypatch):
    seen, computes = [], set()
    options = replace(QUICK.optimization, steps=2)
    config = replace(QUICK, precision="mixed_bfloat16", optimization=options)
    fit, compile_gan = replicas.apply_gradients, GAN.compile

    def recorded(optimizer, tape, loss, variables, name):
        seen.append((loss.dtype, {v.dtype for v in variables}))
        fit(optimizer, tape, loss, variables, name)

    def compiled(gan, *optimizers, **given):
        computes.update(network.layers[-3].compute_dtype for network in (gan.generator, gan.discriminator))
        compile_gan(gan, *optimizers, **given)

    monkeypatch.setattr(replicas, "apply_gradients", recorded)
    monkeypatch.setattr(GAN, "compile", compiled)
    run = train(config, output=tmp_path)
    assert computes == {"bfloat16"}
    assert {loss for loss, _ in seen} == {tf.float32}
    assert all(kinds == {"float32"} for _, kinds in seen)
    assert all(
        np.isfinite(float(row["g_loss"])) and np.isfinite(float(row["d_loss"])) for row in rows_of(tmp_path / "log.csv")
    )
    loaded = keras.models.load_model(run.generator, compile=False)
    assert {layer.compute_dtype for layer in loaded.layers if layer.weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_the_default_precision_is_restored_after_an_error():
    def fail():
        with runtime.precision("mixed_bfloat16"):
            built.append(keras.layers.Dense(1))
            raise ZeroDivisionError

    built = []
    with pytest.raises(ZeroDivisionError):
        fail()
    mixed = built[0]
    assert (mixed.compute_dtype, mixed.variable_dtype) == ("bfloat16", "float32")
    assert keras.config.dtype_policy().name == "float32"


def test_the_averaged_generator_is_float32_and_not_synchronized():
    with runtime.precision("mixed_bfloat16"):
        generator = build_generator((28, 28, 1), 8, 10, width=4)
    for layer in generator.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
    averaged = averaged_copy(generator)
    assert_same(values(averaged), values(generator))
    assert {layer.compute_dtype for layer in averaged.layers if layer.weights} == {"float32"}
    assert not any(getattr(layer, "synchronized", False) for layer in averaged.layers)


def test_rejects_more_devices_than_available(tmp_path):
    cores = os.cpu_count()
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match=rf"at most {cores}: this machine has {cores} cores.*devices={cores + 1}"):
        devices.start(cores + 1)
    if cores > 1 and len(tf.config.list_logical_devices("CPU")) == 1:
        with pytest.raises(InputError, match="TensorFlow was used in this process"):
            devices.start(2)
    with pytest.raises(InputError, match=f"at most {cores}"):
        train(replace(QUICK, devices=cores + 1), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("count", "size", "critic_steps", "received"),
    [(2, 9, 1, "9 images"), (4, 12, 2, "12 images"), (2, None, 1, "several sizes")],
)
def test_rejects_a_batch_that_replicas_cannot_share(count, size, critic_steps, received):
    with pytest.raises(InputError, match=f"cannot be shared evenly.*{received}"):
        replicas.check_shares(count, size, critic_steps)
    replicas.check_shares(2, 8, 2)


def test_one_process_receives_its_own_broadcast():
    strategy = tf.distribute.get_strategy()
    assert replicas.broadcast(strategy, {"a": [1, None]}) == {"a": [1, None]}
    assert [replicas.any_worker(strategy, flag) for flag in (True, False)] == [True, False]


def test_the_signal_of_another_process_stops_this_one_at_a_common_step():
    flags = []
    interrupt = callbacks.StopOnInterrupt(lambda here: flags.append(here) or len(flags) == 3, look_every=20)
    gan = small_gan()
    gan.stop_training = False
    interrupt.set_model(gan)
    for batch in range(30):
        interrupt.on_train_batch_end(batch)
    interrupt.on_epoch_end(0)
    assert (flags, gan.stop_training, interrupt.interrupted) == ([False, False], False, False)
    for batch in range(30):
        interrupt.on_train_batch_end(batch)
    assert (flags, gan.stop_training, interrupt.signal) == ([False] * 3, True, signal.SIGINT)


@pytest.mark.slow
def test_users_train_and_evaluate_in_the_scope_of_a_strategy(fork_server, tmp_path):
    script = tmp_path / "user.py"
    script.write_text(USER)
    status, printed = fork_server.run(output=tmp_path / "output", script=str(script))
    assert status == 0, printed
    assert "done" in printed


USER = """
from gan import start_devices
device_setup = start_devices(2)
import keras, numpy as np, tensorflow as tf
from gan import GAN, build_discriminator, build_generator
from gan.errors import InputError
from gan.evaluation.metrics import PairwiseSSIM
rng = np.random.default_rng(0)
images = rng.uniform(-1, 1, (40, 28, 28, 1)).astype("float32")
with device_setup.strategy.scope():
    gan = GAN(build_generator((28, 28, 1), 8, width=4), build_discriminator((28, 28, 1), width=4))
    gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), metrics=[PairwiseSSIM()], steps_per_execution=4)
assert gan.steps_per_execution == 1
batches = tf.data.Dataset.from_tensor_slices(images).batch(8, drop_remainder=True)
found = gan.fit(batches, validation_data=batches, epochs=2, verbose=0, shuffle=False).history
assert len(found["val_pairwise_ssim"]) == 2 and int(np.asarray(gan.g_optimizer.iterations)) == 10
reference = PairwiseSSIM()
for number, real in enumerate(batches):
    from gan.models import random
    fake = gan.generator_ema(random.evaluation_latents(0, number, (8, 8)), training=False)
    reference.update_state(real, fake)
expected = float(reference.result()["pairwise_ssim"])
assert abs(gan.evaluate(batches, return_dict=True)["pairwise_ssim"] - expected) < 1e-5
for bad in (batches.unbatch().batch(7, drop_remainder=True), batches.unbatch().batch(8)):
    try:
        gan.fit(bad, verbose=0)
    except InputError as error:
        print(error)
    else:
        raise SystemExit("a batch that cannot be shared was accepted")
with device_setup.strategy.scope():
    normalized = build_discriminator((28, 28, 1), width=4, norm="batch")
    gan = GAN(build_generator((28, 28, 1), 8, width=4), normalized)
    try:
        gan.compile(keras.optimizers.Adam(), keras.optimizers.Adam(), penalties=["r1"])
    except InputError as error:
        print(error)
    else:
        raise SystemExit("a penalty with batch normalization was accepted")
print("done")
"""


@pytest.mark.slow
def test_two_workers_train_and_resume_after_one_is_killed(fork_server, tmp_path):
    """If one worker is killed, the other ends. Both resume to the same result."""
    whole = wait_both(fork_server, start_two(fork_server, tmp_path / "whole", "train", *UNWATCHED, "--output", "run"))
    assert [status for status, _ in whole] == [0, 0], whole
    assert not (tmp_path / "whole" / "worker1" / "run").exists()
    assert "127.0.0.1:" in whole[1][1]
    for killed in (0, 1):
        folder, fault = tmp_path / f"killed{killed}", {f"worker{killed}": {"at_step": 9}}
        started = start_two(fork_server, folder, "train", *UNWATCHED, "--output", "run", **fault)
        ended = wait_both(fork_server, started)
        assert ended[killed][0] == -signal.SIGKILL, ended
        assert ended[1 - killed][0] == 1, ended
        assert "Another worker has ended" in ended[1 - killed][1]
        assert "Traceback" not in ended[1 - killed][1]
        resumed = wait_both(fork_server, start_two(fork_server, folder, "train", "--resume", "run"))
        assert [status for status, _ in resumed] == [0, 0], resumed
        assert "resuming from interval" in resumed[0][1]
        assert_same_run(folder / "worker0" / "run", tmp_path / "whole" / "worker0" / "run")
        assert load_generator(folder / "worker0" / "run")


@pytest.mark.slow
def test_the_default_preset_trains_on_two_workers_with_one_precision(fork_server, tmp_path):
    """The chief can compute in bfloat16, the other worker cannot. The command is the same."""
    command = ["train", "mnist", "--dataset", "mnist5k", "--steps", 6, "--batch-size", 32, "--eval-every", 96]
    command += ["--output", "run"]
    machines = {"worker0": {"matrix_units": True}, "worker1": {"matrix_units": False}}
    ended = wait_both(fork_server, start_two(fork_server, tmp_path, *command, **machines))
    assert [status for status, _ in ended] == [0, 0], ended
    assert metadata.load(tmp_path / "worker0" / "run").config.precision == "float32"
    rows = rows_of(tmp_path / "worker0" / "run" / "log.csv")
    assert [row["images"] for row in rows] == ["96", "192"]
    assert "val_frechet_distance" in rows[0]
    assert not (tmp_path / "worker1" / "run").exists()


@pytest.mark.slow
def test_the_chief_confirms_and_both_workers_end_with_its_decision(fork_server, tmp_path):
    """The generator covers nothing: it is nominated but not confirmed, and undecided at the end."""
    command = ["train", "mnist", "--dataset", "mnist5k", "--steps", 160, "--batch-size", 32, "--eval-every", 2_560]
    command += ["--tolerance", 1, "--classifier", "mnist-probe", "--confirm-num", 500, "--output", "run"]
    ended = wait_both(fork_server, start_two(fork_server, tmp_path, *command))
    assert [status for status, _ in ended] == [4, 0], ended
    assert ended[0][1].count("is not confirmed yet: coverage of validation images") == 2
    [last] = metadata.load(tmp_path / "worker0" / "run").result.confirmations
    assert (last.num, last.verdict, last.is_last) == (500, "undecided", True)
    assert not (tmp_path / "worker1" / "run").exists()


@pytest.mark.slow
def test_a_signal_to_one_worker_ends_both_and_saves(fork_server, tmp_path):
    command = ["train", *UNWATCHED, "--steps", 5_000, "--eval-every", 100_000, "--output", "run"]
    fault = {"worker0": {"at_step": 3, "send": signal.SIGTERM}}
    ended = wait_both(fork_server, start_two(fork_server, tmp_path, *command, **fault))
    assert [status for status, _ in ended] == [143, 143], ended
    assert load_generator(tmp_path / "worker0" / "run")


@pytest.mark.slow
def test_a_nan_loss_on_one_worker_ends_both(fork_server, tmp_path):
    ended = wait_both(
        fork_server,
        start_two(fork_server, tmp_path, "train", *UNWATCHED, "--output", "run", worker1={"poison_step": 9}),
    )
    assert [status for status, _ in ended] == [1, 1], ended
    assert all("Traceback" not in printed for _, printed in ended), ended
    assert any("d_loss became NaN at step 9" in printed for _, printed in ended), ended
    assert load_generator(tmp_path / "worker0" / "run")


@pytest.mark.slow
def test_workers_with_different_options_do_not_train(fork_server, tmp_path):
    ports, started = free_ports(2), []
    for index in range(2):
        worker_folder = tmp_path / f"worker{index}"
        worker_folder.mkdir()
        environment = worker_environment(index, ports)
        arguments = ["train", *UNWATCHED, "--batch-size", 16 + 16 * index, "--output", "run"]
        output = worker_folder / "output"
        started.append((fork_server.start(*arguments, output=output, environment=environment), output))
    ended = wait_both(fork_server, started)
    assert [status for status, _ in ended] == [1, 2], ended
    assert "started with different options" in ended[1][1]
    assert not (tmp_path / "worker0" / "run" / "generator.keras").exists()
