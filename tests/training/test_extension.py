"""Tests of resumed runs whose length changes, and of runs whose data moved."""

import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from helpers.commands import UNWATCHED
from helpers.comparison import assert_same, assert_same_run, rows_of

from gan import Dataset, resume, train
from gan.config import ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig
from gan.data import images
from gan.errors import InputError
from gan.saving import metadata, training_state
from gan.saving.extension import extended_config, has_new_length, new_length
from gan.training.loop import Schedule

CONSTANT = [*UNWATCHED, "--learning-rate-end", "1"]


def copy_of(run, folder):
    shutil.copytree(run, folder)
    return folder


def files_of(run):
    return {str(file.relative_to(run)): file.read_bytes() for file in run.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_with_a_constant_rate_a_longer_run_has_the_weights_of_a_run_that_had_its_length_from_the_start(
    fork_server, tmp_path
):
    """The first run ends inside an interval: after 20 steps, in intervals of 6."""
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    assert fork_server.run("train", *CONSTANT, "--output", parts, output=tmp_path / "1")[0] == 0
    status, printed = fork_server.run("train", "--resume", parts, "--steps", 30, output=tmp_path / "2")
    assert status == 0, printed
    assert "The run has 30 steps (480 images) instead of 20; its learning rate stays constant" in printed
    assert fork_server.run("train", *CONSTANT, "--steps", 30, "--output", whole, output=tmp_path / "3")[0] == 0
    one, two = training_state.latest(parts)[0], training_state.latest(whole)[0]
    names = [name for name in one.arrays if not name.startswith(("callbacks/", "step_means"))]
    assert_same([one.arrays[name] for name in names], [two.arrays[name] for name in names])
    assert [row["images"] for row in rows_of(parts / "log.csv")] == ["96", "192", "288", "320", "416", "480"]
    assert [row["interval"] for row in rows_of(parts / "log.csv")] == ["1", "2", "3", "4", "5", "6"]
    record = metadata.load(parts)
    assert (record.total_steps, record.config.optimization.steps, record.config.eval_every) == (30, 30, 96)
    assert [(line.step, line.total_steps) for line in record.resumed] == [(20, 30)]
    assert (record.result.steps, record.result.images) == (30, 480)


@pytest.mark.slow  # the test before covers a longer run, and test_resume.py a killed one
def test_a_longer_run_that_is_killed_resumes_to_the_same_result(fork_server, toy, tmp_path):
    """The default learning rate: a cosine. 33 steps end inside an interval that began at step 32."""
    whole, killed = copy_of(toy, tmp_path / "whole"), copy_of(toy, tmp_path / "killed")
    longer = ["--images", 33 * 16]
    status, printed = fork_server.run("train", "--resume", whole, *longer, output=tmp_path / "1")
    assert status == 0, printed
    rate = 3e-3 * (0.02 + 0.98 * (1 + np.cos(np.pi * 20 / 33)) / 2)
    assert f"from step 20 on {rate:.3g} instead of 6e-05, at the end 6e-05" in printed
    assert "later results are discarded" not in printed
    assert (
        fork_server.run("train", "--resume", killed, *longer, output=tmp_path / "2", at_step=30)[0] == -signal.SIGKILL
    )
    assert training_state.latest(killed)[0].step == 26
    status, printed = fork_server.run("train", "--resume", killed, output=tmp_path / "3")
    assert status == 0, printed
    assert "resuming from interval 5 of 7, step 26 of 33" in printed
    assert_same_run(killed, whole)
    rates = [float(row["learning_rate"]) for row in rows_of(whole / "log.csv")]
    expected = [3e-3 * (0.02 + 0.98 * (1 + np.cos(np.pi * step / 33)) / 2) for step in (26, 32, 33)]
    np.testing.assert_allclose(rates[4:], expected, rtol=1e-4)
    assert metadata.load(killed).resumed[-1].total_steps is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--images", 304], ["The run is already longer", "at least 320 images, which are 20 steps", "304 images"]),
        (["--steps", 1], ["The run is already longer", "16 images"]),
        (["--epochs", 0.05], ["The run is already longer", "192 images"]),
        (["--epochs", 1, "--steps", 30], ["Two lengths of the run"]),
        (["--images", 640, "--eval-every", 32], ["Options cannot change on resume", "eval_every=32"]),
    ],
)
def test_rejects_a_shorter_length_and_writes_nothing(fork_server, toy, tmp_path, options, words):
    run = copy_of(toy, tmp_path / "run")
    before = files_of(run)
    status, printed = fork_server.run("train", "--resume", run, *options, output=tmp_path / "output")
    assert status == 2, printed
    assert all(word in printed for word in words), printed
    assert files_of(run) == before


def test_a_run_that_was_stopped_early_gets_no_other_length(toy, tmp_path):
    run = copy_of(toy, tmp_path / "run")
    record = metadata.load(run)
    saved, _ = training_state.latest(run)
    longer = replace(record.config, optimization=replace(record.config.optimization, steps=40))
    assert extended_config(run, record, longer, saved).eval_every == 96
    stopped = replace(record, result=replace(record.result, stopped_by="patience"))
    for given in ((stopped, saved), (replace(record, result=None), replace(saved, stopped=True))):
        assert extended_config(run, given[0], record.config, given[1]) == record.config
        with pytest.raises(InputError, match=f"stopped early.*--init-from {run}.*at step 20"):
            extended_config(run, given[0], longer, given[1])


def test_every_way_to_give_a_length_replaces_the_recorded_one(fork_server, toy, tmp_path):
    record = metadata.load(toy)  # its length is given by `steps`
    for options, steps in ((["--images", 640], 40), (["--epochs", 1], 250), (["--steps", 33], 33)):
        status, printed = fork_server.run("train", "--resume", toy, *options, "--dry-run", output=tmp_path / "output")
        assert status == 0, printed
        shown = json.loads(printed)
        optimization = replace(
            record.config.optimization, **{name: shown["optimization"][name] for name in ("images", "epochs", "steps")}
        )
        asked = replace(record.config, optimization=optimization)
        assert (new_length(record, asked), has_new_length(record, asked)) == (steps, True)
        assert shown["eval_every"] == 96
    assert not has_new_length(record, record.config)


def test_a_finished_run_says_how_it_continues(fork_server, toy, tmp_path):
    printed = fork_server.run("train", "--resume", toy, output=tmp_path / "output")[1]
    assert f"gan train --resume {toy} --images N makes it longer" in printed
    printed = fork_server.run("train", "--resume", toy, "--steps", 20, output=tmp_path / "output")[1]
    assert "there is nothing to resume" in printed
    status, printed = fork_server.run("train", "--resume", toy, "--dataset", "kmnist", output=tmp_path / "output")
    assert status == 2
    assert f"gan train --resume {toy} --dataset kmnist --images N" in printed


def test_a_dry_run_prints_the_recorded_precision_for_auto(fork_server, toy, tmp_path):
    arguments = ["train", "--resume", toy, "--precision", "auto", "--dry-run"]
    shown = json.loads(fork_server.run(*arguments, output=tmp_path / "output")[1])
    assert shown["precision"] == metadata.load(toy).config.precision != "auto"


@pytest.mark.parametrize("total", range(1, 40))
def test_intervals_of_a_longer_run_continue_where_the_shorter_one_ended(total):
    """The numbers of intervals count up by one, also if the last interval of the shorter run was shorter."""
    before = Schedule(total_steps=total, interval_steps=6, images_per_step=16)
    after = Schedule(50, 6, 16, first_step=total, first_interval=before.intervals)
    begins = [*range(total, 50, 6)]
    assert [after.complete_intervals(step) for step in begins] == [before.intervals + n for n in range(len(begins))]
    assert after.intervals == before.intervals + len(begins)
    assert before.complete_intervals(6) == 1


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
TINY = TrainConfig(
    model=ModelConfig(latent_dim=4, g_width=2, d_width=2, conditioning="none"),
    optimization=OptimizationConfig(steps=4, batch_size=8, steps_per_execution=2),
    stopping=StoppingConfig(probe="none"),
    eval_every=16,
)


def write_folder(folder, pixels, labels=None):
    for number, image in enumerate(pixels):
        file = folder / ("" if labels is None else str(labels[number])) / f"{number:03d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        images.save_png(file, image)
    return folder


def write_npz(path, pixels, labels=None):
    arrays = {"images": pixels} | ({} if labels is None else {"labels": labels})
    np.savez(path.with_suffix(".npz"), **arrays)
    return path.with_suffix(".npz")


def unfinished(run):
    """Makes a finished run look as if it was killed at its end."""
    metadata.save(run, replace(metadata.load(run), result=None, sha256=None))
    return run


@pytest.mark.parametrize(
    ("write", "labels"),
    [
        (write_folder, np.arange(40) % 2),
        pytest.param(write_folder, None, marks=pytest.mark.slow),
        pytest.param(write_npz, np.arange(40) % 2, marks=pytest.mark.slow),
        pytest.param(write_npz, None, marks=pytest.mark.slow),
    ],
)
def test_a_run_resumes_when_its_data_has_moved(tmp_path, capsys, write, labels):
    old, new = tmp_path / "old", tmp_path / "new"
    place = write(old, PIXELS, labels)
    run = train(TINY, dataset=place, output=tmp_path / "run").folder
    moved = new.with_suffix(place.suffix)
    place.rename(moved)
    with pytest.raises(InputError, match=f"its new place: gan train --resume {run} --dataset NEW"):
        resume(unfinished(run))
    capsys.readouterr()
    assert resume(run, dataset=moved).steps == 4
    record = metadata.load(run)
    digest = record.dataset.train_sha256[:12]
    line = f"{moved} holds the training images of {place} (SHA-256 {digest}): going on from there"
    assert line in capsys.readouterr().err
    assert (record.config.data.dataset, record.dataset.name) == (str(moved), str(moved))
    assert record.resumed[-1].dataset == str(moved)
    assert resume(unfinished(run)).steps == 4  # the record knows the new place
    other = write(tmp_path / "other", PIXELS[::-1] // 2, labels)
    before = files_of(unfinished(run))
    with pytest.raises(InputError, match=f"The dataset cannot change on resume.*{digest}.*SHA-256"):
        resume(run, dataset=str(other))
    assert files_of(run) == before


@pytest.mark.slow  # the test before does the same from Python
def test_data_that_moved_can_be_given_on_the_command_line(fork_server, tmp_path):
    old = write_folder(tmp_path / "old", PIXELS)
    run = train(TINY, dataset=old, output=tmp_path / "run").folder
    old.rename(tmp_path / "new")
    arguments = ["train", "--resume", unfinished(run), "--dataset", tmp_path / "new"]
    status, printed = fork_server.run(*arguments, output=tmp_path / "output")
    assert (status, "going on from" in printed) == (0, True), printed
    with pytest.raises(InputError, match="Options cannot change on resume"):
        resume(unfinished(run), config=replace(TINY, seed=3), dataset=tmp_path / "new")


def test_resume_takes_a_new_number_of_images(tmp_path):
    data = Dataset.from_arrays(PIXELS)
    run = train(TINY, dataset=data, output=tmp_path / "run").folder
    assert resume(run, images=48, dataset=(PIXELS, None)).steps == 6
    assert metadata.load(run).config.optimization.steps is None


def test_a_refused_resume_leaves_no_folder_behind(tmp_path):
    run = train(TINY, dataset=write_folder(tmp_path / "old", PIXELS), output=tmp_path / "run").folder
    shutil.rmtree(unfinished(run) / "state")
    (run / "log.csv").unlink()
    (tmp_path / "old").rename(tmp_path / "new")
    before = files_of(run)
    with pytest.raises(InputError, match="its new place"):
        resume(run)
    assert (files_of(run), (run / "state").exists()) == (before, False)
