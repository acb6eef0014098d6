"""`gan select --artefacts`: the files of one generator, their costs, their failures, and its resumption."""

import json
import re
from dataclasses import replace

import pytest
from helpers.commands import run_gan

from gan.cli import select_artefacts as command
from gan.cli.main import main
from gan.cli.select import Select
from gan.cli.selection_table import print_selection
from gan.data.load import load_dataset
from gan.deployment import artifact_rows
from gan.deployment.artifact_rows import TimedArtifact
from gan.deployment.measured_engine import MeasuredEngine
from gan.deployment.table import ArtifactCost
from gan.errors import InputError
from gan.evaluation.coverage import CoverageReference
from gan.saving.known_images import NamedImages
from gan.saving.saved_generator import find_saved
from gan.selection import looks
from gan.selection.record import SelectionOptions, load_selection
from gan.selection.selection import resume_selection
from gan.utils.json_process import ProcessEnded

FEW_ROWS = [("keras", "float32"), ("onnx", "int8"), ("litert", "float32")]
OPTIONS = {"tolerance": 0.99, "look_num": 100, "num": 500}


@pytest.fixture
def few(monkeypatch):
    """Few rows and samples, and coverage as of real images: such a short run has none."""
    monkeypatch.setattr(artifact_rows, "ROWS", FEW_ROWS)
    monkeypatch.setattr(looks, "COVERAGE_NUM", 100)
    monkeypatch.setattr(CoverageReference, "coverage", lambda reference, samples: reference.real_coverage)


def row(weights, *, size=None, times=None, failure=None):
    cost = times and ArtifactCost(
        milliseconds=times[1],
        milliseconds_fastest=times[0],
        milliseconds_slowest=times[2],
        rounds=3,
        batches=9,
        peak_memory_bytes=None,
    )
    return TimedArtifact(format="onnx", weights=weights, bytes=size, cost=cost, failure=failure)


ROWS = [
    row("float32", size=40, times=(1.0, 2.0, 4.0)),
    row("float16", size=20, failure="ended"),
    row("int8", failure="no layer"),
]


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ("milliseconds", {"onnx-float32": (2.0, 1.0, 4.0, 3)}),
        ("bytes", {"onnx-float32": (40, 40, 40, 1), "onnx-float16": (20, 20, 20, 1)}),
        ("parameters", {"onnx-float32": (7, 7, 7, 1), "onnx-float16": (7, 7, 7, 1)}),
    ],
)
def test_a_row_has_a_cost_or_the_reason_why_not(cost, expected):
    found = command._costs(ROWS, SelectionOptions(tolerance=0.02, cost=cost), lambda: 7)
    assert {name: (one.value, one.lowest, one.highest, one.rounds) for name, one in found.costs.items()} == expected
    assert found.failures == {"onnx-float16": "ended", "onnx-int8": "no layer"}
    assert "cores" in found.machine


@pytest.mark.parametrize(
    ("given", "cost"),
    [
        ({}, "train_seconds"),
        ({"artefacts": "mnist"}, "milliseconds"),
        ({"artefacts": "mnist", "cost": "bytes"}, "bytes"),
        ({"cost": "parameters"}, "parameters"),
    ],
)
def test_the_default_cost_is_one_that_the_candidates_have(given, cost):
    assert Select(**given)._options.cost == cost


def test_it_is_interrupted_and_resumed_without_repeating_anything(few, tiny_run, tmp_path, monkeypatch, capsys):
    """The second look fails, then the test; ONNX cannot be exported. Then the folder is moved."""
    export, lines, looked = artifact_rows.export_generator, [], []

    def export_or_refuse(*given, format, **options):
        if format == "onnx":
            raise InputError("ONNX cannot express this", expected="layers", received="Sort")
        return export(*given, format=format, **options)

    measure = looks.SampleLook.measure

    def look(self, generator, **options):
        looked.append(getattr(generator, "path", generator).name)
        if len(looked) in (2, 4):
            raise KeyboardInterrupt
        return measure(self, generator, **options)

    monkeypatch.setattr(artifact_rows, "export_generator", export_or_refuse)
    monkeypatch.setattr(looks.SampleLook, "measure", look)
    monkeypatch.setattr(command.EvaluationInputs, "load_dataset", lambda given: load_dataset("mnist5k"))
    options = SelectionOptions(**OPTIONS, cost="bytes")
    with pytest.raises(KeyboardInterrupt):
        command.select_artefacts(str(tiny_run["folder"]), options, output=tmp_path / "s", log=lines.append)
    assert lines[-1].endswith(f"gan select --resume {tmp_path / 's'} continues")
    before = load_selection(tmp_path / "s")
    keras, litert, onnx = before.candidates
    assert (before.data.dataset, before.trains, before.verdict) == ("mnist5k", False, None)
    assert (keras.name, len(keras.looks), keras.cost.value) == (
        "keras-float32",
        1,
        (tiny_run["folder"] / "generator.keras").stat().st_size,
    )
    assert (litert.name, litert.looks, litert.generator) == ("litert-float32", (), "exported/run.tflite")
    assert (onnx.name, onnx.generator, onnx.cost) == ("onnx-int8", None, None)
    assert onnx.ended.startswith("failed: ONNX cannot express this")

    (tmp_path / "s").rename(tmp_path / "moved")
    with pytest.raises(KeyboardInterrupt):
        resume_selection(tmp_path / "moved")
    assert looked == ["run.keras", "run.tflite", "run.tflite", looked[3]]
    order = load_selection(tmp_path / "moved").order
    found = resume_selection(tmp_path / "moved")
    assert found.record.order == order
    assert looked[4:] in ([looked[3]], ["run.keras", "run.tflite"], ["run.tflite", "run.keras"])
    assert found.record.candidate("keras-float32").looks == keras.looks
    assert found.record.verdict == ("undecided" if found.record.chosen is None else "within")
    assert load_selection(tmp_path / "moved") == found.record
    assert resume_selection(tmp_path / "moved") == found

    chosen = replace(found.record, chosen="litert-float32", verdict="within")
    print_selection(chosen, tmp_path / "moved", tmp_path / "selection.png")
    printed = capsys.readouterr().out
    assert "images " not in printed.splitlines()[1]
    assert f"gan sample {tmp_path}/moved/exported/run.tflite --out digits.png" in printed
    assert find_saved(tmp_path / "moved" / "exported" / "run.tflite").card.weights == "float32"


def test_an_interruption_ends_the_processes_and_leaves_nothing(few, tiny_run, tmp_path, monkeypatch):
    started, start = [], MeasuredEngine.start_loading
    monkeypatch.setattr(artifact_rows, "ROWS", [("onnx", "float32")])
    monkeypatch.setattr(MeasuredEngine, "start_loading", lambda engine: started.append(engine) or start(engine))

    def log(text):
        if "round 1" in text:
            raise KeyboardInterrupt

    options = SelectionOptions(**OPTIONS, cost="milliseconds")
    with pytest.raises(KeyboardInterrupt):
        command.select_artefacts(str(tiny_run["folder"]), options, output=tmp_path / "s", log=log)
    assert len(started) == 1
    with pytest.raises(ProcessEnded, match="signal 9"):
        started[0].time_round()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mnist", "mnist-mlp"], r"These have no effect.*mnist-mlp"),
        (["mnist", "--vary", "steps=6,8", "--budget", "9"], r"no effect.*--budget --vary"),
        (["mnist", "--jobs", "2"], "no effect.*--jobs"),
        (["mnist", "--ray", "nowhere:1"], "no effect.*--ray"),
        (["mnist", "--storage", "folder"], "no effect.*--storage"),
        (["mnist", "--resume", "nowhere"], "no effect.*--resume"),
        (["mnist", "--deterministic"], "no effect.*--deterministic"),
        (["mnist", "--cost", "train_seconds"], "not trained here"),
        (["mnist", "--cost", "price", "--price-per-hour", "2"], "no effect.*--price-per-hour"),
        (["mnist", "--dataset", "mnist5k"], "Another dataset.*--dataset mnist,"),
        (["nothing"], "No such checkpoint"),
        (["mnist", "--probe", "mnist-classifier"], "One classifier for search and test"),
        (["mnist", "--tolerance", "1e-7"], "No test could show this tolerance"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(words, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command.EvaluationInputs, "load_dataset", lambda given: NamedImages("mnist"))
    checkpoint, *others = words
    presets = [others.pop(0)] if others and not others[0].startswith("--") else []
    assert main(["select", *presets, "--artefacts", checkpoint, *others]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(said, error), error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_command_selects_among_all_ten_files(tiny_run, tmp_path):
    words = ["--tolerance", 0.99, "--look-num", 100, "--num", 500, "--cost", "milliseconds", "--json"]
    done = run_gan("select", "--artefacts", tiny_run["folder"], *words, "--output", tmp_path / "s")
    assert done.returncode in (0, 3, 4), done.stderr
    found = json.loads(done.stdout)
    names = {f"{format}-{weights}" for format, weights in artifact_rows.ROWS}
    assert {one["name"] for one in found["candidates"]} == names
    assert all(one["cost"]["rounds"] == 15 and one["looks"] for one in found["candidates"])
    assert (tmp_path / "s" / "selection.png").stat().st_size > 10_000
    for one in found["candidates"]:  # of each format, the printed command works
        if one["name"].endswith("int8"):
            sampled = run_gan("sample", tmp_path / "s" / one["generator"], "--num", 3, "--out", tmp_path / "x.png")
            assert sampled.returncode == 0, sampled.stderr
    again = run_gan("select", "--resume", tmp_path / "s", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (done.returncode, found)
