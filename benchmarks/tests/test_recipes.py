import json
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.comparison import size_of

from benchmarks.cli import main
from benchmarks.tests.stand_ins import judge_of
from benchmarks.tests.tables import rows_of
from gan.config import ModelConfig, OptimizationConfig, TrainConfig
from gan.errors import TrainingError
from gan.evaluation.evaluation import evaluate_samples
from gan.saving import metadata
from gan.saving.models import find_classifier

ASKED = TrainConfig(
    model=ModelConfig(latent_dim=8, g_width=4, d_width=4),
    optimization=OptimizationConfig(batch_size=16, steps_per_execution=2),
)
TINY = {"asked": ASKED, "free": replace(ASKED, model=replace(ASKED.model, conditioning="none"))}


@pytest.fixture(scope="module")
def _tiny(digits):
    """Installs tiny presets, and embedded digits that are read only once."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("gan.data.load", "gan.training.setup"):
            patch.setattr(f"{module}.load_dataset", lambda name, **_: {"mnist5k": digits}[name])
        for module in ("recipes", "runs"):
            patch.setattr(f"benchmarks.{module}.PRESETS", TINY)
        yield


@pytest.fixture(scope="module")
def recipes(_tiny, tmp_path_factory):
    """Folder, options and exit status of a benchmark with two tiny runs."""
    out = tmp_path_factory.mktemp("benchmark") / "recipes"
    options = ["recipes", "--dataset", "mnist5k", "--presets", "asked", "free",
               "--seeds", "3", "--images", "96", "--num", "200", "--classifier", "mnist-probe",
               "--out", str(out)]  # fmt: skip
    return out, options, main(options)


@pytest.mark.slow
def test_each_run_records_its_preset(recipes):
    out = recipes[0]
    assert {run.name: metadata.load(run).preset for run in (out / "runs").iterdir()} == {
        "asked-3": "asked",
        "free-3": "free",
    }


@pytest.mark.slow
def test_recipes_measure_each_preset(recipes):
    out, _, status = recipes
    assert status == 0
    content = json.loads((out / "results.json").read_text())
    sha256 = find_classifier("mnist-probe").card.sha256
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
    assert session["command"].startswith("python -m benchmarks recipes --presets asked free --images 96")


@pytest.mark.slow
def test_recipes_numbers_equal_evaluate(recipes, digits):
    from gan import generate, load_classifier, load_generator
    from gan.evaluation.evaluation import EVALUATION_SEED

    out, _, _ = recipes
    content = json.loads((out / "results.json").read_text())
    run = out / "runs" / "asked-3"
    classifier, card = load_classifier("mnist-probe")
    order = np.random.default_rng([EVALUATION_SEED, 1]).permutation(len(digits.train))[:200]
    asked = digits.train.labels[order]
    pictures = generate(load_generator(run), 200, seed=EVALUATION_SEED, labels=asked, batch_size=250)
    report = evaluate_samples(pictures, asked, digits, classifier, card).report
    found = content["runs"]["asked-3"]
    for name in ("frechet_distance", "precision", "recall", "density", "coverage", "error_rate", "class_kl"):
        assert found[name] == pytest.approx(report.metrics[name].value, rel=1e-4), name
        if name != "frechet_distance":
            assert content["facts"]["real"][name] == pytest.approx(report.metrics[name].real, rel=1e-4), name
    assert content["facts"]["floor"] == pytest.approx(asdict(report.frechet_floor), rel=1e-4)


@pytest.mark.slow
def test_recipes_show_a_table_and_a_plot(recipes):
    out, _, _ = recipes
    text = (out / "table.md").read_text()
    header, *rows = rows_of(text)
    assert header[:3] == ["preset", "n", "Frechet distance"]
    runs = json.loads((out / "results.json").read_text())["runs"]
    by_distance = sorted(runs.values(), key=lambda run: run["frechet_distance"])
    assert [row[0] for row in rows] == [*(run["preset"] for run in by_distance), "real images"]
    assert [row[1] for row in rows] == ["1", "1", "10"]
    errors = {row[0]: row[header.index("errors (%)")] for row in rows}
    assert errors["free"] == "-"
    assert errors["asked"] == f"{100 * runs['asked-3']['error_rate']:.2f}"
    assert "    python -m benchmarks recipes --presets" in text
    width, height = size_of(out / "plot.png")
    assert width > height > 500


@pytest.mark.slow
def test_recipes_resume(recipes, monkeypatch, capsys):
    from benchmarks import judge, runs

    out, options, _ = recipes
    facts, trained = json.loads((out / "results.json").read_text())["facts"], []

    def fails(config, folder, **named):
        trained.append(folder.name)
        raise TrainingError("d_loss became NaN")

    monkeypatch.setattr(runs, "train_run", fails)
    monkeypatch.setattr(judge.Judge, "of", lambda *_, **__: judge_of(facts))
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


@pytest.mark.slow
@pytest.mark.parametrize("signal", [2, 15])
def test_a_signal_interrupts_the_benchmark_and_keeps_finished_runs(signal, recipes, monkeypatch, capsys):
    from benchmarks import judge

    out, options, _ = recipes
    facts, before = json.loads((out / "results.json").read_text())["facts"], (out / "results.json").read_text()
    monkeypatch.setattr(judge.Judge, "of", lambda *_, **__: judge_of(facts))
    monkeypatch.setattr("gan.training.train.train", lambda config, output, **_: SimpleNamespace(signal=signal))
    assert main([*options, "--seeds", "3", "5"]) == 128 + signal
    assert "run the same command again to resume" in capsys.readouterr().err
    assert json.loads((out / "results.json").read_text())["runs"] == json.loads(before)["runs"]
