"""Arguments as people write them: understood, or refused with what is right."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gan.cli import main
from gan.cli.arguments import OTHER_WORDS, read_whole
from gan.cli.main import COMMANDS
from gan.config import PRESETS
from gan.errors import did_you_mean, near_names
from gan.saving import metadata, models

NAMES = [name for group in COMMANDS.values() for name in group]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("100000", 100_000), ("100_000", 100_000), ("100,000", 100_000), ("1,234,567", 1_234_567), ("1e5", 100_000),
        ("1E5", 100_000), ("1e+5", 100_000), ("1.5e3", 1_500), ("12.0", 12), ("-3", -3), ("+3", 3), ("0", 0),
        ("9007199254740993", 9_007_199_254_740_993), ("12345678901234567e1", 123_456_789_012_345_670),
    ],
)  # fmt: skip
def test_a_whole_number_has_many_spellings(text, number):
    assert read_whole(text) == number
    assert type(read_whole(text)) is int


@pytest.mark.parametrize(
    "text", ["1.5", "1e-3", "1.23e1", "10,00", "1,0000", "ten", "", " ", "1e", "nan", "inf", "0x10", "1__0"]
)
def test_other_text_is_no_whole_number(text):
    with pytest.raises(ValueError, match="is not a whole number, such as 100000 or 1e5"):
        read_whole(text)


OPTIONS = {
    "--images 1e5": {"images": 100_000},
    "--images=100,000": {"images": 100_000},
    "--batch_size 1_0": {"batch_size": 10},
    "--steps 2e2 --eval-every 1e3": {"steps": 200, "eval_every": 1_000},
    "--penalties none": {"penalties": []},
    "--penalties None --seed 3": {"penalties": [], "seed": 3},
    "--penalties=none": {"penalties": []},
    "--penalties --seed 3": {"penalties": [], "seed": 3},
    "--penalties R1 wgan-gp": {"penalties": ["r1", "wgan_gp"]},
    "--augment NONE --loss Hinge": {"augment": [], "loss": "hinge"},
    "--augment Cutout translation": {"augment": ["cutout", "translation"]},
    "--augment flip --augment-probability ada": {"augment": ["flip"], "augment_probability": "ada"},
    "--augment Rotate90 --augment-probability 0.3": {"augment": ["rotate90"], "augment_probability": 0.3},
    "--loss=Non-Saturating --conditioning None": {"loss": "non_saturating", "conditioning": "none"},
    "--d_norm none --arch TF-Tutorial": {"d_norm": "none", "arch": "tf_tutorial"},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_usual_spellings_of_options_are_understood(options, capsys):
    assert main(["train", *options.split(), "--dry-run"]) == 0
    said = json.loads(capsys.readouterr().out)
    values = {**said, **said["optimization"], **said["model"]}
    assert {name: values[name] for name in OPTIONS[options]} == OPTIONS[options]


@pytest.mark.parametrize("options", ["--penalties none r1", "--penalties r1 none", "--images 1.5", "--seed none"])
def test_contradictions_are_refused(options, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", *options.split(), "--dry-run"])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["version"]])
def test_the_version_is_printed(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, capsys.readouterr().out) == (0, "gan-reference 0.1.0\n")


@pytest.mark.parametrize("command", [None, *NAMES])
def test_help_has_a_command_too(command, capsys):
    shown = []
    words = command.split() if command else []
    for arguments in (["help", *words], [*words, "-h"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


REFUSED = {
    "trian": "did you mean train?",
    "Train": "did you mean train?",
    "SAMPLE": "did you mean sample?",
    "generate": "did you mean sample?",
    "train_classifier": "did you mean train-classifier?",
    "--json info mnist": "Expected gan info mnist --json.",
    "--seed 3 sample mnist --num 2": "Expected gan sample mnist --num 2 --seed 3.",
    "--nonsense": "Unknown command. Expected one of",
    "": "no command",
    "text": "Incomplete command. Expected one of ['text train gan', ",
    "text train": "'text train questions'] (gan text train --help describes them). Received: gan text train.",
    "text train modle": "(did you mean text train model?). Received: gan text train modle.",
    "text traim gan": "(did you mean text train?). Received: gan text traim.",
    "text train --seed 3": "(gan text train --help describes them). Received: gan text train --seed.",
    "text nonsense": "(gan text --help describes them). Received: gan text nonsense.",
    "text nonsense --help": "Incomplete command",
    "TEXT ask": "(did you mean text?). Received: TEXT.",
    "text-train-gan": "(did you mean text train gan?). Received: text-train-gan.",
    "recognise": "(did you mean text recognize?). Received: recognise.",
    "--seed 3 text train gan --json": "Expected gan text train gan --json --seed 3. Received: --seed.",
    "train mnsit": "(did you mean mnist?)",
    "train MNIST": "(did you mean mnist?)",
    "train Mnist_MLP": "(did you mean mnist-mlp?)",
    "train WGAN": "(did you mean wgan-gp?)",
    "train fashion_mnist": "or an option: gan train --dataset fashion_mnist.",
    "train cifar10": "or an option: gan train --dataset cifar10.",
    "train ./photos": "or an option: gan train --dataset ./photos.",
    "train digits.npz": "or an option: gan train --dataset digits.npz.",
    "train G.keras": "or an option: gan train --init-from G.keras.",
    "train RUN": "or an option: gan train --resume RUN.",
    "train-classifier ./photos": "or an option: gan train-classifier --dataset ./photos.",
    "train-classifier mnist": "(did you mean mnist-probe?)",
    "sample MNIST": "(did you mean mnist?)",
    "sample Mnist_MLP": "(did you mean mnist-mlp?)",
    "sample mnist.keras": "(did you mean mnist?)",
    "sample mnist-sprint": "(train this preset first: gan train mnist-sprint)",
    "sample R3GAN": "(train this preset first: gan train r3gan)",
    "sample fashion_kmnist_x": "(gan train writes one)",
    "sample RUN": "(gan train --resume RUN completes this run)",
    "sample named": "(did you mean named.keras?)",
    "info MNIST/": "(did you mean mnist?)",
    "evaluate mnist --classifier MNIST-probe": "(did you mean mnist-probe?)",
    "sample mnist --out a.JPG": "a .png file",
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_wrong_word_is_refused_with_the_one_that_was_meant(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").mkdir()
    shutil.copy(models.pretrained_folder() / "mnist" / "config.json", tmp_path / "RUN")
    assert metadata.load("RUN")
    (tmp_path / "named.keras").touch()
    assert main(line.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert REFUSED[line] in said.err
    assert len(said.err.splitlines()) == 1


def test_words_of_other_programs_stand_for_commands_that_exist():
    assert set(OTHER_WORDS.values()) <= set(NAMES)
    assert not set(OTHER_WORDS) & set(NAMES)


def test_near_names_ignore_case_and_hyphens():
    known = ["mnist", "fashion_mnist", "kmnist", "cifar10", "cifar100"]
    assert near_names("Fashion-MNIST", known)[0] == "fashion_mnist"
    assert near_names("CIFAR-10", known)[0] == "cifar10"
    assert near_names("\u0130", known) == []
    assert near_names("mnist", known, least=1.0) == ["mnist"]
    assert did_you_mean("photographs", known) == ""
    assert all(near_names(name.upper().replace("-", "_"), PRESETS, most=1) == [name] for name in PRESETS)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".Npz", ".NPZ"])
def test_suffixes_may_be_capital(suffix, forked_gan, tmp_path):
    generator = models.pretrained_folder() / "mnist" / "generator.keras"
    shutil.copy(generator, tmp_path / "G.KERAS")
    done = forked_gan("sample", "G.KERAS", "--num", "2e0", "--out", f"s{suffix}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["G.KERAS", f"s{suffix}"]
    if suffix.lower() == ".png":
        with Image.open(tmp_path / f"s{suffix}") as opened:
            assert opened.format == "PNG"
    else:
        assert len(np.load(tmp_path / f"s{suffix}")["images"]) == 2
