"""Tests that untrusted checkpoints run no code, unpack no file outside their folder and do not exhaust memory."""

import hashlib
import json
import os
import shutil
import warnings
import zipfile

import pytest
from helpers.reports import made_up

from gan import load_classifier, load_generator
from gan.cli.classify import Classify
from gan.cli.evaluate import Evaluate
from gan.cli.info import Info
from gan.cli.project import Project
from gan.cli.sample import Sample
from gan.data import images
from gan.errors import InputError
from gan.evaluation.evaluation import Evaluation
from gan.saving import files, models, zip_safety


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The three members of the file of a small generator."""
    from gan import build_generator

    path = tmp_path_factory.mktemp("archive") / "generator.keras"
    build_generator((28, 28, 1), 4, 10, width=2).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def pack(tmp_path):
    """Packs members, a mapping or pairs, into a `.keras` file."""

    def pack(contents, compression=zipfile.ZIP_STORED):
        path = tmp_path / "untrusted.keras"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
            warnings.simplefilter("ignore")  # two members may have the same name
            for name, content in contents.items() if isinstance(contents, dict) else contents:
                archive.writestr(name, content)
        return path

    return pack


def test_accepts_compressed_and_uncompressed_files_of_keras(pack, members):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = pack(members, compression)
        zip_safety.check_model(path)
        assert load_generator(path).name == "generator"


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "..\\escaped", "assets/../../escaped", "more.json"])
def test_rejects_members_outside_the_folder_and_unknown_members(pack, members, name):
    path = pack({**members, name: b"x"})
    for read in (models.describe, load_generator):
        with pytest.raises(InputError, match="holds more than a Keras model"):
            read(path)


def test_rejects_two_members_of_the_same_name(pack, members):
    with pytest.raises(InputError, match=r"holds more.*config\.json"):
        load_generator(pack([*members.items(), ("config.json", members["config.json"])]))


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_rejects_an_archive_that_unpacks_to_far_more_than_its_size_without_unpacking_it(
    pack, members, monkeypatch, member
):
    path = pack({**members, member: bytes(2**26)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda archive: pytest.fail("unpacked"))
    with pytest.raises(InputError, match=r"unpacks to far more.*67,\d{3},\d{3} bytes from"):
        load_generator(path)


def test_checks_the_file_of_a_classifier(pack, members, tmp_path):
    folder = tmp_path / "classifier"
    folder.mkdir()
    shutil.move(pack({**members, "../escaped": b"x"}), folder / "classifier.keras")
    card = {"dataset": {"image_shape": [28, 28, 1]}, "data_sets": ["mnist"]}
    card["sha256"] = files.sha256(folder / "classifier.keras")
    (folder / "config.json").write_text(json.dumps(card))
    with pytest.raises(InputError, match="holds more"):
        load_classifier(folder)


@pytest.fixture
def checked(monkeypatch):
    """Names of the files whose archive was checked or whose SHA-256 was computed, in this order."""
    names, check, digest = [], zip_safety.check_model, hashlib.file_digest

    def record_check(path):
        names.append(path.name)
        return check(path)

    def record_hash(file, algorithm):
        names.append(f"SHA-256 of {os.fstat(file.fileno()).st_size} bytes")
        return digest(file, algorithm)

    monkeypatch.setattr(zip_safety, "check_model", record_check)
    monkeypatch.setattr(files.hashlib, "file_digest", record_hash)
    return names


def size_of(name, file):
    return (models.pretrained_folder() / name / file).stat().st_size


GENERATOR = ["generator.keras", f"SHA-256 of {size_of('mnist', 'generator.keras')} bytes"]
CLASSIFIER, READER = (
    [f"SHA-256 of {size_of(name, 'classifier.keras')} bytes", "classifier.keras"]
    for name in ("mnist-classifier", "mnist-reader")
)


def test_a_command_checks_each_file_once(checked, digits, monkeypatch, tmp_path, capsys):
    assert Sample("mnist", num=2, out=str(tmp_path / "a.png")).run() == 0
    assert checked == GENERATOR
    checked.clear()
    assert Info("mnist").run() == 0
    assert checked == GENERATOR
    checked.clear()
    project = Project("mnist", (tmp_path / "a.png",), label=0, steps=1, restarts=1, raw=True, out=tmp_path / "b.png")
    assert project.run() == 0
    assert checked == GENERATOR
    checked.clear()
    images.save_png(tmp_path / "digit.png", digits.test.images[0])
    assert Classify((tmp_path / "digit.png",), bound=0.0).run() == 0
    assert checked == READER
    checked.clear()
    monkeypatch.setattr("gan.data.load.load_dataset", lambda *_, **__: digits)
    monkeypatch.setattr("gan.evaluation.evaluation.evaluate", lambda *_, **__: Evaluation(made_up(), {}))
    report, _ = Evaluate("mnist", dataset="mnist5k").report()
    assert checked == [*GENERATOR, *CLASSIFIER]
    assert report.checkpoint.sha256 == files.read_json(models.pretrained_folder() / "mnist/config.json")["sha256"]


def test_checks_a_file_again_after_it_has_changed(checked, pack, members):
    from gan import build_generator

    file = models.find_generator(pack(members))
    assert load_generator(file).output_shape == (None, 28, 28, 1)
    before = models.describe(file).sha256
    assert checked[0] == "untrusted.keras"
    assert "untrusted.keras" not in checked[1:]
    build_generator((32, 32, 1), 4, 10, width=2).save(file.path)
    assert load_generator(file).output_shape == (None, 32, 32, 1)
    assert models.describe(file).sha256 == files.sha256(file.path) != before
    pack({**members, "../escaped": b"x"})
    for read in (models.describe, models.load_config, load_generator):
        with pytest.raises(InputError, match="holds more than a Keras model"):
            read(file)
    file.path.unlink()
    with pytest.raises(InputError, match="No such checkpoint"):
        load_generator(file)


def test_checks_a_classifier_again_after_it_has_changed(small_classifier, tmp_path):
    folder = shutil.copytree(small_classifier[0], tmp_path / "classifier")
    found = models.find_classifier(folder)
    load_classifier(found)
    with found.file.path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="does not match its card"):
        load_classifier(found)


@pytest.mark.parametrize(
    "target", [("os", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("antigravity", "x")]
)
@pytest.mark.parametrize("layer", [None, -1])
def test_does_not_load_a_class_of_another_module(pack, members, target, layer):
    import sys

    config = json.loads(members["config.json"])
    part = config if layer is None else config["config"]["layers"][layer]
    part["module"], part["class_name"], part["registered_name"] = *target, None
    with pytest.raises(InputError, match="does not load"):
        load_generator(pack({**members, "config.json": json.dumps(config)}))
    assert "antigravity" not in sys.modules


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_rejects_a_network_larger_than_any_memory(pack, members):
    config = json.loads(members["config.json"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Embedding":
            layer["config"]["input_dim"] = 10**13
    with pytest.raises(InputError, match="does not load"):
        load_generator(pack({**members, "config.json": json.dumps(config)}))


def test_does_not_follow_weights_that_link_to_another_file(pack, members, tmp_path):
    import h5py

    weights, secret = tmp_path / "model.weights.h5", tmp_path / "secret.h5"
    weights.write_bytes(members["model.weights.h5"])
    with h5py.File(weights, "a") as file, h5py.File(secret, "w") as other:
        found: list[str] = []
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        other["stolen"] = file[found[0]][()]
        del file[found[0]]
        file[found[0]] = h5py.ExternalLink(str(secret), "stolen")
    path = pack({**members, "model.weights.h5": weights.read_bytes()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns about old files
        with pytest.raises(InputError, match="does not load"):
            load_generator(path)
