"""What `gan export` states in a card: sizes, digests, verdict, license; and what it must not contain."""

import json
import shutil
from dataclasses import replace

import pytest
from helpers.exports import listing, save_tiny
from helpers.reports import VALUES, made_up

from gan import InputError
from gan.config import DataConfig
from gan.deployment import export, names, verdicts
from gan.deployment.export import export_generator
from gan.errors import as_json
from gan.evaluation.report import Checkpoint, MetricRow
from gan.saving import files, models
from gan.saving.engines.card import read_card
from gan.saving.engines.find import FORMATS as BY_NAME
from gan.saving.engines.find import find_exported
from gan.saving.saved_generator import find_saved


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with a generator alone."""
    return save_tiny(tmp_path_factory.mktemp("runs") / "my run" / "generator.keras").parent


@pytest.mark.parametrize(
    "form", ["onnx", *(pytest.param(form, marks=pytest.mark.slow) for form in ("saved_model", "litert"))]
)
def test_a_card_states_the_generator(run, form, tmp_path):
    exported = export_generator(run, tmp_path / "out", format=form, weights="int8", license="CC0-1.0")
    assert find_exported(exported.path) == exported
    card, generator = exported.card, run / "generator.keras"
    assert (card.kind, card.name, card.format, card.weights, card.license) == (
        "generator", "my-run", form, "int8", "CC0-1.0"
    )  # fmt: skip
    assert (card.latent_dim, card.num_classes, card.image_shape, card.pixel_range) == (4, 10, (8, 8, 1), (-1.0, 1.0))
    assert card.generator_sha256 == files.sha256(generator)
    assert card.content_sha256 == BY_NAME[form].read(exported.path)[1]
    assert (card.verdict, card.data, card.compared) == (None, None, 64)
    assert read_card(card.as_text(), exported.path) == card
    assert exported.bytes == sum(
        path.stat().st_size for path in (exported.path, *exported.path.rglob("*")) if path.is_file()
    )
    expected = {"onnx": ["my-run-int8.onnx"], "litert": ["my-run-int8.tflite"]}
    if form in expected:
        assert listing(tmp_path / "out") == expected[form]
    for path in (exported.path, *exported.path.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            assert str(tmp_path.parent).encode() not in content
            assert str(run.parent).encode() not in content
            assert export.__file__.rpartition("/gan/")[0].encode() not in content


@pytest.mark.parametrize("form", ["onnx", pytest.param("litert", marks=pytest.mark.slow)])
def test_the_same_export_is_the_same_file(run, form, tmp_path):
    """A SavedModel is not: TensorFlow numbers its functions in a process, and writes a random number for each save."""
    first, second = (export_generator(run, tmp_path / name, format=form, weights="int8").path for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def report(run, **changes):
    checkpoint = Checkpoint("run", 1, files.sha256(run / "generator.keras"), 4, 10)
    return made_up(**{"checkpoint": checkpoint, "verdict": "within", **changes})


def verdict_of(run):
    return verdicts.read_verdict(find_saved(run))


@pytest.fixture
def own(run, tmp_path):
    """A copy of the run whose files a test may change."""
    return shutil.copytree(run, tmp_path / "run")


def write(run, content):
    (run / "report.json").write_text(content if isinstance(content, str) else json.dumps(as_json(content)))


def test_the_verdict_is_that_of_the_report_beside_the_generator(own):
    write(own, report(own, dataset="/home/me/photos/faces"))
    found = verdict_of(own)
    assert (found.verdict, found.tolerance, found.num, found.dataset) == ("within", 0.02, 1_000, "faces")
    assert found.error_rate == VALUES["error_rate"][0] == 0.02
    assert found.error_rate_lower < 0.02 < found.error_rate_upper
    assert found.classifier_sha256 == "ab"


def test_without_a_report_of_this_generator_there_is_no_verdict(own):
    assert verdict_of(own) is None
    good = report(own)
    without_rate = {name: row for name, row in good.metrics.items() if name != "error_rate"}
    for content in (
        replace(good, checkpoint=replace(good.checkpoint, sha256="0" * 64)),
        replace(good, checkpoint=None),
        replace(good, metrics=without_rate),
        replace(good, metrics={**without_rate, "error_rate": MetricRow(None, 0.1)}),
        "{",
        "[]",
        json.dumps({"another": "program"}),
    ):
        write(own, content)
        assert verdict_of(own) is None


@pytest.mark.parametrize(
    ("dataset", "public"),
    [
        ("mnist", "mnist"),
        ("emnist/letters", "emnist/letters"),
        ("mnist:3.0.1", "mnist:3.0.1"),
        ("/home/me/photos", "photos"),
        ("~/photos/", "photos"),
        ("./faces.npz", "faces.npz"),
        ("secret/faces.zip", "faces.zip"),
        ("a/b/c", "c"),
        ("clients/acme-faces", "acme-faces"),  # it need not be in the current folder
        ("/", "data"),
    ],
)
def test_of_a_dataset_only_the_name_is_public(dataset, public):
    assert names.public_name(dataset) == public
    assert DataConfig(dataset=public).dataset == public


def test_a_relative_folder_that_exists_is_a_path(tmp_path, monkeypatch):
    (tmp_path / "customer" / "faces").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert names.public_name("customer/faces") == "faces"


def test_a_run_beside_the_pretrained_generators_has_no_license(tmp_path, monkeypatch):
    """In a checkout, runs of earlier revisions lie there."""
    run = tmp_path / "00009-mine"
    shutil.copytree(models.pretrained_folder() / "mnist-mlp", run)
    monkeypatch.setattr(models, "pretrained_folder", lambda: tmp_path)
    assert names.license_of(find_saved(run)) is None
    assert names.license_of(find_saved(shutil.copytree(run, tmp_path / "shipped"))) == "Apache-2.0"


def test_pretrained_generators_have_a_license_and_a_verdict(tmp_path):
    card = export_generator("mnist-mlp", tmp_path, weights="int8").card
    assert (card.license, card.name, card.data.dataset) == ("Apache-2.0", "mnist-mlp", "mnist")
    assert card.class_names == tuple("0123456789")
    unconditional = export_generator("mnist-unconditional", tmp_path).card
    assert (unconditional.num_classes, unconditional.class_names) == (0, ())
    assert card.verdict.num >= 1_000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "tflite"}, "Bad `format`.*litert"),
        ({"weights": "int4"}, "Bad `weights`.*int8"),
        ({"out": ""}, "Bad `out`"),
    ],
)
def test_other_options_are_refused(run, options, words, tmp_path):
    with pytest.raises(InputError, match=words):
        export_generator(run, **{"out": tmp_path / "out", **options})
    assert listing(tmp_path) == []


@pytest.mark.parametrize("form", ["onnx", pytest.param("litert", marks=pytest.mark.slow)])
def test_a_difference_above_the_limit_is_refused(run, form, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST_DIFFERENCE", 0.0)
    with pytest.raises(InputError, match=r"does not draw the images of Keras, in .*at most 0 in 64 images"):
        export_generator(run, tmp_path / "out", format=form)
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    "form", ["onnx", *(pytest.param(form, marks=pytest.mark.slow) for form in ("saved_model", "litert"))]
)
def test_an_exported_generator_is_not_exported_again(run, form, tmp_path):
    exported = export_generator(run, tmp_path, format=form)
    before = listing(tmp_path)
    with pytest.raises(InputError, match=r"This generator is exported. Expected a run folder or .keras file"):
        export_generator(str(exported.path), tmp_path)
    assert listing(tmp_path) == before
