"""Tests the files of a trial that come from another machine."""

from helpers.fake_ray import Checkpoint

from gan.selection.ray_workers import fetch_run
from gan.selection.trial import run_log


def write(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_a_run_folder_and_its_log_come_from_a_checkpoint_and_other_files_stay(tmp_path):
    checkpoint, run = tmp_path / "checkpoint", tmp_path / "trials" / "a"
    fetch_run(None, run)
    assert not run.parent.exists()
    write(checkpoint / "run.log", "so far")
    fetch_run(Checkpoint(checkpoint), run)
    assert [path.name for path in run.parent.iterdir()] == ["a.log"]  # it failed before its first interval
    write(run / "report.json", "of gan evaluate")
    write(run / "state" / "000000016.json", "an old state")
    fetch_run(Checkpoint(checkpoint), run)
    assert (run / "state" / "000000016.json").exists()
    write(checkpoint / "run" / "state" / "000000032.json", "a new state")
    write(checkpoint / "run.log", "so far and further")
    for _ in range(2):
        fetch_run(Checkpoint(checkpoint), run)
        assert {path.name for path in run.rglob("*")} == {"report.json", "state", "000000032.json"}
        assert run_log(run).read_text(encoding="utf-8") == "so far and further"
    assert sorted(path.name for path in run.parent.iterdir()) == ["a", "a.log"]
