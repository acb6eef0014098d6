import json
from dataclasses import replace

import pytest
from helpers.comparison import size_of

from benchmarks import runs
from benchmarks.cli import main
from benchmarks.headline import Headline, ratio_of
from benchmarks.tests.stand_ins import judge_of
from benchmarks.tests.tables import rows_of
from gan.config import PRESETS, ModelConfig, OptimizationConfig, TrainConfig
from gan.errors import TrainingError
from gan.saving.models import find_classifier

SHORT = TrainConfig(
    model=ModelConfig(latent_dim=8, g_width=4, d_width=4),
    optimization=OptimizationConfig(images=96, batch_size=16, steps_per_execution=2),
)
LONG = replace(SHORT, optimization=replace(SHORT.optimization, steps=8))
FREE = replace(SHORT, model=replace(SHORT.model, conditioning="none"))
TINY = {"short": SHORT, "long": LONG, "tf-tutorial": FREE}


@pytest.fixture(scope="module")
def headline(digits, tmp_path_factory):
    """Folder, options and exit status of a benchmark with two tiny presets and a tiny yardstick."""
    out = tmp_path_factory.mktemp("benchmark") / "headline"
    options = ["headline", "--dataset", "mnist5k", "--presets", "short", "long", "--seeds", "3",
               "--epochs", "0.016", "--num", "200", "--classifier", "mnist-probe", "--out", str(out)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for module in ("gan.data.load", "gan.training.setup"):
            patch.setattr(f"{module}.load_dataset", lambda name, **_: {"mnist5k": digits}[name])
        for module in ("headline", "runs"):
            patch.setattr(f"benchmarks.{module}.PRESETS", TINY)
        patch.setattr("benchmarks.headline._import_seconds", lambda: 7.25)
        yield out, options, main(options)


def cells_of(out):
    """{first cell of a row: {column: cell}} of the table in a folder."""
    header, *rows = rows_of((out / "table.md").read_text())
    return {row[0]: dict(zip(header, row)) for row in rows}


@pytest.mark.slow
def test_each_preset_trains_its_full_length_after_the_yardstick(headline):
    out, _, status = headline
    assert status == 0
    content = json.loads((out / "results.json").read_text())
    sha256 = find_classifier("mnist-probe").card.sha256
    assert content["settings"] == {"dataset": "mnist5k", "epochs": 0.016, "num": 200, "classifier_sha256": sha256}
    assert list(content["runs"]) == ["yardstick-0-3", "short-3", "long-3"]
    yardstick, short, long = content["runs"].values()
    assert (yardstick["images"], short["images"], long["images"]) == (64, 96, 128)
    assert "frechet_distance" not in yardstick
    assert yardstick["import_seconds"] == 7.25
    for run in (yardstick, short, long):
        assert run["training_seconds"] == pytest.approx(run["images"] / run["images_per_second"])
        assert run["seconds"] > run["training_seconds"] > 0
        assert run["config"]["stopping"]["probe"] == "none"
        assert size_of(out / run["samples"])
    for run in (short, long):
        assert run["yardstick"] == "yardstick-0-3"
        assert run["frechet_in_floors"] == pytest.approx(run["frechet_distance"] / content["facts"]["floor"]["mean"])


@pytest.mark.slow
def test_headline_shows_a_table_and_a_plot(headline):
    out, _, _ = headline
    content = json.loads((out / "results.json").read_text())
    rows, runs = cells_of(out), content["runs"]
    assert list(rows) == ["short", "long", "yardstick: 0.016 epochs of tf-tutorial", "real images"]
    short = runs["short-3"]
    assert rows["short"]["correct class (%)"] == f"{100 * (1 - short['error_rate']):.2f}"
    ratio = short["training_seconds"] / runs["yardstick-0-3"]["training_seconds"]
    assert rows["short"]["relative to yardstick"] == f"{ratio:.3f}"
    assert rows["long"]["images"] == "128"
    assert rows["yardstick: 0.016 epochs of tf-tutorial"]["in floors"] == "-"
    assert rows["real images"]["correct class (%)"] == f"{100 * (1 - content['facts']['real']['error_rate']):.2f}"
    table = (out / "table.md").read_text()
    assert "including TensorFlow: 7.2 s" in table
    assert "python -m benchmarks headline --presets short long" in table
    width, height = size_of(out / "plot.png")
    assert width > height > 500


@pytest.mark.slow
def test_headline_resumes_with_a_new_yardstick(headline, monkeypatch, capsys):
    from benchmarks import judge

    out, options, _ = headline
    before, trained = (out / "results.json").read_text(), []
    facts = json.loads(before)["facts"]

    def fails(config, folder, **named):
        trained.append(folder.name)
        raise TrainingError("d_loss became NaN")

    monkeypatch.setattr(runs, "train_run", fails)
    monkeypatch.setattr(judge.Judge, "of", lambda *_, **__: judge_of(facts))
    assert main(options) == 0
    assert not trained
    assert (out / "results.json").read_text() == before
    assert main([*options, "--epochs", "2"]) == 2
    assert "settings.epochs=0.016" in capsys.readouterr().err
    assert main([*options, "--presets", "short", "--seeds", "3", "4"]) == 0
    assert trained == ["yardstick-1-4", "short-4"]
    table = capsys.readouterr().out
    assert cells_of(out)["short"]["n"] == "1 of 2"
    assert "Failed: short-4: d_loss became NaN" in table


def test_a_ratio_is_to_the_yardstick_of_the_same_process():
    known = {"a": {"training_seconds": 8.0}, "b": {"training_seconds": None}, "c": {"failed": "NaN"}}
    assert ratio_of({"training_seconds": 2.0, "yardstick": "a"}, known) == 0.25
    for other in ("b", "c"):
        assert ratio_of({"training_seconds": 2.0, "yardstick": other}, known) is None
    assert ratio_of({"training_seconds": None, "yardstick": "a"}, known) is None
    assert ratio_of({"training_seconds": 2.0}, known) is None


def test_an_unwatched_preset_keeps_its_length_and_schedule():
    own = runs.unwatched(PRESETS["tf-tutorial"], dataset="mnist", seed=4, images=None, eval_every=7)
    assert own.optimization == PRESETS["tf-tutorial"].optimization
    other = runs.unwatched(PRESETS["tf-tutorial"], dataset="mnist", seed=4, images=99, eval_every=7)
    assert (other.optimization.images, other.optimization.epochs) == (99, None)
    mnist = runs.unwatched(PRESETS["mnist"], dataset="mnist", seed=4, images=None, eval_every=None)
    assert (mnist.optimization.images, mnist.learning_rate_end) == (PRESETS["mnist"].optimization.images, 0.02)
    assert Headline().command() == "python -m benchmarks headline"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--presets", "nonsense"), "Unknown preset"),
        (("--seeds",), "at least one"),
        (("--epochs", "0"), "Bad `epochs`"),
        (("--num", "199"), "Bad `num`"),
        (("--classifier", "nonsense"), "No such classifier"),
        (("--dataset", "cifar10"), "for another dataset"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(more, message, tmp_path, capsys):
    assert main(["headline", "--presets", "tf-tutorial", *more, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
