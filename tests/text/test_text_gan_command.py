"""gan text train gan: exit statuses, and bad input, which ends with one line and writes nothing."""

import json
from pathlib import Path

import pytest
from helpers.recognizers import write_table

from gan.text.runs.text_run import RECORD

TINY = ("--steps", 2, "--intervals", 1, "--batch-size", 8, "--width", 4, "--latent-dim", 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--languages", "fi", "xx"], "Unknown language"),
        (["--languages", "fi"], "Too few languages"),
        (["--width", 0], "width"),
        (["--steps", 0], "steps"),
        (["--data", "missing.csv"], "No such texts"),
        (["--data", "lines.txt"], "A text GAN needs categories"),
        (["--data", "names.csv"], "The judge does not know these categories"),
        (["--data", "names.csv", "--judge", "none", "--probe", "none", "--batch-size", 1000], "batch_size"),
        (["--judge", "no-recognizer"], "No such text model"),
        (["--resume", "nowhere"], "No such text model"),
        (["--resume", "nowhere", "--width", 8], "Options beside `--resume`"),
        (["--tolerance", 0.1, "--judge", "none"], "judge"),
    ],
)
def test_bad_input(forked_gan, tmp_path: Path, options: list[object], words: str) -> None:
    write_table(tmp_path / "names.csv")
    (tmp_path / "lines.txt").write_text("".join(f"line {i}\n" for i in range(40)), encoding="utf-8")
    done = forked_gan("text", "train", "gan", *options, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lines.txt", "names.csv"]


@pytest.mark.slow
def test_a_whole_training(forked_gan, tmp_path: Path) -> None:
    write_table(tmp_path / "names.csv", 600)
    table = ("--data", "names.csv")
    judge = forked_gan("text", "train", "recognizer", *table, "--epochs", 2, "--output", "judge", cwd=tmp_path)
    assert judge.returncode == 0, judge.stderr
    options = (*table, *TINY, "--judge", "judge", "--probe", "judge", "--num", 100, "--tolerance", 0.05)
    done = forked_gan("text", "train", "gan", *options, "--output", "run", "--json", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert (found["kind"], found["num"], found["verdict"], found["tolerance"]) == ("gan", 100, "exceeded", 0.05)
    assert {"coverage", "real_coverage", "novelty", "frechet_floor", "judge"} <= found["metrics"].keys()
    assert (tmp_path / "run" / RECORD).is_file()
    header = (tmp_path / "run" / "log.csv").read_text(encoding="utf-8").splitlines()[0]
    assert {"val_error_rate", "val_error_rate_upper", "val_frechet_distance"} <= set(header.split(","))
    for _ in range(2):
        again = forked_gan("text", "train", "gan", "--resume", "run", cwd=tmp_path)
        assert again.returncode == 3
        assert "exceeded, tolerance 5.0%" in again.stdout
        (tmp_path / "run" / "report.json").unlink()  # it is measured again
