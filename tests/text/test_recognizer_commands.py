"""The commands gan text train recognizer and gan text recognize, in processes of their own."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from helpers.commands import Gan
from helpers.recognizers import TINY, write_table

from gan.cli.text_recognizer import Recognize
from gan.saving import log_file
from gan.text.data.corpora import load_corpus
from gan.text.recognition.recognizer import load_recognizer
from gan.text.recognition.recognizer_network import SCORES
from gan.text.recognition.recognizer_training import recognizer_error_rate
from gan.text.runs.report import load_text_report
from gan.text.runs.text_run import load_record

OPTIONS = [
    word
    for name, value in TINY.items()
    for word in (f"--{name.replace('_', '-')}", *(value if isinstance(value, tuple) else (value,)))
]


@pytest.fixture(scope="module")
def run(forked_gan: Gan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recognizer of the user's own categories."""
    folder = tmp_path_factory.mktemp("recognizer")
    table = write_table(folder / "names.csv")
    options = ["--data", table, *OPTIONS, "--epochs", 2, "--tolerance", 0.5, "--output", folder / "run", "--json"]
    done = forked_gan("text", "train", "recognizer", *options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["verdict"], report["num"]) == ("within", 14)
    assert report["error_rate_upper"] <= 0.5
    assert {"east", "west", "accuracy"} <= set(report["metrics"]["by_class"])
    return folder / "run"


def test_a_run(run: Path) -> None:
    corpus = load_corpus(run.parent / "names.csv")
    record, report = load_record(run), load_text_report(run)
    assert record.result is not None
    assert (record.kind, record.result.stopped_by, record.sha256) == ("recognizer", "target", report.sha256)
    assert len(log_file.rows(run / "log.csv")) == record.result.epochs
    recognizer = load_recognizer(run)
    rate = recognizer_error_rate(recognizer, corpus.test)
    assert (rate.wrong, rate.n) == (report.wrong, len(corpus.test))
    assert record.result.numbers["validation"] == recognizer_error_rate(recognizer, corpus.validation).value
    assert abs(recognizer.network.get_layer(SCORES).get_weights()[0].sum(axis=1)).max() < 1e-5  # centered


def test_a_hyphen_is_standard_input(run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"munona\n\nbadski\n")))
    assert Recognize(file="-", model=str(run), features=0, json=True).run() == 0
    assert [one["text"] for one in json.loads(capsys.readouterr().out)["results"]] == ["munona", "badski"]


def test_a_text_gets_a_category_and_the_features_that_decided(forked_gan: Gan, run: Path) -> None:
    texts = ["munona", "ta\u015fski" * 50, "\U0001f642\U0001f642", "\u0634\u0643\u0631\u0627", "\u041c\u043eski"]
    texts.append("\u041c\u043e\u0441ki")
    done = forked_gan("text", "recognize", *texts, "--model", run, "--features", 3, "--json")
    assert done.returncode == 0, done.stderr
    west, cut, emoji, arabic, mixed, few = json.loads(done.stdout)["results"]
    assert (west["category"], west["is_cut"]) == ("west", False)
    assert west["probability"] == max(west["probabilities"].values()) > 0.5
    assert len(west["features"]) == 3
    assert all(feature["contribution"] > 0 for feature in west["features"])
    assert any(feature["ngram"].strip("^$") in "munona" for feature in west["features"])
    assert cut["is_cut"]
    for one in (emoji, arabic):
        assert (one["category"], one["reason"], one["features"]) == (None, "no known characters", [])
    assert mixed["category"] == "east"
    assert (few["category"], few["reason"]) == (None, "only 2 of 5 characters are known")
    printed = forked_gan("text", "recognize", texts[0], texts[1], texts[2], "--model", run)
    assert printed.returncode == 0
    assert "munona\n  west " in printed.stdout
    assert "only its first" in printed.stdout
    assert "no category: no known characters" in printed.stdout


def test_a_file_of_texts(forked_gan: Gan, run: Path, tmp_path: Path) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("\ufeffmunona\r\n\n  \nbaraski\n" + "x" * 300_000, encoding="utf-8")
    done = forked_gan("text", "recognize", "--file", file, "--model", run, "--unsure", 1, "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [one["text"][:7] for one in results] == ["munona", "baraski", "xxxxxxx"]
    assert [one["category"] for one in results] == [None, None, None]
    assert results[0]["reason"].startswith("not sure: west")


def bad_texts(folder: Path) -> dict[str, tuple[list[object], str]]:
    """Returns bad arguments of `gan text recognize` by name, each with what its message must say."""
    files = {"latin.txt": b"caf\xe9", "binary.bin": b"a\0b", "empty.txt": b" \n\n", "control.txt": b"\x07\x07\n"}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    with (folder / "long.txt").open("wb") as file:
        file.truncate(100 * 2**20)
    return {
        "nothing": ([], "No text"),
        "an empty text": ([""], "The text is empty"),
        "white space": (["  \t"], "The text is empty"),
        "a lone surrogate": (["abc\udcff"], "Not text in UTF-8"),
        "not UTF-8": (["--file", folder / "latin.txt"], "Not text in UTF-8"),
        "a binary file": (["--file", folder / "binary.bin"], "Not text"),
        "an empty file": (["--file", folder / "empty.txt"], "No text"),
        "control characters": (["--file", folder / "control.txt"], "The text is empty"),
        "100 MB": (["--file", folder / "long.txt"], "The text is too long"),
        "no such file": (["--file", folder / "none.txt"], "No such text"),
        "a folder": (["--file", folder], "No such text"),
        "top": (["abc", "--top", 0], "Bad `top`"),
        "features": (["abc", "--features", -1], "Bad `features`"),
        "unsure": (["abc", "--unsure", 2], "Bad `unsure`"),
        "no such model": (["abc", "--model", "nowhere"], "No such text model"),
        "damaged": (["abc", "--model", folder / "damaged"], "does not match its record"),
        "unfinished": (["abc", "--model", folder / "unfinished"], "no network yet"),
        "another kind": (["abc", "--model", folder / "other"], "another kind"),
        "a damaged record": (["abc", "--model", folder / "record"], "Damaged text.json"),
    }


def test_bad_input_is_one_line(forked_gan: Gan, run: Path, tmp_path: Path) -> None:
    for name in ("damaged", "unfinished", "other", "record"):
        shutil.copytree(run, tmp_path / name)
    with (tmp_path / "damaged" / "recognizer.keras").open("ab") as file:
        file.write(b"x")
    (tmp_path / "unfinished" / "recognizer.keras").unlink()
    record = (run / "text.json").read_text(encoding="utf-8")
    (tmp_path / "other" / "text.json").write_text(record.replace('"kind": "recognizer"', '"kind": "model"'), "utf-8")
    (tmp_path / "record" / "text.json").write_text(record[:200], encoding="utf-8")
    for name, (arguments, message) in bad_texts(tmp_path).items():
        given = arguments if "--model" in arguments else [*arguments, "--model", run]
        done = forked_gan("text", "recognize", *given)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), (name, done.stderr)
        assert message in done.stderr, name


def test_bad_training_input_is_one_line(forked_gan: Gan, run: Path, tmp_path: Path) -> None:
    plain, latin, few = (tmp_path / name for name in ("plain.txt", "latin.csv", "few.csv"))
    plain.write_text("\n".join(f"line {i}" for i in range(100)), encoding="utf-8")
    latin.write_bytes(b"text,category\ncaf\xe9,x\n")
    few.write_text("text,category\na,x\nb,y\n", encoding="utf-8")
    table = run.parent / "names.csv"
    bad: dict[str, list[object]] = {
        "A recognizer needs categories": ["--data", plain],
        "Not text in UTF-8": ["--data", latin],
        "Too few texts": ["--data", few],
        "No such text": ["--data", tmp_path / "none.csv"],
        "No confirmation could show": ["--data", table, "--tolerance", 0.001],
        "Bad `windows`": ["--data", table, "--windows", 3, 40],
        "Unknown language": ["--languages", "fi", "xx"],
        "is not empty": ["--output", run],
        "Options beside `--resume`": ["--resume", run, "--epochs", 3],
        "No such text model": ["--resume", tmp_path],
    }
    for message, arguments in bad.items():
        more = [] if "--output" in arguments or "--resume" in arguments else ["--output", tmp_path / "new"]
        done = forked_gan("text", "train", "recognizer", *arguments, *more)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), (message, done.stderr)
        assert message in done.stderr
        assert not (tmp_path / "new").exists(), message


def test_a_finished_run_is_not_trained_again(forked_gan: Gan, run: Path) -> None:
    before = (run / "recognizer.keras").read_bytes()
    done = forked_gan("text", "train", "recognizer", "--resume", run, "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "within")
    assert (run / "recognizer.keras").read_bytes() == before
