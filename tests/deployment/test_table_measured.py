"""The table of exported generators: its numbers are those of `evaluate`, and a row that fails does not stop others."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from helpers.commands import run_gan

from gan import build_generator, sampling
from gan.cli.main import main
from gan.deployment import artifact_rows
from gan.deployment.artifact_rows import ROWS
from gan.deployment.artifacts import measure_artifacts, time_artifacts
from gan.deployment.measured_engine import MeasuredEngine
from gan.deployment.table import load_table
from gan.errors import InputError
from gan.evaluation.classifier.extractor import as_input, load_classifier
from gan.evaluation.error_rate import BLOCK, in_blocks
from gan.evaluation.evaluation import evaluate_samples
from gan.evaluation.reference import choose_labels
from gan.evaluation.sample_quality import QualityReference
from gan.saving.engines.find import load_exported
from gan.utils.child import python_module
from gan.utils.json_process import ProcessEnded, ProcessFailure
from gan.utils.machine import peak_memory

NUM = 200
"""Images of the smallest split."""
MANY = NUM + BLOCK + 100
"""Samples of the table: those that are compared with images, and two blocks of others."""
FEW_ROWS = [("onnx", "float32"), ("litert", "int8"), ("keras", "float32")]
"""The last one is killed: the import of TensorFlow takes seconds."""


@pytest.fixture(scope="module")
def data(digits):
    """A few of the digits: the nearest training image of each sample takes most of the time of an evaluation."""
    sizes = {"train": 400, "validation": NUM, "test": NUM}
    return replace(digits, **{part: getattr(digits, part).take(np.arange(size)) for part, size in sizes.items()})


@pytest.fixture(scope="module")
def judged(small_classifier):
    return load_classifier(small_classifier[0])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    folder.mkdir()
    build_generator((28, 28, 1), 8, 10, arch="mlp", width=4).save(folder / "generator.keras")
    return folder


@pytest.fixture(scope="module")
def table(run, data, judged, tmp_path_factory):
    """A table of a few rows, and its folder. The process of the last one is killed."""
    out, load = tmp_path_factory.mktemp("exported") / "new", MeasuredEngine.start_loading

    def load_or_kill(engine):
        if "keras" in str(engine._samples):
            os.kill(engine._process.pid, signal.SIGKILL)
        load(engine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifact_rows, "ROWS", FEW_ROWS)
        patch.setattr(MeasuredEngine, "start_loading", load_or_kill)
        found = measure_artifacts(run, data, *judged, out=out, num=MANY, seed=5, rounds=2, tolerance=1.0)
    return found, out


def test_every_format_has_every_weight_width_and_keras_is_first():
    assert ROWS[0] == ("keras", "float32")
    assert len(ROWS) == len(set(ROWS)) == 10
    assert {weights for format, weights in ROWS if format == "litert"} == {"float32", "float16", "int8"}


@pytest.mark.parametrize("conditional", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_the_numbers_are_those_of_evaluate_bit_by_bit(data, judged, conditional):
    chosen = data.validation.take(np.arange(NUM))
    samples, labels = as_input(chosen.images), chosen.labels if conditional else None
    reference = QualityReference.of(data, judged[0], num=NUM, seed=3)
    found = reference.measure(samples, labels)
    report = evaluate_samples(samples, labels, data, *judged, seed=3).report
    assert found.rate.value == report.metrics["error_rate"].value
    assert found.frechet_distance == report.metrics["frechet_distance"].value
    assert found.coverage == report.metrics["coverage"].value
    assert reference.real_coverage == report.metrics["coverage"].real
    assert reference.frechet_floor == report.metrics["frechet_distance"].real


def test_samples_that_are_not_finite_or_too_few_are_refused(data, judged):
    reference = QualityReference.of(data, judged[0], num=2, seed=0)
    images = as_input(data.test.images[:2])
    assert np.isnan(reference.measure(images, None).coverage)
    with pytest.raises(InputError, match="finite images"):
        reference.measure(np.full_like(images, np.nan), None)
    with pytest.raises(InputError, match="2 samples"):
        reference.measure(images[:1], None)
    with pytest.raises(InputError, match="2 samples in all"):
        reference.measure(images, None, [images])


def test_a_row_has_the_numbers_of_its_own_file(table, data, judged):
    found, out = table
    labels, reference = choose_labels(data, MANY, 5), QualityReference.of(data, judged[0], num=MANY, seed=5)
    assert reference.compared == found.compared == NUM
    for row in found.artifacts[:2]:
        engine = load_exported(out / row.file.name)
        assert row.file.bytes == engine.file.bytes
        assert row.file.content_sha256 == engine.card.content_sha256
        assert row.file.max_difference == engine.card.max_difference
        samples, others = (
            sampling.generate(engine, stop - start, seed=5, start=start, labels=labels[start:stop], batch_size=250)
            for start, stop in ((0, NUM), (NUM, MANY))
        )
        expected = reference.measure(samples, labels, in_blocks(others))
        rate = expected.rate
        assert rate.n == MANY
        assert (row.quality.wrong, row.quality.num, row.quality.error_rate) == (rate.wrong, rate.n, rate.value)
        assert (row.quality.error_rate_lower, row.quality.error_rate_upper) == rate.interval
        assert row.quality.frechet_distance == pytest.approx(expected.frechet_distance, rel=1e-4)
        assert row.quality.coverage == pytest.approx(expected.coverage, abs=0.01)
        assert row.quality.verdict == "undecided"  # a tolerance of 1, and an untrained generator without variety
        assert row.quality.frechet_in_floors == row.quality.frechet_distance / found.frechet_floor
        assert row.cost.rounds == 2
        assert row.cost.batches >= 2
        assert 0 < row.cost.milliseconds_fastest <= row.cost.milliseconds <= row.cost.milliseconds_slowest


def test_memory_is_that_of_the_measured_process_alone(table):
    found, _ = table
    peaks = [row.cost.peak_memory_bytes for row in found.artifacts[:2]]
    assert found.idle_memory_bytes < min(peaks)
    assert max(peaks) < peak_memory() / 2  # this process has imported TensorFlow


def test_a_process_that_is_killed_leaves_a_row_with_the_reason(table):
    found, _ = table
    row = found.artifacts[2]
    assert row.failure == "the process ended (signal 9): no message"
    assert row.file is not None
    assert row.quality is row.cost is None


def test_the_written_table_is_the_returned_one_beside_its_files(table):
    found, out = table
    assert load_table(out / "small-artifacts.json") == found
    files = ["small-artifacts.json", "small-int8.tflite", "small.keras", "small.onnx"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert (found.name, found.dataset, found.num, found.seed, found.tolerance) == ("small", "mnist5k", MANY, 5, 1.0)
    assert found.versions["onnxruntime"] != "missing"


def test_files_and_times_are_measured_without_samples(run, tmp_path, monkeypatch):
    """A file that cannot be exported has a reason, and one that is not timed starts no process."""
    monkeypatch.setattr(artifact_rows, "ROWS", FEW_ROWS[:2])
    onnx, litert = time_artifacts(run, tmp_path / "timed", rounds=2)
    assert (onnx.name, litert.name) == ("onnx-float32", "litert-int8")
    assert (onnx.path, litert.path) == (tmp_path / "timed" / "small.onnx", tmp_path / "timed" / "small-int8.tflite")
    assert (onnx.bytes, litert.bytes) == (onnx.path.stat().st_size, litert.path.stat().st_size)
    assert all(row.failure is None and row.cost.rounds == 2 for row in (onnx, litert))

    def refuse(*_, format, **__):
        raise InputError(f"{format} cannot", expected="layers", received="Sort")

    monkeypatch.setattr(artifact_rows, "ROWS", [FEW_ROWS[0], FEW_ROWS[2]])
    monkeypatch.setattr(artifact_rows, "export_generator", refuse)
    monkeypatch.setattr(artifact_rows, "MeasuredEngine", None)
    onnx, keras = time_artifacts(run, tmp_path / "counted", timed=False)
    assert (onnx.path, onnx.bytes, onnx.failure) == (None, None, "onnx cannot. Expected layers. Received: Sort.")
    assert (keras.path.name, keras.bytes, keras.cost) == ("small.keras", keras.path.stat().st_size, None)


def test_an_engine_that_rejects_its_file_says_why(tmp_path):
    (tmp_path / "no.tflite").write_bytes(b"no model")
    timed = {"latents": np.zeros((2, 4), np.float32)}
    engine = MeasuredEngine("litert", tmp_path / "no.tflite", timed, tmp_path / "scratch")
    engine.start_loading()
    with pytest.raises(ProcessFailure, match="LiteRT rejects this model"):
        engine.finish_loading()
    engine.close()
    engine.close()
    with pytest.raises(ProcessEnded, match="signal 9"):
        engine.time_round()


@pytest.mark.parametrize(("format", "row"), [("onnx", 0), ("litert", 1)])
def test_a_process_imports_only_its_engine_and_ends_with_its_input(table, tmp_path, format, row):
    found, out = table
    np.savez(tmp_path / "inputs.npz", latents=np.zeros((3, 8), np.float32), labels=np.arange(3, dtype=np.int32))
    arguments = [format, str(out / found.artifacts[row].file.name), str(tmp_path / "inputs.npz"), str(tmp_path / "s")]
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from gan.deployment import engine_process\n"
        f"form, *files = {arguments!r}\n"
        "from gan.utils.json_process import answer_requests\n"
        "answers = engine_process.Answers(form, *map(Path, files))\n"
        "heavy = ('tensorflow', 'keras', 'onnx', 'scipy', 'gan.models')\n"
        "loaded = lambda: {'loaded': [module for module in heavy if module in sys.modules]}\n"
        "answer_requests(lambda request: loaded() if request == 'loaded' else answers(request))\n"
    )
    _, environment = python_module("none")
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for request in ("load", "sample", "loaded"):
        print(json.dumps(request), file=child.stdin, flush=True)
    answers = [json.loads(child.stdout.readline())["answer"] for _ in range(3)]
    assert answers[1:] == [{"shape": [3, 28, 28, 1]}, {"loaded": []}]
    assert (tmp_path / "s").stat().st_size == 3 * 28 * 28 * 4
    child.stdin.close()
    assert child.wait(10) == -signal.SIGKILL
    child.stdout.close()


def test_an_interrupted_measurement_ends_its_processes_and_writes_no_table(run, data, judged, tmp_path, monkeypatch):
    started, start = [], MeasuredEngine.start_loading
    monkeypatch.setattr(artifact_rows, "ROWS", FEW_ROWS[:1])
    monkeypatch.setattr(MeasuredEngine, "start_loading", lambda engine: started.append(engine) or start(engine))

    def log(text):
        if "round 1" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_artifacts(run, data, *judged, out=tmp_path, num=NUM, log=log)
    assert len(started) == 1
    with pytest.raises(ProcessEnded, match="signal 9"):
        started[0].time_round()
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_a_format_that_cannot_express_the_generator_does_not_stop_the_others(run, data, judged, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise InputError("ONNX cannot express this generator", expected="layers", received="Sort")

    monkeypatch.setattr(artifact_rows, "export_generator", refuse)
    monkeypatch.setattr(artifact_rows, "ROWS", FEW_ROWS[:1])
    found = measure_artifacts(run, data, *judged, out=tmp_path, num=NUM)
    assert [(row.file, row.quality, row.cost) for row in found.artifacts] == [(None, None, None)]
    assert found.artifacts[0].failure == "ONNX cannot express this generator. Expected layers. Received: Sort."
    assert load_table(tmp_path / "small-artifacts.json") == found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num": 10**7 + 1}, "Bad `num`"),
        ({"num": 1}, "Bad `num`"),
        ({"tolerance": 2.0}, "Bad `tolerance`"),
        ({"seed": -1}, "Bad `seed`"),
        ({"rounds": 0}, "Bad `rounds`"),
        ({"out": "file/below"}, "cannot be written"),
        ({"dataset": "renamed"}, "classifier is for another dataset"),
        ({"dataset": "color"}, "images of another shape"),
        ({"missing": "onnxruntime"}, r"onnxruntime is not installed\. Expected pip install 'gan-reference\[export\]'"),
        ({"missing": "ai_edge_litert"}, "ai_edge_litert is not installed"),
    ],
)
def test_bad_input_writes_nothing(run, data, judged, tmp_path, monkeypatch, changes, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    options = {"out": "new", "num": NUM, **changes}
    dataset = {"renamed": replace(data, name="letters"), None: data}.get(options.pop("dataset", None))
    if dataset is None:
        parts = {part: replace(getattr(data, part)) for part in ("train", "validation", "test")}
        for part in parts.values():
            object.__setattr__(part, "images", np.repeat(part.images[:60], 3, axis=-1))
            object.__setattr__(part, "labels", part.labels[:60])
        dataset = replace(data, **parts)
    missing = options.pop("missing", None)
    if missing:
        for name in [name for name in sys.modules if name.partition(".")[0] == missing] + [missing]:
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=said):
        measure_artifacts(run, dataset, *judged, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_exported_generator_is_not_exported_again(table, data, judged, tmp_path):
    with pytest.raises(InputError, match="This generator is exported"):
        measure_artifacts(table[1] / "small.onnx", data, *judged, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["mnist", "--num", "1"], "Bad `num`"),
        (["mnist", "--tolerance", "2"], "Bad `tolerance`"),
        (["mnist", "--dataset", "cifar10"], "The classifier is for another dataset"),
        (["mnist", "--classifier", "none"], "none"),
        (["nothing"], "No such checkpoint"),
    ],
)
def test_the_command_refuses_bad_input_with_status_2(options, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *options, "--table"]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_command_measures_all_ten_rows(tmp_path):
    options = ["--dataset", "mnist5k", "--num", 300, "--out", tmp_path]
    done = run_gan("export", "mnist", "--table", *options)
    assert (done.returncode, done.stderr) == (0, "")
    found = load_table(tmp_path / "mnist-artifacts.json")
    assert [(row.format, row.weights, row.failure) for row in found.artifacts] == [(*row, None) for row in ROWS]
    for weights in ("float32", "float16", "int8"):  # the same kernels in every engine
        same = [row.quality for row in found.artifacts if row.weights == weights]
        assert len({quality.wrong for quality in same}) == 1
        distances = [quality.frechet_distance for quality in same]
        np.testing.assert_allclose(distances, distances[0], rtol=1e-3)
    assert len(found.within) == 10 or {row.quality.verdict for row in found.artifacts} == {"undecided"}
    sizes = {(row.format, row.weights): row.file.bytes for row in found.artifacts}
    assert sizes["onnx", "int8"] < sizes["onnx", "float16"] < sizes["onnx", "float32"]
    assert max(map(len, done.stdout.splitlines()[:23])) <= 80
    for row in found.artifacts:
        assert (tmp_path / row.file.name).exists()
    evaluated = run_gan("evaluate", "mnist", *options[:4], "--json")
    report = json.loads(evaluated.stdout)
    first = found.artifacts[0].quality
    assert first.error_rate == report["metrics"]["error_rate"]["value"]
    assert first.coverage == pytest.approx(report["metrics"]["coverage"]["value"], abs=0.01)
    assert first.frechet_distance == pytest.approx(report["metrics"]["frechet_distance"]["value"], rel=1e-3)
