"""gan text ask and gan text train questions, as commands: answers, refusals, and bad input."""

import json

import pytest


def ask(gan, *arguments, **options):
    done = gan("text", "ask", *arguments, "--json", **options)
    return done.returncode, json.loads(done.stdout)["answers"]


def test_answers_come_with_their_source_and_refusals_with_their_reason(forked_gan, tmp_path):
    file = tmp_path / "questions.txt"
    lines = [
        "What is the official language of Japan?",
        "",
        "芬兰用什么货币",
        "Which volcano in Iceland erupted last?",
        "What is the currency of Wakanda?",
        "What is the currency of Finland? \U0001f600\U0001f600",
        "\u202eWhat is the currency of Finland?\u202c",
        "ما هي عملة مصر؟",
        "フィンランドの通貨は何ですか",
        "x" * 5_000,
        "?!",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    status, answers = ask(forked_gan, "What is the currency of Finland?", "--file", file)
    assert status == 4
    texts = [answer["answer"] for answer in answers]
    assert texts[:3] == [
        "The currency of Finland is the Euro.",
        "The official language of Japan is Japanese.",
        "芬兰的货币是欧元。",
    ]
    assert answers[0]["source"].endswith("territory FI")
    assert answers[0]["answers"] == ["Euro"]
    assert texts[5:7] == ["The currency of Finland is the Euro."] * 2
    assert [*texts[3:5], *texts[7:]] == [None] * 6
    for answer in answers:
        assert (answer["answer"] is None) == (answer["source"] is None) == bool(answer["reason"])


def test_the_lines_for_people(forked_gan):
    done = forked_gan("text", "ask", "Which currency do people use in Japan?", "How high is Mount Fuji?")
    assert done.returncode == 4
    assert "The currency of Japan is the Japanese Yen." in done.stdout
    assert "territory JP" in done.stdout
    assert "no answer: " in done.stdout


@pytest.mark.slow  # each loads the reader; test_quick_commands_run of test_pages.py has answers and status 0
def test_the_status_of_an_answer_and_a_threshold(forked_gan):
    status, (answer,) = ask(forked_gan, "Which currency do people use in Japan?")
    assert (status, answer["answer"]) == (0, "The currency of Japan is the Japanese Yen.")
    status, (answer,) = ask(forked_gan, "Which currency do people use in Japan?", "--threshold", "1")
    assert (status, answer["answer"]) == (4, None)


def test_own_knowledge_is_answered_without_the_facts(forked_gan, tmp_path):
    file = tmp_path / "known.jsonl"
    lines = ['{"entity": "Narnia", "relation": "currency", "answer": "Lion"}', '{"question": "Why?", "answer": "So."}']
    file.write_text("\n".join(lines), encoding="utf-8")
    questions = ["What is the currency of Narnia?", "What is the currency of Finland?"]
    status, (known, unknown) = ask(forked_gan, *questions, "--knowledge", file)
    assert (known["answer"], known["source"]) == ("Lion", "known.jsonl, line 1")
    assert (status, unknown["answer"]) == (4, None)
    status, answers = ask(forked_gan, "How does the while statement terminate the loop?", "--knowledge", "python")
    assert status == 0
    assert "while" in answers[0]["source"]


def test_bad_input_is_one_line_with_status_2(forked_gan, tmp_path):
    binary, huge, bad = tmp_path / "binary", tmp_path / "huge.txt", tmp_path / "bad.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    with huge.open("wb") as file:
        file.truncate(100 * 10**6)
    bad.write_text('{"question": "Why?", "answer": "a"}\n{"question": "why?", "answer": "b"}\n', encoding="utf-8")
    known = tmp_path / "known.jsonl"
    known.write_text('{"entity": "Narnia", "relation": "currency", "answer": "Lion"}\n', encoding="utf-8")
    for arguments in (
        [],
        [""],
        ["  "],
        ["--file", binary],
        ["--file", huge],
        ["--file", tmp_path / "missing"],
        ["Why?", "--knowledge", bad],
        ["Why?", "--knowledge", tmp_path / "missing.jsonl"],
        ["Why?", "--model", "nothing"],
        ["Why?", "--threshold", "2"],
        ["Why?", "--threshold", "0.5", "--tolerance", "0.1"],
        ["Why?", "--knowledge", "python", "--tolerance", "0.1"],
        ["Why?", "--knowledge", "python", "--model", "nothing"],
        ["Why?", "--knowledge", known, "--tolerance", "0.1"],
        ["Why?", "--tolerance", "0"],
    ):
        done = forked_gan("text", "ask", *arguments)
        assert done.returncode == 2, (arguments, done)
        assert done.stderr.startswith("gan: ")
        assert done.stderr.count("\n") == 1
        assert not done.stdout


@pytest.mark.parametrize(
    "arguments", [["--width", "1"], ["--resume", "missing"], ["--resume", "x", "--epochs", "3"], ["--tolerance", "2"]]
)
def test_bad_options_of_a_training_leave_nothing(forked_gan, tmp_path, arguments):
    done = forked_gan("text", "train", "questions", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_training_prints_its_report(gan_command, tmp_path):
    options = ["--epochs", "1", "--examples", "64", "--width", "4", "--json"]
    done = gan_command("text", "train", "questions", *options, "--output", tmp_path / "run")
    report = json.loads(done.stdout)
    assert (report["verdict"], done.returncode) in {("exceeded", 3), ("undecided", 4)}
    assert set(report["metrics"]["languages"]) == {"en", "zh"}
