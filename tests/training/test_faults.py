"""Tests that runs survive kills, full disks, losses that are not finite, and other processes in the folder."""

import json
import re
import signal
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.commands import UNWATCHED
from helpers.comparison import assert_same_run, rows_of
from helpers.fork_server import PATIENCE, each_line
from helpers.tiny import dense_gan, small_gan

from gan import load_generator
from gan.data.split import Split
from gan.errors import TrainingError
from gan.saving import files, training_state
from gan.saving.training_state import State

KINDS = ("before a line of code that saves a state", "during training", "inside a state's file")
QUICK = (0, 1, 11)
"""Cases of `make test`: one of each kind."""
CASES = [pytest.param(n, marks=[] if n in QUICK else pytest.mark.slow) for n in range(20)]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Number of Python lines that run while each of the four states is saved. Later saves also remove an old state."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "state").mkdir()
    counts = []
    for interval in range(1, 5):
        ran: list[int] = []
        before = sys.gettrace()
        sys.settrace(each_line(ran.append))
        try:
            training_state.save(folder, State(interval, interval, interval, arrays={"a": np.zeros(3)}))
        finally:
            sys.settrace(before)
        counts.append(len(ran))
    assert 30 < counts[0] < counts[3]
    return counts


@pytest.mark.parametrize("case", CASES)
def test_a_killed_run_loses_at_most_one_interval_and_resumes_to_the_same_result(
    fork_server, toy, lines, tmp_path, case
):
    random = np.random.default_rng(case)
    run = tmp_path / "run"
    number = int(random.integers(4))  # number of the state
    size = (toy / "state" / "000000320.npz").stat().st_size
    fault, status = {
        KINDS[0]: ({"in_state": number, "kill_at_line": random.integers(lines[number]) + 1}, -signal.SIGKILL),
        KINDS[1]: ({"at_step": random.integers(1, 12), "delay": random.uniform(0.0, 0.1)}, -signal.SIGKILL),
        KINDS[2]: ({"in_state": number, "kill_at_byte": random.integers(1, size)}, -signal.SIGXFSZ),
    }[KINDS[case % 3]]
    fault = {name: value.item() if hasattr(value, "item") else value for name, value in fault.items()}
    killed, printed = fork_server.run("train", *UNWATCHED, "--output", run, output=tmp_path / "output", **fault)
    assert killed == status, printed
    saved, damaged = training_state.latest(run)
    assert damaged == []
    done = len(rows_of(run / "log.csv")) if (run / "log.csv").exists() else 0
    assert done - (saved.interval if saved else 0) <= 1
    resumed, printed = fork_server.run("train", "--resume", run, output=tmp_path / "output")
    assert resumed == 0, printed
    assert (f"resuming from interval {saved.interval} of 4" if saved else "starting again") in printed
    assert_same_run(run, toy)
    assert not list(run.rglob("*.partial*"))


def test_a_full_disk_keeps_the_older_states_and_prints_how_to_resume(fork_server, tmp_path):
    run = tmp_path / "run"
    status, printed = fork_server.run(
        "train", *UNWATCHED, "--output", run, output=tmp_path / "output", in_state=2, full_at_byte=9_000
    )
    assert status == 1
    assert "Traceback" not in printed
    assert printed.splitlines()[-1].startswith("gan: [Errno 27] File too large")
    assert "the last complete state is from step 12" in printed
    assert f"gan train --resume {run}" in printed
    names = ["000000096.json", "000000096.npz", "000000192.json", "000000192.npz", "lock"]
    assert sorted(file.name for file in (run / "state").iterdir()) == names
    assert load_generator(run)


@pytest.mark.parametrize(("loss", "step"), [("g_loss", 15), pytest.param("d_loss", 11, marks=pytest.mark.slow)])
def test_a_nan_loss_stops_the_run_before_any_weight_changes(fork_server, tmp_path, loss, step):
    """A graph call runs up to four steps, so each of these steps is inside a call."""
    run = tmp_path / "run"
    status, printed = fork_server.run(
        "train", *UNWATCHED, "--output", run, output=tmp_path / "output", poison=loss, poison_step=step
    )
    assert status == 1
    assert printed.splitlines()[-1].startswith(f"gan: {loss} became NaN at step {step}.")
    last = (step - 1) // 6 * 6
    assert f"the last complete state is from step {last};" in printed
    saved, damaged = training_state.latest(run)
    assert (saved.step, damaged, len(rows_of(run / "log.csv"))) == (last, [], saved.interval)
    averaged = [array for name, array in saved.arrays.items() if name.startswith("generator_ema/")]
    for array, weight in zip(averaged, load_generator(run).weights, strict=True):
        np.testing.assert_array_equal(array, weight.numpy())


@pytest.mark.parametrize(("part", "loss"), [("discriminator", "d_loss"), ("generator", "g_loss")])
def test_a_nan_loss_does_not_change_the_weights(monkeypatch, part, loss):
    import tensorflow as tf

    noise = Split(np.random.default_rng(0).integers(0, 256, (96, 8, 8, 1), np.uint8), np.arange(96) % 10)
    gan = small_gan(shape=(8, 8, 1), steps_per_execution=6, penalties=[])
    plain = getattr(gan.adversarial_loss, part)
    monkeypatch.setattr(
        gan.adversarial_loss,
        part,
        lambda real, fake: plain(real, fake) + tf.where(tf.equal(gan.step, 3), float("nan"), 0.0),
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{loss} : Tensor had NaN"):
        gan.fit(noise.batches(16, steps=6), shuffle=False, verbose=0)
    assert int(gan.step) == 3
    for network in (gan.generator, gan.discriminator, gan.generator_ema):
        assert all(np.isfinite(weight.numpy()).all() for weight in network.weights)


def test_a_callback_stops_the_run_if_xla_removes_the_check():
    import tensorflow as tf

    from gan.training import callbacks

    gan = dense_gan(jit_compile=True)
    plain = gan.adversarial_loss.generator
    gan.adversarial_loss = SimpleNamespace(
        boundary=0.0,
        relativistic=False,
        discriminator=gan.adversarial_loss.discriminator,
        generator=lambda real, fake: plain(real, fake) + tf.where(tf.equal(gan.step, 2), float("nan"), 0.0),
    )
    points = tf.data.Dataset.from_tensor_slices(np.zeros((6, 4, 2), np.float32))
    with pytest.raises(TrainingError, match="g_loss became NaN at or before step 3"):
        gan.fit(points, shuffle=False, verbose=0, callbacks=[callbacks.FiniteLosses()])


@pytest.mark.slow  # test_training_state_files also tests that only one process trains in a folder
def test_commands_that_run_at_the_same_time(fork_server, tmp_path):
    """A run in progress can be described and sampled, but not resumed. A second run gets another number."""
    options = [*UNWATCHED[:2], "--steps", "100000", *UNWATCHED[4:]]
    running = [fork_server.start("train", *options, output=tmp_path / f"output{n}") for n in range(2)]
    runs = [tmp_path / "runs" / f"0000{n}-mnist5k" for n in (1, 2)]
    deadline = time.monotonic() + PATIENCE
    while not all(any((run / "state").glob("*.json")) for run in runs):  # the third state removes the first
        assert time.monotonic() < deadline, "no state was ever saved"
        time.sleep(0.05)
    for number in range(3):
        arguments = ["sample", runs[0], "--num", 4, "--out", tmp_path / f"{number}.png"]
        status, printed = fork_server.run(*arguments, output=tmp_path / "output")
        assert status == 0, printed
    info = json.loads(fork_server.run("info", runs[0], "--json", output=tmp_path / "output")[1])
    assert info["state"]["status"] == "running"
    assert re.fullmatch(r"step [\d,]+ of 100,000", info["state"]["last_state"])
    status, printed = fork_server.run("train", "--resume", runs[0], output=tmp_path / "output")
    assert status == 2
    assert "Another process trains in this folder" in printed
    for process in running:
        fork_server.signal(process, signal.SIGTERM)
    assert [fork_server.wait(process) for process in running] == [143, 143]
    assert sorted(run.name for run in (tmp_path / "runs").iterdir()) == [run.name for run in runs]
    seen = [int(rows_of(run / "log.csv")[-1]["images"]) for run in runs]
    assert [files.read_json(run / "config.json")["result"]["images"] for run in runs] == seen


@pytest.mark.slow
def test_memory_does_not_grow(tmp_path, monkeypatch):
    """Resident memory after 200 intervals of two steps is at most 5 % above the memory after 20 intervals."""
    from gan import train
    from gan.config import DataConfig, ModelConfig, OptimizationConfig, TrainConfig
    from gan.training import callbacks

    resident = []

    def measure(self, epoch, logs=None):
        with open("/proc/self/status") as status:  # noqa: PTH123
            resident.append(next(int(line.split()[1]) for line in status if line.startswith("VmRSS")))

    monkeypatch.setattr(callbacks.Progress, "on_epoch_end", measure)
    train(
        TrainConfig(
            data=DataConfig(dataset="mnist5k"),
            model=ModelConfig(latent_dim=8, g_width=4, d_width=4),
            optimization=OptimizationConfig(steps=400, batch_size=16, steps_per_execution=2),
            eval_every=32,
        ),
        output=tmp_path / "run",
    )
    assert len(resident) == 200
    print(f"resident memory: {resident[19]:,} kB after 20 intervals, {resident[199]:,} kB after 200")
    assert resident[199] < 1.05 * resident[19]
