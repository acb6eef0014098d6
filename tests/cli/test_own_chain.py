"""Tests the whole chain on a folder of one's own: classifier, training with its probe, evaluation, and what follows."""

import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from gan.cli.evaluation_inputs import EvaluationInputs
from gan.cli.main import parse
from gan.config import DataConfig, TrainConfig
from gan.data.load import load_dataset
from gan.errors import InputError
from gan.evaluation.report import load_report
from gan.saving import metadata, models
from gan.saving.metadata import ClassifierCard, ClassifierDataset
from gan.saving.models import FoundClassifier
from gan.saving.saved_generator import SavedGenerator

COLORS = {"blue": (40, 60, 200), "green": (60, 180, 60), "red": (200, 40, 40)}
DATA = ["--image-size", 16, "--corrupt-share", 0.1]
SMALL = ["--batch-size", 16, "--latent-dim", 4, "--g-width", 4, "--d-width", 4]


def write_pictures(folder, each=20, side=20):
    """Writes noisy pictures of one color for each class, and a file that is no image."""
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.clip(np.array(color) + rng.normal(0, 30, (side, side, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03}.png")
    (folder / "red" / "broken.png").write_bytes(b"no image")


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """The working folder has `my data/sq`, 60 pictures of three classes, and a `link` to it."""
    write_pictures(tmp_path / "my data" / "sq")
    (tmp_path / "link").symlink_to("my data/sq")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:Files that cannot be read")
def test_a_folder_an_archive_and_a_link_with_the_same_images_are_the_same_data(pictures):
    options = {"image_size": 16, "corrupt_share": 0.1}
    folder = load_dataset("./my data/sq", **options)
    files = sorted((pictures / "my data" / "sq").glob("*/0*.png"))
    labels = [list(COLORS).index(file.parent.name) for file in files]
    np.savez(pictures / "sq.npz", images=np.stack([np.asarray(Image.open(file)) for file in files]), labels=labels)
    linked, archive = load_dataset("link", **options), load_dataset("sq.npz", **options)
    assert len({data.fingerprint for data in (folder, linked, archive)}) == 1
    assert len({data.name for data in (folder, linked, archive)}) == 3
    assert load_dataset("sq.npz", image_size=8).fingerprint != folder.fingerprint


@pytest.mark.filterwarnings("ignore:Files that cannot be read")
def test_a_run_and_its_classifier_match_by_their_images_however_the_path_is_typed(pictures, monkeypatch):
    """A quick stand-in for the chain below: no network is trained or loaded."""
    data = load_dataset("link", image_size=16, corrupt_share=0.1)
    config = TrainConfig(data=DataConfig("link", image_size=16, corrupt_share=0.1))
    record = metadata.new_metadata(config, data.describe(), device="", total_steps=1, preset=None, probe=None)
    described = data.describe()
    card = ClassifierCard(
        data_sets=(str(pictures / "my data" / "sq"),),
        dataset=ClassifierDataset(
            name=str(pictures / "my data" / "sq"),
            image_shape=described.image_shape,
            num_classes=3,
            train_sha256=described.train_sha256,
        ),
        sha256="c" * 64,
    )
    saved = SavedGenerator(None, None, record)
    monkeypatch.setattr("gan.cli.evaluation_inputs.find_saved", lambda checkpoint: saved)
    monkeypatch.setattr(models, "find_classifier", lambda folder: FoundClassifier(None, card))
    for typed in (None, "link", "./link", str(pictures / "link"), "my data/sq", "my data/../link"):
        found = EvaluationInputs.find("run", "classifier", typed)
        assert found.data.loading == config.data.loading
        loaded = found.load_dataset()
        assert loaded.fingerprint == described.train_sha256
        assert found.trained_on(loaded) == loaded.name
    (pictures / "my data").rename(pictures / "moved")
    found = EvaluationInputs.find("run", "classifier", "moved/sq")
    assert found.trained_on(found.load_dataset()) == str(pictures / "moved" / "sq")
    for file in (pictures / "moved" / "sq" / "blue").glob("00*.png"):
        file.unlink()
    found = EvaluationInputs.find("run", "classifier", "moved/sq")
    with pytest.raises(InputError, match="The classifier is for another dataset"):
        found.load_dataset()


def test_every_command_that_reads_data_has_all_its_options():
    words = ["--image-size", "16", "--channels", "3", "--background", "white", "--pixel-range", "0", "4095"]
    words += ["--corrupt-share", "0.5", "--dataset", "x"]
    expected = DataConfig("x", "none", "16", 3, "white", (0.0, 4095.0), 0.5)
    assert parse(["train-classifier", *words]).config.data == expected
    assert parse(["train", *words, "--dataset-fallback", "none"]).config.data == expected
    commands = [["evaluate", "run"], ["select", "mnist"], ["mix", "a", "b"], ["ensemble", "a", "b"]]
    commands += [["export", "run", "--table"], ["feedback", "run", "--gold", "0.1"]]
    for command in commands:
        found = parse([*command, *words])
        assert found.reading.over(None, found.dataset) == expected, command


@pytest.mark.slow
def test_the_whole_chain_on_a_folder_of_ones_own(pictures, forked_gan):
    def gan(*words, status=0):
        done = forked_gan(*words, cwd=pictures)
        assert done.returncode in ([status] if isinstance(status, int) else status), (words, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    place = pictures / "my data" / "sq"
    learned = ["--epochs", 12, "--width", 4, "--blocks", 1, "--batch-size", 8, "--learning-rate", 0.01]
    gan("train-classifier", "--dataset", "my data/sq", *DATA, "--channels", 3, *learned, "--output", "own")
    assert models.find_classifier(pictures / "own").card.accuracy["test"] == 1

    # another folder than the one in the classifier's card, by its absolute path; the commands that are printed run
    trained = gan("train", "--dataset", pictures / "link", *DATA, *SMALL, "--steps", 12, "--eval-every", 96,
                  "--probe", "own", "--output", "my run")  # fmt: skip
    assert "error_rate" in trained.stderr  # by the probe
    (printed,) = re.findall(r"^evaluate +(gan .*)$", trained.stdout, re.MULTILINE)
    assert "--classifier own" in printed
    gan(*shlex.split(printed)[1:])
    report = load_report(pictures / "my run")
    assert report.train_sha256 == metadata.load(pictures / "my run").dataset.train_sha256
    for typed in ("my data/sq", "link", place):
        gan("evaluate", "my run", "--classifier", "own", "--dataset", typed)

    # without a classifier that suits, the printed commands train one first
    other = gan("train", "--dataset", "link", *DATA, *SMALL, "--steps", 2, "--probe", "none", "--output", "a 'run'")
    (printed,) = re.findall(r"^to evaluate +(gan .*)$", other.stdout, re.MULTILINE)
    make, evaluate = printed.split(" && ")
    assert parse(shlex.split(make)[1:]).config.data.corrupt_share == 0.1
    gan(*shlex.split(make)[1:], "--epochs", 1)
    gan(*shlex.split(evaluate)[1:])

    # early stopping, with a confirmation at the end of the run
    stopped = gan("train", "--dataset", "link", *DATA, *SMALL, "--steps", 4, "--eval-every", 32, "--probe", "own",
                  "--classifier", place.parents[1] / "own", "--tolerance", 0.2, "--confirm-num", 200,
                  "--output", "stopped", "--json", status=(0, 3, 4))  # fmt: skip
    result = json.loads(stopped.stdout)
    assert result["confirmations"]
    assert "real test images" in result["summary"]["tolerance"]
    gan("compare", "my run", "stopped")

    projected = gan("project", "my run", "link/red/000.png", place / "blue" / "001.png", "--steps", 3, "--json")
    assert {image["label"] for image in json.loads(projected.stdout)["images"]} <= {0, 1, 2}
    gan("mix", "my run", "stopped", "--classifier", "own", "--dataset", "link", "--output", "mixture")
    gan("export", "my run", "--out", "exported")
    refused = gan("evaluate", "exported/my-run.onnx", "--classifier", "mnist-classifier", status=2)
    assert refused.stderr.count("\n") == 1
    gan("evaluate", "exported/my-run.onnx", "--classifier", "own")
    gan("evaluate", "exported/my-run.onnx", "--classifier", "own", "--dataset", "link", *DATA[2:], *DATA[:2])

    # the same images in another place, and then other images there
    place.parent.rename(pictures / "moved")
    (pictures / "link").unlink()
    gan("evaluate", "my run", "--classifier", "own", "--dataset", "moved/sq", "--output", "again")
    assert load_report(pictures / "again").train_sha256 == report.train_sha256
    gan("compare", "my run", "again")
    lost = gan("evaluate", "my run", "--classifier", "own", status=2)
    assert lost.stderr.count("\n") == 1
    for file in (pictures / "moved" / "sq" / "red").glob("00*.png"):
        file.unlink()
    changed = gan("evaluate", "my run", "--classifier", "own", "--dataset", "moved/sq", status=2)
    assert re.fullmatch(r"gan: The classifier is for .*\n", changed.stderr.splitlines(True)[-1])
