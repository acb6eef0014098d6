import json

import pytest
from helpers.comparison import size_of

from benchmarks.cli import main
from benchmarks.step import NO_OPERATION, OTHERS, Step, rates_of
from benchmarks.tests.tables import rows_of
from gan.config import ModelConfig, OptimizationConfig, TrainConfig

TUTORIAL = TrainConfig(
    model=ModelConfig(arch="tf_tutorial", conditioning="none", latent_dim=8, g_width=4, d_width=4),
    optimization=OptimizationConfig(batch_size=16, steps_per_execution=2, penalty_every=4),
)
THEIRS = "the tutorial's own loop"


@pytest.fixture(scope="module")
def step(digits, tmp_path_factory):
    """Folder, function to repeat it, and exit status of a tiny tutorial benchmark with a lazy penalty."""
    out = tmp_path_factory.mktemp("benchmark") / "step"
    options = ["step", "--dataset", "mnist5k", "--presets", "tf-tutorial", "--rounds", "2",
               "--seconds", "1e-6", "--size", "32", "--out", str(out)]  # fmt: skip

    def measure(*more):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gan.data.load.load_dataset", lambda name, fallback: {"mnist5k": digits}[name])
            for module in ("step", "runs"):
                patch.setattr(f"benchmarks.{module}.PRESETS", {"tf-tutorial": TUTORIAL})
            return main([*options, *more])

    return out, measure, measure()


def run_of(step):
    return json.loads((step[0] / "results.json").read_text())["runs"]["tf-tutorial"]


@pytest.mark.slow
def test_each_loop_is_measured_in_each_round(step):
    assert step[2] == 0
    loops = run_of(step)["loops"]
    assert list(loops) == ["fit", "bare loop", THEIRS, "matrix product"]
    for name, loop in loops.items():
        assert len(loop["seconds"]) == 2
        assert all(seconds > 0 for seconds in [loop["first_seconds"], *loop["seconds"]])
        assert loop["images_per_step"] == 16 * (name != "matrix product")
    assert [loops[name]["steps"] for name in ("fit", "bare loop", THEIRS)] == [2, 2, 2]
    assert loops["fit"]["flops_per_step"] == loops["bare loop"]["flops_per_step"]
    assert loops["matrix product"]["flops_per_step"] == 2 * 32**3


@pytest.mark.slow
def test_flops_of_our_step_and_of_theirs_by_hand(step):
    """Their step runs D once on fakes for both losses. Ours runs it again after the update of D, and for a penalty."""
    width, latents, batch = 4, 8, 16
    dense, convolution = 2 * latents * 49 * 4 * width, 2 * 49 * 4 * width * 2 * width * 25
    middle, outer, logit = 2 * 49 * 2 * width * width * 25, 2 * 196 * width * 25, 2 * 49 * 2 * width
    g, d = dense + convolution + middle + outer, outer + middle + logit
    # forward, and back to the latents' layer and to both batches' images, but for gradients of latents and reals
    theirs = g + 2 * d + (2 * g - dense) + d + 2 * (2 * d - outer)
    # forward to the last activation, back to the images, and the gradient of that: of weights, and of what came back
    penalty = (d - logit) + d + (2 * d - logit)
    # and once more through D, as the second derivative of a leaky ReLU is zeros for TensorFlow, rather than nothing
    penalty += 2 * middle + outer
    loops = run_of(step)["loops"]
    assert loops[THEIRS]["flops_per_step"] == batch * theirs
    assert loops["fit"]["flops_per_step"] == batch * (theirs + d + penalty / 4)


def test_rates_by_hand():
    loop = {"images_per_step": 4, "flops_per_step": 10.0, "steps": 3, "seconds": [1.0, 2.0]}
    bare = {**loop, "seconds": [0.5, 2.0]}
    product = {"images_per_step": 0, "flops_per_step": 100.0, "steps": 1, "seconds": [1.0, 4.0]}
    found = rates_of({"loops": {"fit": loop, "bare loop": bare, "matrix product": product}})
    assert found["fit"] == {
        "images_per_second": [12.0, 6.0],
        "flops_per_second": [30.0, 15.0],
        "of_bare": [0.5, 1.0],
        "of_product": [0.3, 0.6],
    }
    assert found["matrix product"]["of_product"] == [1.0, 1.0]


@pytest.mark.slow
def test_tables_show_rates_and_kinds_of_operations(step):
    text = (step[0] / "table.md").read_text()
    rows = rows_of(text)
    middle = next(number for number, row in enumerate(rows) if row[0] == "kind of operation")
    loops, kinds = rows[1:middle], rows[middle + 1 :]
    assert [row[:2] for row in loops] == [[f"tf-tutorial: {name}", "2"] for name in run_of(step)["loops"]]
    assert [row[0] for row in kinds][-2:] == [OTHERS, NO_OPERATION]
    assert any("Conv2D" in row[0] for row in kinds)
    assert sum(float(row[1].split(" ")[0]) for row in kinds) == pytest.approx(100.0, abs=10.0)  # medians of 2 rounds
    products = float(text.split("convolutions together: ")[1].split(" ")[0])
    assert 0 < products < 100
    assert "    python -m benchmarks step --presets tf-tutorial" in text
    assert size_of(step[0] / "plot.png")[0] > 500


@pytest.mark.slow
def test_recorded_loops_are_not_measured_again(step, monkeypatch, capsys):
    out, measure, _ = step
    before = (out / "results.json").read_text()
    monkeypatch.setattr("benchmarks.loops.seconds_of", lambda *_: pytest.fail("measured again"))
    assert measure() == 0
    assert (out / "results.json").read_text() == before
    assert measure("--rounds", "3") == 2
    assert "settings.rounds=2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--presets", "nonsense"), "Unknown preset"),
        (("--rounds", "0"), "Bad `rounds`"),
        (("--seconds", "0"), "Bad `seconds`"),
        (("--size", "0"), "Bad `size`"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(options, message, tmp_path, capsys):
    assert main(["step", *options, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_command_line_of_options():
    assert Step(presets=("mnist",), rounds=3).command() == "python -m benchmarks step --presets mnist --rounds 3"
