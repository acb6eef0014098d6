"""gan tiers, as a user runs it: the tier, the exit status, the file to deploy, and what is refused."""

import json
import shlex

import pytest
from helpers.artifacts import row, write_table
from helpers.commands import run_gan
from helpers.serving import save_generator, write_report

from gan.cli.main import COMMANDS, main, parse
from gan.deployment import load_tiers
from gan.deployment.feedback.pictures import AuditPlan, StratifiedPlan
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import save_plan
from gan.saving.saved_generator import find_saved


@pytest.fixture
def run(tmp_path):
    """A run folder with a small generator, and a report of 10 of 1,000 wrong."""
    folder = save_generator(tmp_path / "my run")
    write_report(folder)
    return folder


@pytest.mark.parametrize(
    ("tolerance", "tier", "status"),
    [("0.05", "unattended", 0), ("0.02", "monitored", 0), ("0.003", "reviewed", 4), ("0.001", "research", 3)],
)
def test_the_tier_of_the_pretrained_generator(tolerance, tier, status, tmp_path, monkeypatch, capsys):
    """36 of its 10,000 samples are wrong, so at most 0.498 %."""
    monkeypatch.chdir(tmp_path)
    assert main(["tiers", "mnist", "--tolerance", tolerance]) == status
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["tier"].split()[0] == f"{tier}:"
    assert lines["report"].split() == ["error", "rate", "at", "most", "0.00498,", "of", "10,000", "samples"]
    assert lines["who is needed"].strip()


def test_a_script_reads_the_tier_and_the_status_of_a_process(run):
    done = run_gan("tiers", run, "--tolerance", "0.02", "--json", cwd=run.parent)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["tier"]["name"], found["verdict"], found["unmet"]) == ("monitored", "within", [])
    serve, feedback = (shlex.split(command) for command in found["commands"])
    assert serve == ["gan", "serve", str(run), "--audit", "0.05", "--tolerance", "0.02", "--on-exceeded", "stop"]
    assert feedback == ["gan", "feedback", str(run), "--store", str(run / "feedback.sqlite")]


def test_a_process_without_a_report_ends_with_one_line_and_status_2(run):
    (run / "report.json").unlink()
    done = run_gan("tiers", run.name, "--tolerance", "0.02", cwd=run.parent)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("gan: The error rate is not known. Expected a report of this file: gan evaluate 'my run'.")
    assert sorted(path.name for path in run.iterdir()) == ["generator.keras"]


@pytest.mark.parametrize("tolerance", ["0", "1.01", "-1", "nan"])
def test_a_tolerance_out_of_range_has_status_2(tolerance, capsys):
    assert main(["tiers", "mnist", "--tolerance", tolerance]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gan: Bad `tolerance`. Expected a number above 0 and at most 1.")


def test_the_help_names_the_option_that_has_no_default(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["tiers", "--help"])
    assert ended.value.code == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  --tolerance")]
    assert line.endswith("Accepted error rate, above 0 and at most 1. (required)")
    with pytest.raises(SystemExit) as ended:
        main(["tiers", "mnist"])
    assert ended.value.code == 2
    assert "--tolerance" in capsys.readouterr().err


def test_a_table_with_a_hole_has_status_2(tmp_path, capsys):
    path = tmp_path / "own.toml"
    text = '[[tier]]\nname = "a"\nabove = 1\nallowed = "a"\nwatch = "a"\nwho = "a"\naudit = 0\ncommands = []\n'
    path.write_text(text, encoding="utf-8")
    assert main(["tiers", "mnist", "--tolerance", "0.02", "--table", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"gan: A hole between tiers in {path}. Expected above = 0. Received: 1 in a."
    path.write_text(text.replace("above = 1", "above = 0"), encoding="utf-8")
    assert main(["tiers", "mnist", "--tolerance", "0.02", "--table", str(path)]) == 0
    assert capsys.readouterr().out.startswith("tier           a: ")


def test_a_lack_of_coverage_is_printed(run, capsys):
    write_report(run, wrong=0, coverage=0.4)
    assert main(["tiers", str(run), "--tolerance", "0.5"]) == 4
    printed = capsys.readouterr().out
    assert "research" in printed.splitlines()[0]
    assert "not met        the coverage is 0.4, that of real images 0.95" in printed


def test_the_judgements_in_this_folder_are_printed_with_their_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sha256 = find_saved("mnist").summary.sha256
    with FeedbackStore("mnist.sqlite", sha256, seed=1, overlap=0.0) as judgements:
        plan = StratifiedPlan(judgements.seed_of("stratified"), 10, 100, (4,), 5)
        save_plan(judgements, plan, "ab")
        for mode, pictures in (("audit", AuditPlan(judgements.seed_of("audit"), 10)), ("stratified", plan)):
            judgements.judge(judgements.next_picture("ann", mode, pictures).token, "ann", "right", 100, mode)
    assert main(["tiers", "mnist", "--tolerance", "0.02"]) == 4
    lines = [line.split("  ", 1) for line in capsys.readouterr().out.splitlines()]
    names = [name for name, _ in lines]
    assert names[1:5] == ["report", "judgements of people", "judgements of a plan", "file of judgements"]
    assert lines[4][1].strip() == "mnist.sqlite"
    assert "(decides)" in lines[2][1] + lines[3][1]


def test_the_commands_of_the_default_table_are_possible():
    names = [name for group in COMMANDS.values() for name in group]
    for tier in load_tiers().tier:
        for line in tier.command_lines(run="my run", artifact="a b.onnx", store="a b.sqlite", tolerance=0.02):
            program, *arguments = shlex.split(line)
            assert program == "gan"
            assert arguments[0] in names
            parse(arguments)


@pytest.mark.slow
def test_an_exported_file_has_the_tier_of_its_card_and_rounded_weights_need_a_report(run):
    from gan.deployment import export_generator

    out = run.parent / "exported"
    whole = export_generator(run, out)
    rounded = export_generator(run, out, weights="int8")
    done = run_gan("tiers", whole.path, "--tolerance", "0.02", "--json", cwd=run.parent)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["tier"]["name"], found["decided_by"]["source"]) == ("monitored", "card")
    done = run_gan("tiers", rounded.path, "--tolerance", "0.02", cwd=run.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"gan evaluate {shlex.quote(str(rounded.path))} --output {shlex.quote(str(out))}." in done.stderr

    path = write_table(
        run, [row("x", 10, 5.0), row("y", 9, 1.0, weights="int8")], path="exported/my-run-artifacts.json"
    )
    content = json.loads(path.read_text(encoding="utf-8"))
    for one, file in zip(content["artifacts"], (whole, rounded)):
        one["format"] = "onnx"
        one["file"] |= {"name": file.path.name, "content_sha256": file.card.content_sha256}
    path.write_text(json.dumps(content), encoding="utf-8")
    for generator in (run.name, whole.path):
        done = run_gan("tiers", generator, "--tolerance", "0.02", "--json", cwd=run.parent)
        found = json.loads(done.stdout)
        assert found["artifact"]["path"].endswith("exported/my-run-int8.onnx"), found["notes"]
        assert found["commands"][0].startswith(f"gan serve {shlex.quote(found['artifact']['path'])} ")
