"""gan text train model: a training, its interruption and resumption, and bad input, from the command line."""

import json
import signal
from pathlib import Path

import pytest
from helpers.commands import Gan
from helpers.fork_server import ForkServer

from gan.text.generation.markov import MarkovLanguage

OPTIONS = ["--width", 8, "--batch-size", 64, "--patience", 50, "--deterministic"]


@pytest.fixture(scope="module")
def texts_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("texts") / "lines.txt"
    texts = MarkovLanguage.drawn("abcd", 6, seed=4).sample(120, seed=1)
    file.write_text("\n".join(texts), encoding="utf-8")
    return file


SCRIPT = """
import os, signal, sys
import keras
from gan.cli.main import main
from gan.text.generation import language_training

class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        os.kill(os.getpid(), signal.SIGTERM)

fit = language_training.fit_epochs
language_training.fit_epochs = lambda *given, **options: fit(*given, **options, listeners=[Stop()])
sys.exit(main(sys.argv[1:]))
"""
"""Runs `gan`, and sends SIGTERM after the first epoch."""


@pytest.mark.slow  # two trainings; the ones of test_language_training.py are of one process
def test_a_training_is_interrupted_resumed_and_used(fork_server: ForkServer, forked_gan: Gan, texts_file, tmp_path):
    folder, script = tmp_path / "run", tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    options = [*OPTIONS, "--data", texts_file, "--epochs", 2, "--output", folder]
    status, printed = fork_server.run(
        "text", "train", "model", *options, output=tmp_path / "output", script=str(script)
    )
    assert status == 128 + signal.SIGTERM
    assert f"gan text train model --resume {folder}" in printed
    assert "then interrupted" in printed
    unfinished = forked_gan("text", "generate", folder)
    assert (unfinished.returncode, unfinished.stderr.count("\n")) == (2, 1)

    resumed = forked_gan("text", "train", "model", "--resume", folder, "--json")
    assert resumed.returncode == 0, resumed.stderr
    result = json.loads(resumed.stdout)
    assert (result["epochs"], result["interrupted"]) == (2, False)
    assert result["numbers"]["test_bits_per_character"] > 0
    assert "no recognizer of these texts" in resumed.stderr
    record = json.loads((folder / "text.json").read_text(encoding="utf-8"))
    assert len(record["resumed"]) == 1
    assert len(forked_gan("text", "generate", folder, "--num", 3).stdout.splitlines()) == 3

    again = forked_gan("text", "train", "model", "--resume", folder, "--json")
    assert json.loads(again.stdout) == result


BAD = {
    "no texts": (["--data", "none.txt"], "No such texts"),
    "few texts": (["--data", "few.txt"], "Too few texts"),
    "binary texts": (["--data", "binary.txt"], "binary file"),
    "tolerance without a judge": (["--data", "few.txt", "--tolerance", 0.1], "without a judge"),
    "judge of texts without categories": (["--data", "lines.txt", "--judge", "none.judge"], "none.judge"),
    "unknown language": (["--languages", "fi", "fin"], "did you mean"),
    "width": (["--width", 0], "width"),
    "dropout": (["--dropout", 1], "dropout"),
    "output in use": (["--output", "."], "not empty"),
    "resume and options": (["--resume", "run", "--width", 9], "--resume RUN alone"),
    "resume and output": (["--resume", "run", "--output", "other"], "--resume RUN alone"),
    "no run to resume": (["--resume", "run"], "No such text model"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(forked_gan: Gan, texts_file, tmp_path, case):
    options, part = BAD[case]
    (tmp_path / "few.txt").write_text("a\nb\n", encoding="utf-8")
    (tmp_path / "binary.txt").write_bytes(b"a\x00b")
    (tmp_path / "lines.txt").write_bytes(texts_file.read_bytes())
    done = forked_gan("text", "train", "model", *options, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert part in done.stderr
    # options alone are checked by the parser, which draws a box
    assert done.stderr.count("\n") == 1 or "Error parsing config" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["binary.txt", "few.txt", "lines.txt"]
