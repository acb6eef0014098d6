"""Tests that a resumed run ends like an uninterrupted run. They run the real command in forks of one process."""

import json
import re
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from helpers.commands import UNWATCHED
from helpers.comparison import assert_same_run, rows_of

from gan import resume
from gan.config import PRESETS, TrainConfig
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.saving import files, metadata, training_state
from gan.saving.metadata import RunDataset, RunMetadata

PRESET = [
    "train", "mnist", "--dataset", "mnist5k", "--steps", "30", "--batch-size", "32", "--eval-every", "320",
    "--steps-per-execution", "7", "--deterministic",
]  # fmt: skip


def step_of(run):
    return training_state.latest(run)[0].step


@pytest.mark.slow
def test_a_run_of_the_default_preset_killed_inside_an_interval_resumes_to_the_same_result(fork_server, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert fork_server.run(*PRESET, "--output", whole, output=tmp_path / "1")[0] == 0
    assert fork_server.run(*PRESET, "--output", killed, output=tmp_path / "2", at_step=14)[0] == -signal.SIGKILL
    before, _ = training_state.latest(killed)
    assert before.step == 10
    status, printed = fork_server.run("train", "--resume", killed, output=tmp_path / "3")
    assert status == 0
    assert "resuming from interval 1 of 3, step 10 of 30" in printed
    assert_same_run(killed, whole)
    record = metadata.load(killed)
    assert [line.step for line in record.resumed] == [10]
    seconds = [float(row["seconds"]) for row in rows_of(killed / "log.csv")]
    assert seconds[0] <= before.callbacks["RunLog"]["seconds"] < seconds[1]
    assert record.result.compile_seconds > before.callbacks["RunLog"]["compile_seconds"]
    assert record.sha256 == files.sha256(killed / "generator.keras")


WITH_PATIENCE = [
    "train", "mnist", "--dataset", "mnist5k", "--steps", "90", "--batch-size", "32", "--eval-every", "320",
    "--steps-per-execution", "7", "--deterministic", "--eval-num", "200", "--monitor", "real_score",
    "--monitor-mode", "max", "--min-delta", "99", "--patience", "4",
]  # fmt: skip


@pytest.mark.slow
def test_early_stopping_ends_an_interrupted_run_at_the_same_step(fork_server, tmp_path):
    """Patience ends the run after five intervals. SIGKILL ends it in the third, and SIGTERM stops it in the last."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert fork_server.run(*WITH_PATIENCE, "--output", whole, output=tmp_path / "1")[0] == 0
    result = metadata.load(whole).result
    assert (result.stopped_by, result.steps) == ("patience", 50)
    assert fork_server.run(*WITH_PATIENCE, "--output", killed, output=tmp_path / "2", at_step=24)[0] == -signal.SIGKILL
    resumed = ["train", "--resume", killed]
    assert fork_server.run(*resumed, output=tmp_path / "3", at_step=50, send=signal.SIGTERM)[0] == 143
    assert training_state.latest(killed)[0].stopped
    status, printed = fork_server.run(*resumed, output=tmp_path / "4")
    assert status == 0, printed
    assert "later results are discarded" not in printed
    assert_same_run(killed, whole)
    assert metadata.load(killed).result.interval == result.interval


ADAPTIVE = [
    "train", *UNWATCHED, "--augment", "flip", "integer_translation", "--augment-probability", "ada",
    "--learning-rate", "0.01",
]  # fmt: skip
"""D wins at this rate, so the probability rises."""


@pytest.mark.slow  # test_adaptive.py continues a saved GAN, and looks at the variables of a state
def test_adaptive_augmentation_resumes_with_its_probability(fork_server, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    status, printed = fork_server.run(*ADAPTIVE, "--output", whole, output=tmp_path / "1")
    assert status == 0, printed
    probabilities = [float(row["augment_probability"]) for row in rows_of(whole / "log.csv")]
    assert probabilities[-1] > 0
    assert f"probability {probabilities[-1]:.3f} at the end" in printed
    assert fork_server.run(*ADAPTIVE, "--output", killed, output=tmp_path / "2", at_step=15)[0] == -signal.SIGKILL
    assert step_of(killed) == 12
    status, printed = fork_server.run("train", "--resume", killed, output=tmp_path / "3")
    assert status == 0, printed
    assert_same_run(killed, whole)
    assert "augment/000/adaptive/probability" in training_state.latest(killed)[0].arrays


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_run_stopped_by_a_signal_saves_prints_how_to_resume_and_resumes(fork_server, toy, tmp_path, number, status):
    run = tmp_path / "run"
    done, printed = fork_server.run(
        "train", *UNWATCHED, "--output", run, output=tmp_path / "output", at_step=9, send=number
    )
    assert done == status
    assert "Interrupted at step 10; the last complete state is from step 6" in printed
    assert f"gan train --resume {run}" in printed
    assert "Traceback" not in printed
    assert [row["images"] for row in rows_of(run / "log.csv")] == ["96", "160"]
    assert (run / "samples" / "000000160.png").exists()
    assert (metadata.load(run).result.interrupted, step_of(run)) == (True, 6)
    info = json.loads(fork_server.run("info", run, "--json", output=tmp_path / "output")[1])
    expected = {"last_state": "step 6 of 20", "resume": f"gan train --resume {run}"}
    assert info["state"] == {"status": "interrupted", **expected}
    assert fork_server.run("train", "--resume", run, output=tmp_path / "output")[0] == 0
    assert_same_run(run, toy)
    assert json.loads(fork_server.run("info", run, "--json", output=tmp_path / "output")[1])["state"] == {
        "status": "finished"
    }


@pytest.mark.slow  # test_faults.py also kills runs in their first interval
def test_a_run_killed_in_its_first_interval_starts_again_in_its_folder(fork_server, toy, tmp_path):
    run = tmp_path / "run"
    assert (
        fork_server.run("train", *UNWATCHED, "--output", run, output=tmp_path / "output", at_step=4)[0]
        == -signal.SIGKILL
    )
    assert training_state.latest(run) == (None, [])
    info = fork_server.run("info", run, output=tmp_path / "output")[1]
    assert "none yet" in info
    assert "aborted" in info
    status, printed = fork_server.run("train", "--resume", run, output=tmp_path / "output")
    assert status == 0
    assert "starting again from step 0" in printed
    assert_same_run(run, toy)


@pytest.fixture
def interrupted_run(fork_server, toy, tmp_path):
    """A copy of the finished toy run that looks as if it was killed after its last state was saved."""
    run = tmp_path / "interrupted"
    shutil.copytree(toy, run)
    metadata.save(run, replace(metadata.load(run), result=None, sha256=None))
    return run


def files_of(run):
    return {str(file.relative_to(run)): file.read_bytes() for file in run.rglob("*") if file.is_file()}


@pytest.mark.parametrize("damage", ["flipped", pytest.param("empty manifest", marks=pytest.mark.slow)])
def test_reports_a_damaged_state_and_resumes_from_the_previous(fork_server, toy, interrupted_run, tmp_path, damage):
    arrays = interrupted_run / "state" / "000000320.npz"
    if damage == "empty manifest":
        arrays.with_suffix(".json").write_bytes(b"")
    else:
        whole = arrays.read_bytes()
        arrays.write_bytes(whole[:999] + bytes([whole[999] ^ 4]) + whole[1000:])
    record = metadata.load(interrupted_run)
    metadata.save(interrupted_run, replace(record, versions={**record.versions, "tensorflow": "2.19.0"}))
    status, printed = fork_server.run("train", "--resume", interrupted_run, output=tmp_path / "output")
    assert status == 0, printed
    assert "warning: this run started with tensorflow 2.19.0 and resumes with" in printed
    assert "warning: the training state 000000320 is damaged" in printed
    assert "resuming from interval 3 of 4, step 18 of 20" in printed
    assert_same_run(interrupted_run, toy)


def test_overwrites_nothing_if_no_state_is_intact(fork_server, interrupted_run, tmp_path):
    for file in (interrupted_run / "state").glob("*.npz"):
        file.write_bytes(file.read_bytes()[:-1])
    before = files_of(interrupted_run)
    status, printed = fork_server.run("train", "--resume", interrupted_run, output=tmp_path / "output")
    assert status == 2
    assert "This run has no intact state" in printed
    assert re.search(rf"a new run: gan train .*--init-from {re.escape(str(interrupted_run))}", printed)
    shutil.rmtree(interrupted_run / "state")
    assert fork_server.run("train", "--resume", interrupted_run, output=tmp_path / "output")[0] == 2
    assert {name: content for name, content in files_of(interrupted_run).items() if not name.startswith("state")} == {
        name: content for name, content in before.items() if not name.startswith("state")
    }


def test_a_run_killed_after_its_last_state_writes_its_remaining_files(fork_server, toy, interrupted_run, tmp_path):
    (interrupted_run / "generator.keras").unlink()
    (interrupted_run / "samples" / "samples.gif").unlink()
    (interrupted_run / "samples" / ".000000320.1.partial.png").write_bytes(b"half")
    status, printed = fork_server.run("train", "--resume", interrupted_run, output=tmp_path / "output")
    assert status == 0, printed
    assert_same_run(interrupted_run, toy)
    result = metadata.load(interrupted_run).result
    assert (result.images, result.steps, result.interrupted) == (320, 20, False)


def test_a_finished_run_does_not_change(fork_server, toy, tmp_path):
    before = files_of(toy)
    status, printed = fork_server.run("train", "--resume", toy, "--json", output=tmp_path / "output")
    assert status == 0
    assert "is finished: there is nothing to resume" in printed
    assert json.loads(printed.splitlines()[-1])["images"] == 320
    assert files_of(toy) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--resume", "RUN", "--seed", "6"], ["Options cannot change on resume", "seed=5", "seed=6"]),
        (["train", "--resume=RUN", "--batch-size", "8", "--g-width", "2"], ["batch_size=16", "model.g_width=2"]),
        (["train", "--resume", "RUN", "--output", "other"], ["--resume RUN alone", "other"]),
        (["train", "mnist", "--resume", "RUN"], ["Both a preset", "mnist"]),
        (["train", "--resume", "nothing"], ["No such run", "nothing"]),
        (["train", "--resume", "."], ["No such run"]),
    ],
)
def test_rejects_options_that_cannot_change_on_resume(fork_server, interrupted_run, tmp_path, arguments, words):
    before = files_of(interrupted_run)
    command = [argument.replace("RUN", str(interrupted_run)) for argument in arguments]
    status, printed = fork_server.run(*command, output=tmp_path / "output")
    assert status == 2, printed
    assert all(word in printed for word in words), printed
    assert files_of(interrupted_run) == before


@pytest.mark.parametrize(
    ("callback", "state", "path"),
    [
        ("RunLog", {"seconds": "long", "compile_seconds": 0.5}, "callbacks.RunLog.seconds"),
        ("CollapseMonitor", {}, "callbacks.CollapseMonitor.in_a_row"),
    ],
)
def test_rejects_a_malformed_callback_state_before_writing_a_file(
    fork_server, interrupted_run, tmp_path, callback, state, path
):
    manifest = interrupted_run / "state" / "000000320.json"
    content = json.loads(manifest.read_text())["content"]
    content["callbacks"][callback] = state
    manifest.write_text(
        json.dumps({"content": content, "sha256": training_state._sha256(training_state._text(content))})
    )
    before = files_of(interrupted_run)
    status, printed = fork_server.run("train", "--resume", interrupted_run, output=tmp_path / "output")
    assert status == 2, printed
    assert printed.splitlines()[-1].startswith(f"gan: Bad `{path}` in the state of step 20. Expected ")
    assert "Traceback" not in printed
    assert files_of(interrupted_run) == before
    assert not training_state.is_locked(interrupted_run)


@pytest.mark.parametrize("content", [{"config": {}, "dataset": {}}, [], {"config": 3}])
def test_rejects_malformed_metadata_and_locks_nothing(fork_server, tmp_path, content):
    run = tmp_path / "run"
    run.mkdir()
    files.write_json(run / "config.json", content)
    status, printed = fork_server.run("train", "--resume", run, output=tmp_path / "output")
    assert (status, printed.count("\n")) == (2, 1)
    assert str(run / "config.json") in printed
    assert [file.name for file in run.iterdir()] == ["config.json"]
    with pytest.raises(InputError, match=r"config\.json"):
        resume(run)
    assert [file.name for file in run.iterdir()] == ["config.json"]


def test_a_dry_run_prints_the_options_and_the_step_of_the_resumed_run(fork_server, interrupted_run, tmp_path):
    before = files_of(interrupted_run)
    arguments = ["train", "--resume", interrupted_run, "--dry-run", "--steps-per-execution", 9]
    status, printed = fork_server.run(*arguments, output=tmp_path / "output")
    assert status == 0
    options = json.loads(printed)
    assert options["resume"] == {"run": str(interrupted_run), "step": 20}
    assert (options["seed"], options["optimization"]["steps_per_execution"]) == (5, 9)
    assert files_of(interrupted_run) == before


def test_rejects_every_changed_option_outside_the_changeable_ones():
    config = PRESETS["mnist"]
    data = RunDataset(name="mnist5k", image_shape=(28, 28, 1), train=4_000)
    record = RunMetadata(config=config, dataset=data, total_steps=1)
    metadata.check_options(record, config)
    other = replace(config, optimization=replace(config.optimization, steps_per_execution=1))
    metadata.check_options(record, other)
    assert set(metadata.CHANGEABLE) <= metadata._flat(config.as_dict()).keys()
    for changed in (replace(config, deterministic=True), PRESETS["mnist-mlp"], replace(config, eval_every=99)):
        with pytest.raises(InputError, match="Options cannot change on resume"):
            metadata.check_options(record, changed)


def test_rejects_other_training_images_or_labels():
    images, labels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4, 1), np.arange(4, dtype=np.int32)
    part = Split(images, labels)
    dataset = Dataset("plain", 4, part, part, part)
    record = metadata.new_metadata(
        TrainConfig(), dataset.describe(), device="CPU", total_steps=10, preset=None, probe="ab"
    )
    metadata.check_dataset(
        record.dataset, Dataset("plain", 4, Split(images.copy(), labels.copy()), part, part).describe()
    )
    for other in (Split(images[::-1], labels), Split(images, labels[::-1]), Split(images[:3], labels[:3])):
        with pytest.raises(InputError, match="The dataset cannot change on resume"):
            metadata.check_dataset(record.dataset, Dataset("plain", 4, other, part, part).describe())


def test_resume_from_python_gives_the_same_run(fork_server, interrupted_run, toy, tmp_path):
    """Runs in a separate process, because the deterministic kernels of the run cannot be switched off again."""
    (interrupted_run / "state" / "000000320.json").unlink()
    script = tmp_path / "user.py"
    script.write_text(
        "import sys, gan; run = gan.resume(sys.argv[1]); print(run.steps, run.interrupted, run.logs['images'])"
    )
    status, printed = fork_server.run(interrupted_run, output=tmp_path / "output", script=str(script))
    assert status == 0, printed
    assert printed.splitlines()[-1] == "20 False 320"
    assert "step 18 of 20" in printed
    assert_same_run(interrupted_run, toy)


def test_resuming_a_stopped_training_runs_no_more_steps(fork_server, interrupted_run, tmp_path):
    saved, _ = training_state.latest(interrupted_run)
    (interrupted_run / "state" / "000000320.json").unlink()
    before, _ = training_state.latest(interrupted_run)
    training_state.save(interrupted_run, replace(before, stopped=True))
    assert fork_server.run("train", "--resume", interrupted_run, output=tmp_path / "output")[0] == 0
    assert metadata.load(interrupted_run).result.steps == before.step < saved.step
