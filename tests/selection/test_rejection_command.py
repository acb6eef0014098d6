"""gan sample --reject: the same samples in every output, what the files hold, and bad options."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from helpers.documented_commands import blocks
from helpers.ensembles import untrained_classifier
from PIL import Image

from gan import build_discriminator, load_generator, sampling
from gan.cli.main import main
from gan.cli.rejection import RejectionOptions
from gan.config import DataConfig
from gan.data import images
from gan.errors import InputError
from gan.sampling.writers import cut_batches
from gan.saving.engines.card import ExportCard
from gan.saving.saved_generator import SavedGenerator
from gan.selection import RejectionSampler

REJECT = ["--reject", "discriminator", "--keep", "0.5"]


def read(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def kept(toy, forked_gan, tmp_path_factory):
    """(arrays of 300 samples of which D rejects half of the attempts, the summary)."""
    path = tmp_path_factory.mktemp("kept") / "kept.npz"
    done = forked_gan("sample", toy, "--num", 300, "--seed", 4, *REJECT, "--out", path, "--json")
    assert done.returncode == 0, done.stderr
    return read(path), json.loads(done.stdout)


def test_the_files_tell_which_attempt_is_kept(toy, kept):
    arrays, summary = kept
    assert list(arrays) == ["images", "indices", "labels", "attempts", "accepted"]
    assert (arrays["attempts"].dtype, arrays["accepted"].dtype) == (np.int32, bool)
    assert arrays["accepted"].all()
    assert set(arrays["attempts"]) > {0, 1}
    assert summary["samples"] == 300
    assert summary["attempts"] == arrays["attempts"].sum() + 300
    assert summary["accepted_share"] == pytest.approx(300 / summary["attempts"])
    assert abs(summary["accepted_share"] - 0.5) < 0.15
    assert summary["without_acceptance"] == 0
    calibration = summary["calibration"]
    assert calibration["by"] in ("logistic", "isotonic")
    assert 0 < calibration["log_loss"] < 0.75
    assert calibration["log_loss_constant"] == pytest.approx(np.log(2))
    generator = load_generator(toy)
    latents = np.stack(
        [
            sampling.latents(4, [index], 8, attempt=int(attempt))[0]
            for index, attempt in zip(arrays["indices"][:40], arrays["attempts"])
        ]
    )
    made = images.to_uint8(sampling.compiled(generator)(latents, arrays["labels"][:40]).numpy())
    assert np.abs(made.astype(int) - arrays["images"][:40]).max() <= 1


@pytest.mark.slow
def test_a_sample_is_the_same_in_another_command(toy, kept, forked_gan, tmp_path):
    options = ["sample", toy, "--seed", 4, *REJECT]
    done = forked_gan(*options, "--start", 40, "--num", 50, "--shard", 40, "--out", tmp_path / "shards")
    assert done.returncode == 0, done.stderr
    assert "accepted_share" in done.stdout
    assert "gan.selection.compare_rejections" in done.stdout
    shards = [read(path) for path in sorted((tmp_path / "shards").iterdir())]
    assert [len(shard["images"]) for shard in shards] == [40, 10]
    for name, array in kept[0].items():
        np.testing.assert_array_equal(np.concatenate([shard[name] for shard in shards]), array[40:90])
    done = forked_gan(*options, "--start", 299, "--num", 1, "--out", tmp_path / "one")
    assert done.returncode == 0, done.stderr
    one = np.asarray(Image.open(tmp_path / "one" / "00000299.png"))
    np.testing.assert_array_equal(one, kept[0]["images"][299, ..., 0])


def test_small_files_share_their_batches(toy, kept, tmp_path, monkeypatch):
    """One window of attempts for all files: one after another would compute a whole batch for each."""
    own, windows = RejectionSampler._window, []

    def counted(self, seed, indices, labels):
        windows.append(len(indices))
        return own(self, seed, indices, labels)

    monkeypatch.setattr(RejectionSampler, "_window", counted)
    out = tmp_path / "shards"
    options = ["--seed", "4", "--start", "40", "--num", "10", "--shard", "3", *REJECT]
    assert main(["sample", str(toy), *options, "--out", str(out)]) == 0
    assert windows == [10]
    shards = [read(path) for path in sorted(out.iterdir())]
    assert [len(shard["attempts"]) for shard in shards] == [3, 3, 3, 1]
    for name, array in kept[0].items():
        np.testing.assert_array_equal(np.concatenate([shard[name] for shard in shards]), array[40:50])


def test_batches_are_cut_where_files_end():
    batches = [np.arange(0, 5), np.arange(5, 6), np.arange(6, 10)]
    cut = [part.tolist() for part in cut_batches(batches, [2, 4, 0, 3, 1])]
    assert cut == [[0, 1], [2, 3, 4], [5], [6, 7, 8], [9]]
    assert list(cut_batches([], [])) == []


def test_an_exported_generator_and_a_classifier_of_a_folder(tmp_path):
    """The card of the generator knows the last part of the path, that of the classifier all of it."""
    card = ExportCard(
        name="own", format="onnx", weights="float32", latent_dim=4, num_classes=10, image_shape=(28, 28, 1),
        data=DataConfig("digits"), generator_sha256="ab", content_sha256="cd", max_difference=0.0, compared=64,
    )  # fmt: skip
    saved = SavedGenerator(None, None, card=card)
    folder = untrained_classifier(tmp_path / "own", seed=1, name="/data/digits")
    assert callable(RejectionOptions.of("classifier", None, str(folder), None).find(saved))
    other = replace(saved, card=replace(card, data=DataConfig("letters")))
    with pytest.raises(InputError, match="The classifier is for another dataset"):
        RejectionOptions.of("classifier", None, str(folder), None).find(other)


def test_a_classifier_rejects(toy, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("gan.selection.rejection.fitting.FITTED", 1_000)
    monkeypatch.setattr("gan.selection.rejection.fitting.MOST_MISSED", 1.0)  # most classes are never read
    out = tmp_path / "kept.npz"
    options = ["--label", "3", "--reject", "classifier", "--keep", "0.2", "--num", "20", "--attempts", "40"]
    assert main(["sample", str(toy), *options, "--out", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["attempts"] == np.where(read(out)["accepted"], read(out)["attempts"] + 1, 40).sum()
    assert "calibration" not in summary
    assert set(read(out)["labels"]) == {3}


def test_an_interrupted_command_resumes_with_its_rejection(toy, monkeypatch, tmp_path, capsys):
    convert, calls = images.to_uint8, []

    def convert_or_fail(batch):
        calls.append(len(batch))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return convert(batch)

    monkeypatch.setattr(images, "to_uint8", convert_or_fail)
    options = ["--shard", "20", *REJECT, "--attempts", "50"]
    assert main(["sample", str(toy), "--num", "60", *options, "--out", str(tmp_path / "shards")]) == 130
    said = capsys.readouterr().err
    assert "--start 20 --num 40" in said
    assert "--reject discriminator --keep 0.5 --attempts 50" in said


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:MNIST IS NOT AVAILABLE")
def test_the_block_of_the_page_runs(toy, capsys):
    (block,) = [block for block in blocks("python") if "compare_rejections" in block]
    short = {'"runs/00001-mnist"': repr(str(toy)), 'load_dataset("mnist")': 'load_dataset("mnist5k")', "10_000": "300"}
    for text, other in short.items():
        assert text in block
        block = block.replace(text, other)
    exec(block, {})
    assert "RejectionComparison(before=SampleQuality(rate=ErrorRate(wrong=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--reject", "classifier", "--keep", "0"], "Bad `keep`"),
        (["--reject", "discriminator", "--keep", "1.5"], "Bad `keep`"),
        (["--reject", "classifier", "--keep", "-0.5"], "Bad `keep`"),
        (["--reject", "classifier", "--keep", "nan"], "Bad `keep`"),
        (["--reject", "classifier", "--attempts", "0"], "Bad `attempts`"),
        (["--keep", "0.9"], "Nothing is rejected, so --keep 0.9 has no effect"),
        (["--reject-with", "mnist-probe"], "Nothing is rejected, so --reject-with mnist-probe has no effect"),
        (["--attempts", "3"], "Nothing is rejected"),
        (["--reject", "discriminator", "--reject-with", "mnist-probe"], "so --reject-with has no effect"),
        (["--reject", "classifier", "--interpolate", "1", "2"], "A walk has no attempts"),
        (["--reject", "classifier", "--reject-with", "nonsense"], "No such classifier"),
        (["--reject", "discriminator"], "This generator has no discriminator"),
    ],
)
def test_bad_options_are_one_line(options, problem, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "mnist", *options]) == 2
    said = capsys.readouterr().err
    assert problem in said
    assert len(said.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_refuses_what_is_of_other_data(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = shutil.copytree(toy, tmp_path / "run")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["dataset"]["name"] = "fashion_mnist"
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert main(["sample", "run", "--reject", "classifier"]) == 2
    assert "The classifier is for another dataset" in capsys.readouterr().err
    shutil.copy(toy / "config.json", run)
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["dataset"]["train_sha256"] = "ab"
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert main(["sample", "run", "--reject", "discriminator"]) == 2
    assert "The images have changed since the training" in capsys.readouterr().err
    shutil.copy(toy / "config.json", run)
    keras.utils.set_random_seed(0)
    build_discriminator((28, 28, 1), 0, width=4).save(run / "discriminator.keras")
    assert main(["sample", "run", "--reject", "discriminator"]) == 2
    assert "The discriminator is not this generator's" in capsys.readouterr().err
    (run / "config.json").unlink()
    assert main(["sample", "run", "--reject", "discriminator"]) == 2
    assert "The dataset of this generator is not known" in capsys.readouterr().err
