import json
from contextlib import nullcontext

import pytest

from benchmarks.cli import main
from benchmarks.tests.tables import rows_of
from benchmarks.text import Text
from gan.errors import InputError, as_json
from gan.saving import files
from gan.text.data.corpus import CorpusRecord
from gan.text.generation.language_config import LanguageModelConfig
from gan.text.runs.text_run import TextRecord


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "0", "0"], "Bad `seeds`"),
        (["--temperatures", "0"], "Bad `temperatures`"),
        (["--temperatures", "inf"], "Bad `temperatures`"),
        (["--num", "99"], "Bad `num`"),
        (["--judge", "missing"], "No such text model"),
        (["--languages", "fi", "xx"], "Unknown language"),
        (["--languages", "fi", "da"], "The judge does not know these categories"),
    ],
)
def test_bad_input_is_rejected(options, message, tmp_path, capsys):
    assert main(["text", *options, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_without_an_option_of_today_is_another_one(tmp_path):
    corpus = CorpusRecord(name="names", letters="ab", length=2, train=1)
    options = as_json(LanguageModelConfig())
    folder = tmp_path / "model-0"
    folder.mkdir()
    for recorded, fits in ((options, True), ({k: v for k, v in options.items() if k != "dropout"}, False)):
        TextRecord(kind="model", config=recorded, corpus=corpus).save(folder)
        with nullcontext() if fits else pytest.raises(InputError, match="A run of other options"):
            Text(seeds=(0,), runs=tmp_path).check()


@pytest.mark.slow
def test_compares_both_and_resumes(tmp_path, capsys):
    out, runs = tmp_path / "out", tmp_path / "runs"
    options = ["text", "--languages", "fi", "tr", "--gan-steps", "2", "--model-epochs", "1", "--temperatures", "0.5"]
    options += ["--seeds", "3", "--num", "150", "--runs", str(runs), "--out", str(out)]
    assert main(options) == 0
    assert {path.name for path in runs.iterdir()} == {"gan-3", "model-3"}
    found = files.read_json(out / "results.json")["runs"]
    assert list(found["gan-3"]["settings"]) == ["text GAN"]
    numbers = found["model-3"]["settings"]["language model, temperature 0.5"]
    assert set(numbers["texts"]) == {"fi", "tr"}
    assert 0 <= numbers["coverage"] <= 1
    rows = rows_of((out / "table.md").read_text(encoding="utf-8"))
    assert [row[0] for row in rows] == ["names", "real names", "language model, temperature 0.5", "text GAN"]
    before = json.dumps(found)
    assert main(options) == 0
    assert json.dumps(files.read_json(out / "results.json")["runs"]) == before
    capsys.readouterr()
    assert main([*options, "--gan-steps", "3"]) == 2
    assert "A run of other options" in capsys.readouterr().err
