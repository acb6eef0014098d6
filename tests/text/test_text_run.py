"""Tests of run folders of text models: new, resumed, locked by others, damaged, and found by name."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gan.errors import InputError, Options
from gan.saving import files, training_state
from gan.saving.training_state import State
from gan.text import Alphabet, Corpus, TextSplit, list_pretrained
from gan.text.runs import text_run
from gan.text.runs.fitting import FitResult
from gan.text.runs.text_run import NETWORK, RECORD, TextRecord, find_network, find_run, load_record
from gan.text.runs.training_run import new_run, resumed_run


@dataclass(frozen=True)
class Config(Options):
    seed: int = 0
    widths: tuple[int, ...] = (2, 3)


def make_corpus(text="ab"):
    split = TextSplit((text,))
    return Corpus(name="tiny", train=split, validation=split, test=split, alphabet=Alphabet(text), length=2)


def start(output, *, kind="model", config=Config(7)):
    return new_run(kind, config, make_corpus(), output=output, device="CPU")


def save_state(folder, interval=1):
    training_state.save(folder, State(interval, interval, interval, arrays={"a": np.zeros(1)}))


def fail(run, error, epochs=0):
    (run.folder / "log.csv").touch()
    if epochs:
        save_state(run.folder, epochs)
    raise error


FITTED = FitResult(epochs=3, seconds=1.5, stopped_by="patience", interrupted=False, signal=None)
CUT = replace(FITTED, stopped_by=None, interrupted=True, signal=2)


@pytest.fixture
def finished(tmp_path):
    """A folder with a network of some bytes."""
    with start(tmp_path / "run") as run:
        (run.folder / NETWORK["model"]).write_bytes(b"weights")
        save_state(run.folder)
        run.finish(FITTED, error=0.25, unknown=float("nan"))
    return tmp_path / "run"


@pytest.fixture
def interrupted(tmp_path):
    with start(tmp_path / "run") as run:
        save_state(run.folder)
        run.finish(CUT)
    return tmp_path / "run"


def resume(folder, load=lambda config: make_corpus(), kind="model", said=None):
    return resumed_run(folder, kind, Config, load, (lambda line: None) if said is None else said.append)


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_record_has_what_resume_needs(finished):
    folder, record = find_run(str(finished), "model")
    assert (folder, record) == (finished, load_record(finished))
    assert record.options(Config, folder) == Config(7)
    assert record.corpus == make_corpus().describe()
    assert (record.kind, record.device, record.resumed) == ("model", "CPU", ())
    assert (record.result.epochs, record.result.stopped_by, record.result.interrupted) == (3, "patience", False)
    assert record.result.numbers == {"error": 0.25, "unknown": None}
    assert "NaN" not in (finished / RECORD).read_text(encoding="utf-8")
    assert find_network(folder, record) == finished / "model.keras"


def test_numbered_folders_have_the_name_of_the_kind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        with start(None) as run:
            assert str(run.folder) == f"runs/0000{number}-text-model"
            save_state(run.folder)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("existed", [False, True])
def test_a_failure_before_the_first_epoch_leaves_nothing(tmp_path, error, existed):
    output = tmp_path / "run"
    if existed:
        output.mkdir()
    with pytest.raises(error), start(output) as run:
        fail(run, error)
    assert output.exists() == existed
    assert not existed or list(output.iterdir()) == []


def test_the_home_folder_is_the_same_with_and_without_a_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError), start("~/run"):  # noqa: PT011 - our own
        raise ValueError
    assert (tmp_path / "run").is_dir()


def test_a_failure_after_the_first_epoch_leaves_the_run(tmp_path):
    with pytest.raises(KeyboardInterrupt), start(tmp_path / "run") as run:
        fail(run, KeyboardInterrupt, epochs=1)
    assert load_record(tmp_path / "run").result is None
    with resume(tmp_path / "run") as run:
        assert (run.saved.interval, run.config) == (1, Config(7))


def test_a_full_folder_is_refused_and_stays(finished):
    before = content(finished)
    with pytest.raises(InputError, match="not empty"), start(finished):
        pass
    assert content(finished) == before


def test_a_folder_that_another_process_locks_is_refused_and_stays(tmp_path, interrupted, monkeypatch):
    with training_state.locked(interrupted):
        before = content(interrupted)
        with pytest.raises(InputError, match="Another process"), resume(interrupted):
            pass
        assert content(interrupted) == before
    (tmp_path / "new").mkdir()
    with training_state.locked(tmp_path / "new"):  # after `new_run` has found the folder empty
        monkeypatch.setattr("gan.saving.run_folder.check_output", lambda output: None)
        with pytest.raises(InputError, match="Another process"), start(tmp_path / "new"):
            pass
        assert (tmp_path / "new" / "state" / "lock").exists()


def test_a_resumed_run_counts_its_resumptions(interrupted):
    said = []
    for number in (1, 2):
        with resume(interrupted, said=said) as run:
            assert run.record.resumed == (1,) * number
            assert load_record(interrupted) == run.record
    assert said == ["resuming after epoch 1"] * 2
    with resume(interrupted) as run:
        run.finish(FITTED)
    with resume(interrupted, said=said) as run:
        assert run is None
    assert said[-1] == f"{interrupted} is finished: 3 epochs"


def test_a_run_without_a_state_starts_again(tmp_path):
    said = []
    with start(tmp_path / "run") as run:
        run.finish(replace(CUT, epochs=0))
    with resume(tmp_path / "run", said=said) as run:
        assert run.saved is None
    assert said == ["no epoch is complete: the training starts again"]


def test_a_run_that_another_process_finished_meanwhile_is_left(interrupted, monkeypatch):
    first = load_record(interrupted)
    monkeypatch.setattr("gan.text.runs.training_run.find_run", lambda folder, kind: (interrupted, first))
    with resume(interrupted) as run:
        run.finish(FITTED)
    before = content(interrupted)
    with resume(interrupted) as run:
        assert run is None
    assert content(interrupted) == before


def test_a_refused_resumption_changes_nothing(interrupted):
    before = content(interrupted)
    with pytest.raises(InputError, match=r"another kind.*recognizer.*: model"), resume(interrupted, kind="recognizer"):
        pass
    with pytest.raises(InputError, match="texts have changed"), resume(interrupted, lambda config: make_corpus("xy")):
        pass
    assert content(interrupted) == before
    for path in (interrupted / "state").glob("*.npz"):
        path.write_bytes(b"")
    before = content(interrupted)
    with pytest.raises(InputError, match="All training states are damaged"), resume(interrupted):
        pass
    assert content(interrupted) == before


def test_a_damaged_newest_state_is_reported(interrupted):
    save_state(interrupted, 2)
    (interrupted / "state" / "000000002.npz").write_bytes(b"")
    said = []
    with resume(interrupted, said=said) as run:
        assert run.saved.interval == 1
    assert "000000002 is damaged" in said[0]


DAMAGED = {
    "kind": "poem",
    "config": None,
    "corpus": {},
    "resumed": [-1],
    "result": {"epochs": 1},
    "sha256": 7,
    "versions": [],
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_is_refused(finished, name):
    path = finished / RECORD
    whole = json.loads(path.read_text(encoding="utf-8"))
    for damaged in ({**whole, name: DAMAGED[name]}, {key: whole[key] for key in whole if key != name}):
        if name in damaged or name in ("kind", "config", "corpus"):
            path.write_text(json.dumps(damaged), encoding="utf-8")
            with pytest.raises(InputError, match=r"text\.json"):
                find_run(finished)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"kind": "\\ud83d"}', "[" * 10_000, "\x00", "\xff\xfe"])
def test_a_record_that_is_no_record_is_refused(finished, text):
    (finished / RECORD).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"text\.json"):
        find_run(finished)


def test_unknown_options_are_refused(finished):
    record = load_record(finished)
    for config in ({"sed": 1}, {"seed": "x"}, {"widths": 3}):
        with pytest.raises(InputError, match="config"):
            replace(record, config=config).options(Config, finished)


def test_a_network_must_be_the_recorded_one(finished):
    record = load_record(finished)
    assert record.sha256 == files.sha256(finished / "model.keras")
    (finished / "model.keras").write_bytes(b"other")
    with pytest.raises(InputError, match="does not match its record"):
        find_network(finished, record)
    (finished / "model.keras").unlink()
    with pytest.raises(InputError, match="no network yet"):
        find_network(finished, record)


def test_runs_are_found_by_folder_or_pretrained_name(finished, tmp_path, monkeypatch):
    pretrained = tmp_path / "pretrained"
    for name, kind in (("names-model", "model"), ("names", "recognizer")):
        (pretrained / name).mkdir(parents=True)
        replace(load_record(finished), kind=kind).save(pretrained / name)
    monkeypatch.setattr(text_run, "pretrained_texts", lambda: pretrained)
    assert list_pretrained() == ["names", "names-model"]
    assert list_pretrained("model") == ["names-model"]
    assert find_run("names")[0] == pretrained / "names"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names").mkdir()
    replace(load_record(finished), device="my own").save(tmp_path / "names")
    assert find_run("names")[1].device == "my own"  # a folder comes first
    with pytest.raises(InputError, match=r"A text model of another kind.*names: model"):
        find_run("names", "recognizer", "gan")
    with pytest.raises(InputError, match=r"\['names-model'\] \(did you mean names-model\?\)"):
        find_run("name-model", "model")
    for run in ("missing", "names/missing", tmp_path, finished / RECORD, "../names", "names/../../pretrained/names/x"):
        with pytest.raises(InputError, match="No such text model"):
            find_run(run)
    for run in ("", "a\0b", "a" * 5_000):
        with pytest.raises(InputError):
            find_run(run)


def test_the_installed_pretrained_models_are_whole():
    for name in list_pretrained():
        folder, record = find_run(name)
        assert isinstance(record, TextRecord)
        assert record.sha256 is not None
        assert find_network(folder, record).is_file()
