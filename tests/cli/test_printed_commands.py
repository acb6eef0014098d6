"""Commands that messages print can be pasted: a shell splits them as they were meant, and they are possible."""

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan.cli.evaluate import next_evaluation
from gan.cli.evaluation_inputs import EvaluationInputs, classifier_command, classifier_folder
from gan.cli.main import parse
from gan.config import PRESETS, DataConfig, TrainConfig
from gan.config.arguments import as_arguments
from gan.errors import InputError
from gan.saving import files, metadata, models
from gan.saving.commands import restart_command, resume_command
from gan.saving.metadata import ClassifierCard, ClassifierDataset, RunDataset
from gan.saving.models import FoundClassifier
from gan.saving.saved_generator import SavedGenerator
from gan.utils.commands import shell_command

NAMES = [
    "plain",
    "my pictures",
    "it's",
    'a "b"',
    "$HOME",
    "a;b",
    "*",
    "~",
    "#",
    "caf\u00e9",
    "caf\udce9",
    "a\nb",
    "",
    "!",
]
SMALL = ["--steps", 2, "--batch-size", 4, "--latent-dim", 4, "--g-width", 2, "--d-width", 2, "--probe", "none"]


def parsed(command):
    """Returns the command that the command line reads from a printed line."""
    program, *arguments = shlex.split(command)
    assert program == "gan"
    return parse(arguments)


@pytest.mark.parametrize("name", NAMES)
def test_a_shell_splits_a_command_into_its_words(name):
    assert shlex.split(shell_command("gan", "info", name)) == ["gan", "info", name]


@pytest.mark.parametrize(
    ("path", "word"), [("-x", "./-x"), ("--resume", "./--resume"), ("x/-y", "x/-y"), ("/-x", "/-x")]
)
def test_a_path_is_no_option(path, word):
    assert shell_command("gan", Path(path)) == f"gan {word}"


def written_run(folder, *, config=None, dataset=None, given=(), preset="mnist"):
    """Writes the metadata of a run that has just begun."""
    used = dataset or RunDataset(name="mnist", image_shape=(28, 28, 1), num_classes=10, train=9, validation=9, test=9)
    record = metadata.new_metadata(
        config or PRESETS["mnist"], used, device="", total_steps=5, preset=preset, probe=None, given=given
    )
    folder.mkdir(parents=True)
    metadata.save(folder, record)
    return record


@pytest.mark.parametrize("name", [name for name in NAMES if name] + ["-r"])
def test_a_run_in_any_folder_is_resumed_by_the_printed_command(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = written_run(Path(name))
    command = parsed(resume_command(Path(name)))
    assert (command.resume.resolve(), command.config) == (tmp_path / name, record.config)


@pytest.mark.parametrize("preset", [*PRESETS, None, "removed"])
def test_a_new_run_from_a_generator_has_the_options_of_the_run(preset, tmp_path):
    base = PRESETS.get(preset, TrainConfig())
    config = replace(
        base,
        data=DataConfig(dataset="my pictures", image_size="32x64", channels=3),
        model=replace(base.model, latent_dim=7, augment=("cutout", "brightness")),
        optimization=replace(
            base.optimization, penalties=(), learning_rate=3e-5, d_learning_rate=None, simultaneous=True
        ),
        deterministic=True,
        init_from="another",
        feedback="judgements.jsonl",
        feedback_share=0.2,
    )
    used = RunDataset(name=str(Path("my pictures").absolute()), image_shape=(32, 64, 3), train=9)
    written_run(tmp_path / "run", config=config, preset=preset, dataset=used)
    command = parsed(restart_command(tmp_path / "run"))
    new = {"init_from": str(tmp_path / "run"), "feedback": None, "feedback_share": 0.1}
    assert command.config == replace(config, **new, source=command.config.source)
    slower = parsed(restart_command(tmp_path / "run", slower=True)).config.optimization
    assert slower == replace(config.optimization, learning_rate=1.5e-5)


def test_the_arguments_of_all_presets_give_the_presets():
    for name, preset in PRESETS.items():
        words = as_arguments(preset, TrainConfig())
        config = parsed(shell_command("gan", "train", *words)).config
        assert replace(config, source=preset.source) == preset, name


def test_a_run_with_objects_of_its_own_is_resumed_from_python(tmp_path):
    arrays = RunDataset(name="arrays", image_shape=(8, 8, 1), train=9)
    written_run(tmp_path / "run", dataset=arrays, given=["gan"])
    command = resume_command(tmp_path / "run")
    assert command == f"gan.resume({str(tmp_path / 'run')!r}, dataset=..., gan=...)"
    compile(command, "", "eval")
    assert restart_command(tmp_path / "run") is None


@pytest.mark.parametrize(
    ("asked", "used"),
    [
        ("mnist", "mnist"),
        ("mnist", "mnist5k"),
        ("stacked-mnist", "stacked-mnist5k"),
        ("cifar10", "cifar10"),
        ("a b", None),
    ],
)
def test_a_dataset_that_the_options_name_needs_no_object(asked, used, tmp_path):
    used = RunDataset(name=used or str(Path(asked).absolute()), image_shape=(8, 8, 1), train=9)
    written_run(tmp_path / "run", dataset=used, config=TrainConfig(data=DataConfig(dataset=asked)))
    assert resume_command(tmp_path / "run").startswith("gan train --resume")


def test_a_folder_without_metadata_still_has_a_command(tmp_path):
    assert resume_command(tmp_path) == f"gan train --resume {tmp_path}"
    assert restart_command(tmp_path) is None


OWN = RunDataset(name="/my pictures", image_shape=(16, 16, 3), num_classes=2, train=27, validation=6, test=7)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (replace(OWN, name="mnist5k", image_shape=(28, 28, 1)), "gan evaluate RUN"),
        (OWN, "gan train-classifier --dataset '/my pictures' --batch-size 27 --output RUN-classifier && "
              "gan evaluate RUN --classifier RUN-classifier"),
        (replace(OWN, num_classes=0), "gan evaluate RUN"),
        (replace(OWN, test=1), None),
        (replace(OWN, name="mnist", test=0, image_shape=(28, 28, 1)), None),
    ],
    ids=["digits", "own classes", "no classes", "one test image", "no test image"],
)  # fmt: skip
def test_an_evaluation_is_printed_only_where_it_is_possible(dataset, expected, tmp_path):
    written_run(tmp_path / "run", dataset=dataset)
    found = next_evaluation(tmp_path / "run")
    assert list(found.values()) == ([] if expected is None else [expected.replace("RUN", str(tmp_path / "run"))])
    assert ("evaluate" in found) == (expected == "gan evaluate RUN")
    for command in " && ".join(found.values()).split(" && ") if found else []:
        parsed(command)


@pytest.mark.slow
def test_the_classifier_that_the_probe_names_evaluates_the_run(small_classifier, tmp_path):
    folder = small_classifier[0]
    card = models.find_classifier(folder).card
    own = tmp_path / "own"
    own.mkdir()
    (own / "classifier.keras").write_bytes((Path(folder) / "classifier.keras").read_bytes())
    content = files.read_json(Path(folder) / "config.json")
    files.write_json(own / "config.json", {**content, "data_sets": ["/my pictures"]})
    dataset = replace(OWN, image_shape=card.dataset.image_shape)
    config = replace(TrainConfig(), stopping=replace(TrainConfig().stopping, probe=str(own)))
    written_run(tmp_path / "run", dataset=dataset, config=config)
    assert next_evaluation(tmp_path / "run") == {"evaluate": f"gan evaluate {tmp_path}/run --classifier {own}"}


def test_a_classifier_reads_the_images_as_the_run_did(tmp_path):
    config = TrainConfig(data=DataConfig(dataset="my pictures", image_size="32x64", channels=1))
    record = written_run(tmp_path / "run", dataset=OWN, config=config)
    found = parsed(classifier_command(record.dataset, record.config.data, tmp_path / "c"))
    assert found.config.data == DataConfig("/my pictures", "none", "32x64", 1)
    assert found.config.batch_size == 27


@pytest.mark.parametrize("generator", [".", "..", "../run/.", "../run", "generator.keras"])
def test_a_new_classifier_lies_beside_the_run_however_its_folder_is_typed(generator, tmp_path, monkeypatch):
    run = tmp_path / "run"
    working = run / "state" if generator == ".." else run
    working.mkdir(parents=True)
    (run / "generator.keras").touch()
    monkeypatch.chdir(working)
    assert classifier_folder(Path(generator)).resolve() == tmp_path / "run-classifier"
    (tmp_path / "run-classifier").mkdir()
    assert classifier_folder(Path(generator)).resolve() == tmp_path / "run-classifier-2"


@pytest.mark.parametrize("generator", ["mnist", "hf://me/digits", "elsewhere/generator.keras"])
def test_the_classifier_of_another_generator_takes_no_pretrained_name(generator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert classifier_folder(Path(generator)) == Path("runs", "classifier")


def test_no_command_trains_a_classifier_for_arrays_without_a_name():
    assert classifier_command(replace(OWN, name="arrays"), DataConfig("arrays"), Path("c")) is None


def test_changed_images_are_named_with_the_expected_digest_and_a_command(tmp_path, monkeypatch):
    images = replace(OWN, train_sha256="b" * 64)
    record = written_run(tmp_path / "run", dataset=images, config=TrainConfig(data=DataConfig(images.name)))
    (tmp_path / "run" / "generator.keras").touch()
    described = ClassifierDataset(
        name=images.name, image_shape=images.image_shape, num_classes=OWN.num_classes, train_sha256="a" * 64
    )
    card = ClassifierCard(data_sets=(images.name,), dataset=described, sha256="c" * 64)
    monkeypatch.setattr("gan.cli.evaluation_inputs.find_saved", lambda _: SavedGenerator(None, None, record))
    monkeypatch.setattr(models, "find_classifier", lambda _: FoundClassifier(None, card))
    with pytest.raises(InputError, match="have changed") as raised:
        EvaluationInputs.find(str(tmp_path / "run"), "classifier")
    assert f"SHA-256 {'a' * 64}, or another classifier: gan train-classifier" in raised.value.expected
    assert "b" * 64 in raised.value.received


@pytest.mark.slow
def test_the_commands_after_training_on_pictures_run(forked_gan, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "my 'pictures'" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{number}.png")
    done = forked_gan("train", "--dataset", "my 'pictures'", *SMALL, "--output", "my run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not re.search("^evaluate ", done.stdout, re.MULTILINE)
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if " gan " in line)
    sample, evaluation = (line[line.index("gan ") :] for line in lines.values())
    for command, statuses in ((sample, [0]), *((part, [0, 3, 4]) for part in evaluation.split(" && "))):
        done = forked_gan(*shlex.split(command)[1:], cwd=tmp_path)
        assert done.returncode in statuses, (command, done.stderr)
    report = json.loads((tmp_path / "my run" / "report.json").read_text(encoding="utf-8"))
    assert report["num"] == 6
    assert report["metrics"]["kernel_distance"] == {"value": None, "real": None}
    assert "6 samples prove little" in done.stderr
