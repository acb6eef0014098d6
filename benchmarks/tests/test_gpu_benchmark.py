import json
import os
import re
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import gpu, gpu_checks, gpu_criteria, gpu_data, gpu_floors, gpu_plan, gpu_process, gpu_rows, gpu_speed
from benchmarks.benchmark import Record
from benchmarks.cli import main
from benchmarks.gpu import Gpu, describe_device
from benchmarks.gpu_plan import GPU, TORCH, Row
from benchmarks.gpu_process import Ended, Report, last_line
from benchmarks.tests.tables import rows_of
from benchmarks.xla_variants import XLA_VARIANTS
from gan.config import PRESETS
from gan.models.penalties import R1
from gan.utils import tensorflow as runtime

CARD = {
    "gpus": ["NVIDIA H100"],
    "compute_capability": [[9, 0]],
    "driver": "580.95.05",
    "driver_cuda": 13000,
    "cudnn": 90301,
    "build": {"cuda_version": "12.5.1", "cudnn_version": "9", "is_cuda_build": True},
    "torch": None,
}
NO_CARD = {**CARD, "gpus": [], "driver": None, "cudnn": None}


@pytest.fixture
def stand_in(monkeypatch):
    """Makes rows without processes on a machine with a card. Each takes 10 seconds of a clock of its own.

    Returns the list of the rows that were started, (kind, time limit), and a dict of results by kind.
    """
    started, results, now = [], {"device": Ended(1.0, dict(CARD), None, "")}, [0.0]

    def run_row(kind, options, *, limit_s, environment=None):
        if kind not in ("device", "data"):
            started.append((kind, limit_s))
            now[0] += 10.0
        return results.get(kind, Ended(10.0, {"details": "measured"}, None, ""))

    monkeypatch.setattr(gpu, "run_row", run_row)
    monkeypatch.setattr(gpu.time, "monotonic", lambda: now[0])
    return started, results


def planned(monkeypatch, *rows):
    monkeypatch.setattr(gpu, "plan", lambda **settings: list(rows))


def table_of(text):
    """Returns the rows of the first table, without that of the targets."""
    return rows_of(text.partition("\nTargets on a card:")[0])


def runs_in(out):
    return json.loads((out / "results.json").read_text())["runs"]


def test_the_most_important_rows_come_first():
    rows = gpu_plan.plan(dataset="mnist", seconds=1.0)
    names = [row.name for row in rows]
    assert names[:8] == [
        "mnist/64/xla/float32",
        *(f"mnist/64/xla/float32/{name}" for name in list(XLA_VARIANTS)[:2]),
        *(f"{one}/xla/float32/steps-320" for one in ("mnist/64", "mnist/1024", "tf-tutorial/256")),
        "floors/xla/mnist",
        "floors/xla/mnist-best",
    ]
    assert len(set(names)) == len(names)
    for preset, batch_size in gpu_plan.CONFIGURATIONS:
        for mode in ("plain", "xla"):
            assert {f"{preset}/{batch_size}/{mode}/{precision}" for precision in gpu_plan.PRECISIONS} <= set(names)
    layers = [f"steps-{gpu_plan.LONG}/layers-{layers}" for layers in ("products", "keras")]
    executions = [f"steps-{count}" for count in gpu_plan.EXECUTIONS]
    variants = [*XLA_VARIANTS, "programs-1/streamed", "streamed", *executions, *layers]
    assert {f"mnist/64/xla/float32/{name}" for name in variants if name != "default"} <= set(names)
    assert "mnist/64/plain/float32/streamed" in names
    made = {row.name: row.options for row in rows}
    assert made["mnist/64/xla/float32/streamed"]["data_on_device"] is False
    assert made["mnist/1024/xla/float32/steps-320"]["steps_per_execution"] == 320
    assert R1().every == gpu_plan.PENALTY_EVERY
    assert all(count % gpu_plan.PENALTY_EVERY == 0 for count in gpu_plan.EXECUTIONS)
    # even if XLA as it is installed and its first variant hang, all rows of the targets fit into 8 minutes
    early = sum(row.usual_s for row in rows[2:8]) + sum(row.limit_s for row in rows[:2])
    assert early + 30.0 <= 480.0
    assert {row.kind for row in rows} <= set(gpu_rows.KINDS)
    assert all(row.usual_s <= row.limit_s for row in rows)
    needs = {row.name: row.needs for row in rows}
    assert needs["check/xla"] == ()  # XLA compiles on a CPU as well
    assert needs["mnist/64/xla/float32"] == (GPU,)
    assert needs["torch/mnist/64/graph"] == (TORCH, GPU)


def test_rows_that_no_longer_fit_are_not_run(stand_in, monkeypatch, tmp_path, capsys):
    rows = [Row(f"row-{number}", "steps", usual_s=15.0, limit_s=40.0) for number in range(5)]
    planned(monkeypatch, *rows)
    out = tmp_path / "out"
    assert main(["gpu", "--minutes", "0.75", "--out", str(out)]) == 0  # 45 s: rows end at 10, 20, 30, 40
    assert stand_in[0] == [("steps", 40.0), ("steps", 35.0), ("steps", 25.0), ("steps", 15.0)]
    assert runs_in(out)["row-4"]["not_run"] == "out of time"
    table = table_of(capsys.readouterr().out)
    assert [row[:2] for row in table[1:]][-2:] == [["row-3", "measured"], ["row-4", "not run: out of time"]]

    assert main(["gpu", "--minutes", "0.75", "--out", str(out)]) == 0
    assert len(stand_in[0]) == 5  # only row-4 is made
    assert "not_run" not in runs_in(out)["row-4"]


def test_results_are_written_after_every_row(stand_in, monkeypatch, tmp_path):
    planned(monkeypatch, Row("one", "steps"), Row("two", "products"))
    out, found = tmp_path / "out", []
    made = gpu.run_row

    def look(kind, *arguments, **options):
        if kind == "products":
            assert (out / "plot.png").exists()
            found.append([row[0] for row in table_of((out / "table.md").read_text())] + list(runs_in(out)))
        return made(kind, *arguments, **options)

    monkeypatch.setattr(gpu, "run_row", look)
    assert main(["gpu", "--out", str(out)]) == 0
    assert found == [["row", "one", "one"]]


def test_failed_rows_are_made_again_and_results_are_kept(stand_in, monkeypatch, tmp_path):
    started, results = stand_in
    planned(monkeypatch, Row("one", "steps"), Row("two", "products"), Row("three", "loops"))
    results["products"] = Ended(9.0, {"details": "before"}, "ValueError: bad", "Traceback\nValueError: bad")
    out = tmp_path / "out"
    assert main(["gpu", "--out", str(out)]) == 0
    assert [kind for kind, _ in started] == ["steps", "products", "loops"]
    assert runs_in(out)["two"]["failed"] == "ValueError: bad"
    assert runs_in(out)["two"]["output"].startswith("Traceback")
    assert table_of((out / "table.md").read_text())[2][1:] == ["failed", "-", "-", "-", "before; ValueError: bad"]
    del results["products"]
    assert main(["gpu", "--out", str(out), "--rows", "t*"]) == 0
    assert [kind for kind, _ in started[3:]] == ["products"]
    assert "failed" not in runs_in(out)["two"]
    assert [row[0] for row in table_of((out / "table.md").read_text())[1:]] == ["one", "two", "three"]


def test_rows_say_what_they_need(stand_in, monkeypatch, tmp_path):
    started, results = stand_in
    results["device"] = Ended(1.0, dict(NO_CARD), None, "")
    planned(monkeypatch, Row("one", "steps", needs=(GPU,)), Row("two", "steps", needs=(TORCH, GPU)), Row("three", "x"))
    out = tmp_path / "out"
    assert main(["gpu", "--out", str(out)]) == 0
    assert [row[1] for row in table_of((out / "table.md").read_text())[1:]] == [
        "needs a GPU",
        "needs PyTorch",
        "measured",
    ]
    results["device"] = Ended(1.0, dict(CARD), None, "")  # on the machine with the card, all of them are made
    assert main(["gpu", "--out", str(out)]) == 0
    assert [kind for kind, _ in started] == ["x", "steps", "x"]
    assert set(runs_in(out)) == {"one", "two", "three"}


def test_rows_of_xla_follow_the_first_variant_that_works():
    first, second = list(XLA_VARIANTS)[:2]
    failed, measured = {"failed": "no result"}, {"steps_per_second": [1.0]}
    rows = {gpu_plan.XLA: failed, f"{gpu_plan.XLA}/{first}": {**failed, **measured}}
    assert gpu_plan.working_variant({}) == "default"
    assert gpu_plan.working_variant({gpu_plan.XLA: {"not_run": "needs a GPU"}}) == "default"
    assert gpu_plan.working_variant({gpu_plan.XLA: measured}) == "default"
    assert gpu_plan.working_variant(rows) is None
    assert gpu_plan.working_variant({**rows, f"{gpu_plan.XLA}/{second}": measured}) == second


def test_what_hangs_once_is_not_tried_again_and_explained(stand_in, monkeypatch, tmp_path):
    started, results = stand_in
    first = next(iter(XLA_VARIANTS))
    planned(
        monkeypatch,
        Row(gpu_plan.XLA, "steps"),
        Row("early", "x", follows=True),
        Row(f"{gpu_plan.XLA}/{first}", "variant", environment=gpu_plan.flags_of(first)),
        Row("late", "y", environment={"XLA_FLAGS": "--more", "OTHER": "1"}, follows=True),
        Row("why", "z", after_failure=gpu_plan.XLA, logs=True),
    )
    results["steps"] = Ended(9.0, {}, "no result within 9 s, at: first 20 steps", "")
    results["z"] = Ended(9.0, {}, "no result within 9 s, at: first 20 steps", "pass 1\ntuning convolution 7\n")
    results["variant"] = Ended(9.0, {"steps_per_second": [7.0]}, None, "")
    environments, made = {}, gpu.run_row

    def run_row(kind, options, *, environment=None, **more):
        environments[kind] = {key: text for key, text in (environment or {}).items() if key != gpu_data.VARIABLE}
        return made(kind, options, environment=environment, **more)

    monkeypatch.setattr(gpu, "run_row", run_row)
    out = tmp_path / "out"
    assert main(["gpu", "--out", str(out)]) == 0
    assert [kind for kind, _ in started] == ["steps", "variant", "y", "z"]
    assert runs_in(out)["early"]["not_run"] == "no variant of XLA works"
    assert runs_in(out)["late"]["variant"] == first
    assert environments["y"] == {"XLA_FLAGS": f"{XLA_VARIANTS[first][0]} --more", "OTHER": "1"}
    assert environments["z"] == environments["steps"] == {}
    assert runs_in(out)["why"]["failed"].endswith("first 20 steps; the last line of its log: tuning convolution 7")
    late = next(row for row in table_of((out / "table.md").read_text()) if row[0] == "late")
    assert late[-1].startswith(f"flags of {first}")

    results["steps"] = Ended(9.0, {"steps_per_second": [9.0]}, None, "")  # and where nothing hangs:
    assert main(["gpu", "--out", str(tmp_path / "other")]) == 0
    assert runs_in(tmp_path / "other")["why"]["not_run"] == "not needed"
    assert "variant" not in runs_in(tmp_path / "other")["late"]


def test_a_record_of_another_card_is_refused(stand_in, monkeypatch, tmp_path, capsys):
    planned(monkeypatch, Row("one", "steps"))
    out = tmp_path / "out"
    assert main(["gpu", "--out", str(out)]) == 0
    stand_in[1]["device"] = Ended(1.0, {**CARD, "gpus": ["NVIDIA L4"]}, None, "")
    assert main(["gpu", "--out", str(out)]) == 2
    assert "NVIDIA L4" in capsys.readouterr().err
    assert len(stand_in[0]) == 1


def test_a_device_that_does_not_answer_keeps_no_row_from_running(stand_in, monkeypatch, tmp_path):
    stand_in[1]["device"] = Ended(90.0, {}, "no result within 90 s, at: start", "")
    planned(monkeypatch, Row("one", "steps", needs=(GPU,)))
    assert main(["gpu", "--out", str(tmp_path / "out")]) == 0
    assert len(stand_in[0]) == 1
    assert (tmp_path / "out" / "table.md").read_text().startswith("The device is not known (no result within 90 s")


def test_sigterm_keeps_the_rows_before(stand_in, monkeypatch, tmp_path, capsys):
    planned(monkeypatch, Row("one", "steps"), Row("two", "products"))
    made = gpu.run_row

    def terminated(kind, *arguments, **options):
        if kind == "products":
            os.kill(os.getpid(), signal.SIGTERM)
        return made(kind, *arguments, **options)

    monkeypatch.setattr(gpu, "run_row", terminated)
    out, handler = tmp_path / "out", signal.getsignal(signal.SIGTERM)
    assert main(["gpu", "--out", str(out)]) == 128 + signal.SIGTERM
    assert "run the same command again" in capsys.readouterr().err
    assert list(runs_in(out)) == ["one"]
    assert signal.getsignal(signal.SIGTERM) is handler


def is_alive(process):
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    return False


def test_a_row_that_hangs_or_crashes_costs_only_itself(monkeypatch, tmp_path, capsys):
    rows = [
        Row("hangs", "sleep", limit_s=3.0, usual_s=1.0),
        Row("raises", "crash"),
        Row("aborts", "abort"),
        Row("fine", "fine", {"value": 7}, environment={"XLA_FLAGS": "--two"}),
    ]
    planned(monkeypatch, *rows)
    monkeypatch.setattr(gpu.Gpu, "_find_device", lambda *_: {GPU: True, TORCH: True})
    monkeypatch.setattr(gpu_process, "MODULE", "benchmarks.tests.gpu_row_stand_ins")
    monkeypatch.setenv("XLA_FLAGS", "--one")
    out = tmp_path / "out"
    record = Record(out, "gpu", Gpu().settings())
    out.mkdir()
    record.note("device", {**CARD, "tensorflow": "2.21.0", "failed": None})
    assert main(["gpu", "--out", str(out)]) == 0
    runs = runs_in(out)
    found = re.fullmatch(r"no result within 3 s, at: asleep, in sleep \((gpu_row_stand_ins.py):(\d+)\)",
                         runs["hangs"]["failed"])  # fmt: skip
    assert found is not None, runs["hangs"]["failed"]
    line = (Path(__file__).parent / found[1]).read_text(encoding="utf-8").splitlines()[int(found[2]) - 1]
    assert line.strip() == "time.sleep(600)"
    assert "(most recent call first)" in runs["hangs"]["output"]
    assert runs["raises"]["failed"] == "ValueError: last line"
    assert runs["raises"]["details"] == "measured before"
    assert runs["aborts"]["failed"] == "ended by signal 6, at: start: F0000 Check failed: status"
    assert runs["fine"]["details"] == "value 7, flags --one --two"
    assert [row[1] for row in table_of(capsys.readouterr().out)[1:]] == ["failed", "failed", "failed", "measured"]
    deadline = time.monotonic() + 5.0
    while is_alive(runs["hangs"]["child"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(runs["hangs"]["child"])


def test_table_of_a_card():
    def run(number, *, kind="steps", environment=None, **values):
        config = {"kind": kind, "options": {"preset": "mnist", "batch_size": 64}, "environment": environment or {}}
        return {"session": 0, "number": number, "config": config, "seconds": 30.0, **values}

    session = {
        "command": "python -m benchmarks gpu",
        "date": "2026-01-02T03:04:05",
        "cpu": "A CPU",
        "cores": 16,
        "versions": {"python": "3.12", "tensorflow": "2.21.0", "keras": "3.15", "gan-reference": "1"},
        "git_revision": "0123456789abcdef",
    }
    content = {
        "settings": {"dataset": "mnist", "seconds": 2.0},
        "sessions": [session],
        "facts": {"device": {**CARD, "tensorflow": "2.21.0", "failed": None}},
        "runs": {
            "mnist/64/xla/float32/no-autotuning": run(
                2,
                environment={"XLA_FLAGS": "--xla_gpu_autotune_level=0"},
                first_seconds=8.04,
                images_per_step=64,
                steps_per_second=[400.0, 500.0, 300.0],
            ),
            "mnist/64/xla/float32": run(1, failed="no result within 100 s, at: first 20 steps", output="..."),
            "check/plain": run(0, kind="correctness", passed=True, details="losses differ by 1e-06"),
            "evaluate": run(3, kind="evaluate", passed=False, details="Frechet distance 2, on the CPU 3"),
            "floors/plain": run(4, kind="floors", not_run="out of time"),
        },
    }
    text = Gpu().table(content).markdown()
    assert text.startswith("NVIDIA H100, driver 580.95.05, CUDA 12.5.1, cuDNN 9.3.1, TensorFlow 2.21.0. Dataset mnist,")
    assert table_of(text) == [
        ["row", "result", "steps/s", "images/s", "first steps (s)", "details"],
        ["check/plain", "passed", "-", "-", "-", "losses differ by 1e-06"],
        ["mnist/64/xla/float32", "failed", "-", "-", "-", "no result within 100 s, at: first 20 steps"],
        ["mnist/64/xla/float32/no-autotuning", "measured", "400.0 (300.0 to 500.0)", "25,600 (19,200 to 32,000)",
         "8.0", "-"],
        ["evaluate", "differs", "-", "-", "-", "Frechet distance 2, on the CPU 3"],
        ["floors/plain", "not run: out of time", "-", "-", "-", "-"],
    ]  # fmt: skip
    assert "\n* mnist/64/xla/float32/no-autotuning: `XLA_FLAGS='--xla_gpu_autotune_level=0'`\n" in text
    assert "Measured on A CPU, 16 cores" in text
    assert [axes.get_xlabel() for axes in Gpu().figure(content).axes] == ["steps/s, mnist, batch 64"]
    assert len(Gpu().figure({**content, "runs": {}}).axes) == 1


def test_the_device_is_described_in_one_line():
    assert describe_device({**CARD, "torch": "2.11", "tensorflow": "2.21.0"}).endswith("PyTorch 2.11")
    assert describe_device({**NO_CARD, "tensorflow": "2.21.0"}) == "No GPU"


def test_last_line_leaves_out_markers_of_operations():
    assert last_line("one\ntwo {{node}} [Op:step]\n\n\t [[gradient_tape/x]]\n") == "two {{node}}"
    assert last_line("") == ""
    assert len(last_line("x" * 1_000)) == 300


def test_training_seconds_to_floors_by_hand():
    curve = [
        {"images": 10, "seconds": 1.0, "in_floors": 9.0},
        {"images": 20, "seconds": 2.0, "in_floors": 2.9},
        {"images": 30, "seconds": 3.0, "in_floors": 3.1},
    ]
    said = "2.0 s to 3 floors, 1.5 floors not reached; 3.10 floors after 30 images, 3.0 s"
    assert gpu_floors.describe_curve(curve, (3.0, 1.5)) == said
    assert [gpu_floors.seconds_to(curve, most) for most in (9.0, 3.0, 1.2)] == [1.0, 2.0, None]


def test_a_training_in_whole_periods_by_hand():
    found = gpu_floors.in_periods(PRESETS["mnist"], 50_000, 16)  # 2,031 steps; a twentieth is 6.3 periods
    options = found.optimization
    assert (options.total_steps(50_000), options.steps_per_execution) == (21 * 96, 96)
    assert found.interval_steps(options.total_steps(50_000)) == 96
    short = replace(PRESETS["mnist"], optimization=replace(PRESETS["mnist"].optimization, steps=5))
    assert gpu_floors.in_periods(short, 50_000, 16).optimization.total_steps(50_000) == 16


def test_targets_by_hand():
    def steps(rate, images, first=5.0):
        return {"steps_per_second": [rate / 2, rate, 2 * rate], "images_per_step": images, "first_seconds": first}

    runs = {
        "mnist/64/xla/float32": steps(1_000.0, 64),
        "mnist/64/xla/float32/steps-320": steps(1_500.0, 64, first=25.0),
        "mnist/64/plain/float32": {**steps(9_000.0, 64), "failed": "after the steps"},
        "mnist/1024/xla/float32": steps(312.5, 1_024),
        "floors/xla/mnist": {"curve": [{"seconds": 6.0, "in_floors": 2.9}, {"seconds": 7.0, "in_floors": 1.9}]},
        "floors/plain/mnist": {"not_run": "out of time"},
        "floors/xla/mnist-best": {"curve": [{"seconds": 2.0, "in_floors": 2.9}, {"seconds": 20.0, "in_floors": 1.2}]},
    }
    rows = rows_of(gpu_criteria.table(runs).markdown())[1:]
    assert [row[1:] for row in rows] == [
        [">= 1,260 steps/s", "1,500", "met", "mnist/64/xla/float32/steps-320"],
        [">= 545 steps/s", "-", "not measured", "-"],
        [">= 320,000 images/s", "320,000", "met", "mnist/1024/xla/float32"],
        ["<= 20 s", "25.0", "not met", "mnist/64/xla/float32/steps-320"],  # of the fastest row, not of the best
        ["<= 5 s", "6.0", "not met", "floors/xla/mnist"],  # of the preset itself
        ["<= 30 s", "20.0", "met", "floors/xla/mnist-best"],
    ]


def test_the_dataset_in_a_file_is_the_same(digits, monkeypatch, tmp_path):
    path = tmp_path / "dataset.npz"
    gpu_data.write_arrays(digits, path)
    monkeypatch.setenv(gpu_data.VARIABLE, str(path))
    monkeypatch.setattr("gan.data.load.load_dataset", lambda *_, **__: pytest.fail("read again"))
    found = gpu_data.load(digits.name)
    assert (found.name, found.num_classes, found.class_names) == (digits.name, digits.num_classes, digits.class_names)
    for name in gpu_data.SPLITS:
        mine, theirs = getattr(found, name), getattr(digits, name)
        np.testing.assert_array_equal(mine.images, theirs.images)
        np.testing.assert_array_equal(mine.labels, theirs.labels)
    monkeypatch.delenv(gpu_data.VARIABLE)
    monkeypatch.setattr("gan.data.load.load_dataset", lambda name, fallback: (name, fallback))
    assert gpu_data.load("mnist") == ("mnist", "none")


def test_all_rows_read_one_file_and_the_gpu_is_hidden_from_its_writer(stand_in, monkeypatch, tmp_path, capsys):
    _, results = stand_in
    planned(monkeypatch, Row("one", "steps"), Row("two", "products"))
    seen, made = [], gpu.run_row

    def run_row(kind, options, *, environment=None, **more):
        seen.append((kind, dict(options), dict(environment or {})))
        return made(kind, options, environment=environment, **more)

    monkeypatch.setattr(gpu, "run_row", run_row)
    assert main(["gpu", "--out", str(tmp_path / "out")]) == 0
    (device, options, _), (data, asked, hidden), (_, _, one), (_, _, two) = seen
    assert (device, options, data, asked["dataset"]) == ("device", {}, "data", "mnist")
    assert hidden == {"CUDA_VISIBLE_DEVICES": "-1"}
    assert one == two == {gpu_data.VARIABLE: asked["path"]}
    assert "environment" in runs_in(tmp_path / "out")["one"]["config"]
    assert gpu_data.VARIABLE not in json.dumps(runs_in(tmp_path / "out"))

    results["data"] = Ended(120.0, {}, "no result within 120 s, at: reading mnist, in read (tfds.py:9)", "a stack")
    assert main(["gpu", "--out", str(tmp_path / "other")]) == 0
    assert seen[-1][2] == {}  # it reads the dataset itself
    assert "reading mnist, in read (tfds.py:9). Each row reads the dataset itself" in capsys.readouterr().err

    results["data"] = Ended(5.0, {"no_dataset": "not prepared"}, None, "")
    assert main(["gpu", "--out", str(tmp_path / "third")]) == 2
    assert "--dataset mnist5k" in capsys.readouterr().err


def test_differences_are_the_largest_of_each_array():
    mine = {"losses": np.array([1.0, 2.0]), "weights": np.array([np.nan]), "moved": np.array(1.0)}
    theirs = {"losses": np.array([1.5, 1.75]), "weights": np.array([0.0]), "moved": np.array(9.0)}
    assert gpu_checks._differences(mine, theirs) == {"losses": 0.5, "weights": 1e308}


def test_matrix_products_are_measured_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_speed, "PRODUCT_SIZES", {"CPU": 64, "GPU": 64})
    gpu_speed.products(Report(tmp_path / "report.json"), seconds=1e-6)
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report["values"]["teraflops"])[-2:] == ["float32", "bfloat16"]
    assert all(rate > 0 for rates in report["values"]["teraflops"].values() for rate in rates)
    assert "64 x 64" in report["values"]["details"]


@pytest.mark.slow  # the test before runs a row in this process; rows that hang or crash run in real ones
def test_a_real_row_finds_the_device():
    ended = gpu_process.run_row("device", {}, limit_s=100.0)
    assert ended.failed is None, ended.output
    assert ended.values["gpus"] == runtime.gpu_names()


@pytest.mark.slow
def test_a_real_row_writes_the_dataset(digits, tmp_path):
    path = tmp_path / "dataset.npz"
    options = {"dataset": "mnist5k", "path": str(path)}
    ended = gpu_process.run_row("data", options, limit_s=100.0, environment=gpu_checks.NO_GPU)
    assert (ended.failed, ended.values) == (None, {}), ended.output
    np.testing.assert_array_equal(gpu_data.read_arrays(path, "mnist5k").train.images, digits.train.images)


@pytest.mark.slow
def test_real_rows_of_this_machine(tmp_path):
    out = tmp_path / "out"
    rows = ["check/*", "mnist/64/plain/float32", "finite-losses/xla", "deterministic/plain", "evaluate"]
    options = ["--dataset", "mnist5k", "--seconds", "0.01", "--minutes", "20", "--out", str(out)]
    assert main(["gpu", *options, "--rows", *rows]) == 0
    runs = runs_in(out)
    assert len(runs) == 6
    assert {name: run["failed"] for name, run in runs.items() if "failed" in run} == {}
    assert all(run["passed"] for run in runs.values() if run["config"]["kind"] != "steps")
    assert max(runs["check/xla"]["different"].values()) < gpu_checks.TOLERANCE
    assert runs["mnist/64/plain/float32"]["steps_per_second"][0] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--minutes", "0"), "Bad `minutes`"),
        (("--seconds", "0"), "Bad `seconds`"),
        (("--rows", "nonsense/*"), "No such row"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(options, message, tmp_path, capsys):
    assert main(["gpu", *options, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def peer_weights(network, peer):
    """Copies the weights of a Keras network with 28 x 28 x 1 images into that of PyTorch, which has the same order."""
    import torch

    weights = network.trainable_variables
    parameters = list(peer.parameters())
    assert len(weights) == len(parameters)
    for weight, parameter in zip(weights, parameters):
        value, shape = np.asarray(weight), tuple(parameter.shape)
        if value.ndim == 4:
            value = value.transpose(3, 2, 0, 1)
        elif "embeddings" not in weight.path and value.ndim <= 2:
            for axis, size in enumerate(value.shape):  # an axis of all pixels and channels: channels come first there
                side = {3_136: 7, 12_544: 7, 6_272: 7, 2_048: 4}.get(size)
                if side:
                    parts = np.moveaxis(value, axis, 0).reshape(side, side, size // side**2, -1)
                    moved = parts.transpose(2, 0, 1, 3).reshape(size, *np.moveaxis(value, axis, 0).shape[1:])
                    value = np.moveaxis(moved, 0, axis)
            value = value.T
        assert value.shape == shape, weight.path
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


@pytest.mark.parametrize("preset", ["mnist", "tf-tutorial"])
def test_networks_in_pytorch_are_those_of_the_preset(preset):
    torch = pytest.importorskip("torch")
    from benchmarks import torch_peer
    from gan.config import PRESETS
    from gan.models.networks import build_discriminator, build_generator

    model = PRESETS[preset].model
    classes = 0 if model.conditioning == "none" else 10
    networks = (
        build_generator((28, 28, 1), model.latent_dim, classes, model.arch),
        build_discriminator((28, 28, 1), classes, model.arch),
    )
    trainer = torch_peer.Trainer(preset, torch.device("cpu"))
    peers = (trainer.generator, trainer.discriminator)
    rng = np.random.default_rng(0)
    for network, peer in zip(networks, peers):
        trained = sum(int(np.prod(weight.shape)) for weight in network.trainable_variables)
        assert trained == sum(parameter.numel() for parameter in peer.parameters())
        for weight in network.trainable_variables:
            weight.assign(np.asarray(weight) + rng.normal(0.0, 0.01, weight.shape))
        peer_weights(network, peer)
    labels = [rng.integers(0, 10, 8).astype(np.int32)] if classes else []
    latents = rng.normal(size=(8, model.latent_dim)).astype(np.float32)
    images = rng.uniform(-1.0, 1.0, (8, 28, 28, 1)).astype(np.float32)
    given = torch.from_numpy(labels[0]).long() if classes else None
    inputs = [latents, *labels] if classes else latents
    for training in (False, True):  # with the moving statistics, which are alike only before the first step
        peers[0].train(training)
        with torch.no_grad():
            drawn = peers[0](torch.from_numpy(latents), given).numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(networks[0](inputs, training=training), drawn, atol=1e-5)
    with torch.no_grad():
        read = peers[1].eval()(torch.from_numpy(images.transpose(0, 3, 1, 2)), given).numpy()
    np.testing.assert_allclose(networks[1]([images, *labels] if classes else images), read, atol=1e-5)


def test_a_step_in_pytorch_has_the_losses_of_the_preset():
    """With zero weights, all logits are 0, so each softplus is log 2 and the gradient of D is 0."""
    torch = pytest.importorskip("torch")
    from benchmarks import torch_peer

    for preset in torch_peer.NETWORKS:
        trainer = torch_peer.Trainer(preset, torch.device("cpu"))
        with torch.no_grad():
            for parameter in trainer.d_parameters:
                parameter.zero_()
        batch = torch_peer.Batch(torch.rand(16, 1, 28, 28) * 2 - 1, torch.arange(16) % 10)
        d_loss, g_loss = trainer.step(batch, penalize=True)
        assert float(d_loss) == pytest.approx(2 * np.log(2.0), abs=1e-6)
        assert np.isfinite(float(g_loss))


def test_r1_in_pytorch_of_a_linear_critic_is_half_gamma_w_squared(monkeypatch):
    torch = pytest.importorskip("torch")
    from benchmarks import torch_peer

    trainer = torch_peer.Trainer("mnist", torch.device("cpu"))
    w = torch.linspace(-1.0, 1.0, 784)
    monkeypatch.setattr(trainer, "_logits", lambda images, labels: images.flatten(1) @ w[:, None])
    batch = torch_peer.Batch(torch.zeros(4, 1, 28, 28), torch.zeros(4, dtype=torch.long))
    assert float(trainer._r1(batch)) == pytest.approx(0.5 * 0.3 * float(w @ w), rel=1e-5)


def test_numbers_of_the_pytorch_step_are_those_of_the_preset():
    pytest.importorskip("torch")
    from benchmarks import torch_peer
    from gan.models import extra_fakes
    from gan.models.penalties import R1

    assert (torch_peer.REPEATED, torch_peer.MISMATCHED) == (extra_fakes.EVERY, extra_fakes.MISMATCHED_LABELS)
    assert (R1().gamma, R1().every) == (torch_peer.GAMMA, torch_peer.EVERY)


@pytest.mark.slow
def test_the_row_of_the_training_time_evaluates_each_interval(digits, monkeypatch, tmp_path):
    from gan.config import ModelConfig, OptimizationConfig, TrainConfig

    tiny = TrainConfig(
        model=ModelConfig(latent_dim=4, g_width=4, d_width=4),
        optimization=OptimizationConfig(images=640, batch_size=16, steps_per_execution=2),
    )
    monkeypatch.setattr(gpu_floors, "PRESETS", {"tiny": tiny})
    monkeypatch.setattr(gpu_floors, "EVALUATED", 100)
    monkeypatch.setattr("gan.data.load.load_dataset", lambda *_, **__: digits)
    report = Report(tmp_path / "report.json")
    gpu_floors.floors(report, dataset="mnist5k", jit=False, preset="tiny")
    found = json.loads((tmp_path / "report.json").read_text())["values"]
    curve = found["curve"]
    assert [one["images"] for one in curve] == [32 * (number + 1) for number in range(20)]
    seconds = [one["seconds"] for one in curve]
    assert 0 <= seconds[0] < seconds[-1]
    assert seconds == sorted(seconds)
    assert found["first_seconds"] > 0
    assert all(one["in_floors"] > 1 for one in curve)  # random networks
    assert "floors after 640 images" in found["details"]
