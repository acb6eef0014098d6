"""Tests of models of the Hugging Face Hub, from snapshots in a cache as its client lays them out."""

import shutil
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, values
from helpers.hub import cache_snapshot, environment, use_cache
from keras import layers

from gan import load_discriminator, load_generator
from gan.cli.main import main
from gan.errors import InputError
from gan.saving import files, hub, metadata, models
from gan.saving.hub import KERAS_FILES, repository_of
from gan.saving.initial_checkpoint import check_unchanged, find_start
from gan.saving.saved_generator import find_saved

client = pytest.importorskip("huggingface_hub")

NAME = "hf://me/digits"


@pytest.fixture
def repository(toy, tmp_path):
    """The files of a repository with both networks of `toy`, as `gan push` uploads them."""
    folder = tmp_path / "repository"
    folder.mkdir()
    hub.unpack(toy / "generator.keras", folder)
    for name in ("generator.keras", "discriminator.keras"):
        shutil.copyfile(toy / name, folder / name)
    shutil.copyfile(toy / "config.json", folder / "gan.json")
    (folder / "README.md").write_text("# digits", encoding="utf-8")
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    return use_cache(monkeypatch, tmp_path)


def test_a_repository_is_a_run_folder(toy, repository, cache):
    snapshot = cache_snapshot(cache, "me/digits", repository)
    saved = find_saved(NAME)
    assert saved.file.path.parent.name == "digits"
    assert saved.file.path.parent.parent.name == snapshot.name
    assert saved.summary.sha256 == files.sha256(toy / "generator.keras")
    assert saved.record == metadata.load(toy)
    assert_same(values(load_generator(NAME)), values(load_generator(toy)))
    assert_same(values(load_discriminator(NAME)), values(load_discriminator(toy)))
    stamp = saved.file.stamp
    assert find_saved("hf:/me/digits/").file.stamp == stamp  # as a path; it is not laid out again


def test_a_repository_of_keras_alone_is_packed_always_alike(toy, repository, cache):
    for name in ("generator.keras", "discriminator.keras", "gan.json"):
        (repository / name).unlink()
    cache_snapshot(cache, "me/digits", repository)
    found = models.find_generator(NAME)
    sha = found.sha256
    assert sorted(file.name for file in found.path.parent.iterdir()) == ["generator.keras"]
    assert_same(values(load_generator(NAME)), values(load_generator(toy)))
    shutil.rmtree(found.path.parents[3])
    assert models.find_generator(NAME).sha256 == sha


def test_files_that_belong_to_an_earlier_model_are_left(repository, cache):
    """Someone saved another model over the repository with plain Keras, which leaves the other files."""
    inputs = keras.Input((3,), name="latents")
    other = keras.Model(inputs, layers.Reshape((2, 2, 1))(layers.Dense(4, activation="tanh")(inputs)))
    other.save(repository / "other.keras")
    hub.unpack(repository / "other.keras", repository)
    cache_snapshot(cache, "me/digits", repository)
    saved = find_saved(NAME)
    assert (saved.record, saved.summary.latent_dim) == (None, 3)
    assert_same(values(load_generator(NAME)), values(other))
    assert not saved.file.path.with_name("discriminator.keras").exists()


def test_the_record_of_another_generator_is_left(toy, repository, cache):
    """Someone uploaded another generator over the files of `gan push`, with its generator.keras."""
    record = metadata.load(toy)
    files.write_json(repository / "gan.json", replace(record, sha256="0" * 64).as_dict())
    cache_snapshot(cache, "me/digits", repository)
    saved = find_saved(NAME)
    assert saved.record is None
    assert [file.name for file in saved.file.path.parent.iterdir()] == ["generator.keras"]


def test_another_revision_is_another_model(repository, cache):
    cache_snapshot(cache, "me/digits", repository)
    first = models.find_generator(NAME)
    (repository / "generator.keras").unlink()
    cache_snapshot(cache, "me/digits", repository)
    second = models.find_generator(NAME)
    assert first.path != second.path
    assert first.is_unchanged


def test_a_training_starts_from_the_snapshot_that_was_checked(repository, cache):
    cache_snapshot(cache, "me/digits", repository)
    first = find_start(NAME)
    (repository / "generator.keras").unlink()
    cache_snapshot(cache, "me/digits", repository)
    assert models.find_generator(NAME).sha256 != first.sha256
    assert find_start(NAME).sha256 == first.sha256
    check_unchanged(NAME, first.sha256)
    hub.fetch_once.cache_clear()  # as in another process
    with pytest.raises(InputError, match=rf"init_from has changed since the start of the run.* SHA-256 {first.sha256}"):
        check_unchanged(NAME, first.sha256)


def unsafe(kind, repository):
    """Makes a repository unsafe."""
    if kind == "lambda":
        inputs = keras.Input((3,), name="latents")
        code = layers.Lambda(lambda x: keras.ops.reshape(x, (-1, 1, 3, 1)), output_shape=(1, 3, 1), name="code")
        keras.Model(inputs, code(inputs)).save(repository / "generator.keras")
        hub.unpack(repository / "generator.keras", repository)
    if kind == "custom":
        config = (repository / "config.json").read_text(encoding="utf-8")
        config = config.replace('"class_name": "Dense"', '"class_name": "Stranger"')
        config = config.replace('"module": "keras.layers"', '"module": "stranger"').replace(
            '"registered_name": null', '"registered_name": "stranger>Stranger"'
        )
        (repository / "config.json").write_text(config, encoding="utf-8")
    if kind == "pickle":
        for name in KERAS_FILES:
            (repository / name).unlink()
        (repository / "model.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    if kind == "bomb":
        with zipfile.ZipFile(repository / "generator.keras", "w", zipfile.ZIP_DEFLATED) as archive:
            for name in KERAS_FILES:
                archive.writestr(name, bytes(2**25))
    if kind == "member":
        with zipfile.ZipFile(repository / "generator.keras", "a") as archive:
            archive.writestr("../outside", "content")
    if kind == "weights":
        (repository / "model.weights.h5").write_bytes(b"\x80\x04K\x01.")  # a pickle
    if kind == "record":
        (repository / "gan.json").write_text("{}", encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("lambda", "Python code in the layer 'code'"),
        ("custom", "parts that only its own program knows"),
        ("pickle", "This repository is not a Keras model. Expected config.json, metadata.json, model.weights.h5"),
        ("bomb", "unpacks to far more than its size"),
        ("member", "holds more than a Keras model"),
        ("weights", "This model does not load"),
        ("record", "config.json"),
        ("large", "A file of this model is too large. Expected at most 1,000 bytes"),
    ],
)
def test_an_unsafe_repository_is_refused(kind, message, repository, cache, tmp_path, monkeypatch, capsys):
    if kind == "large":
        monkeypatch.setattr(hub, "MOST_BYTES", 1_000)
    unsafe(kind, repository)
    cache_snapshot(cache, "me/digits", repository)
    assert main(["sample", NAME, "--out", str(tmp_path / "out.png")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err.splitlines()[-1]
    assert len(printed.err.splitlines()) == 1
    assert not (tmp_path / "out.png").exists()
    assert not list((tmp_path / "own").rglob(".partial-*"))


def test_a_large_file_is_not_downloaded(cache, monkeypatch):
    asked = []

    def download(*, dry_run=False, **options):
        asked.append(dry_run)
        return [SimpleNamespace(filename="report.json", file_size=2**27)]

    monkeypatch.setattr(client, "snapshot_download", download)
    with pytest.raises(InputError, match=r"too large\. Expected at most 67,108,864 bytes.*report\.json of 134,217,728"):
        hub.fetch("me/digits")
    assert asked == [True]


@pytest.mark.parametrize(
    "name", ["hf://", "hf://digits", "hf://me/digits/more", "hf://../x", "hf://me/..", "hf://a/b c"]
)
def test_a_bad_name_is_refused(name):
    with pytest.raises(InputError, match=r"Bad name of a model on the Hub\. Expected hf://USER/NAME. Received: hf:"):
        repository_of(name)


def test_anything_else_is_not_of_the_hub():
    for name in ("mnist", "runs/hf:", "https://me/digits", None, 3, b"hf://me/digits"):
        assert repository_of(name) is None
    assert repository_of("hf://me/my.digits_2") == "me/my.digits_2"


def test_without_network_package_or_repository_one_line_says_so(cache, monkeypatch, capsys):
    def refuse(error):
        def download(**options):
            raise error

        monkeypatch.setattr(client, "snapshot_download", download)

    def line():
        assert main(["info", "hf://me/none"]) == 2
        [said] = capsys.readouterr().err.splitlines()
        return said

    assert "This model cannot be downloaded, and no earlier download is complete" in line()
    gone = client.errors.RepositoryNotFoundError.__new__(client.errors.RepositoryNotFoundError)
    refuse(gone)
    assert "No such repository on the Hub, or it is private. Expected a public repository, or a token" in line()
    refuse(RuntimeError("no route\nto host"))
    assert "Received: hf://me/none: no route." in line()
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert "huggingface_hub is not installed. Expected pip install 'gan-reference[hub]'" in line()


def test_commands_take_a_model_of_the_hub(repository, cache, tmp_path, capsys):
    cache_snapshot(cache, "me/digits", repository)
    out = tmp_path / "four.npz"
    assert main(["sample", NAME, "--num", "4", "--out", str(out)]) == 0
    assert main(["info", NAME]) == 0
    fits = ["--latent-dim", "8", "--g-width", "4", "--d-width", "4"]
    assert main(["train", "--dataset", "mnist5k", "--init-from", NAME, "--freeze-d", "1", *fits, "--dry-run"]) == 0
    assert '"init_from": "hf://me/digits"' in capsys.readouterr().out
    with np.load(out) as arrays:
        assert arrays["images"].shape == (4, 28, 28, 1)


@pytest.mark.slow  # test_commands_take_a_model_of_the_hub is the stand-in
def test_a_process_without_network_uses_an_earlier_download(repository, gan_command, tmp_path):
    cache_snapshot(tmp_path / "client", "me/digits", repository)
    out = tmp_path / "grid.png"
    done = gan_command("sample", NAME, "--num", 4, "--out", out, env=environment(tmp_path))
    assert (done.returncode, out.exists()) == (0, True), done.stderr
    done = gan_command("sample", "hf://me/none", "--num", 4, "--out", out, env=environment(tmp_path))
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
