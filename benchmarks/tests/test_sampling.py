import json

import numpy as np
import pytest
from helpers.comparison import size_of
from helpers.tiny import small_gan

from benchmarks import loops, machine
from benchmarks.cli import main
from benchmarks.machine import Ended
from benchmarks.tests.tables import rows_of


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    path = tmp_path_factory.mktemp("generator") / "generator.keras"
    small_gan().generator_ema.save(path)
    return path


def options(out, *more):
    return ["sampling", "--nums", "8", "24", "--shard", "16", "--rounds", "2", "--seconds", "1e-9",
            "--out", str(out), *more]  # fmt: skip


@pytest.fixture
def lawful(monkeypatch):
    """Replaces measurements: 1,000 samples/s at batch 64; commands reach half of it and need 3 MB per sample."""
    started = []

    def ended(*arguments):
        started.append(arguments)
        num = int(arguments[arguments.index("--num") + 1])
        return Ended(10.0, 3.0 * num, json.dumps({"seconds": num / 500}))

    monkeypatch.setattr(machine, "run_python", ended)
    monkeypatch.setattr(loops.BareGenerator, "rate", lambda self, batch, seconds: 1_000.0 - abs(batch - 64))
    return started


def test_sampling_compares_commands_with_the_best_batch(lawful, tmp_path, capsys):
    out = tmp_path / "sampling"
    assert main(options(out)) == 0
    said = capsys.readouterr().out
    assert rows_of(said)[1:] == [
        ["bare generator, batch 64", "8", "1,000", "1", "-"],
        ["8 into samples.npz", "2", "500", "0.500", "24"],
        ["8 into samples/", "2", "500", "0.500", "24"],
        ["24 into samples.npz", "2", "500", "0.500", "72"],
        ["24 into samples/", "2", "500", "0.500", "72"],
    ]
    assert "24 into samples/ need +48 MB compared with 8." in said
    assert [words[words.index("--out") + 1].split("/")[-1] for words in lawful[:2]] == ["samples.npz", ""]
    assert ["--shard" in words for words in lawful[:2]] == [False, True]
    assert not list(out.glob(".drawn-*"))
    width, height = size_of(out / "plot.png")
    assert width > height > 100

    before = len(lawful)
    assert main(options(out, "--rounds", "3")) == 0
    assert len(lawful) == before + 4
    assert main(options(out, "--shard", "17")) == 2
    assert "settings.shard=16" in capsys.readouterr().err


def test_a_bare_generator_has_a_finite_rate(generator):
    from gan import load_generator

    drawn = loops.BareGenerator(load_generator(generator))
    rates = [drawn.rate(batch, 1e-9) for batch in (1, 4)]
    assert np.all(np.isfinite(rates))
    assert min(rates) > 0


@pytest.mark.slow
def test_sampling_measures_real_commands(generator, tmp_path):
    out = tmp_path / "sampling"
    assert main(options(out, "--checkpoint", str(generator), "--rounds", "1")) == 0
    (run,) = json.loads((out / "results.json").read_text())["runs"].values()
    assert [(c["num"], c["output"]) for c in run["commands"]] == [
        (8, "samples.npz"), (8, "samples/"), (24, "samples.npz"), (24, "samples/")
    ]  # fmt: skip
    for command in run["commands"]:
        assert command["wall_seconds"] > command["seconds"] > 0
        assert command["rate"] == pytest.approx(command["num"] / command["seconds"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--nums", "4", "4"), "each once"),
        (("--nums", "0"), "Bad `nums`"),
        (("--shard", "0"), "Bad `shard`"),
        (("--rounds", "0"), "Bad `rounds`"),
        (("--seconds", "0"), "Bad `seconds`"),
        (("--checkpoint", "nonsense"), "No such checkpoint"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(more, message, tmp_path, capsys):
    assert main(options(tmp_path / "out", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
