"""gan export, and gan sample, evaluate and info with exported generators: results, refusals, and what they leave."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.commands import OFFLINE, ROOT
from helpers.exports import FORMATS, listing, save_tiny
from helpers.tiny import sequential
from keras import layers, ops

from gan.cli.main import main
from gan.deployment import export
from gan.utils import extras

SUFFIX = {"saved_model": "", "onnx": ".onnx", "litert": ".tflite"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a generator, tiny.keras, and its exports in out/."""
    folder = tmp_path_factory.mktemp("made")
    save_tiny(folder / "tiny.keras")
    for form in FORMATS:
        export.export_generator(folder / "tiny.keras", folder / "out", format=form)
    return folder


def read(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def refused(capsys, *arguments):
    """Runs a command that must end with status 2 and one line on stderr, and returns the line."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("gan: ")
    assert ".." not in line.replace("...", "")
    return line


def test_the_result_is_one_json_object(made, tmp_path, capsys):
    assert main(["export", str(made / "tiny.keras"), "--out", str(tmp_path), "--weights", "int8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    path = tmp_path / "tiny-int8.onnx"
    assert found == {
        "file": str(path),
        "format": "onnx",
        "weights": "int8",
        "bytes": path.stat().st_size,
        "max_difference": found["max_difference"],
        "allowed": 1e-5,
        "compared": 64,
        "sha256": found["sha256"],
        "sample": f"gan sample {path}",
    }
    assert found["max_difference"] <= 1e-5


@pytest.mark.parametrize("form", FORMATS)
def test_samples_of_a_file_are_those_of_the_run(made, form, tmp_path, capsys):
    places = [made / "out" / f"tiny{SUFFIX[form]}"]
    places += [places[0] / "1"] if form == "saved_model" else []
    for number, place in enumerate((made / "tiny.keras", *places)):
        options = ["--num", "30", "--seed", "7", "--start", "3", "--label", "2-4"]
        assert main(["sample", str(place), *options, "--out", str(tmp_path / f"{number}.npz")]) == 0
        walk = ["--interpolate", "1", "2", "--label", "5", "--out", str(tmp_path / f"walk{number}.npz")]
        assert main(["sample", str(place), *walk]) == 0
    for name in ("", "walk"):
        expected = read(tmp_path / f"{name}0.npz")
        for number in range(1, 1 + len(places)):
            found = read(tmp_path / f"{name}{number}.npz")
            assert found.keys() == expected.keys()
            assert np.abs(found["images"].astype(int) - expected["images"]).max() <= 1
            np.testing.assert_array_equal(found["indices"], expected["indices"])
    capsys.readouterr()
    line = refused(capsys, "sample", places[0], "--interpolate", 1, 2, "--out", tmp_path / "no.png")
    assert "An exported generator draws no samples between two classes. Expected --label" in line
    assert not (tmp_path / "no.png").exists()


def in_python(code, *arguments, cwd=None, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd or ROOT,
        env={**os.environ, **OFFLINE, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_info_and_the_engines_of_other_packages_need_no_tensorflow(made):
    code = """
import sys
import numpy as np
from gan.cli.main import main
import gan
for path in sys.argv[1:]:
    assert main(["info", path]) == 0
    assert main(["info", path, "--json"]) == 0
    if "." in path.rpartition("/")[2]:
        engine = gan.load_exported(path)
        print(engine(np.zeros((3, 4), np.float32), np.arange(3, dtype=np.int32)).shape)
assert not {"tensorflow", "keras"} & set(sys.modules)
"""
    paths = [made / "out" / f"tiny{suffix}" for suffix in SUFFIX.values()]
    printed = in_python(code, *paths)
    assert printed.count("(3, 8, 8, 1)") == 2
    assert printed.count("none: no report of the generator") == 3
    cards = [json.loads(line)["card"] for line in printed.splitlines() if line.startswith("{")]
    assert [card["format"] for card in cards] == list(SUFFIX)
    for title in ("SavedModel, run by TensorFlow", "ONNX, run by ONNX Runtime", "LiteRT, run by LiteRT"):
        assert title in printed


@keras.saving.register_keras_serializable("test_cli_export")
class InPython(layers.Layer):
    """A layer whose operation is Python code."""

    def call(self, inputs):
        import tensorflow as tf

        outputs = tf.numpy_function(lambda array: array, [inputs], tf.float32)
        outputs.set_shape(inputs.shape)
        return outputs


@keras.saving.register_keras_serializable("test_cli_export")
class Random(layers.Layer):
    """A layer that adds noise of its own to each batch."""

    def call(self, inputs):
        return inputs + keras.random.normal(ops.shape(inputs))


LACKING = {
    "saved_model": (InPython(), "A SavedModel cannot contain Python code.*the operation PyFunc in "),
    "onnx": (layers.Activation("gelu"), "ONNX cannot express .*opset 17.*the operation Erfc in activation"),
    "litert": (layers.GRU(4), "LiteRT cannot express .*the operation TensorListReserve in gru"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_layer_that_an_engine_lacks_is_refused(form, tmp_path, capfd):
    layer, words = LACKING[form]
    before = (layers.Reshape((3, 2)),) if form == "litert" else ()
    path = tmp_path / "own.keras"
    body = (*before, layer, layers.Dense(64, activation="tanh"), layers.Reshape((8, 8, 1)))
    sequential((6,), *body).save(path)
    line = refused(capfd, "export", path, "--format", form, "--out", tmp_path / "out")
    assert re.search(words, line), line
    assert str(tmp_path) not in line
    assert listing(tmp_path) == ["own.keras"]


def test_a_generator_with_noise_of_its_own_is_refused(tmp_path, capfd):
    body = Random(), layers.Dense(64, activation="tanh"), layers.Reshape((8, 8, 1))
    sequential((6,), *body).save(tmp_path / "own.keras")
    line = refused(capfd, "export", tmp_path / "own.keras", "--out", tmp_path / "out")
    assert "draws other images of the same latents each time" in line
    assert listing(tmp_path) == ["own.keras"]


NEEDED = {
    "onnx": ("onnx", "onnxruntime", "tf2onnx"),
    "litert": ("ai_edge_litert",),
    "saved_model": ("tensorflow_serving",),
}


@pytest.mark.parametrize(("form", "package"), [(form, name) for form, names in NEEDED.items() for name in names])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    made, form, package, tmp_path, capsys, monkeypatch
):
    def import_module(name):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return original(name)

    original = extras.import_module
    monkeypatch.setattr(extras, "import_module", import_module)
    line = refused(
        capsys, "export", made / "tiny.keras", "--format", form, "--weights", "int8", "--out", tmp_path / "o"
    )
    assert line == (
        f"gan: {package} is not installed. Expected pip install 'gan-reference[export]'. Received: no {package}."
    )
    assert listing(tmp_path) == []


def test_a_package_that_does_not_load_is_named_with_the_reason(made, tmp_path, capsys, monkeypatch):
    def import_module(name):
        raise ImportError("libgomp.so.1: cannot open\nshared object file")

    monkeypatch.setattr(extras, "import_module", import_module)
    line = refused(capsys, "sample", made / "out" / "tiny.onnx", "--out", tmp_path / "no.png")
    assert "onnx does not load. Expected pip install 'gan-reference[export]'. Received: libgomp.so.1: cannot" in line


@pytest.mark.parametrize("form", FORMATS)
def test_an_unwritable_folder_is_refused(made, form, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "more", "/proc/none"):
        assert "cannot be written" in refused(capsys, "export", made / "tiny.keras", "--format", form, "--out", out)
    (tmp_path / "out" / "tiny.onnx").mkdir(parents=True)
    (tmp_path / "out" / "tiny.tflite").mkdir()
    (tmp_path / "out" / "tiny").write_text("in the way")
    before = listing(tmp_path)
    line = refused(capsys, "export", made / "tiny.keras", "--format", form, "--out", tmp_path / "out")
    assert "cannot be written" in line
    assert listing(tmp_path) == before


@pytest.mark.parametrize("given", ["mnist-classifier", "discriminator", "missing.onnx", "out"])
def test_what_is_no_generator_is_refused(given, tmp_path, capsys):
    if given == "discriminator":
        given = tmp_path / "discriminator.keras"
        sequential((8, 8, 1), layers.Flatten(), layers.Dense(1)).save(given)
    before = listing(tmp_path)
    line = refused(capsys, "export", given, "--out", tmp_path / "out")
    assert "No such" in line or "This model is not a generator" in line
    assert listing(tmp_path) == before


@pytest.mark.parametrize("option", [["--format", "tflite"], ["--weights", "int4"]])
def test_unknown_options_are_refused(made, option, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["export", str(made / "tiny.keras"), *option, "--out", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert listing(tmp_path) == []


@pytest.mark.parametrize("command", ["sample", "info", "evaluate"])
def test_a_damaged_file_is_refused_by_every_command(made, command, tmp_path, capsys):
    for name in ("tiny.onnx", "tiny.tflite"):
        content = (made / "out" / name).read_bytes()
        for length in (0, 100, len(content) - 1):
            (tmp_path / name).write_bytes(content[:length])
            line = refused(capsys, command, tmp_path / name)
            assert "is damaged" in line or "it is incomplete" in line
    shutil.copytree(made / "out" / "tiny" / "1", tmp_path / "model")
    (tmp_path / "model" / "variables" / "variables.index").write_bytes(b"")
    assert "not the one that its card describes" in refused(capsys, command, tmp_path / "model")


def test_an_interrupted_export_leaves_nothing(made, tmp_path, capsys, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(export.FORMATS["onnx"]), "load", interrupt)
    assert main(["export", str(made / "tiny.keras"), "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "gan: interrupted\n"
    assert listing(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("form", FORMATS)
def test_a_signal_in_the_middle_of_an_export_leaves_nothing(form, number, tmp_path):
    """The signal comes when the temporary folder is there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gan", "export", "mnist", "--format", form, "--out", str(tmp_path / "out")],
        cwd=ROOT, env={**os.environ, **OFFLINE}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not listing(tmp_path):
        time.sleep(0.005)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number, err
    assert out == ""
    assert len(err.splitlines()) <= 1
    assert listing(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_real_commands_with_a_pretrained_generator(gan_command, form, small_classifier, tmp_path, monkeypatch):
    """Export twice, then sample, info and evaluate: of the file, and of the folder of versions."""
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")  # so that the command itself must hide the log
    done = gan_command("export", "mnist", "--format", form, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    path = Path("exported") / f"mnist{SUFFIX[form]}"
    for place, out in (("mnist", "keras.npz"), (path, "exported.npz")):
        done = gan_command("sample", place, "--num", 100, "--out", out, "--json", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    one, other = read(tmp_path / "keras.npz"), read(tmp_path / "exported.npz")
    assert np.abs(one["images"].astype(int) - other["images"]).max() <= 1
    np.testing.assert_array_equal(one["labels"], other["labels"])
    done = gan_command("info", path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "before the export" in done.stdout
    assert "Apache-2.0" in done.stdout
    options = [
        "--classifier",
        small_classifier[0],
        "--dataset",
        "mnist5k",
        "--num",
        200,
        "--output",
        "report",
        "--json",
    ]
    done = gan_command("evaluate", path, *options, cwd=tmp_path)
    assert done.returncode in (0, 3, 4), done.stderr
    report = json.loads(done.stdout)
    assert (
        report["checkpoint"]["sha256"] == json.loads(gan_command("info", path, "--json", cwd=tmp_path).stdout)["sha256"]
    )
    assert (tmp_path / "report" / "report.html").is_file()
    if form == "saved_model":
        assert gan_command("export", "mnist", "--format", form, "--json", cwd=tmp_path).returncode == 0
        found = json.loads(gan_command("info", path, "--json", cwd=tmp_path).stdout)
        assert found["file"] == str(path / "2")


@pytest.mark.slow
def test_without_the_extras_a_keras_checkpoint_is_sampled(made, tmp_path):
    """`import gan`, `gan sample`, `gan info` and `gan export --help` need none of the packages of the extras."""
    code = """
import sys
for name in ("onnx", "onnxruntime", "ai_edge_litert", "tf2onnx", "tensorflow_serving"):
    sys.modules[name] = None
from gan.cli.main import main
import gan
assert main(["info", sys.argv[1]]) == 0
assert main(["sample", sys.argv[1], "--num", "4", "--out", sys.argv[2]]) == 0
assert main(["sample", sys.argv[3], "--num", "4", "--out", sys.argv[2]]) == 0
"""
    in_python(code, made / "tiny.keras", tmp_path / "out.png", made / "out" / "tiny")
    assert (tmp_path / "out.png").is_file()
