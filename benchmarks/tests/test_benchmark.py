import math
from pathlib import Path

import pytest

from benchmarks.benchmark import Record
from benchmarks.cli import main
from benchmarks.recipes import Recipes
from gan.errors import InputError


def test_record_resumes_and_rejects_other_settings(tmp_path):
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
    with pytest.raises(InputError, match="Not a record of a benchmark"):
        Record(tmp_path, "x", {})


def test_command_line_of_options():
    assert Recipes().command() == "python -m benchmarks recipes"
    asked = Recipes(presets=("mnist", "mnist-mlp"), seeds=(4,), out=Path("a b"))
    assert asked.command() == "python -m benchmarks recipes --presets mnist mnist-mlp --seeds 4 --out 'a b'"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("recipes", "--presets", "mnist", "nonsense"), "Unknown preset"),
        (("recipes", "--presets", "mnist", "mnist"), "each once"),
        (("recipes", "--seeds"), "at least one"),
        (("recipes", "--seeds", "-1"), "Bad `seed`"),
        (("recipes", "--images", "0"), "Bad `images`"),
        (("recipes", "--num", "199"), "Bad `num`"),
        (("recipes", "--classifier", "nonsense"), "No such classifier"),
        (("recipes", "--dataset", "cifar10"), "for another dataset"),
        (("stacked-mnist", "--num", "999"), "Bad `num`"),
        (("stacked-mnist", "--minutes", "0"), "Bad `minutes`"),
        (("stacked-mnist", "--minutes", "3", "--images", "3"), "exclude each other"),
        (("stacked-mnist", "--preset", "nonsense"), "Unknown preset"),
        (("stacked-mnist", "--preset", "mnist"), "must be unconditional"),
        (("stacked-mnist", "--checkpoint", "nonsense"), "No such checkpoint"),
    ],
)
def test_bad_input_is_rejected_before_anything_is_written(options, message, tmp_path, capsys):
    assert main([*options, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
