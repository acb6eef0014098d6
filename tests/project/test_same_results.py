"""Tests the script that compares the results of two revisions."""

import hashlib
import io
import json
import re
import subprocess
import zipfile

import h5py
import numpy as np
import pytest
from helpers import same_results
from helpers.same_results import ROOT, BadInputError, Tree, checked_out, compare, compare_revisions, read_results


def write_run(folder, *, seconds=1.5, weight=0.25, loss=0.5, best="0.125", pixel=b"pixels", state=None):
    """Writes a run folder like `gan train` and returns its results."""
    run = folder / "run"
    for part in ("state", "samples"):
        (run / part).mkdir(parents=True)
    arrays = {
        "generator/000/kernel": np.array([[1.0, weight], [0.0, np.nan]], np.float32),
        "g_optimizer/000/i": np.array(3),
    }
    np.savez(run / "state" / "000000064.npz", **(arrays if state is None else state))
    content = {"step": 3, "callbacks": {"RunLog": {"seconds": seconds}, "Rule": {"best": best, "epoch": None}}}
    (run / "state" / "000000064.json").write_text(json.dumps({"content": {**content, "sha256": str(seconds)}}))
    (run / "config.json").write_text(json.dumps({"versions": seconds}))
    (run / "log.csv").write_text(f"interval,seconds,d_loss\n1,{seconds},{loss}\n2,{seconds},nan\n")
    (run / "samples" / "000000064.png").write_bytes(pixel)
    packed = io.BytesIO()
    with h5py.File(packed, "w") as weights:
        weights["layers/dense/vars/0"] = np.array([weight, 2.0], np.float32)
    with zipfile.ZipFile(run / "generator.keras", "w") as archive:
        archive.writestr("model.weights.h5", packed.getvalue())
    return read_results(folder)


def test_reads_all_results_of_a_run_folder_by_name(tmp_path):
    found = write_run(tmp_path)
    assert {name: value.tolist() for name, value in found.items() if "kernel" not in name and "d_loss" not in name} == {
        "run/generator.keras layers/dense/vars/0": [0.25, 2.0],
        "run/log.csv interval": [1.0, 2.0],
        "run/samples/000000064.png": hashlib.sha256(b"pixels").hexdigest(),
        "run/state/000000064.json content/step": 3.0,
        "run/state/000000064.json content/callbacks/Rule/best": 0.125,
        "run/state/000000064.json content/callbacks/Rule/epoch": "None",
        "run/state/000000064.npz g_optimizer/000/i": 3,
    }
    np.testing.assert_array_equal(found["run/log.csv d_loss"], [0.5, np.nan])
    assert found["run/state/000000064.npz generator/000/kernel"].dtype == np.float32


def test_compares_renamed_results_under_their_current_name():
    one = np.array(1.0)
    before = {
        "report.json class_histogram/pictures/3": one,
        "report.json summary/copies": np.array("a sentence"),
        "report.json metrics/error_rate/value": one,
        "run/state/000000064.json content/format": one,
        "run/state/000000064.json content/callbacks/CollapseMonitor/in_a_row/The discriminator has won": one,
    }
    now = {
        "report.json class_histogram/samples/3": one,
        "report.json metrics/error_rate/value": one,
        "run/state/000000064.json content/callbacks/CollapseMonitor/in_a_row/The discriminator dominates": one,
    }
    assert same_results.comparable(before) == now == same_results.comparable(now)


def test_allows_listed_additions_and_reports_missing_results():
    one, kept = np.array(1.0), {"run/generator.keras x": np.array(1.0)}
    new = {
        "run/discriminator.keras x": one,
        "run/state/000000064.npz step": one,
        "run/state/000000064.npz images_seen": one,
    }
    assert compare(kept, kept, kept | new).differences == ()
    assert len(compare(kept | new, kept | new, kept).differences) == 3
    assert len(compare(kept, kept, kept | {"run/other.keras x": one}).differences) == 1


def test_ignores_differences_in_seconds(tmp_path):
    one, two = write_run(tmp_path / "1"), write_run(tmp_path / "2", seconds=9.25)
    assert compare(one, one, two).differences == ()
    assert str(compare(one, one, two)) == "same"
    assert same_results.weights_sha256(one) == same_results.weights_sha256(two)


KERNEL = "run/state/000000064.npz generator/000/kernel"


@pytest.mark.parametrize(
    ("change", "names", "first"),
    [
        (
            {"loss": 0.5000000000000001},
            ["run/log.csv d_loss"],
            "[0]: 0.5 before, 0.5000000000000001 now; 1 of 2 differ",
        ),
        ({"best": "0.25"}, ["run/state/000000064.json content/callbacks/Rule/best"], ": 0.125 before, 0.25 now"),
        ({"best": "none"}, ["run/state/000000064.json content/callbacks/Rule/best"], ": 0.125 before, none now"),
        ({"pixel": b"pixel5"}, ["run/samples/000000064.png"], " before, "),
        (
            {"weight": np.nextafter(np.float32(0.25), np.float32(1.0))},
            ["run/generator.keras layers/dense/vars/0", KERNEL],
            "[0]: 0.25 before, 0.25000003 now; 1 of 2 differ, by 2.98e-08 at most",
        ),
    ],
)
def test_reports_a_single_bit_with_name_index_and_values(tmp_path, change, names, first):
    one, two = write_run(tmp_path / "1"), write_run(tmp_path / "2", **change)
    found = compare(one, one, two)
    assert [line.partition(":")[0].split(" [")[0] for line in found.differences] == names
    assert first in found.differences[0]
    assert str(found).startswith(f"DIFFERENT: {names[0]}")


@pytest.mark.parametrize(
    ("array", "line"),
    [
        (None, "missing now"),
        (np.array([1.0, 0.25], np.float32), "float32 (2, 2) before, float32 (2,) now"),
        (np.array([[1.0, 0.25], [0.0, np.nan]]), "float32 (2, 2) before, float64 (2, 2) now"),
        (np.array([[1.0, 0.25], [-0.0, np.nan]], np.float32), "[1, 0]: 0.0 before, -0.0 now"),
        (np.array([[1.0, 0.25], [0.0, 1.0]], np.float32), "[1, 1]: nan before, 1.0 now"),
    ],
)
def test_reports_missing_arrays_and_other_shapes_or_types(tmp_path, array, line):
    one = write_run(tmp_path / "1")
    state = {"g_optimizer/000/i": np.array(3), **({} if array is None else {"generator/000/kernel": array})}
    two = write_run(tmp_path / "2", state=state)
    [found] = compare(one, one, two).differences
    assert found.startswith(KERNEL)
    assert line in found
    [found] = compare(two, two, one).differences
    assert found.startswith(KERNEL)


def test_reports_an_unexpected_new_file(tmp_path):
    one, two = write_run(tmp_path / "1"), write_run(tmp_path / "2")
    two["run/state/000000096.npz x"] = np.zeros(2)
    assert compare(one, one, two).differences == ("run/state/000000096.npz x: missing before",)


def values(*pairs):
    return {name: np.array(value, np.float64) for name, value in pairs}


def test_allows_the_spread_of_a_nondeterministic_revision():
    before = {**values(("w", [1.0, 2.0]), ("v", [10.0]), ("zero", [0.0])), "image": np.array("ab")}
    again = {**values(("w", [1.0, 2.001]), ("v", [10.0]), ("zero", [0.0])), "image": np.array("cd")}
    inside = {**values(("w", [1.0, 1.997]), ("v", [10.015]), ("zero", [0.0])), "image": np.array("ef")}
    found = compare(before, again, inside)
    assert found.differences == ()
    assert "same, within 4 times the spread of REVISION, whose two runs differ in 2: w [1]: 2.0 before" in str(found)
    outside = {**inside, **values(("w", [1.0, 1.995]), ("zero", [1e-9]))}
    found = compare(before, again, outside)
    assert [line.partition(":")[0] for line in found.differences] == ["w [1]", "zero [0]"]
    assert "2.0 before, 1.995 now; 1 of 2 differ, by 0.005 at most, 0.004 allowed" in found.differences[0]
    assert [
        line.partition(":")[0] for line in compare(before, again, {**inside, "v": np.array([10.03])}).differences
    ] == ["v [0]"]
    assert compare(before, again, {**inside, "v": np.array([np.nan])}).differences


PROGRAM = """
import json, os, signal, sys
from pathlib import Path
def main():
    print(json.dumps(sys.argv))
    print("warning", file=sys.stderr)
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGTERM)
    if sys.argv[1] == "exits":
        raise SystemExit("message")
    if sys.argv[1] == "broken":
        raise ValueError("broken")
    return int(sys.argv[1])
"""


def test_commands_run_in_forks_with_their_own_folder_and_status(tmp_path):
    (tmp_path / "gan").mkdir()
    (tmp_path / "gan" / "__init__.py").write_text("")
    (tmp_path / "gan" / "__main__.py").write_text(PROGRAM)
    with Tree(tmp_path) as tree:
        statuses = {name: tree.run((name, "x"), tmp_path / name) for name in ("0", "3", "killed", "exits", "broken")}
    assert statuses == {"0": 0, "3": 3, "killed": -15, "exits": 1, "broken": 70}
    assert (tmp_path / "3" / "stdout.txt").read_text() == '["gan", "3", "x"]\n'
    assert (tmp_path / "3" / "stderr.txt").read_text() == "warning\n"
    assert "ValueError: broken" in (tmp_path / "broken" / "stderr.txt").read_text()


def test_reports_the_error_output_of_a_failed_command(tmp_path):
    for name in ("before", "again", "now"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stderr.txt").write_text("╭─ Value error ─╮\n│ Bad option.   │\n╰───────────────╯\n")
    assert same_results._compare_case(tmp_path, {"before": 0, "again": 0, "now": 2}) == (
        False,
        "FAILED\n    now: status 2, Value error Bad option.",
    )
    same, line = same_results._compare_case(tmp_path, {"before": 0, "again": 0, "now": 3})
    assert (same, line) == (False, "DIFFERENT: exit status: 0.0 before, 3.0 now, by 3 at most (1 values)")


def test_every_preset_and_variation_has_a_case_without_a_download():
    presets = {"one": {"data": {"dataset": "mnist"}}, "two": {"data": {"dataset": "stacked-mnist"}}}
    found = {case.name: case.arguments for case in same_results.cases(presets, quick=True)}
    assert found["preset-one"][:4] == ("train", "one", "--dataset", "mnist5k")
    assert found["preset-two"][:4] == ("train", "two", "--dataset", "stacked-mnist5k")
    assert found["evaluate"][-2:] == ("--num", "200")
    assert found["devices-2"][-2:] == ("--devices", "2")
    assert "--num" not in same_results.cases(presets)[0].arguments


def test_invalid_arguments_exit_with_status_2(capsys, tmp_path):
    assert same_results.main(["no-such-revision"]) == 2
    assert "Received: 'no-such-revision'" in capsys.readouterr().err
    assert same_results.main(["HEAD", "--tree", str(tmp_path)]) == 2
    assert f"Received: {tmp_path}" in capsys.readouterr().err


repository = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git repository")


@pytest.fixture
def head(tmp_path):
    """Path of a checkout of HEAD."""
    with checked_out("HEAD", tmp_path / "head") as tree:
        yield tree


@repository
def test_removes_the_checkout_after_an_error(tmp_path):
    def fail():
        with checked_out("HEAD", tmp_path) as tree:
            assert (tree / "gan" / "__main__.py").is_file()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []
    listed = subprocess.run(["git", "-C", ROOT, "worktree", "list"], capture_output=True, text=True, check=True).stdout
    assert str(ROOT) in listed
    assert str(tmp_path) not in listed


@repository
@pytest.mark.slow
def test_a_revision_equals_itself(head):
    names, lines = ["sample-png", "preset-mnist-mlp", "augment-translation"], []
    assert compare_revisions("HEAD", only=names, tree=head, log=lines.append) == []
    assert [line.split()[:2] for line in lines] == [[name, "same"] for name in names]


@repository
@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "changed", "reported"),
    [
        (r"LeakyReLU\(0\.2\)", "LeakyReLU(0.2001)", "run/discriminator.keras"),
        (r"tf\.pow\(0\.5, ", "tf.pow(0.5001, ", "run/generator.keras"),
    ],
)
def test_reports_a_changed_constant(head, pattern, changed, reported):
    found = 0
    for file in (head / "gan").rglob("*.py"):
        text, count = re.subn(pattern, changed, file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
        found += count
    assert found
    lines = []
    assert compare_revisions("HEAD", only=["preset-mnist-mlp"], tree=head, log=lines.append) == ["preset-mnist-mlp"]
    assert f"DIFFERENT: {reported}" in lines[0]


@repository
@pytest.mark.slow
def test_rejects_an_unknown_case(head):
    with pytest.raises(BadInputError, match=r"preset-mnist-mlp.*Received: \['nonsense'\]"):
        compare_revisions("HEAD", only=["nonsense"], tree=head)
