import json
import sys

import pytest
from helpers.comparison import size_of

from benchmarks import pytorch, turns
from benchmarks.cli import main
from benchmarks.pytorch import FIT, MODES, PyTorch, fastest, rates_of
from benchmarks.tests.tables import rows_of
from gan.errors import TrainingError


@pytest.fixture
def stand_ins(monkeypatch):
    """Processes without libraries instead of the loops, and no wait between turns."""
    monkeypatch.setattr(turns, "MODULE", "benchmarks.tests.turn_stand_ins")
    monkeypatch.setattr(turns, "PAUSE_S", 0.0)


class Turn:
    def __init__(self, name, order):
        self.name, self.order = name, order

    def seconds(self, steps):
        self.order.append(self.name)
        return float(steps)


def test_each_runner_has_one_turn_a_round_and_the_order_alternates():
    order, waits = [], []
    started = {name: Turn(name, order) for name in "abc"}
    for number in range(3):
        assert list(turns.take_turns(started, 5, number, waits.append).items()) == [("a", 5.0), ("b", 5.0), ("c", 5.0)]
    assert "".join(order) == "abc" + "cba" + "abc"
    assert waits == 9 * [turns.PAUSE_S]


def test_a_runner_answers_with_the_seconds_of_its_steps(stand_ins):
    asked = {name: (sys.executable, {"kind": "steps", "seconds": s}) for name, s in (("slow", 2e-3), ("fast", 1e-4))}
    with turns.runners(asked) as started:
        assert started["slow"].facts == {"description": "stand-in of 0.002 s"}
        assert started["slow"].seconds(10) >= 0.02 > started["fast"].seconds(10) >= 0.001
        processes = [runner._process for runner in started.values()]
        assert [process.poll() for process in processes] == [None, None]
    assert all(process.poll() is not None for process in processes)


def test_a_runner_that_ends_says_its_last_line(stand_ins):
    broken = turns.runners({"broken": (sys.executable, {"kind": "broken"})})
    with pytest.raises(TrainingError, match="a process of the benchmark ended: the last line"), broken:
        pytest.fail("it is not ready")
    with turns.runners({"ends": (sys.executable, {"kind": "ends"})}) as started:
        for _ in range(2):  # and when it is asked again
            with pytest.raises(TrainingError, match="ended: no more steps"):
                started["ends"].seconds(80)


def test_rates_and_the_fastest_mode_by_hand():
    runs = {
        f"{precision}/round-{number}": {"precision": precision, "images_per_second": rates}
        for precision, number, rates in (
            ("float32", 0, {FIT: 300.0, "eager": 200.0, "compiled": 100.0}),
            ("bfloat16", 0, {FIT: 400.0, "eager": 100.0}),
            ("float32", 1, {FIT: 330.0, "eager": 100.0, "compiled": 110.0}),
            ("float32", 2, {FIT: 90.0, "eager": 90.0, "compiled": 120.0}),
        )
    }
    found = rates_of({"runs": runs})
    assert found["float32"] == {
        FIT: [300.0, 330.0, 90.0],
        "eager": [200.0, 100.0, 90.0],
        "compiled": [100.0, 110.0, 120.0],
    }
    assert found["bfloat16"] == {FIT: [400.0], "eager": [100.0]}
    assert fastest(found["float32"]) == "compiled"  # by the median, though one round of the other is the fastest


@pytest.fixture
def fakes(monkeypatch):
    """Runners of fixed speeds: fit takes .5 s for a turn, a mode of PyTorch 1 s. Returns what was asked."""
    seen = []

    class Fixed:
        def __init__(self, name):
            self.facts = {"description": "TensorFlow 2" if name == FIT else "PyTorch 2"}
            self.taken = 0.5 if name == FIT else 1.0

        def seconds(self, steps):
            return self.taken

    class Runners:
        def __init__(self, asked):
            seen.append(asked)

        def __enter__(self):
            return {name: Fixed(name) for name in seen[-1]}

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(turns, "runners", Runners)
    monkeypatch.setattr(turns, "PAUSE_S", 0.0)
    monkeypatch.setattr(pytorch, "torch_version", lambda python: "2.15")
    return seen


def test_rounds_are_recorded_and_not_made_again(fakes, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--modes", "eager", "channels-last", "--steps", "80", "--out", str(out), "--torch-python", "/x/python"]
    assert main(["pytorch", "--rounds", "1", "--precisions", "float32", *options]) == 0
    assert [list(asked) for asked in fakes] == [[FIT, "eager", "channels-last"]]
    assert fakes[0][FIT] == (
        sys.executable,
        {"kind": FIT, "dataset": "mnist", "preset": "mnist", "batch_size": 64, "bfloat16": False},
    )
    assert fakes[0]["channels-last"] == (
        "/x/python",
        {"kind": "pytorch", "preset": "mnist", "batch_size": 64, "bfloat16": False, **MODES["channels-last"]},
    )
    assert main(["pytorch", "--rounds", "2", *options]) == 0
    content = json.loads((out / "results.json").read_text())
    assert list(content["runs"]) == [f"{p}/round-{n}" for p, n in (("float32", 0), ("float32", 1), ("bfloat16", 0),
                                                                   ("bfloat16", 1))]  # fmt: skip
    assert fakes[-1]["eager"][1]["bfloat16"]
    text = (out / "table.md").read_text()
    assert rows_of(text)[1:] == [
        ["float32: fit", "2", "10,240", "-"],
        ["float32: PyTorch, eager", "2", "5,120", "2.00"],
        ["float32: PyTorch, channels-last", "2", "5,120", "2.00"],
        ["bfloat16: fit", "2", "10,240", "-"],
        ["bfloat16: PyTorch, eager", "2", "5,120", "2.00"],
        ["bfloat16: PyTorch, channels-last", "2", "5,120", "2.00"],
    ]
    assert "* float32: 2.00 times the images of PyTorch in its fastest mode, eager.\n" in text
    assert "\nTensorFlow 2; PyTorch 2.\n" in text
    assert "--torch-python PYTHON" in text
    assert "/x/python" not in text + (out / "results.json").read_text()
    assert size_of(out / "plot.png")[0] > 500
    count = len(fakes)
    assert main(["pytorch", "--rounds", "2", *options]) == 0
    assert len(fakes) == count
    assert main(["pytorch", "--rounds", "2", "--batch-size", "32", *options]) == 2
    assert "settings.batch_size=64" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rounds", "0"), "Bad `rounds`"),
        (("--steps", "100"), "a multiple of 80"),
        (("--modes", "eager", "eager"), "modes"),
        (("--torch-python", "/nowhere/python"), "Not a Python interpreter"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(options, message, tmp_path, capsys):
    assert main(["pytorch", *options, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_interpreter_without_pytorch_is_refused(monkeypatch, tmp_path, capsys):
    class Done:
        returncode = 1

    monkeypatch.setattr(pytorch.subprocess, "run", lambda *_, **__: Done)
    assert main(["pytorch", "--out", str(tmp_path / "out")]) == 2
    assert "There is no PyTorch" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_command_line_of_options():
    assert PyTorch(rounds=3).command() == "python -m benchmarks pytorch --rounds 3"


@pytest.mark.slow
def test_fit_is_a_real_runner():
    arguments = {"kind": FIT, "dataset": "mnist5k", "preset": "mnist", "batch_size": 16, "bfloat16": False}
    with turns.runners({FIT: (sys.executable, arguments)}) as started:
        assert started[FIT].facts["description"].startswith("TensorFlow ")
        assert started[FIT].seconds(20) > 0


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_of_pytorch_makes_steps(mode):
    torch = pytest.importorskip("torch")
    from benchmarks import torch_peer

    run = torch_peer.loop("mnist", 16, **MODES[mode])
    run(1)
    trainer = torch_peer.Trainer("mnist", torch.device("cpu"), channels_last=MODES[mode]["channels_last"])
    weight = trainer.discriminator.convs[1].conv.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == MODES[mode]["channels_last"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "eager"])
def test_each_mode_of_pytorch_has_the_gradients_of_the_eager_one(mode, monkeypatch):
    torch = pytest.importorskip("torch")
    from benchmarks import torch_peer

    monkeypatch.setattr(torch, "randint", lambda *_, **__: torch.tensor(3))  # a compiled pass draws other numbers

    def gradients(options):
        torch.manual_seed(0)
        trainer = torch_peer.Trainer("mnist", torch.device("cpu"), **options)
        batch = torch_peer.Batch(torch.rand(16, 1, 28, 28) * 2 - 1, torch.arange(16) % 10)
        fake = trainer._fake(torch.randn(16, trainer.latent_dim), batch.labels)
        d_loss = trainer._d_loss(batch, fake.detach(), batch.labels)
        found = torch.autograd.grad(d_loss, trainer.d_parameters)
        return [*found, *torch.autograd.grad(trainer._g_loss(fake, batch.labels), trainer.g_parameters)]

    for mine, theirs in zip(gradients(MODES[mode]), gradients(MODES["eager"]), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))
