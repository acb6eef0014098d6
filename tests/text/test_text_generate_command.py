"""gan text generate: texts, files and bad input, from the command line."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import shared
from helpers.commands import Gan
from helpers.markov_models import markov_model, save_language_model

from gan.text.generation.markov import MarkovLanguage
from gan.text.generation.saved import load_text_generator
from gan.text.runs.text_run import find_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The run folder of a model of two languages of the letters a, b and the space."""
    languages = [MarkovLanguage.drawn(" ab", 12, seed=seed) for seed in range(2)]
    return (
        shared(tmp_path_factory, "markov", lambda folder: save_language_model(markov_model(*languages), folder / "m"))
        / "m"
    )


def test_texts_are_printed_one_per_line(forked_gan: Gan, run):
    done = forked_gan("text", "generate", run, "--num", 7, "--seed", 3, "--start", 2, "--temperature", 0.9)
    expected = load_text_generator(run).generate(7, seed=3, start=2, temperature=0.9)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(f"{text}\n" for text in expected)


def test_files_have_index_text_and_label(forked_gan: Gan, run, tmp_path):
    done = forked_gan(
        "text", "generate", run, "--num", 5, "--start", 3, "--output", tmp_path / "new" / "a.jsonl", "--json"
    )
    assert json.loads(done.stdout) == {"output": str(tmp_path / "new" / "a.jsonl"), "num": 5}
    rows = [json.loads(line) for line in (tmp_path / "new" / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = load_text_generator(run).generate(5, start=3)
    assert rows == [
        {"index": 3 + i, "text": text, "label": f"language {(3 + i) % 2}"} for i, text in enumerate(expected)
    ]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.jsonl"]


def test_a_prompt_from_a_file_is_continued_in_a_category(forked_gan: Gan, run, tmp_path):
    (tmp_path / "prompt.txt").write_text("ab \n", encoding="utf-8")
    options = ["--prompt-file", tmp_path / "prompt.txt", "--label", "language 1", "--num", 6, "--json"]
    result = json.loads(forked_gan("text", "generate", run, *options).stdout)
    assert result["texts"] == load_text_generator(run).generate(6, prompt="ab ", labels=[1] * 6)
    assert all(text.startswith("ab ") for text in result["texts"])
    assert (result["label"], result["prompt"]) == ("language 1", "ab ")


BAD = {
    "no texts": (["--num", 0], "num"),
    "seed": (["--seed", -1], "seed"),
    "unknown category": (["--label", "language 3"], "did you mean"),
    "temperature": (["--temperature", -1], "temperature"),
    "infinite temperature": (["--temperature", "inf"], "temperature"),
    "two prompts": (["--prompt", "a", "--prompt-file", "b"], "Two prompts"),
    "empty prompt": (["--prompt", ""], "empty"),
    "spaces": (["--prompt", "   "], "empty"),
    "long prompt": (["--prompt", "ab" * 6], "at most 11 characters"),
    "emoji": (["--prompt", "ab\N{ROCKET}"], "Unknown characters"),
    "right to left": (["--prompt", "\u05e9\u05dc\u05d5\u05dd"], "Unknown characters"),
    "not UTF-8": (["--prompt", "a\udcff"], "UTF-8"),
    "no prompt file": (["--prompt-file", "none.txt"], "none.txt"),
    "folder as output": (["--output", "."], "--output"),
    "other suffix": (["--output", "a.png"], ".jsonl"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_one_line_and_write_nothing(forked_gan: Gan, run, tmp_path, case):
    options, part = BAD[case]
    assert_refused(forked_gan("text", "generate", run, *options, cwd=tmp_path), part)
    assert not list(tmp_path.iterdir())


def assert_refused(done, part):
    assert (done.returncode, done.stdout) == (2, "")
    assert part in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("gan: ")


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00a", b"a\x00b", b"", b"a" * 100], ids=["utf-16", "nul", "empty", "long"]
)
def test_bad_prompt_files_are_refused(forked_gan: Gan, run, tmp_path, content):
    (tmp_path / "prompt.txt").write_bytes(content)
    assert_refused(forked_gan("text", "generate", run, "--prompt-file", tmp_path / "prompt.txt"), "Expected")


def test_a_huge_prompt_file_is_refused(forked_gan: Gan, run, tmp_path):
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(100 * 2**20)
    assert_refused(forked_gan("text", "generate", run, "--prompt-file", tmp_path / "huge.txt"), "too long")


def damaged(run: Path, folder: Path, damage: str) -> Path:
    """Returns a copy of a run with a damage."""
    shutil.copytree(run, folder)
    record = json.loads((folder / "text.json").read_text(encoding="utf-8"))
    if damage == "a hole":
        del record["corpus"]["letters"]
    elif damage == "another kind":
        record["kind"] = "recognizer"
    elif damage == "other letters":
        record["corpus"]["letters"] = "abcde"
    elif damage == "a network of another SHA-256":
        with (folder / "model.keras").open("ab") as file:
            file.write(b"x")
    elif damage == "no network":
        (folder / "model.keras").unlink()
    elif damage == "a cut network":
        content = (folder / "model.keras").read_bytes()
        (folder / "model.keras").write_bytes(content[: len(content) // 2])
        record["sha256"] = None
    (folder / "text.json").write_text("{" if damage == "not JSON" else json.dumps(record), encoding="utf-8")
    return folder


DAMAGES = {
    "a hole": "letters",
    "another kind": "another kind",
    "other letters": "does not fit its texts",
    "a network of another SHA-256": "does not match its record",
    "no network": "no network yet",
    "a cut network": "damaged",
    "not JSON": "Damaged text.json",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused(forked_gan: Gan, run, tmp_path, damage):
    assert_refused(forked_gan("text", "generate", damaged(run, tmp_path / "run", damage)), DAMAGES[damage])


def test_a_missing_checkpoint_and_one_of_images_are_refused(forked_gan: Gan, tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    assert_refused(forked_gan("text", "generate", tmp_path), "text.json")
    assert_refused(forked_gan("text", "generate", "names-modl"), "did you mean names-model?")


def test_a_text_gan_has_no_temperature_and_no_prompt(forked_gan: Gan, run, tmp_path):
    folder = tmp_path / "gan"
    shutil.copytree(run, folder)
    record = json.loads((folder / "text.json").read_text(encoding="utf-8"))
    (folder / "text.json").write_text(json.dumps({**record, "kind": "gan"}), encoding="utf-8")
    assert_refused(forked_gan("text", "generate", folder, "--temperature", 1), "no such option")
    assert_refused(forked_gan("text", "generate", folder, "--prompt", "a"), "no such option")


@pytest.mark.slow  # test_quick_commands_run of test_pages.py runs it, and those above compare a smaller network
def test_the_pretrained_model_draws_names_of_a_language(forked_gan: Gan):
    done = forked_gan("text", "generate", "--num", 5, "--label", "fi", "--temperature", 0.5)
    _, record = find_run("names-model", "model")
    label = record.corpus.class_names.index("fi")
    expected = load_text_generator("names-model").generate(5, labels=[label] * 5, temperature=0.5)
    assert done.stdout.splitlines() == expected
