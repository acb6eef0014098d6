"""Tests of runs that start from both networks of another run, and that keep the first layers of D."""

import json
import re
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from helpers.commands import UNWATCHED
from helpers.comparison import assert_same, assert_same_run, differs, values
from helpers.tiny import QUICK

from gan import build_discriminator, build_generator, load_discriminator, resume, train
from gan.cli.main import main
from gan.config import TrainConfig
from gan.errors import InputError
from gan.models.gan import GAN
from gan.models.networks import list_stages
from gan.saving import files, metadata, training_state


def frozen(discriminator, depth):
    return [np.array(one) for stage in list_stages(discriminator)[:depth] for layer in stage for one in layer.weights]


def test_an_interrupted_fine_tuning_resumes_to_the_same_result(fork_server, toy, tmp_path):
    """The toy has ten classes; these runs are unconditional, so only the latents' part of G's first layer is taken."""
    fine = ["train", *UNWATCHED, "--init-from", toy, "--freeze-d", "2", "--conditioning", "none"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    status, printed = fork_server.run(*fine, "--output", whole, output=tmp_path / "1")
    assert status == 0, printed
    for role in ("generator", "discriminator"):
        line = rf"init_from: label_embedding of the {role} is not taken: no classes here, 10 classes in the checkpoint"
        assert len(re.findall(line, printed)) == 1
    assert "the first 2 layers of the discriminator stay, so it trains 4 of 8 variables" in printed
    start, end = (load_discriminator(run) for run in (toy, whole))
    assert_same(frozen(end, 2), frozen(start, 2))
    assert differs(frozen(end, 3)[4:], frozen(start, 3)[4:])
    record = metadata.load(whole)
    assert (record.config.freeze_d, record.init_sha256) == (2, files.sha256(toy / "generator.keras"))
    state, _ = training_state.latest(whole)
    moments = [name for name in state.arrays if re.match("d_optimizer/.*(momentum|velocity)", name)]
    assert len(moments) == 2 * 4

    assert fork_server.run(*fine, "--output", killed, output=tmp_path / "2", at_step=14)[0] == -signal.SIGKILL
    status, printed = fork_server.run("train", "--resume", killed, "--freeze-d", "1", output=tmp_path / "3")
    assert status == 2
    assert "Options cannot change on resume. Expected freeze_d=2. Received: freeze_d=1" in printed
    status, printed = fork_server.run("train", "--resume", killed, output=tmp_path / "4")
    assert status == 0, printed
    assert_same_run(killed, whole)


def test_a_run_starts_again_only_from_the_same_generator(toy, tmp_path):
    record, run = metadata.load(toy), tmp_path / "run"
    run.mkdir()
    started = replace(record, config=replace(record.config, init_from=str(toy)), result=None, sha256=None)
    metadata.save(run, replace(started, init_sha256="0" * 64))
    with pytest.raises(InputError, match="The generator of init_from has changed since the start of the run"):
        resume(run)


@pytest.mark.slow  # test_stages.py is the stand-in
def test_replicas_keep_the_frozen_layers(fork_server, toy, tmp_path):
    fine = ["train", *UNWATCHED, "--init-from", toy, "--freeze-d", "2", "--devices", "2", "--output", tmp_path / "run"]
    status, printed = fork_server.run(*fine, output=tmp_path / "output")
    assert status == 0, printed
    start, end = (load_discriminator(run) for run in (toy, tmp_path / "run"))
    assert_same(frozen(end, 2), frozen(start, 2))
    assert differs(frozen(end, 3)[4:], frozen(start, 3)[4:])


FITS = ["--latent-dim", "8", "--g-width", "4", "--d-width", "4"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--freeze-d", "1"], "Frozen layers would keep their random weights. Expected --freeze-d with --init-from"),
        (["--init-from", "{toy}", *FITS, "--freeze-d", "4"], "at most 3: it has 3 layers before its logits"),
        (["--init-from", "{toy}", *FITS, "--arch", "resnet"], "Expected --arch dcgan. Received: --arch resnet, for"),
        (["--init-from", "{toy}", *FITS, "--g-width", "5"], "Expected --g-width 4. Received: --g-width 5, for"),
        (["--init-from", "{toy}", "--g-width", "4"], "Expected --latent-dim 8. Received: --latent-dim 32, for"),
        (
            ["--init-from", "{toy}", *FITS, "--image-size", "32"],
            "a checkpoint of 32x32 with 1 channel, or data of 28x28",
        ),
        (["--init-from", "{toy}", *FITS, "--channels", "3"], "a checkpoint of 28x28 with 3 channels, or data of 28x28"),
        (["--init-from", "{toy}", *FITS, "--d-width", "5", "--freeze-d", "1"], "its layers cannot be frozen. Expected"),
        (
            ["--init-from", "{alone}", "--latent-dim", "8"],
            "do not fit this configuration. Expected 12 weights, such as",
        ),
        (
            ["--init-from", "{alone}", *FITS, "--image-size", "32"],
            "a checkpoint of 32x32 with 1 channel, or data of 28",
        ),
        (
            ["--init-from", "{alone}", *FITS, "--freeze-d", "1"],
            "There is no discriminator whose layers could be frozen",
        ),
        (["--init-from", "{exported}", *FITS], "An exported generator has no gradients and no layers"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_dry_run_and_a_run_refuse_what_does_not_fit(words, message, toy, tmp_path, capsys):
    alone, exported = tmp_path / "alone.keras", tmp_path / "g.onnx"
    shutil.copyfile(toy / "generator.keras", alone)
    exported.write_bytes(b"content")
    places = {"toy": toy, "alone": alone, "exported": exported}
    words = [word.format(**places) for word in words]
    assert main(["train", "--dataset", "mnist5k", "--dry-run", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err.splitlines()[-1]
    assert len(printed.err.splitlines()) == 1
    assert main(["train", "--dataset", "mnist5k", *words, "--output", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_dry_run_accepts_what_fits(toy, capsys):
    fits = ["--init-from", str(toy), *FITS, "--freeze-d", "3", "--conditioning", "none", "--d-norm", "none"]
    assert main(["train", "--dataset", "mnist5k", "--dry-run", *fits]) == 0
    assert json.loads(capsys.readouterr().out)["freeze_d"] == 3


@pytest.mark.slow  # test_stages.py and the next test are the stand-ins
def test_networks_of_ones_own_may_keep_their_layers(digits, tmp_path):
    """No `init_from` is needed, since these networks may have any weights."""
    gan = GAN(build_generator((28, 28, 1), 8, 0, "mlp", 2), build_discriminator((28, 28, 1), 0, "mlp", 2))
    config = replace(QUICK, model=replace(QUICK.model, conditioning="none"), freeze_d=3)
    before = frozen(gan.discriminator, 3)
    run = train(config, dataset=digits, gan=gan, output=tmp_path / "run")
    assert_same(frozen(load_discriminator(run.folder), 3), before)
    assert differs(values(load_discriminator(run.folder))[-2:], before[-2:])


def test_random_layers_are_not_frozen(digits, tmp_path):
    with pytest.raises(InputError, match="Frozen layers would keep their random weights"):
        train(replace(QUICK, freeze_d=1), dataset=digits, output=tmp_path / "run")
    for value in (1.5, -1, True):
        with pytest.raises(InputError, match="freeze_d"):
            TrainConfig(freeze_d=value)
    assert not (tmp_path / "run").exists()
