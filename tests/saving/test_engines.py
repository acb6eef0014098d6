"""Exported files that are damaged, foreign, or not what their cards say; and inputs that an engine rejects."""

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
from helpers.exports import FORMATS, inputs_for, save_tiny

from gan import InputError
from gan.deployment.export import export_generator
from gan.saving.engines.find import FORMATS as BY_NAME
from gan.saving.engines.find import find_exported, load_exported
from gan.saving.engines.format import ExportedFile
from gan.saving.models import pretrained_folder
from gan.saving.saved_generator import find_saved


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """{(format, seed): exported file} of two generators."""
    folder = tmp_path_factory.mktemp("exported")
    made = {}
    for seed in (0, 1):
        path = save_tiny(folder / f"{seed}.keras", seed=seed)
        for form in FORMATS if seed == 0 else ("onnx",):
            made[form, seed] = export_generator(path, folder / "out", format=form)
    return made


def copy(file: ExportedFile, folder: Path) -> Path:
    """Returns a copy that a test may change."""
    target = folder / file.path.name
    if file.path.is_dir():
        return Path(shutil.copytree(file.path, target))
    return Path(shutil.copyfile(file.path, target))


def without_card(file: ExportedFile, folder: Path) -> Path:
    path = copy(file, folder)
    if file.card.format == "onnx":
        model = onnx.load(path)
        del model.metadata_props[:]
        path.write_bytes(model.SerializeToString(deterministic=True))
    elif file.card.format == "litert":
        path.write_bytes(path.read_bytes().partition(b"PK\x03\x04")[0])
    else:
        (path / "assets.extra" / "gan.json").unlink()
    return path


def with_card(file: ExportedFile, folder: Path, text: str | None = None, **changes) -> Path:
    """Returns a copy with another card: a text, or the card with changed values and a digest that fits."""
    path, form = without_card(file, folder), BY_NAME[file.card.format]
    card = replace(file.card, content_sha256=form.read(path)[1])
    form.attach(path, json.dumps({**card.as_dict(), **changes}) if text is None else text)
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_without_a_card_is_refused(exported, form, tmp_path):
    with pytest.raises(
        InputError, match=r"has no card: it is incomplete, or another program wrote it. Expected a file"
    ):
        find_exported(without_card(exported[form, 0], tmp_path))


@pytest.mark.parametrize("form", FORMATS)
def test_a_card_can_be_attached_again(exported, form, tmp_path):
    assert find_exported(with_card(exported[form, 0], tmp_path)).card == exported[form, 0].card


@pytest.mark.parametrize("form", ["onnx", "litert"])
def test_a_truncated_file_is_refused(exported, form, tmp_path):
    path = copy(exported[form, 0], tmp_path)
    content = path.read_bytes()
    for length in (0, 1, 7, 8, 100, len(content) // 2, len(content) - 200, len(content) - 30, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"is damaged|has no card: it is incomplete"):
            find_exported(path)


def test_a_truncated_or_incomplete_saved_model_is_refused(exported, tmp_path):
    files = sorted(path for path in exported["saved_model", 0].path.rglob("*") if path.is_file())
    for number, file in enumerate(file for file in files if "assets.extra" not in file.parts):
        path = copy(exported["saved_model", 0], tmp_path / str(number))
        changed = path / file.relative_to(exported["saved_model", 0].path)
        for content in (file.read_bytes()[:-1], b""):
            changed.write_bytes(content)
            with pytest.raises(InputError, match="not the one that its card describes"):
                find_exported(path)
        changed.unlink()
        if changed.name == "saved_model.pb":
            assert find_exported(path) is None
        else:
            with pytest.raises(InputError, match="not the one that its card describes"):
                find_exported(path)


@pytest.mark.parametrize("form", FORMATS)
def test_one_changed_byte_of_the_weights_is_noticed(exported, form, tmp_path):
    path = copy(exported[form, 0], tmp_path)
    changed = path / "variables" / "variables.data-00000-of-00001" if path.is_dir() else path
    content = bytearray(changed.read_bytes())
    if form == "onnx":
        weights = max(onnx.load(path).graph.initializer, key=lambda tensor: len(tensor.raw_data)).raw_data
        place = bytes(content).index(weights) + 10
    else:
        place = len(content) // 2
    content[place] ^= 1
    changed.write_bytes(content)
    with pytest.raises(InputError, match=r"not the one that its card describes.*content with SHA-256"):
        load_exported(path)


def test_the_card_of_another_generator_is_noticed(exported, tmp_path):
    other = exported["onnx", 1].card.as_text()
    with pytest.raises(InputError, match="not the one that its card describes"):
        find_exported(with_card(exported["onnx", 0], tmp_path, other))


def test_the_card_of_another_format_is_noticed(exported, tmp_path):
    with pytest.raises(
        InputError, match=r"The card is of another format. Expected litert. Received: .*onnx in its card"
    ):
        find_exported(with_card(exported["litert", 0], tmp_path, format="onnx"))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text", ["{", "", "nonsense", "[" * 100_000])
def test_a_card_that_is_no_json_is_refused(exported, form, text, tmp_path):
    with pytest.raises(InputError, match="Damaged"):
        find_exported(with_card(exported[form, 0], tmp_path, text))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latent_dim": 0}, "Bad `latent_dim`.*a whole number >= 1"),
        ({"latent_dim": "four"}, "Bad `latent_dim`"),
        ({"image_shape": [8, 8]}, r"Bad `image_shape`.*\[height, width, channels\]"),
        ({"weights": "int4"}, "Bad `weights`.*int8"),
        ({"kind": "classifier"}, "Bad `kind`"),
        ({"max_difference": float("nan")}, "Bad `max_difference`"),
        ({"pixel_range": [0, 1]}, "Bad `pixel_range`"),
        ({"class_names": ["a", "b"]}, "Bad `class_names`.*10 names, or none"),
        ({"data": {"dataset": "mnist", "unknown": 1}}, "unknown name"),
    ],
)
def test_a_card_with_wrong_values_is_refused(exported, changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        find_exported(with_card(exported["onnx", 0], tmp_path, **changes))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latent_dim": 5}, "does not run. Expected a generator of 5 latents and 10 classes"),
        ({"latent_dim": 2**62}, "does not run"),
        ({"num_classes": 2**40}, "does not run"),
        ({"num_classes": 20}, "does not run. Expected a generator of 4 latents and 20 classes"),
        ({"num_classes": 0}, "does not run. Expected a generator of 4 latents and 0 classes"),
        ({"image_shape": [4, 8, 1]}, "does not match its card"),
    ],
)
def test_a_model_that_does_not_do_what_its_card_says_is_refused(exported, form, changes, words, tmp_path):
    with pytest.raises(InputError, match=words):
        load_exported(with_card(exported[form, 0], tmp_path, **changes))


@pytest.mark.parametrize("opset", [7, 999])
def test_another_opset_is_refused(exported, opset, tmp_path):
    path = without_card(exported["onnx", 0], tmp_path)
    model = onnx.load(path)
    model.opset_import[0].version = opset
    path.write_bytes(model.SerializeToString())
    with pytest.raises(
        InputError, match=rf"another operator set. Expected opset 17 to \d+. Received: .*: opset {opset}"
    ):
        find_exported(path)


@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_weights_in_other_files_are_refused(exported, where, tmp_path):
    path = without_card(exported["onnx", 0], tmp_path)
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    if where == "attribute":
        node = onnx.helper.make_node("Constant", [], ["constant"], value=tensor)
        model.graph.node.append(node)
        tensor = model.graph.node[-1].attribute[0].t
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"reads other files. Expected a model with its weights inside"):
        find_exported(path)


def test_bytes_after_the_card_are_noticed(exported, tmp_path):
    path = copy(exported["onnx", 0], tmp_path)
    other = onnx.ModelProto(metadata_props=[onnx.StringStringEntryProto(key="a", value="b")])
    path.write_bytes(path.read_bytes() + other.SerializeToString())
    with pytest.raises(InputError, match="This ONNX file was changed"):
        find_exported(path)


def test_a_card_of_gigabytes_is_not_unpacked(exported, tmp_path):
    path = without_card(exported["litert", 0], tmp_path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("gan.json", b" " * 2**23)
    with pytest.raises(InputError, match="a compressed card, or one of 8,388,608 bytes"):
        find_exported(path)


def test_a_run_comes_before_versions_in_its_folder(exported, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(exported["saved_model", 0].path, run / "1")
    assert find_exported(run) is not None
    shutil.copyfile(pretrained_folder() / "mnist" / "generator.keras", run / "generator.keras")
    assert find_exported(run) is None
    assert find_saved(run).summary.latent_dim == 64


def test_a_file_with_a_fixed_batch_size_is_refused(exported, tmp_path):
    path = without_card(exported["onnx", 0], tmp_path)
    model = onnx.load(path)
    graph, nodes = model.graph, onnx.helper
    model.graph.node.append(nodes.make_node("Slice", ["images", "zero", "one", "zero"], ["first"]))
    for name, value in (("zero", 0), ("one", 1)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([value]), name))
    graph.output[0].name = "first"
    for node in graph.node:  # the output keeps its name
        node.input[:] = ["all" if name == "images" else name for name in node.input]
        node.output[:] = [{"images": "all", "first": "images"}.get(name, name) for name in node.output]
    graph.output[0].name = "images"
    path.write_bytes(model.SerializeToString())
    card = replace(exported["onnx", 0].card, content_sha256=BY_NAME["onnx"].read(path)[1])
    BY_NAME["onnx"].attach(path, card.as_text())
    with pytest.raises(InputError, match=r"does not match its card. Expected images float32 \[2, .*Received: .*\[1, "):
        load_exported(path)


def test_a_card_that_would_print_control_characters_is_refused(exported, tmp_path):
    with pytest.raises(InputError, match="printable text on one line"):
        find_exported(with_card(exported["onnx", 0], tmp_path, license="a\033[2Jb"))


def test_the_newest_version_of_a_saved_model_wins(exported, tmp_path):
    source = exported["saved_model", 0].path
    for version in (1, 2, 10):
        shutil.copytree(source, tmp_path / "name" / str(version))
    for other in ("11", "0012", "tmp"):
        (tmp_path / "name" / other).mkdir()
    assert find_exported(tmp_path / "name").path == tmp_path / "name" / "10"
    assert find_exported(tmp_path / "name" / "1").path == tmp_path / "name" / "1"


def test_paths_of_other_things_are_no_exported_generators(tmp_path):
    assert find_exported("mnist") is None
    assert find_exported(tmp_path) is None
    (tmp_path / "folder.onnx").mkdir()
    assert find_exported(tmp_path / "folder.onnx") is None
    for name in ("missing.onnx", "missing.TFLITE"):
        with pytest.raises(InputError, match="No such exported generator"):
            find_exported(tmp_path / name)
    with pytest.raises(InputError, match=r"This is not an exported generator. Expected an .onnx or .tflite file"):
        load_exported("mnist")


@pytest.mark.parametrize("form", FORMATS)
def test_inputs_of_another_kind_are_refused(exported, form):
    engine = load_exported(exported[form, 0])
    z, labels = inputs_for(engine, 2)
    for inputs in (
        (z[:0], labels[:0]),
        (z[:, :3], labels),
        (z[0], labels),
        (z.astype(np.float64), labels),
        (z, None),
        (z, labels[:1]),
        (z, labels.astype(np.int64)),
        (z, np.array([0, 10], np.int32)),
        (z, np.array([-1, 0], np.int32)),
    ):
        with pytest.raises(InputError, match=r"latents float32 \[B, 4\], labels int32 \[B\] from 0 to 9, B >= 1"):
            engine(*inputs)
    images = engine(np.asfortranarray(z), labels)
    np.testing.assert_array_equal(images, engine(z, labels))
    assert np.isfinite(engine(np.full_like(z, 100.0), labels)).all()


def test_a_model_without_the_signature_is_refused(exported, tmp_path):
    module = tf.Module()
    module.function = tf.function(lambda latents: latents, input_signature=[tf.TensorSpec([None, 4])])
    signatures = {"another": module.function.get_concrete_function()}
    tf.saved_model.save(module, str(tmp_path / "model"), signatures)
    with pytest.raises(InputError, match=r"TensorFlow rejects this SavedModel.*serving_default"):
        BY_NAME["saved_model"].load(tmp_path / "model")
    content = tf.lite.TFLiteConverter.from_concrete_functions([module.function.get_concrete_function()]).convert()
    (tmp_path / "model.tflite").write_bytes(content)
    with pytest.raises(InputError, match=r"LiteRT rejects this model.*serving_default"):
        BY_NAME["litert"].load(tmp_path / "model.tflite")
