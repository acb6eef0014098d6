"""The command line, run as a process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from helpers.comparison import assert_same, rows_of, size_of, values
from helpers.fork_server import PATIENCE

from gan.cli.main import main
from gan.config import PRESETS, config_from_dict
from gan.data import images
from gan.saving import files, models
from gan.utils import tensorflow as runtime


def assert_refused(done, *words):
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    said = " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stderr).split())
    for word in words:
        assert word in said
    assert len(done.stderr.splitlines()) <= 12


@pytest.mark.parametrize("command", ["", "train", "sample", "info", "presets", "train-classifier", "project", "doctor"])
def test_help(gan_command, command):
    done = gan_command(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert f"gan {command}".strip() in done.stdout


def test_benchmark_prints_its_new_command(gan_command, tmp_path):
    done = gan_command("benchmark", "recipes", "--presets", "mnist", "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    new = "python -m benchmarks recipes --presets mnist --json"
    assert done.stderr == f"gan benchmark was moved: run {new} from a checkout\n"
    assert not list(tmp_path.iterdir())


def test_options_have_keras_names(gan_command):
    said = gan_command("train", "--help-all").stdout
    for option in (
        "epochs", "steps", "batch-size", "learning-rate", "d-learning-rate", "seed", "dataset", "init-from", "output",
        "eval-every", "deterministic", "dry-run", "json", "dataset-fallback",
    ):  # fmt: skip
        assert f"--{option} " in said


def test_presets_are_listed(gan_command):
    listed = gan_command("presets").stdout
    assert all(name in listed for name in PRESETS)
    assert set(json.loads(gan_command("presets", "--json").stdout)) == set(PRESETS)


@pytest.mark.parametrize("preset", [[], ["mnist"], ["mnist-mlp"]])
def test_dry_run_prints_the_resolved_configuration_and_stops(gan_command, tmp_path, preset):
    done = gan_command("train", *preset, "--steps", 5, "--learning-rate", 0.01, "--dry-run", cwd=tmp_path)
    said = json.loads(done.stdout)
    assert said["preset"] == (preset or ["mnist"])[0]
    assert said["model"] == PRESETS[said["preset"]].as_dict()["model"]
    assert (said["optimization"]["steps"], said["optimization"]["learning_rate"]) == (5, 0.01)
    assert list(tmp_path.iterdir()) == []


def test_dry_run_keeps_options_of_another_batch_size_as_they_were_given(capsys):
    options = ["train", "mnist", "--batch-size", "1024", "--scale-from-batch", "64", "--dry-run"]
    assert main(options) == 0
    found = config_from_dict({"optimization": json.loads(capsys.readouterr().out)["optimization"]}).optimization
    assert (found.learning_rate, found.beta_2, found.penalty_every) == (3e-3, 0.99, None)
    assert found.learning_rates == (12e-3, 6e-3)


BAD_INPUT = {
    "unknown preset": (["train", "nonsense"], ["Unknown preset", "mnist-mlp", "nonsense"]),
    "unknown option": (["train", "--nonsense", "1"], ["--nonsense"]),
    "unknown command": (["nonsense"], ["nonsense", "train"]),
    "unknown arch": (["train", "--arch", "unet"], ["unet", "dcgan"]),
    "unknown loss": (["train", "--loss", "nonsense"], ["nonsense", "non_saturating"]),
    "learning rate nan": (["train", "--learning-rate", "nan"], ["finite number > 0", "nan"]),
    "learning rate zero": (["train", "--learning-rate", "0"], ["finite number > 0", "learning_rate=0.0"]),
    "learning rate negative": (["train", "--d-learning-rate", "-1"], ["finite number > 0", "-1.0"]),
    "learning rate text": (["train", "--learning-rate", "fast"], ["fast"]),
    "negative steps": (["train", "--steps", "-3"], ["whole number >= 1", "steps=-3"]),
    "steps and epochs": (["train", "--steps", "3", "--epochs", "2"], ["epochs or steps"]),
    "too many steps": (["train", "--steps", "9" * 20], ["from 1 to 2147483647"]),
    "seed": (["train", "--seed", "-1"], ["seed"]),
    "unknown classifier": (["train-classifier", "nonsense"], ["Unknown preset", "mnist-probe", "nonsense"]),
    "classifier epochs": (["train-classifier", "--epochs", "0"], ["epochs=0"]),
    "classifier tolerance": (["train-classifier", "--tolerance", "1.5"], ["number from 0 to 1", "tolerance=1.5"]),
    "ensemble of one": (["ensemble", "mnist-probe"], ["two classifiers or more", "Received: 1."]),
    "ensemble of one twice": (["ensemble", "mnist-probe", "mnist-probe"], ["The same classifier twice"]),
    "ensemble with a reader": (["ensemble", "mnist-probe", "mnist-reader"], ["class of rejected images"]),
    "ensemble of other data": (
        ["ensemble", "mnist-probe", "mnist-classifier", "--dataset", "letters"],
        ["for another dataset", "letters"],
    ),
    "weights of an ensemble": (
        ["ensemble", "mnist-probe", "mnist-classifier", "--weights", "0.5", "0.6"],
        ["weights that sum to 1", "the sum is 1.1"],
    ),
    "init from nothing": (["train", "--init-from", "nothing"], ["No such checkpoint", "nothing"]),
    "output is a file": (["train", "--output", "file"], ["cannot be written", "file"]),
    "output below a file": (["train", "--output", "file/run"], ["cannot be written", "file"]),
    "output holds a run": (["train", "--output", "full"], ["not empty", "full"]),
    "no checkpoint": (["sample"], ["CHECKPOINT"]),
    "checkpoint missing": (["sample", "nothing"], ["No such checkpoint", "nothing"]),
    "checkpoint empty folder": (["info", "empty"], ["No such checkpoint", "empty"]),
    "checkpoint is text": (["sample", "file"], ["not a Keras model", "file"]),
    "checkpoint truncated": (["sample", "short.keras"], ["is damaged", "short.keras"]),
    "checkpoint of other JSON": (["info", "other.keras"], ["not a generator", "other.keras"]),
    "num huge": (["sample", "RUN", "--num", "2000000000"], ["at most 10,000", "2,000,000,000"]),
    "num beyond counting": (["sample", "RUN", "--num", "3000000000", "--out", "a.npz"], ["from 1 to 2147483647"]),
    "walk of too many": (["sample", "RUN", "--interpolate", "0", "9", "--steps", "10001"], ["at most 10,000"]),
    "shard of none": (["sample", "RUN", "--shard", "0", "--out", "a/"], ["shard=0"]),
    "shards in a file": (["sample", "RUN", "--shard", "10", "--out", "a.npz"], ["a folder as --out"]),
    "start huge": (["sample", "RUN", "--start", "9223372036854775807"], ["start"]),
    "label range on a walk": (["sample", "RUN", "--interpolate", "0", "9", "--label", "2-4"], ["one class"]),
    "out empty": (["sample", "RUN", "--out", ""], ["a .png file"]),
    "num zero": (["sample", "RUN", "--num", "0"], ["whole number >= 1", "num=0"]),
    "label 12": (["sample", "RUN", "--label", "12"], ["classes from 0 to 9", "12"]),
    "label range": (["sample", "RUN", "--label", "7-3"], ["classes from 0 to 9", "7-3"]),
    "label text": (["sample", "RUN", "--label", "seven"], ["a class such as 0", "seven"]),
    "truncation": (["sample", "RUN", "--truncation", "-1"], ["truncation"]),
    "walk of one step": (["sample", "RUN", "--interpolate", "0", "9", "--steps", "1"], ["steps=1"]),
    "out suffix": (["sample", "RUN", "--out", "a.jpg"], ["a .png file", "a.jpg"]),
    "out below a file": (["sample", "RUN", "--out", "file/a.png"], ["cannot be written"]),
    "out folder is a file": (["sample", "RUN", "--out", "file"], ["Expected a folder"]),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_rejects_bad_input_before_tensorflow_is_imported(gan_command, tmp_path, tiny_run, case):
    (tmp_path / "file").write_text("hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "log.csv").write_text("x")
    whole = (tiny_run["folder"] / "generator.keras").read_bytes()
    (tmp_path / "short.keras").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        for member, content in (("config.json", "[]"), ("metadata.json", "{}"), ("model.weights.h5", "")):
            archive.writestr(member, content)
    blocked = tmp_path.parent / f"blocked-{tmp_path.name}" / "tensorflow"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise AssertionError('tensorflow was imported')")
    before = sorted(tmp_path.rglob("*"))
    arguments, words = BAD_INPUT[case]
    arguments = [str(tiny_run["folder"]) if argument == "RUN" else argument for argument in arguments]
    assert_refused(gan_command(*arguments, cwd=tmp_path, env={"PYTHONPATH": str(blocked.parent)}), *words)
    assert sorted(tmp_path.rglob("*")) == before


def test_rejects_an_output_that_cannot_be_written_before_tensorflow_is_imported(gan_command, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder of runs should be")
    assert_refused(gan_command("train", cwd=tmp_path), "cannot be written", "runs")


def test_rejects_another_backend(gan_command):
    other = {"KERAS_BACKEND": "torch"}
    assert_refused(gan_command("doctor", env=other), "KERAS_BACKEND=tensorflow", "torch")
    assert gan_command("--help", env=other).returncode == 0
    code = "from gan import load_generator"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **other}, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].startswith("gan.errors.InputError: Unsupported backend")


def test_a_diverging_run_reports_the_step_and_writes_nothing(forked_gan, tmp_path):
    options = ["--dataset", "mnist5k", "--steps", 40, "--learning-rate", 1e30, "--output", tmp_path / "run"]
    done = forked_gan("train", *options)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert re.search(r"[dg]_loss became (NaN|Inf) at step \d+", done.stderr.splitlines()[-1])
    assert "nothing was saved yet" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_closed_stdout_is_not_an_error():
    reader = [sys.executable, "-m", "gan", "presets", "--json"]
    process = subprocess.Popen(reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.slow
def test_deterministic_runs_of_one_seed_are_bit_identical(gan_command, tmp_path):
    from gan import load_generator

    for name in ("a", "b"):
        options = ["--dataset", "mnist5k", "--steps", 25, "--deterministic", "--output", tmp_path / name]
        assert gan_command("train", *options).returncode == 0
    assert_same(*(values(load_generator(tmp_path / name)) for name in ("a", "b")))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dataset", "nonsense"], ["Unknown `dataset`", "nonsense"]),
        (["--dataset", "mnist5k", "--batch-size", "4001"], ["4000 training images", "batch_size=4001"]),
        (["--dataset", "mnist", "--dataset-fallback", "none"], ["not prepared"]),
    ],
)
def test_rejects_input_that_does_not_fit_the_data(forked_gan, tmp_path, options, words):
    offline = {"TFDS_DATA_DIR": str(tmp_path / "data")}
    done = forked_gan("train", *options, "--output", tmp_path / "run", env=offline)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words)
    assert not (tmp_path / "run").exists()


def test_training_prints_its_results_as_one_json_object(tiny_run):
    said = json.loads(tiny_run["stdout"])
    assert tiny_run["stdout"].count("\n") == 1
    assert Path(said["generator"]).exists()
    assert Path(said["samples"]).exists()
    assert tiny_run["stderr"].startswith("device: ")
    assert "g_loss" in tiny_run["stderr"]
    assert not re.search(r"WARNING|[IWE]0000|oneDNN|cuda", tiny_run["stderr"])


def test_offline_training_uses_and_records_the_fallback_with_one_warning(forked_gan, tmp_path):
    offline = {"TFDS_DATA_DIR": str(tmp_path / "data")}
    done = forked_gan("train", "mnist-unconditional", "--steps", 2, "--deterministic", cwd=tmp_path, env=offline)
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if "NOT AVAILABLE" in line]) == 1
    run = tmp_path / "runs" / "00001-mnist-unconditional"
    assert json.loads((run / "config.json").read_text())["dataset"]["name"] == "mnist5k"
    relative = run.relative_to(tmp_path)
    for line in (f"{relative}/generator.keras", f"gan sample {relative}"):
        assert line in done.stdout
    sampled = forked_gan("sample", relative, "--num", 4, cwd=tmp_path)
    assert sampled.returncode == 0, sampled.stderr
    assert size_of(tmp_path / "samples.png") == (124, 124)
    refused = forked_gan("sample", relative, "--label", 3, cwd=tmp_path)
    assert_refused(refused, "this generator is unconditional", "Received: 3")


def test_arrays_and_png_files_hold_the_same_samples(forked_gan, tiny_run, tmp_path):
    run = tiny_run["folder"]
    done = forked_gan("sample", run, "--num", 5, "--seed", 4, "--start", 10, "--out", "a/few.npz", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    arrays = np.load(tmp_path / "a" / "few.npz", allow_pickle=False)
    assert arrays["images"].shape == (5, 28, 28, 1)
    assert arrays["images"].dtype == np.uint8
    assert arrays["labels"].tolist() == [0, 1, 2, 3, 4]
    assert arrays["indices"].tolist() == [10, 11, 12, 13, 14]
    done = forked_gan("sample", run, "--num", 3, "--seed", 4, "--start", 12, "--out", "files", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["samples"] == 3
    from PIL import Image

    for index in (12, 13, 14):
        with Image.open(tmp_path / "files" / f"{index:08d}.png") as picture:
            difference = np.asarray(picture).astype(int) - arrays["images"][index - 10, ..., 0]
        assert np.abs(difference).max() <= 1
    from gan import generate, load_generator

    expected = images.to_uint8(generate(load_generator(run), 5, seed=4, start=10))
    assert np.abs(arrays["images"].astype(int) - expected).max() <= 1


def test_a_walk_and_labels_from_the_command_line(forked_gan, tiny_run, tmp_path):
    run = tiny_run["folder"]
    done = forked_gan("sample", run, "--interpolate", 0, 9, "--steps", 7, "--out", "walk.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert size_of(tmp_path / "walk.png") == (7 * 60 + 4, 64)
    done = forked_gan("sample", run, "--num", 7, "--label", "2-4", "--truncation", 0.5, "--out", "l.npz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "l.npz")["labels"].tolist() == [2, 3, 4, 2, 3, 4, 2]


def test_info(gan_command, tiny_run):
    facts = json.loads(gan_command("info", tiny_run["folder"], "--json").stdout)
    assert facts["num_classes"] == 10
    assert facts["run"]["dataset"]["name"] == "mnist5k"
    assert "mnist5k" in gan_command("info", tiny_run["folder"]).stdout


def test_doctor(forked_gan, tmp_path):
    (tmp_path / "kmnist" / "3.0.1").mkdir(parents=True)
    (tmp_path / "kmnist" / "3.0.1" / "dataset_info.json").write_text("{}")
    (tmp_path / "dataset_info.json").write_text("{}")
    for name in ("emoji-64", "emoji-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "images.npz").write_text("")
    folders = {"TFDS_DATA_DIR": str(tmp_path), "GAN_DATA_DIR": str(tmp_path)}
    said = json.loads(forked_gan("doctor", "--json", env=folders).stdout)
    assert said["data sets"] == ["mnist5k (embedded)", "photos (embedded)", "emoji-64", "kmnist"]
    assert said["checkpoints"] == models.list_checkpoints()
    assert said["device"] == runtime.describe()
    assert said["bfloat16 instructions"] == list(runtime.bfloat16_instructions())
    assert said["precision auto"].split(": ")[0] == runtime.resolve_precision("auto")


def test_an_interrupted_run_is_saved_and_reported(fork_server, tmp_path):
    command = ["train", "--dataset", "mnist5k", "--steps", 100_000, "--eval-every", 640, "--probe", "none"]
    sizes = ["--latent-dim", 8, "--g-width", 4, "--d-width", 4, "--output", "run"]
    process = fork_server.start(*command, *sizes, output=tmp_path / "output")
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "run" / "generator.keras").exists():
        assert time.monotonic() < deadline, "no generator was saved"
        time.sleep(0.05)
    fork_server.signal(process, signal.SIGINT)
    status, printed = fork_server.wait(process), (tmp_path / "output").read_text(encoding="utf-8")
    assert status == 130, printed
    assert "then interrupted" in printed
    assert "Traceback" not in printed
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    seen = int(rows_of(tmp_path / "run" / "log.csv")[-1]["images"])
    assert record["result"] == {**record["result"], "interrupted": True, "images": seen}
    assert 0 < seen < 100_000 * 32
    assert files.sha256(tmp_path / "run" / "generator.keras") == record["sha256"]
    assert (tmp_path / "run" / "samples" / f"{seen:09d}.png").exists()
    assert (tmp_path / "run" / "samples" / "samples.gif").exists()


def test_a_full_disk_is_reported_in_one_line_and_leaves_no_incomplete_file(forked_gan, tiny_run, tmp_path):
    script, folder = tmp_path / "full.py", tmp_path / "folder"
    script.write_text(
        "import resource, runpy, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "runpy.run_module('gan', run_name='__main__')\n"
    )
    folder.mkdir()
    done = forked_gan("sample", tiny_run["folder"], "--out", "grid.png", cwd=folder, script=str(script))
    assert done.returncode == 1
    assert done.stderr.startswith("gan: [Errno 27] File too large")
    assert len(done.stderr.splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_old_names_of_options_still_work_with_a_warning(gan_command):
    old = gan_command("train", "--dry-run", "--json", "--wrong-labels", "0.1", "--extractor=mnist-probe")
    new = gan_command("train", "--dry-run", "--json", "--mismatched-labels", "0.1", "--classifier=mnist-probe")
    assert (old.returncode, old.stdout) == (0, new.stdout) == (new.returncode, new.stdout)
    assert new.stderr == ""
    assert old.stderr.splitlines() == [
        "gan: warning: --wrong-labels is now --mismatched-labels; the next release removes the old name",
        "gan: warning: --extractor is now --classifier; the next release removes the old name",
    ]
