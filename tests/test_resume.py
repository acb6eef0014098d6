"""A run that is resumed ends as it would have in one go: the real command, in forks of one process."""

import json
import shutil
import signal
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TOY, assert_same, assert_same_run, differs, rows_of, small_gan, values

from gan import callbacks, checkpoints, records, resume, state
from gan.config import PRESETS, TrainConfig
from gan.data import Dataset, Split
from gan.errors import InputError, TrainingError

PRESET = [
    "train", "mnist", "--dataset", "mnist5k", "--steps", "30", "--eval-every", "320", "--steps-per-execution", "7",
    "--deterministic",
]  # fmt: skip


def step_of(run):
    return state.latest(run)[0].step


def test_a_run_of_the_default_preset_killed_in_the_middle_of_an_interval_ends_as_in_one_go(nursery, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert nursery.run(*PRESET, "--output", whole, said=tmp_path / "1")[0] == 0
    assert nursery.run(*PRESET, "--output", killed, said=tmp_path / "2", at_step=14)[0] == -signal.SIGKILL
    before, _ = state.latest(killed)
    assert before.step == 10
    status, said = nursery.run("train", "--resume", killed, said=tmp_path / "3")
    assert status == 0
    assert "going on from interval 1 of 3, step 10 of 30" in said
    assert_same_run(killed, whole)
    record = records.load(killed)
    assert [line["step"] for line in record["resumed"]] == [10]
    seconds = [float(row["seconds"]) for row in rows_of(killed / "log.csv")]
    assert seconds[0] <= before.callbacks["RunLog"]["seconds"] < seconds[1]
    assert record["result"]["compile_seconds"] > before.callbacks["RunLog"]["compile_seconds"]
    assert record["sha256"] == checkpoints.sha256(killed / "generator.keras")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_run_stopped_by_a_signal_saves_says_so_and_goes_on(nursery, toy, tmp_path, number, status):
    run = tmp_path / "run"
    done, said = nursery.run("train", *TOY, "--output", run, said=tmp_path / "said", at_step=9, send=number)
    assert done == status
    assert "Interrupted at step 10; the last complete state is that of step 6" in said
    assert f"gan train --resume {run}" in said
    assert "Traceback" not in said
    assert [row["images"] for row in rows_of(run / "log.csv")] == ["96", "160"]
    assert (run / "samples" / "000000160.png").exists()
    assert (records.load(run)["result"]["interrupted"], step_of(run)) == (True, 6)
    info = json.loads(nursery.run("info", run, "--json", said=tmp_path / "said")[1])
    way_on = {"last_state": "step 6 of 20", "resume": f"gan train --resume {run}"}
    assert info["state"] == {"status": "interrupted", **way_on}
    assert nursery.run("train", "--resume", run, said=tmp_path / "said")[0] == 0
    assert_same_run(run, toy)
    assert json.loads(nursery.run("info", run, "--json", said=tmp_path / "said")[1])["state"] == {"status": "finished"}


@pytest.mark.slow  # the same happens to some of the kills in test_faults.py
def test_a_run_killed_in_its_first_interval_begins_anew_in_its_folder(nursery, toy, tmp_path):
    run = tmp_path / "run"
    assert nursery.run("train", *TOY, "--output", run, said=tmp_path / "said", at_step=4)[0] == -signal.SIGKILL
    assert state.latest(run) == (None, [])
    info = nursery.run("info", run, said=tmp_path / "said")[1]
    assert "none yet" in info
    assert "broken off" in info
    status, said = nursery.run("train", "--resume", run, said=tmp_path / "said")
    assert status == 0
    assert "beginning anew from step 0" in said
    assert_same_run(run, toy)


@pytest.fixture
def broken_off(nursery, toy, tmp_path):
    """A copy of the finished toy run, as if it had been killed after its last state was written."""
    run = tmp_path / "broken-off"
    shutil.copytree(toy, run)
    record = records.load(run)
    del record["result"], record["sha256"]
    checkpoints.write_json(run / "config.json", record)
    return run


def files_of(run):
    return {str(file.relative_to(run)): file.read_bytes() for file in run.rglob("*") if file.is_file()}


@pytest.mark.parametrize("damage", ["flipped", pytest.param("empty card", marks=pytest.mark.slow)])
def test_a_damaged_state_is_said_and_the_one_before_it_is_gone_on_with(nursery, toy, broken_off, tmp_path, damage):
    arrays = broken_off / "state" / "000000320.npz"
    if damage == "empty card":
        arrays.with_suffix(".json").write_bytes(b"")
    else:
        whole = arrays.read_bytes()
        arrays.write_bytes(whole[:999] + bytes([whole[999] ^ 4]) + whole[1000:])
    record = records.load(broken_off)
    record["versions"]["tensorflow"] = "2.19.0"
    checkpoints.write_json(broken_off / "config.json", record)
    status, said = nursery.run("train", "--resume", broken_off, said=tmp_path / "said")
    assert status == 0, said
    assert "warning: this run began with tensorflow 2.19.0 and goes on with" in said
    assert "warning: the state 000000320 is damaged" in said
    assert "going on from interval 3 of 4, step 18 of 20" in said
    assert_same_run(broken_off, toy)


def test_when_no_state_is_whole_nothing_is_written_over(nursery, broken_off, tmp_path):
    for file in (broken_off / "state").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-1])
    before = files_of(broken_off)
    status, said = nursery.run("train", "--resume", broken_off, said=tmp_path / "said")
    assert status == 2
    assert "No state of this run is whole" in said
    assert f"gan train --init-from {broken_off}" in said
    shutil.rmtree(broken_off / "state")
    assert nursery.run("train", "--resume", broken_off, said=tmp_path / "said")[0] == 2
    assert {name: content for name, content in files_of(broken_off).items() if not name.startswith("state")} == {
        name: content for name, content in before.items() if not name.startswith("state")
    }


def test_a_run_killed_after_its_last_state_only_needs_its_record(nursery, toy, broken_off, tmp_path):
    (broken_off / "generator.keras").unlink()
    (broken_off / "samples" / "samples.gif").unlink()
    (broken_off / "samples" / ".000000320.1.partial.png").write_bytes(b"half")
    status, said = nursery.run("train", "--resume", broken_off, said=tmp_path / "said")
    assert status == 0, said
    assert_same_run(broken_off, toy)
    result = records.load(broken_off)["result"]
    assert (result["images"], result["steps"], result["interrupted"]) == (320, 20, False)


def test_a_finished_run_is_left_as_it_is(nursery, toy, tmp_path):
    before = files_of(toy)
    status, said = nursery.run("train", "--resume", toy, "--json", said=tmp_path / "said")
    assert status == 0
    assert "is finished: there is nothing to go on with" in said
    assert json.loads(said.splitlines()[-1])["images"] == 320
    assert files_of(toy) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--resume", "RUN", "--seed", "6"], ["goes on as it began", "seed=5", "seed=6"]),
        (["train", "--resume=RUN", "--batch-size", "8", "--g-width", "2"], ["batch_size=16", "model.g_width=2"]),
        (["train", "--resume", "RUN", "--output", "other"], ["--resume RUN alone", "other"]),
        (["train", "mnist", "--resume", "RUN"], ["Both a preset", "mnist"]),
        (["train", "--resume", "nothing"], ["No such run", "nothing"]),
        (["train", "--resume", "."], ["No such run"]),
    ],
)
def test_what_a_resumed_run_refuses(nursery, broken_off, tmp_path, arguments, words):
    before = files_of(broken_off)
    given = [argument.replace("RUN", str(broken_off)) for argument in arguments]
    status, said = nursery.run(*given, said=tmp_path / "said")
    assert status == 2, said
    assert all(word in said for word in words), said
    assert files_of(broken_off) == before


def test_a_dry_run_says_what_would_go_on_and_from_where(nursery, broken_off, tmp_path):
    before = files_of(broken_off)
    arguments = ["train", "--resume", broken_off, "--dry-run", "--steps-per-execution", 9]
    status, said = nursery.run(*arguments, said=tmp_path / "said")
    assert status == 0
    shown = json.loads(said)
    assert shown["resume"] == {"run": str(broken_off), "step": 20}
    assert (shown["seed"], shown["optimization"]["steps_per_execution"]) == (5, 9)
    assert files_of(broken_off) == before


def test_every_option_but_the_changeable_ones_is_refused_when_it_differs():
    config = PRESETS["mnist"]
    record = {"config": config.as_dict()}
    records.check_options(record, config)
    other = replace(config, optimization=replace(config.optimization, steps_per_execution=1))
    records.check_options(record, other)
    assert set(records.CHANGEABLE) <= records._flat(config.as_dict()).keys()
    for changed in (replace(config, deterministic=True), PRESETS["mnist-mlp"], replace(config, eval_every=99)):
        with pytest.raises(InputError, match="goes on as it began"):
            records.check_options(record, changed)


def test_other_training_images_or_labels_are_refused():
    images, labels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4, 1), np.arange(4, dtype=np.int32)
    part = Split(images, labels)
    dataset = Dataset("plain", 4, part, part, part)
    record = records.make(TrainConfig(), dataset, "CPU", 10, None)
    records.check_dataset(record, Dataset("plain", 4, Split(images.copy(), labels.copy()), part, part))
    for other in (Split(images[::-1], labels), Split(images, labels[::-1]), Split(images[:3], labels[:3])):
        with pytest.raises(InputError, match="not the one that this run began with"):
            records.check_dataset(record, Dataset("plain", 4, other, part, part))


def test_resume_from_python_is_the_same(broken_off, toy):
    record = records.load(broken_off)
    record["config"]["deterministic"] = False  # it would stay on in this process
    checkpoints.write_json(broken_off / "config.json", record)
    (broken_off / "state" / "000000320.json").unlink()
    run = resume(broken_off)
    assert (run.steps, run.interrupted, run.logs["images"]) == (20, False, 320)
    for array, other in zip(state.latest(broken_off)[0].arrays.values(), state.latest(toy)[0].arrays.values()):
        np.testing.assert_allclose(array, other, rtol=1e-3, atol=1e-5)


# ---- the callback, in this process


class Remembering(callbacks.FiniteLosses):
    """A stopping callback as one may write it: it begins anew in on_train_begin."""

    def __init__(self):
        super().__init__()
        self.on_train_begin()

    def on_train_begin(self, logs=None):
        self.state, self.arrays = {"wait": 0}, []

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state = state

    def get_arrays(self):
        return self.arrays

    def set_arrays(self, arrays):
        self.arrays = arrays


def keeper_of(run, gan, *parts):
    (run / "state").mkdir(exist_ok=True)
    keeper = callbacks.TrainingState(run, parts, interval_steps=2, total_steps=3, images_per_step=16)
    keeper.set_model(gan)
    gan.stop_training = False
    return keeper


def test_every_callback_with_a_state_gets_it_back_after_training_begins(tmp_path):
    gan, parts = small_gan(), [Remembering(), callbacks.StopOnInterrupt(), Remembering()]
    parts[0].state, parts[0].arrays = {"wait": 3}, [np.full((2,), i, np.float32) for i in range(12)]
    parts[2].state = {"wait": 4}
    gan.g_optimizer.iterations.assign(2)
    keeper_of(tmp_path, gan, *parts).on_epoch_end(0)
    saved, _ = state.latest(tmp_path)
    fresh = [Remembering(), callbacks.StopOnInterrupt(), Remembering()]
    other = small_gan(seed=1)
    keeper = keeper_of(tmp_path, other, *fresh)
    keeper.restore(other, saved)
    for part in (fresh[0], fresh[2], keeper):
        part.on_train_begin()
    assert [part.state["wait"] for part in (fresh[0], fresh[2])] == [3, 4]
    assert_same(fresh[0].arrays, parts[0].arrays)
    assert fresh[2].arrays == []
    assert_same(values(other), values(gan))
    for optimizer in ("g_optimizer", "d_optimizer"):
        assert_same(values(getattr(other, optimizer)), values(getattr(gan, optimizer)))


def test_only_a_complete_interval_leaves_a_state(tmp_path):
    gan = small_gan()
    keeper = keeper_of(tmp_path, gan)
    for step, epoch, complete in ((1, 0, False), (2, 0, True), (3, 1, True)):
        gan.g_optimizer.iterations.assign(step)
        keeper.on_epoch_end(epoch)
        saved, _ = state.latest(tmp_path)
        assert (saved is not None and saved.step == step) == complete
    assert state.latest(tmp_path)[0].images == 48


def test_a_training_that_a_callback_ended_is_told_from_one_that_was_interrupted(tmp_path):
    gan, interrupt = small_gan(), callbacks.StopOnInterrupt()
    keeper = keeper_of(tmp_path, gan, interrupt)
    gan.g_optimizer.iterations.assign(2)
    gan.stop_training = True
    keeper.on_epoch_end(0)
    assert state.latest(tmp_path)[0].stopped
    interrupt.signal = signal.SIGINT
    keeper.on_epoch_end(0)
    assert not state.latest(tmp_path)[0].stopped


def test_a_stopped_training_does_not_go_on(nursery, broken_off, tmp_path):
    saved, _ = state.latest(broken_off)
    (broken_off / "state" / "000000320.json").unlink()
    before, _ = state.latest(broken_off)
    state.save(broken_off, replace(before, stopped=True))
    assert nursery.run("train", "--resume", broken_off, said=tmp_path / "said")[0] == 0
    assert records.load(broken_off)["result"]["steps"] == before.step < saved.step


def test_numbers_that_are_none_are_never_saved(tmp_path):
    gan = small_gan()
    gan.g_optimizer.iterations.assign(2)
    gan.discriminator.weights[0].assign(gan.discriminator.weights[0] * float("inf"))
    with pytest.raises(TrainingError, match="discriminator conv2d/kernel is NaN or infinite at step 2"):
        keeper_of(tmp_path, gan).on_epoch_end(0)
    assert state.latest(tmp_path) == (None, [])


def test_a_state_of_other_networks_or_callbacks_is_refused_and_changes_nothing(tmp_path):
    gan = small_gan()
    gan.g_optimizer.iterations.assign(2)
    keeper_of(tmp_path, gan).on_epoch_end(0)
    saved, _ = state.latest(tmp_path)
    first, kernel = list(saved.arrays)[:2]
    wrong = {
        "fewer": {name: array for name, array in saved.arrays.items() if name != first},
        "more": {**saved.arrays, "more/000/kernel": np.zeros(3, np.float32)},
        "another name": {("x" + name if name == first else name): array for name, array in saved.arrays.items()},
        "another shape": {**saved.arrays, kernel: saved.arrays[kernel][..., :1]},
        "another type": {**saved.arrays, kernel: saved.arrays[kernel].astype(np.float64)},
    }
    other = small_gan(seed=1)
    before = values(other)
    for arrays in wrong.values():
        with pytest.raises(InputError, match="does not fit these networks and optimizers"):
            keeper_of(tmp_path, other).restore(other, replace(saved, arrays=arrays))
    unconditional = small_gan(classes=0)
    with pytest.raises(InputError, match="does not fit"):
        keeper_of(tmp_path, unconditional).restore(unconditional, saved)
    with pytest.raises(InputError, match=r"other callbacks\. .*Remembering"):
        keeper_of(tmp_path, other, Remembering()).restore(other, saved)
    assert_same(values(other), before)
    assert differs(values(other), values(gan))


def test_the_log_is_cut_back_to_whole_rows_of_the_interval(tmp_path):
    log = callbacks.RunLog(tmp_path / "log.csv", images_per_step=1)
    assert log.cut_back(3) == 0
    log.path.write_text("interval,images,seconds,r1\n1,32,0.5,nan\n2,64,1.5,0.25\n3,96,2.5,0.5\n4,12")
    assert log.cut_back(2) == 2
    assert log.path.read_text() == "interval,images,seconds,r1\n1,32,0.5,nan\n2,64,1.5,0.25\n"
    assert log.last_row == {"interval": 2, "images": 64, "seconds": 1.5, "r1": 0.25}
    assert log.cut_back(0) == 2
    assert not log.path.exists()


def test_grids_of_later_intervals_are_removed_and_the_film_holds_the_others(tmp_path):
    for name in ("000000032.png", "000000064.png", "000000096.png", ".000000128.9.partial.png", "samples.gif"):
        (tmp_path / name).write_bytes(b"")
    grid = callbacks.SampleGrid(tmp_path, seed=0, images_per_step=1)
    grid.cut_back(64)
    assert [file.name for file in grid.files] == ["000000032.png", "000000064.png"]
    assert sorted(f.name for f in tmp_path.iterdir()) == ["000000032.png", "000000064.png", "samples.gif"]


def test_a_loss_that_is_no_number_ends_the_training_where_the_graph_does_not_check():
    losses = callbacks.FiniteLosses()
    losses.set_model(SimpleNamespace(g_optimizer=SimpleNamespace(iterations=40)))
    for hear in (losses.on_train_batch_end, losses.on_epoch_end):
        hear(0, {"d_loss": 1.0, "g_loss": -2.0, "r1": float("nan")})  # r1 is not due in every step
        hear(0, None)
        with pytest.raises(TrainingError, match="g_loss became NaN at or before step 40"):
            hear(0, {"d_loss": 1.0, "g_loss": float("nan")})
        with pytest.raises(TrainingError, match="d_loss became Inf"):
            hear(0, {"d_loss": float("-inf")})
