"""Tests of generators that are uploaded to the Hugging Face Hub, and of their model cards. No test needs a network."""

import json
import re
import shutil
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, get_type_hints

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, size_of, values
from helpers.hub import cache_snapshot, use_cache

from gan import load_generator
from gan.cli.main import main
from gan.deployment import hub_repository, push_generator, upload, write_repository
from gan.deployment.model_card import model_card
from gan.errors import InputError
from gan.evaluation.report import FeatureSource, MetricRow, load_report
from gan.evaluation.report_text import OF_CLASSES
from gan.saving import files, metadata
from gan.saving.saved_generator import find_saved

NAME = "hf://me/digits"
NO_PATHS = ("background", "image_size", "monitor", "source")
"""Options whose text is no path."""
OF_CLASSIFIER = (
    "class_histogram", "confirmed", "real_rate", "stopping", "tolerance", "verdict", "worst_class", "worst_class_real",
)  # fmt: skip
"""Parts of a report that need a classifier."""
FILES = [
    "README.md", "config.json", "discriminator.keras", "gan.json", "generator.keras", "metadata.json",
    "model.weights.h5", "samples.png",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory):
    """A run on a folder of one's own, with the names of its classes and a notice."""
    folder = tmp_path_factory.mktemp("run") / "digits"
    shutil.copytree(toy, folder)
    data = folder.with_name("my-images")
    data.mkdir()
    (data / "NOTICE.txt").write_text("Drawn by <Ann>.\nLicense: CC0-1.0\n", encoding="utf-8")
    record = metadata.load(toy)
    names = tuple(f"class_{number}|x" for number in range(10))
    dataset = replace(record.dataset, name=str(data), class_names=names)
    config = replace(record.config, data=replace(record.config.data, dataset=str(data)), init_from="/home/ann/first")
    metadata.save(folder, replace(record, dataset=dataset, config=config))
    return folder


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    """The folder that would be uploaded of `run`."""
    return write_repository(run, tmp_path_factory.mktemp("hub") / "new" / "written", NAME, license="MIT")


def test_the_files_are_those_of_keras_and_of_the_run(run, written):
    assert sorted(file.name for file in written.iterdir()) == FILES
    loaded = keras.saving.load_model(written, compile=False, safe_mode=True)
    assert_same(values(loaded), values(load_generator(run)))
    for name in ("generator.keras", "discriminator.keras"):
        assert files.sha256(written / name) == files.sha256(run / name)
    assert size_of(written / "samples.png") == (10 * 58 + 24, 604)


def test_no_folder_of_this_machine_is_published(run, written):
    for name in ("README.md", "gan.json"):
        text = (written / name).read_text(encoding="utf-8")
        assert str(run.parent) not in text
        assert "/home/ann" not in text
    record = json.loads((written / "gan.json").read_text(encoding="utf-8"))
    assert (record["config"]["data"]["dataset"], record["config"]["init_from"]) == ("my-images", "first")
    assert record["dataset"]["train_sha256"] == metadata.load(run).dataset.train_sha256


def with_paths(options):
    """Returns options with a path in each one that takes a text, those in parts of it too."""
    changed = {}
    for name, kind in get_type_hints(type(options)).items():
        if is_dataclass(kind):
            changed[name] = with_paths(getattr(options, name))
        elif kind in (str, str | None) and name not in NO_PATHS:
            changed[name] = f"/home/ann/{name}"
    return replace(options, **changed)


def test_each_option_with_a_path_is_published_without_its_folders(run):
    record = metadata.load(run)
    config = with_paths(record.config)
    assert config.stopping.features == "/home/ann/features"
    public = hub_repository._public_record(replace(record, config=config))
    assert "/home" not in json.dumps(public.as_dict())
    assert public.config.stopping.features == "features"


def test_the_card_says_what_is_known(written):
    card = (written / "README.md").read_text(encoding="utf-8")
    header, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert header.splitlines()[:3] == [
        "library_name: keras",
        "license: mit",
        "pipeline_tag: unconditional-image-generation",
    ]
    for line in (
        "# digits",
        "![Samples of seed 0](samples.png)",
        "A generator of 28 x 28 gray images of 10 classes",
        "4,000 training images of `my-images`",
        r"Classes, by number: class\_0\|x, class\_1\|x",
        r"> Drawn by \<Ann\>.",
        "> License: CC0-1.0",
        "* 320 real images shown to the discriminator",
        "Not evaluated: no number of the quality of these samples is known.",
        "* License of the weights: MIT.",
        "gan train --init-from hf://me/digits",
    ):
        assert line in text
    assert "{{" not in card
    assert "None" not in card
    assert card.endswith(".\n")


def test_the_lines_of_the_card_load_the_generator(written):
    card = (written / "README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", card, re.S)
    found = {}
    exec(code.replace(NAME, str(written)), found)
    assert found["images"].shape == (8, 28, 28, 1)
    assert np.abs(found["images"]).max() <= 1


def test_a_card_has_the_numbers_beside_real_ones(tmp_path):
    card = (write_repository("mnist-unconditional", tmp_path / "out", NAME) / "README.md").read_text(encoding="utf-8")
    report = find_saved("mnist-unconditional").folder / "report.json"
    numbers = json.loads(report.read_text(encoding="utf-8"))
    row = numbers["metrics"]["coverage"]
    assert f"| Coverage | {row['value']:.4g} | {row['real']:.4g} |" in card
    assert f"{numbers['num']:,} samples" in card
    assert "license: apache-2.0" in card
    assert "by number" not in card  # it has no classes
    assert "images = generator.predict(latents)" in card


def test_a_damaged_discriminator_is_not_published(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "discriminator.keras").write_bytes(b"content")
    with pytest.raises(InputError, match=r"discriminator\.keras"):
        write_repository(copy, tmp_path / "out", NAME)
    assert not (tmp_path / "out").exists()


def test_a_card_without_a_classifier_claims_none():
    """The license is as it is in the header of YAML, and escaped in the text."""
    saved, report = find_saved("mnist-unconditional"), load_report("mnist-unconditional")
    known = {name: row for name, row in report.metrics.items() if name not in OF_CLASSES}
    alone = replace(
        report,
        classifier_sha256=None,
        features=FeatureSource("random", "features", "0" * 64, 8),
        metrics={**known, "sliced_wasserstein_16x16": MetricRow(0.25, 0.125)},
        meaning={**report.meaning, "sliced_wasserstein_16x16": "The same at 16x16 pixels."},
        **dict.fromkeys(OF_CLASSIFIER),
    )
    saved = replace(saved, record=replace(saved.record, dataset=replace(saved.record.dataset, name="x/a`b")))
    card = model_card(
        saved,
        load_generator("mnist-unconditional"),
        name="digits",
        repository="me/digits",
        license="my_license",
        notice=None,
        report=alone,
        discriminator=False,
    )
    assert "The numbers hold for the features and the test images" in card
    assert "The classifier errs" not in card
    assert "| Patch distance, 16x16 | 0.25 | 0.125 |" in card
    assert "| Similarity of samples |" in card
    assert 'license_name: "my_license"' in card
    assert r"* License of the weights: my\_license." in card
    assert "images of `a'b`" in card


def test_the_notice_of_drawn_emoji_is_found_by_their_name(run, tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_DATA_DIR", str(tmp_path))
    (tmp_path / "emoji-64").mkdir()
    (tmp_path / "emoji-64" / "NOTICE.txt").write_text("Noto.", encoding="utf-8")
    saved, record = find_saved(run), metadata.load(run)
    for name, notice in (("emoji-64", "Noto."), ("emoji", None)):
        drawn = replace(saved, record=replace(record, dataset=replace(record.dataset, name=name)))
        assert upload.read_notice(drawn, None) == notice


class Upload:
    """Stands in for `huggingface_hub.HfApi`, and keeps what it gets."""

    calls: ClassVar[list[tuple[Any, ...]]] = []
    fault: ClassVar[Exception | None] = None
    exists: ClassVar[bool] = False
    folders: ClassVar[list[Path]] = []

    def __init__(self, **options):
        self.options = options

    def repo_exists(self, repo_id):
        return self.exists

    def repo_info(self, repo_id):
        return SimpleNamespace(private=False)

    def create_repo(self, repo_id, **options):
        self.calls.append(("create_repo", repo_id, options))
        return f"https://huggingface.co/{repo_id}"

    def upload_folder(self, *, repo_id, folder_path, commit_message, delete_patterns):
        self.calls.append(("upload_folder", repo_id, sorted(file.name for file in Path(folder_path).iterdir())))
        self.calls.append(("delete", *delete_patterns))
        self.folders.append(Path(folder_path))
        if self.fault:
            raise self.fault


@pytest.fixture
def client(monkeypatch):
    """The client of the Hub with a token, whose uploads arrive at `Upload`."""
    found = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(found, "HfApi", Upload)
    monkeypatch.setattr(found, "get_token", lambda: "hf_token")
    monkeypatch.setattr(Upload, "calls", [])
    monkeypatch.setattr(Upload, "folders", [])
    return found


def test_one_commit_uploads_the_folder(client, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["push", str(run), NAME, "--private", "--json"]) == 0
    assert Upload.calls == [
        ("create_repo", "me/digits", {"private": True, "exist_ok": True}),
        ("upload_folder", "me/digits", FILES),
        ("delete", "report.json"),  # of an earlier model
    ]
    printed = json.loads(capsys.readouterr().out)
    assert printed["repository"] == "https://huggingface.co/me/digits"
    assert sorted(printed["files"]) == FILES
    assert not list(tmp_path.iterdir())
    assert tmp_path not in Upload.folders[0].parents  # the working folder need not be writable


def test_a_lone_generator_takes_the_other_files_away(client, run, tmp_path):
    shutil.copyfile(run / "generator.keras", tmp_path / "other.keras")
    push_generator(tmp_path / "other.keras", NAME)
    assert Upload.calls[-1] == ("delete", "discriminator.keras", "gan.json", "report.json")


def test_a_public_repository_is_refused_as_a_private_one(client, run, monkeypatch):
    monkeypatch.setattr(Upload, "exists", True)
    with pytest.raises(InputError, match=r"This repository is public.*or no --private\. Received: hf://me/digits"):
        push_generator(run, NAME, private=True)
    assert Upload.calls == []


def test_a_refused_upload_is_one_line(client, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Upload, "fault", RuntimeError("403 Forbidden\nmore"))
    with pytest.raises(InputError, match=r"did not take.*: 403 Forbidden; the new repository stays there, empty\."):
        push_generator(run, NAME)
    monkeypatch.setattr(Upload, "exists", True)
    with pytest.raises(InputError, match=r"did not take the upload.*hf://me/digits: 403 Forbidden\."):
        push_generator(run, NAME)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_writes_and_uploads_nothing(client, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "get_token", lambda: None)  # which it does not need
    assert main(["push", str(run), NAME, "--dry-run", "--json"]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["files"]) == FILES
    assert not list(tmp_path.iterdir())
    assert Upload.calls == []


def test_what_was_pushed_is_found_again(written, run, tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    cache_snapshot(use_cache(monkeypatch, tmp_path), "me/digits", written)
    saved = find_saved(NAME)
    assert saved.summary.sha256 == files.sha256(run / "generator.keras")
    assert saved.class_names == metadata.load(run).dataset.class_names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{run}", "me/digits"], "Bad name of a model on the Hub"),
        (["{run}", "hf://me"], "Bad name of a model on the Hub"),
        (["nothing", NAME], "No such checkpoint"),
        (["{exported}", NAME], "This file is not an ONNX model"),
        (["{run}", NAME], "No token of the Hub. Expected `hf auth login`"),
        (["{run}", NAME, "--license", " "], "Bad `license`"),
        (["{run}", NAME, "--notice", "nothing.txt"], "No such notice"),
        (["{run}", NAME, "--notice", "{run}/generator.keras"], "The notice is not text"),
        (["{run}", NAME, "--out", "{run}"], "The output exists. Expected a new or empty folder"),
        (["{run}", NAME, "--out", "new", "--private"], "--out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_refused_in_one_line(words, message, client, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "get_token", lambda: None)
    exported = tmp_path / "g.onnx"
    exported.write_bytes(b"content")
    assert main(["push", *(word.format(run=run, exported=exported) for word in words)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    assert message in printed.err
    assert [file.name for file in tmp_path.iterdir()] == ["g.onnx"]
    assert Upload.calls == []
