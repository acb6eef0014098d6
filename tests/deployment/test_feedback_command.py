"""`gan feedback`: reports and their exit status, export and import, bad input, and the server in a real process."""

import json
import re
import shutil
import subprocess
import sys

import httpx
import pytest
from helpers.commands import run_gan
from helpers.feedback import BlobEngine
from helpers.judgements import gold_plan, judge_some
from helpers.serving import served

from gan.cli import feedback as cli
from gan.cli.main import main
from gan.deployment.feedback import server
from gan.deployment.feedback.exchange import export_rows
from gan.deployment.feedback.pictures import AuditPlan, StratifiedPlan
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import save_plan
from gan.deployment.feedback.summary import FeedbackSummary, summarize
from gan.errors import InputError, convert
from gan.saving.models import pretrained_folder
from gan.saving.saved_generator import find_saved

SHA256 = find_saved("mnist").summary.sha256


def mnist_store(path, **options):
    store = FeedbackStore(path, SHA256, **{"seed": 3, **options})
    store._database._connection.execute("PRAGMA synchronous = OFF")
    return store


@pytest.fixture
def store(tmp_path):
    """A file with judgements of the pretrained generator: 3 of 200 samples are called wrong."""
    with mnist_store(tmp_path / "a.sqlite") as made:
        judge_some(made, 220, ("ann",), said=lambda picture: "wrong" if picture.index in (5, 50, 150) else "right")
    return tmp_path / "a.sqlite"


def feedback(*arguments):
    return main(["feedback", "mnist", *map(str, arguments)])


@pytest.mark.parametrize(("tolerance", "status"), [(0.1, 0), (0.001, 3), (0.02, 4)])
def test_the_exit_status_of_a_report_is_its_verdict(tolerance, status, store, capsys):
    assert feedback("--store", store, "--report", "--tolerance", tolerance, "--json") == status
    found = json.loads(capsys.readouterr().out)
    with mnist_store(store) as opened:
        assert convert(found, FeedbackSummary, "report") == summarize(opened, "audit", tolerance, num_classes=10)
    assert feedback("--store", store, "--report", "--tolerance", tolerance) == status
    said = capsys.readouterr().out
    assert re.search(rf"^verdict +{found['verdict']}$", said, re.MULTILINE)
    assert re.search(r"^worst class +\d, with 1 of \d+ samples wrong; the highest rate of all 10 ", said, re.MULTILINE)
    assert "seed 3, overlap 0.1" in said
    assert "judges make no mistakes: no gold was judged" in said
    assert "gan evaluate measures it" in said
    assert ("would decide" in said) == (status == 4)


def test_the_seed_is_printed_as_the_option_takes_it(tmp_path, capsys):
    seed = 4_000_000_007
    mnist_store(tmp_path / "a.sqlite", seed=seed).close()
    assert feedback("--store", tmp_path / "a.sqlite", "--export", tmp_path / "a.csv") == 0
    assert re.search(rf"^seed +{seed}$", capsys.readouterr().out, re.MULTILINE)
    assert feedback("--store", tmp_path / "a.sqlite", "--export", tmp_path / "a.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["seed"] == seed


def test_a_report_on_flags_has_no_verdict(store, capsys):
    assert feedback("--store", store, "--report", "--mode", "report") == 0
    said = capsys.readouterr().out
    assert "0 in 0 impressions" in said
    assert "a lower bound only" in said


def test_a_report_with_gold_is_of_the_corrected_rate(tmp_path, capsys):
    with mnist_store(tmp_path / "a.sqlite", overlap=0.5) as made:
        judge_some(made, 60, gold=gold_plan(made), said=lambda picture: picture.truth or "right")
        expected = summarize(made, "audit", 0.02)
    assert feedback("--store", tmp_path / "a.sqlite", "--report") == 4
    said = " ".join(capsys.readouterr().out.split())
    assert "as with real images" in said
    assert "for mistakes of the judges" in said
    assert "Cohen's kappa not defined" in said
    more = expected.corrected.more_gold
    assert (f"needs {more:,} more gold pictures" if more else "more gold pictures alone do not change that") in said


def test_a_report_on_a_plan(tmp_path, capsys):
    with mnist_store(tmp_path / "a.sqlite") as made:
        plan = StratifiedPlan(made.seed_of("stratified"), 10, 300, (1, 2), 200)
        save_plan(made, plan, "f" * 64)
        judge_some(made, 130, mode="stratified", plan=plan, said=lambda picture: "right")
    assert feedback("--store", tmp_path / "a.sqlite", "--report", "--mode", "stratified", "--tolerance", 0.05) == 0
    assert "all 2 flagged ones and 200 others are judged" in capsys.readouterr().out


LEAN = """
import json, sys
from gan.cli.main import main
for arguments in json.loads(sys.argv[1]):
    try:
        status = main(["feedback", *arguments])
    except SystemExit as ended:
        status = ended.code
    print(json.dumps({"status": status}), flush=True)
    print(json.dumps({"status": status}), flush=True, file=sys.stderr)
heavy = {"tensorflow", "keras", "fastapi", "uvicorn"} & set(sys.modules)
print(json.dumps(sorted(heavy)))
"""


def run_all(commands, cwd):
    """Runs `gan feedback` with several arguments in one process. Returns [(status, stderr)], and the loaded modules."""
    words = [[str(word) for word in command] for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", LEAN, json.dumps(words)], capture_output=True, text=True, cwd=cwd, timeout=300
    )
    said, found = [], []
    for line in done.stderr.splitlines():
        if line.startswith('{"status"'):
            found.append((json.loads(line)["status"], "\n".join(said)))
            said = []
        else:
            said.append(line)
    assert len(found) == len(commands), done.stderr
    return found, json.loads(done.stdout.splitlines()[-1])


def test_reports_and_exchange_load_neither_tensorflow_nor_the_server(store, tmp_path):
    at_store = ["mnist", "--store", store]
    commands = [
        [*at_store, "--report"],
        [*at_store, "--export", "a.csv"],
        ["mnist", "--store", "new.sqlite", "--import", "a.csv"],
        ["mnist", "--store", "new.sqlite", "--import", "a.csv"],
        ["mnist", "--store", "new.sqlite", "--export", "b.csv"],
        ["mnist", "--store", "new.sqlite", "--rejected", "wrong.jsonl"],
        ["mnist", "--store", "new.sqlite", "--report"],
    ]
    found, heavy = run_all(commands, tmp_path)
    assert [status for status, _ in found] == [4, 0, 0, 0, 0, 0, 4]
    assert heavy == []
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    lines = (tmp_path / "wrong.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["index"] for line in lines] == [5, 50, 150]
    assert not list(tmp_path.glob(".*"))


BAD = {
    "no place for the file": (["mnist"], "Where are the judgements. Expected --store"),
    "a file that does not exist": (["mnist", "--store", "no.sqlite", "--report"], "No such file of judgements"),
    "a folder that does not exist": (["mnist", "--store", "no/a.sqlite", "--import", "a.csv"], "No such folder"),
    "a folder": (["mnist", "--store", ".", "--report"], "which is a folder"),
    "no generator": (["nothing", "--store", "a.sqlite", "--report"], "No such checkpoint"),
    "another generator": (["mnist-mlp", "--store", "a.sqlite", "--report"], "Judgements of another generator"),
    "another seed": (["mnist", "--store", "a.sqlite", "--import", "a.csv", "--seed", "4"], "Another seed"),
    "text as a file": (["mnist", "--store", "a.csv", "--report"], "cannot be used"),
    "a damaged file": (["mnist", "--store", "damaged.sqlite", "--report"], "cannot be used|damaged"),
    "tolerance 2": (["mnist", "--store", "a.sqlite", "--report", "--tolerance", "2"], "Bad `tolerance`"),
    "tolerance NaN": (["mnist", "--store", "a.sqlite", "--report", "--tolerance", "nan"], "Bad `tolerance`"),
    "all gold": (["mnist", "--store", "a.sqlite", "--gold", "1"], "Bad `gold`"),
    "overlap": (["mnist", "--store", "a.sqlite", "--overlap", "-1"], "Bad `overlap`"),
    "seed": (["mnist", "--store", "a.sqlite", "--seed", "-1"], "Bad `seed`"),
    "num": (["mnist", "--store", "a.sqlite", "--mode", "stratified", "--num", "0"], "Bad `num`"),
    "port": (["mnist", "--store", "a.sqlite", "--port", "70000"], "Bad `port`"),
    "two jobs": (["mnist", "--store", "a.sqlite", "--report", "--export", "b.csv"], "Several jobs"),
    "an idle option": (["mnist", "--store", "a.sqlite", "--report", "--gold", "0.1"], "no effect.*--gold"),
    "gold of flags": (["mnist", "--store", "a.sqlite", "--mode", "report", "--gold", "0.1"], "no effect.*--gold"),
    "num of an audit": (["mnist", "--store", "a.sqlite", "--num", "10"], "no effect.*--num"),
    "no plan": (["mnist", "--store", "a.sqlite", "--report", "--mode", "stratified"], "No plan"),
    "an idle classifier": (
        ["mnist", "--store", "a.sqlite", "--report", "--mode", "report", "--classifier", "mnist-classifier"],
        "no effect. Expected --report --mode report without them.*--classifier",
    ),
    "a classifier of a plan": (
        ["mnist", "--store", "a.sqlite", "--report", "--mode", "stratified", "--classifier", "mnist-classifier"],
        "no effect.*--classifier",
    ),
    "num without a classifier": (["mnist", "--store", "a.sqlite", "--report", "--num", "5"], "no effect.*--num"),
    "num of a report on a plan": (
        ["mnist", "--store", "a.sqlite", "--report", "--mode", "stratified", "--num", "5"],
        "no effect.*--num",
    ),
    "tolerance of a report on flags": (
        ["mnist", "--store", "a.sqlite", "--report", "--mode", "report", "--tolerance", "0.1"],
        "no effect.*--tolerance",
    ),
    "tolerance of flags": (
        ["mnist", "--store", "a.sqlite", "--mode", "report", "--tolerance", "0.1"],
        "no effect.*--tolerance",
    ),
    "export into no folder": (["mnist", "--store", "a.sqlite", "--export", "no/b.csv"], "No such folder.*: no"),
    "rejected into no folder": (["mnist", "--store", "a.sqlite", "--rejected", "no/b.jsonl"], "No such folder.*: no"),
    "import beside remains": (
        ["mnist", "--store", "gone.sqlite", "--import", "a.csv"],
        "Remains of another gone.sqlite.*gone.sqlite-wal",
    ),
    "import of another seed": (
        ["mnist", "--store", "new.sqlite", "--import", "planned.csv", "--seed", "4"],
        r"seed: \d+, that of stratified in new.sqlite with --seed 4",
    ),
    "import without the plan": (
        ["mnist", "--store", "new.sqlite", "--import", "planned.csv", "--seed", "3"],
        "a plan of the mode stratified in new.sqlite, which",
    ),
    "export format": (["mnist", "--store", "a.sqlite", "--export", "b.xlsx"], "Unknown format"),
    "export folder": (["mnist", "--store", "a.sqlite", "--export", "a.csv/b.csv"], "cannot be written"),
    "import format": (["mnist", "--store", "a.sqlite", "--import", "a.xlsx"], "Unknown format"),
    "import of nothing": (["mnist", "--store", "a.sqlite", "--import", "no.csv"], "No such file"),
    "import of nonsense": (["mnist", "--store", "a.sqlite", "--import", "bad.csv"], "Bad line 1 of bad.csv"),
    "import of a gap": (["mnist", "--store", "new.sqlite", "--import", "gap.csv"], "Pictures are missing in gap.csv"),
    "import without a seed": (["mnist", "--store", "new.sqlite", "--import", "empty.csv"], "seed .* is not known"),
    "another host": (["mnist", "--store", "a.sqlite", "--host", "0.0.0.0"], "needs a token"),
    "a token": (["mnist", "--store", "a.sqlite", "--token", "short"], "Bad token"),
    "no classifier": (
        ["mnist", "--store", "a.sqlite", "--mode", "stratified", "--classifier", "nothing", "--port", "0"],
        "No such classifier",
    ),
    "another overlap": (["mnist", "--store", "a.sqlite", "--overlap", "0.7", "--port", "0"], "Another overlap"),
}


def test_bad_input_is_one_line_and_nothing_is_lost_or_written(store, tmp_path, monkeypatch):
    monkeypatch.delenv("GAN_TOKEN", raising=False)
    assert feedback("--store", store, "--export", tmp_path / "a.csv") == 0
    lines = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "bad.csv").write_text("judge,verdict\nann,right\n", encoding="utf-8")
    (tmp_path / "gap.csv").write_text("".join(lines[:9] + lines[10:]), encoding="utf-8")
    (tmp_path / "empty.csv").write_text(lines[0], encoding="utf-8")
    shutil.copyfile(store, tmp_path / "damaged.sqlite")
    with (tmp_path / "damaged.sqlite").open("r+b") as file:
        file.truncate(30_000)
    (tmp_path / "gone.sqlite-wal").write_bytes(b"the last judgements")
    with mnist_store(tmp_path / "planned.sqlite") as planned:
        plan = StratifiedPlan(planned.seed_of("stratified"), 10, 100, (3, 50), 20)
        save_plan(planned, plan, SHA256)
        judge_some(planned, 3, ("ann",), mode="stratified", plan=plan)
        export_rows(planned, tmp_path / "planned.csv")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    found, heavy = run_all([command for command, _ in BAD.values()], tmp_path)
    for (name, (command, message)), (status, said) in zip(BAD.items(), found, strict=True):
        assert status == 2, (name, said)
        assert said.count("\n") == 0, (name, said)
        assert re.search(message, said), (name, command, said)
    assert not {"tensorflow", "keras"} & set(heavy)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_new_file_takes_an_export_with_the_numbers_that_are_printed(tmp_path, capsys):
    """Also one without a sample of an audit, whose seed would be that of the file."""
    with mnist_store(tmp_path / "a.sqlite", seed=8, overlap=0.5) as made:
        page = made.browse("ann", AuditPlan(made.seed_of("report"), 10), 0, 4)
        made.judge(page[2][0].token, "ann", "wrong", 5, "report")
    assert feedback("--store", tmp_path / "a.sqlite", "--export", tmp_path / "a.csv", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["seed"], found["overlap"]) == (4, 8, 0.5)
    options = ["--seed", found["seed"], "--overlap", found["overlap"]]
    assert feedback("--store", tmp_path / "b.sqlite", "--import", tmp_path / "a.csv", *options) == 0
    capsys.readouterr()
    reports = []
    for name in ("a", "b"):
        assert feedback("--store", tmp_path / f"{name}.sqlite", "--report", "--mode", "report", "--json") == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0] == reports[1]
    assert (reports[0]["seed"], reports[0]["overlap"]) == (8, 0.5)
    assert feedback("--store", tmp_path / "b.sqlite", "--report", "--mode", "report") == 0
    assert "seed 8, overlap 0.5" in capsys.readouterr().out


def test_a_start_says_its_seed_and_one_that_fails_leaves_no_file(tmp_path, capsys, monkeypatch):
    path, engines = tmp_path / "a.sqlite", [BlobEngine((28, 28, 1), 10)]
    monkeypatch.setattr(cli, "_load_engine", lambda saved: engines.pop())
    monkeypatch.setattr(server, "run_feedback", lambda session, opened, *, token, ready: ready("http://here"))
    options = ["--store", path, "--port", 0, "--json"]
    assert feedback(*options, "--seed", 5, "--overlap", 0.3) == 0
    assert json.loads(capsys.readouterr().out) == {"address": "http://here", "seed": 5}
    with mnist_store(path, seed=5) as store:
        assert store.overlap == 0.3
    path.unlink()

    def refuse(saved):
        raise InputError("No plan meets this tolerance", expected="more", received="less")

    monkeypatch.setattr(cli, "_load_engine", refuse)
    for mode in ("stratified", "audit"):
        assert feedback(*options, "--mode", mode) == 2
        assert "No plan meets" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_folder_has_its_own_file(tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(pretrained_folder() / "mnist", run)
    assert main(["feedback", str(run), "--report"]) == 2
    assert f"No such file of judgements. Expected a file of gan feedback. Received: {run}" in capsys.readouterr().err
    assert not (run / "feedback.sqlite").exists()
    with mnist_store(run / "feedback.sqlite") as made:
        judge_some(made, 5, ("ann",), said=lambda picture: "right")
    assert main(["feedback", str(run), "--report"]) == 4
    assert "5 judged of 5 shown" in capsys.readouterr().out


def serve(tmp_path, *arguments):
    return served(tmp_path, "feedback", *arguments, "--port", 0, "--json", program="gan.__main__")


def answer(address, num=10**6):
    """Judges at most `num` pictures over HTTP, as a page does; returns the tokens."""
    tokens = []
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        client.get("/")
        while len(tokens) < num and (question := client.post("/next", json={}).json()["question"]):
            picture = client.get(f"/picture/{question['token']}.png")
            assert picture.content.startswith(b"\x89PNG")
            judgement = {"token": question["token"], "said": "right", "milliseconds": 500 + len(tokens)}
            assert client.post("/judgement", json=judgement).status_code == 200
            tokens.append(question["token"])
    return tokens


@pytest.mark.slow
def test_judgements_of_a_server_are_reported_also_after_it_was_killed(tiny_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run["folder"], run)
    with serve(tmp_path, run, "--gold", 0.3, "--overlap", 0.5) as server:
        tokens = answer(server.address, 30) + answer(server.address, 20)
        done = run_gan("feedback", run, "--report", "--json")  # beside the server
        assert done.returncode == 4
        server.process.kill()
        server.process.wait()
    done = run_gan("feedback", run, "--report", "--json", "--tolerance", 0.02)
    found = convert(json.loads(done.stdout), FeedbackSummary, "report")
    assert sum(judge.counts.judged + judge.gold for judge in found.judges) == 50
    assert found.corrected is not None
    with FeedbackStore(run / "feedback.sqlite", find_saved(str(run)).summary.sha256) as store:
        with store.snapshot() as connection:
            kept = {token for (token,) in connection.execute("SELECT token FROM showing WHERE said = 'right'")}
        assert kept == set(tokens)
    with serve(tmp_path, run) as server:
        answer(server.address, 5)
        assert server.stop() == 0


@pytest.mark.slow
def test_a_plan_is_made_once_and_judged_to_its_end(tmp_path):
    """The classifier reads few samples, and the tolerance is large: so the plan is short."""
    options = ["--store", tmp_path / "a.sqlite", "--mode", "stratified", "--tolerance", 0.5, "--num", 200]
    done = run_gan("feedback", "mnist", *options[:4], "--tolerance", 0.01, "--num", 50, "--port", 0)
    assert (done.returncode, "No plan meets" in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.glob("*.sqlite*"))
    with serve(tmp_path, "mnist", *options) as server:
        judged = len(answer(server.address))
        assert server.stop() == 0
    with mnist_store(tmp_path / "a.sqlite", seed=None) as store:
        strata = summarize(store, "stratified", 0.5).strata
        assert (strata.num, strata.size) == (200, judged)
    for other in (["--num", 300], ["--classifier", "mnist-probe"]):
        done = run_gan("feedback", "mnist", *options[:-2], *other, "--port", 0)
        assert (done.returncode, "Another plan" in done.stderr) == (2, True), done.stderr
    done = run_gan("feedback", "mnist", *options[:-2], "--report")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_a_generator_without_classes_has_no_gold_but_questions(tmp_path):
    done = run_gan("feedback", "mnist-unconditional", "--store", tmp_path / "a.sqlite", "--gold", 0.1, "--port", 0)
    assert (done.returncode, "Gold needs classes" in done.stderr) == (2, True), done.stderr
    with serve(tmp_path, "mnist-unconditional", "--store", tmp_path / "a.sqlite") as server:
        answer(server.address, 3)
    done = run_gan("feedback", "mnist-unconditional", "--store", tmp_path / "a.sqlite", "--export", tmp_path / "a.csv")
    assert done.returncode == 0
    done = run_gan("feedback", "mnist-unconditional", "--store", tmp_path / "b.sqlite", "--import", tmp_path / "a.csv")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_an_audit_that_a_classifier_has_read_has_the_predicted_number(tmp_path):
    with mnist_store(tmp_path / "a.sqlite") as made:
        judge_some(made, 50, said=lambda picture: "right" if picture.index % 20 else "wrong")
    arguments = ["--store", tmp_path / "a.sqlite", "--report", "--classifier", "mnist-classifier", "--num", 300]
    done = run_gan("feedback", "mnist", *arguments, "--json")
    assert done.returncode in (3, 4), done.stderr
    assert 0 < json.loads(done.stdout)["predicted"] < 0.2
