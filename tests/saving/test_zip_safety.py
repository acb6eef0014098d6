"""Checkpoints from strangers: nothing of them runs, nothing is unpacked elsewhere, nothing fills the memory."""

import hashlib
import json
import shutil
import warnings
import zipfile
from types import SimpleNamespace

import pytest
from helpers.reports import made_up

from gan import load_classifier, load_generator
from gan.cli.classify import Classify
from gan.cli.evaluate import Evaluate
from gan.cli.info import Info
from gan.cli.project import Project
from gan.cli.sample import Sample
from gan.errors import InputError
from gan.evaluation.evaluation import Evaluation
from gan.saving import files, models, zip_safety


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The three members of a small generator's file."""
    from gan import build_generator

    path = tmp_path_factory.mktemp("archive") / "generator.keras"
    build_generator((28, 28, 1), 4, 10, width=2).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def pack(tmp_path):
    """Packs members, a mapping or pairs, into a `.keras` file."""

    def pack(contents, compression=zipfile.ZIP_STORED):
        path = tmp_path / "stranger.keras"
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
            warnings.simplefilter("ignore")  # a name twice
            for name, content in contents.items() if isinstance(contents, dict) else contents:
                archive.writestr(name, content)
        return path

    return pack


def test_what_keras_writes_is_let_in_packed_or_not(pack, members):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = pack(members, compression)
        zip_safety.check_model(path)
        assert load_generator(path).name == "generator"


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "..\\escaped", "assets/../../escaped", "more.json"])
def test_a_member_that_would_go_elsewhere_or_does_not_belong_is_refused(pack, members, name):
    path = pack({**members, name: b"x"})
    for read in (models.describe, load_generator):
        with pytest.raises(InputError, match="holds more than a Keras model"):
            read(path)


def test_a_member_that_stands_there_twice_is_refused(pack, members):
    with pytest.raises(InputError, match=r"holds more.*config\.json"):
        load_generator(pack([*members.items(), ("config.json", members["config.json"])]))


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused_before_it_is_unpacked(
    pack, members, monkeypatch, member
):
    path = pack({**members, member: bytes(2**26)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda archive: pytest.fail("unpacked"))
    with pytest.raises(InputError, match=r"unpacks to far more.*67,\d{3},\d{3} bytes from"):
        load_generator(path)


def test_a_classifier_s_file_is_checked_too(pack, members, tmp_path):
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
    """The files that were checked, and those whose SHA-256 was computed, in this order, by their names."""
    names, check, sha256 = [], zip_safety.check_model, hashlib.sha256

    def watched(path):
        names.append(path.name)
        return check(path)

    def hashed(content=b""):
        names.append(f"SHA-256 of {len(content)} bytes")
        return sha256(content)

    monkeypatch.setattr(zip_safety, "check_model", watched)
    monkeypatch.setattr(files, "hashlib", SimpleNamespace(sha256=hashed))
    return names


def size_of(name, file):
    return (models.pretrained_folder() / name / file).stat().st_size


GENERATOR = ["generator.keras", f"SHA-256 of {size_of('mnist', 'generator.keras')} bytes"]
CLASSIFIER = [f"SHA-256 of {size_of('mnist-classifier', 'classifier.keras')} bytes", "classifier.keras"]


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
    assert Classify((tmp_path / "a.png",)).run() == 0
    assert checked == CLASSIFIER
    checked.clear()
    monkeypatch.setattr("gan.data.load.load_dataset", lambda *_, **__: digits)
    monkeypatch.setattr("gan.evaluation.evaluation.evaluate", lambda *_, **__: Evaluation(made_up(), {}))
    report, _ = Evaluate("mnist", dataset="mnist5k").report()
    assert checked == [*GENERATOR, *CLASSIFIER]
    assert report.checkpoint.sha256 == files.read_json(models.pretrained_folder() / "mnist/config.json")["sha256"]


def test_a_file_that_has_changed_since_it_was_checked_is_checked_again(checked, pack, members):
    from gan import build_generator

    file = models.find_generator(pack(members))
    assert load_generator(file).output_shape == (None, 28, 28, 1)
    before = models.describe(file).sha256
    assert checked[0] == "stranger.keras"
    assert "stranger.keras" not in checked[1:]
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


def test_a_classifier_that_has_changed_since_it_was_found_is_checked_again(small_classifier, tmp_path):
    folder = shutil.copytree(small_classifier[0], tmp_path / "classifier")
    found = models.find_classifier(folder)
    load_classifier(found)
    with found.file.path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match="does not match its card"):
        load_classifier(found)


@pytest.mark.parametrize(
    "where", [("os", "system"), ("subprocess", "Popen"), ("builtins", "eval"), ("antigravity", "x")]
)
@pytest.mark.parametrize("layer", [None, -1])
def test_a_class_from_elsewhere_is_not_loaded(pack, members, where, layer):
    import sys

    config = json.loads(members["config.json"])
    part = config if layer is None else config["config"]["layers"][layer]
    part["module"], part["class_name"], part["registered_name"] = *where, None
    with pytest.raises(InputError, match="does not load"):
        load_generator(pack({**members, "config.json": json.dumps(config)}))
    assert "antigravity" not in sys.modules


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_a_network_larger_than_any_memory_is_refused(pack, members):
    config = json.loads(members["config.json"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Embedding":
            layer["config"]["input_dim"] = 10**13
    with pytest.raises(InputError, match="does not load"):
        load_generator(pack({**members, "config.json": json.dumps(config)}))


def test_weights_that_point_to_another_file_are_not_followed(pack, members, tmp_path):
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
        warnings.simplefilter("ignore")  # of Keras, about old files
        with pytest.raises(InputError, match="does not load"):
            load_generator(path)
