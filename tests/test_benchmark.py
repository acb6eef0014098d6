import json
import math
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import size_of

from gan.benchmark import BENCHMARKS, Recipes, machine
from gan.benchmark.modes import mode_kl, modes_reached
from gan.benchmark.record import Record
from gan.benchmark.spread import Spread, written
from gan.benchmark.table import Table
from gan.checkpoints import find_classifier
from gan.cli.main import main
from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.errors import InputError, TrainingError
from gan.evaluation import evaluate_pictures


def test_large_numbers_are_written_without_an_exponent():
    assert Spread.of([2.634, 1088.6, 91.0]).written() == "91 (2.63 to 1,090)"


def test_spread_of_four_numbers_by_hand():
    spread = Spread.of([4.0, 1.0, float("nan"), 3.0, None, 2.0])
    assert spread == Spread(n=4, median=2.5, least=1.0, most=4.0, stderr=pytest.approx(math.sqrt(5 / 3) / 2))
    assert spread.written(".2f") == "2.50 (1.00 to 4.00)"
    assert Spread.of([7.0]).as_dict() == {"n": 1, "median": 7.0, "least": 7.0, "most": 7.0, "stderr": None}
    assert Spread.of([]) is None
    assert [written(values, ".1f", scale=10) for values in ([], [None], [0.25], [0.25, 0.5])] == [
        "-", "-", "2.5", "3.8 (2.5 to 5.0)"
    ]  # fmt: skip


def test_table_is_aligned_markdown():
    table = Table("Title.", ["name", "n"], [["a", "1"], ["b|c", "1,000"]], ["Note."])
    assert table.markdown() == (
        "Title.\n\n| name |     n |\n| :--- | ----: |\n| a    |     1 |\n| b\\|c | 1,000 |\n\nNote.\n"
    )
    with pytest.raises(ValueError, match="Expected 2 cells"):
        Table("", ["name", "n"], [["a"]])


def test_modes_and_kl_by_closed_forms():
    uniform, one = np.full(1_000, 26), np.eye(1_000)[3]
    assert (modes_reached(uniform), mode_kl(uniform)) == (1_000, pytest.approx(0.0, abs=1e-12))
    assert (modes_reached(one), mode_kl(one)) == (1, pytest.approx(math.log(1_000)))
    data = np.array([1.0, 3.0, 0.0])
    assert mode_kl(np.array([2, 6, 0]), data) == pytest.approx(0.0, abs=1e-12)
    assert mode_kl(np.array([1, 1, 0]), data) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert mode_kl(np.array([0, 0, 1]), data) == math.inf
    assert math.isnan(mode_kl(np.zeros(3)))


def test_kl_of_samples_of_the_data_is_modes_over_twice_the_samples():
    counts = np.random.default_rng(0).multinomial(26_000, np.full(1_000, 1e-3))
    assert mode_kl(counts) == pytest.approx(999 / 52_000, rel=0.2)


def test_machine_says_what_a_result_depends_on(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5}, raising=False)
    facts = machine.facts("gan benchmark x")
    assert facts["command"] == "gan benchmark x"
    assert facts["cpu"]
    assert facts["cores"] == (3 if sys.platform == "linux" else os.cpu_count())
    sentence = machine.sentence(facts)
    for part in (facts["cpu"], facts["versions"]["tensorflow"], facts["versions"]["keras"], facts["date"][:10]):
        assert part in sentence


def test_record_goes_on_with_what_is_there_and_refuses_what_was_measured_otherwise(tmp_path):
    record = Record(tmp_path, "x", {"num": 3, "seeds": (1,)})
    record.begin_session({"cpu": "a"})
    record.add("one", {"rate": (0.5, None)}, {"value": math.nan})
    again = Record(tmp_path, "x", {"num": 3, "seeds": (1,)})
    assert again.content["runs"] == {"one": {"session": 0, "config": {"rate": [0.5, None]}, "value": None}}
    assert again.has("one", {"rate": (0.5, None)})
    assert not again.has("two", {})
    with pytest.raises(InputError, match=r"rate=\[0.5, None\], or another --out. Received: rate=0.7"):
        again.has("one", {"rate": 0.7})
    with pytest.raises(InputError, match=r"Expected settings.num=3, .* Received: settings.num=4"):
        Record(tmp_path, "x", {"num": 4, "seeds": (1,)})
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(InputError, match="no record of a benchmark"):
        Record(tmp_path, "x", {})


def test_command_line_of_options():
    assert Recipes().command() == "gan benchmark recipes"
    asked = Recipes(presets=("mnist", "mnist-mlp"), seeds=(4,), out=Path("a b"))
    assert asked.command() == "gan benchmark recipes --presets mnist mnist-mlp --seeds 4 --out 'a b'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("recipes", "--presets", "mnist", "nonsense"), "Unknown preset"),
        (("recipes", "--presets", "mnist", "mnist"), "each once"),
        (("recipes", "--seeds"), "at least one"),
        (("recipes", "--seeds", "-1"), "Bad `seed`"),
        (("recipes", "--images", "0"), "Bad `images`"),
        (("recipes", "--num", "199"), "Bad `num`"),
        (("recipes", "--extractor", "nonsense"), "No such classifier"),
        (("recipes", "--dataset", "cifar10"), "for another data set"),
        (("stacked-mnist", "--num", "999"), "Bad `num`"),
        (("stacked-mnist", "--minutes", "0"), "Bad `minutes`"),
        (("stacked-mnist", "--minutes", "3", "--images", "3"), "exclude each other"),
        (("stacked-mnist", "--preset", "nonsense"), "Unknown preset"),
        (("stacked-mnist", "--preset", "mnist"), "has classes"),
        (("stacked-mnist", "--checkpoint", "nonsense"), "No such checkpoint"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(options, message, tmp_path, capsys):
    assert main(["benchmark", *options, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_benchmark_names_those_there_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["benchmark", "nonsense"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert all(name in said for name in BENCHMARKS)


ASKED = TrainConfig(
    model=ModelConfig(latent_dim=8, g_width=4, d_width=4),
    optimization=OptimizationConfig(batch_size=16, steps_per_execution=2),
)
TINY = {"asked": ASKED, "free": replace(ASKED, model=replace(ASKED.model, conditioning="none"))}


@pytest.fixture(scope="module")
def _tiny(digits):
    """Tiny presets, and the embedded digits read once only."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("gan.data", "gan.preparing"):
            patch.setattr(f"{module}.load_dataset", lambda name, **_: {"mnist5k": digits}[name])
        patch.setattr("gan.benchmark.recipes.PRESETS", TINY)
        yield


@pytest.fixture(scope="module")
def recipes(_tiny, tmp_path_factory):
    """Folder and options of a benchmark of two tiny runs, and the status of the command that made them."""
    out = tmp_path_factory.mktemp("benchmark") / "recipes"
    options = ["benchmark", "recipes", "--dataset", "mnist5k", "--presets", "asked", "free",
               "--seeds", "3", "--images", "96", "--num", "200", "--extractor", "mnist-probe",
               "--out", str(out)]  # fmt: skip
    return out, options, main(options)


def test_recipes_measure_each_preset(recipes):
    out, _, status = recipes
    assert status == 0
    content = json.loads((out / "results.json").read_text())
    sha256 = find_classifier("mnist-probe")[1]["sha256"]
    assert content["settings"] == {"dataset": "mnist5k", "images": 96, "num": 200, "classifier_sha256": sha256}
    assert list(content["runs"]) == ["asked-3", "free-3"]
    for key, run in content["runs"].items():
        assert run["images"] == 96
        assert run["seconds"] >= run["compile_seconds"] > 0
        assert run["frechet_in_floors"] == pytest.approx(run["frechet_distance"] / content["facts"]["floor"]["mean"])
        assert (run["error_rate"] is None) == (key == "free-3") == (not run["conditional"])
        assert size_of(out / run["samples"])
        assert not list((out / "runs" / key / "state").glob("*.npz"))
    from gan import load_generator

    for key in content["runs"]:
        assert content["runs"][key]["generator_parameters"] == load_generator(out / "runs" / key).count_params()
    session = content["sessions"][0]
    assert session["command"].startswith("gan benchmark recipes --presets asked free --images 96")


@pytest.mark.slow
def test_recipes_numbers_are_those_of_evaluate(recipes, digits):
    from gan import generate, load_classifier, load_generator
    from gan.evaluation import EVALUATION_SEED

    out, _, _ = recipes
    content = json.loads((out / "results.json").read_text())
    run = out / "runs" / "asked-3"
    classifier, card = load_classifier("mnist-probe")
    order = np.random.default_rng([EVALUATION_SEED, 1]).permutation(len(digits.train))[:200]
    asked = digits.train.labels[order]
    pictures = generate(load_generator(run), 200, seed=EVALUATION_SEED, labels=asked, batch_size=250)
    report = evaluate_pictures(pictures, asked, digits, classifier, card).report
    found = content["runs"]["asked-3"]
    for name in ("frechet_distance", "precision", "recall", "density", "coverage", "error_rate", "class_kl"):
        assert found[name] == pytest.approx(report["metrics"][name]["value"], rel=1e-4), name
        if name != "frechet_distance":
            assert content["facts"]["real"][name] == pytest.approx(report["metrics"][name]["real"], rel=1e-4), name
    assert content["facts"]["floor"] == pytest.approx(report["frechet_floor"], rel=1e-4)


def test_recipes_show_a_table_and_a_plot(recipes):
    out, _, _ = recipes
    lines = (out / "table.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    assert rows[0][:3] == ["preset", "n", "Frechet distance"]
    runs = json.loads((out / "results.json").read_text())["runs"]
    by_distance = sorted(runs.values(), key=lambda run: run["frechet_distance"])
    assert [row[0] for row in rows[2:]] == [*(run["preset"] for run in by_distance), "real images"]
    assert [row[1] for row in rows[2:]] == ["1", "1", "10"]
    errors = {row[0]: row[rows[0].index("errors (%)")] for row in rows[2:]}
    assert errors["free"] == "-"
    assert errors["asked"] == f"{100 * runs['asked-3']['error_rate']:.2f}"
    assert any("gan benchmark recipes --presets" in line for line in lines)
    width, height = size_of(out / "plot.png")
    assert width > height > 500


def test_recipes_go_on_where_they_were_broken_off(recipes, monkeypatch, capsys):
    from gan.benchmark import judge, runs

    out, options, _ = recipes
    facts, trained = json.loads((out / "results.json").read_text())["facts"], []

    def fails(config, folder, **named):
        trained.append(folder.name)
        raise TrainingError("d_loss became NaN")

    monkeypatch.setattr(runs, "trained", fails)
    monkeypatch.setattr(judge.Judge, "of", lambda *_, **__: SimpleNamespace(**facts))
    before = (out / "results.json").read_text()
    assert main([*options, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert not trained
    assert (out / "results.json").read_text() == before
    assert said["runs"] == json.loads(before)["runs"]
    assert Path(said["files"]["plot.png"]).exists()

    assert main([*options, "--images", "160"]) == 2
    assert "settings.images=96" in capsys.readouterr().err
    assert main([*options, "--num", "501", "--out", str(out.with_name("other"))]) == 2
    assert "from 200 to 500" in capsys.readouterr().err

    assert main([*options, "--seeds", "3", "4", "--presets", "asked"]) == 0
    assert trained == ["asked-4"]
    table = capsys.readouterr().out
    assert "1 of 2" in table
    assert "Failed: asked-4: d_loss became NaN" in table


@pytest.mark.parametrize("signal", [2, 15])
def test_a_signal_ends_the_benchmark_and_the_same_command_goes_on(signal, recipes, monkeypatch, capsys):
    from gan.benchmark import judge, runs

    out, options, _ = recipes
    facts, before = json.loads((out / "results.json").read_text())["facts"], (out / "results.json").read_text()
    monkeypatch.setattr(judge.Judge, "of", lambda *_, **__: SimpleNamespace(**facts))
    monkeypatch.setattr(runs, "train", lambda config, output, **_: SimpleNamespace(signal=signal))
    assert main([*options, "--seeds", "3", "5"]) == 128 + signal
    assert "the same command goes on" in capsys.readouterr().err
    assert json.loads((out / "results.json").read_text())["runs"] == json.loads(before)["runs"]
