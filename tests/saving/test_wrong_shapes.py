"""Tests of files with malformed JSON: a command works, or exits with status 2 and one line that names the file."""

import contextlib
import copy
import io
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.stand_ins import Weights
from helpers.stand_ins import run as play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan.cli import main
from gan.errors import InputError, convert
from gan.evaluation import report as reports
from gan.saving import metadata, models, training_state
from gan.saving.known_images import NamedImages, suits
from gan.saving.renamed_keys import with_new_names
from gan.saving.training_state import State
from gan.training import callbacks, result
from gan.training.callbacks import Outcomes

MANY = settings(max_examples=150, deadline=None)
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

OTHER = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.just(10**30) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
"""Any JSON value."""


def paths_in(content, path=()):
    """Yields the path of every part of parsed JSON, starting with the whole."""
    yield path
    parts = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, part in parts:
        yield from paths_in(part, (*path, name))


@st.composite
def changed(draw, content):
    """Parsed JSON with one part replaced or removed, or with an additional key."""
    content = copy.deepcopy(content)
    path = draw(st.sampled_from(list(paths_in(content))))
    if not path:
        return draw(OTHER)
    owner = content
    for name in path[:-1]:
        owner = owner[name]
    kind = draw(st.sampled_from(["replaced", "removed", "added"]))
    if kind == "removed":
        del owner[path[-1]]
    elif kind == "added" and isinstance(owner[path[-1]], dict):
        owner[path[-1]][draw(st.text(max_size=3))] = draw(OTHER)
    else:
        owner[path[-1]] = draw(OTHER)
    return content


def command(*arguments):
    """Runs a command in this process and returns (status, stdout, stderr). Unexpected errors are raised."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue(), err.getvalue()


def assert_works_or_rejects(name, *arguments):
    status, _, errors = command(*arguments)
    assert status in (0, 2), errors
    if status == 2:
        assert errors.startswith("gan: ")
        assert_one_line(errors)
        assert name in errors


def outcome(call, *arguments):
    """Returns the result of a call and "", or None and the one line of its `InputError`."""
    try:
        return call(*arguments), ""
    except InputError as raised:
        assert_one_line(str(raised))
        return None, str(raised)


def assert_one_line(text):
    assert text
    assert len(text.splitlines()) == 1


def files_of(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


PRETRAINED = models.pretrained_folder()
FINISHED = with_new_names(json.loads((PRETRAINED / "mnist" / "config.json").read_text()))
UNFINISHED = {name: value for name, value in FINISHED.items() if name not in ("result", "sha256")}
RESUMED = {
    **UNFINISHED,
    "resumed": [{"step": 3, "device": "CPU"}],
    "result": {**FINISHED["result"], "interrupted": True},
}

LAYERS = [
    {"class_name": "InputLayer", "config": {"name": "latents", "batch_shape": [None, 64]}},
    {"class_name": "Embedding", "config": {"name": "label_embedding", "input_dim": 10}},
]


def write_generator(path, described):
    """Writes a `.keras` file with this description and without weights."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(described))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder with the description of a generator. The tests write its config.json."""
    folder = tmp_path_factory.mktemp("shapes") / "run"
    folder.mkdir()
    write_generator(folder / "generator.keras", {"config": {"layers": LAYERS}})
    return folder


# --- config.json of a run


@MANY
@given(content=st.sampled_from([FINISHED, UNFINISHED, RESUMED]).flatmap(changed))
def test_metadata_is_usable_or_rejected(folder, content):
    (folder / "config.json").write_text(json.dumps(content))
    for load in (metadata.load, models.load_config):
        record, error = outcome(load, folder)
        if error:
            assert "config.json" in error
            continue
        config = record.config
        assert metadata.run_metadata(json.loads(json.dumps(record.as_dict())), folder / "config.json") == record
        metadata.check_options(record, config)
        assert all(isinstance(line, str) for line in metadata.changed_versions(record))
        assert len(metadata.resumed_metadata(record, config, "CPU", 3).resumed) >= 1
        assert len(config.data.loading) == 5
        assert all(side >= 1 for side in record.dataset.image_shape)
        assert record.total_steps >= 1
        if record.result:
            assert json.dumps(result.read_result(folder, record).as_dict(), allow_nan=False)


@FEW
@given(content=st.sampled_from([FINISHED, UNFINISHED]).flatmap(changed))
def test_commands_use_or_reject_metadata_and_do_not_change_the_folder(folder, content):
    (folder / "config.json").write_text(json.dumps(content))
    before = files_of(folder)
    for arguments in (["info", folder], ["info", folder, "--json"], ["train", "--resume", folder, "--dry-run"]):
        assert_works_or_rejects("config.json", *arguments)
    assert files_of(folder) == before
    assert list(folder.glob("state")) == []


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ({"config": {}, "dataset": {}}, "`dataset.name`"),
        ({**FINISHED, "config": [1]}, "`config`"),
        ({**FINISHED, "config": {**FINISHED["config"], "model": {"arch": "unet"}}}, "`config.model.arch`"),
        ({**FINISHED, "dataset": {**FINISHED["dataset"], "image_shape": [28, "28", 1]}}, "`dataset.image_shape[1]`"),
        ({**FINISHED, "dataset": {**FINISHED["dataset"], "image_shape": [28, 28]}}, "`dataset.image_shape`"),
        ({**FINISHED, "total_steps": "10"}, "`total_steps`"),
        ({**FINISHED, "result": {**FINISHED["result"], "seconds": float("nan")}}, "`result.seconds`"),
        ({**FINISHED, "result": 3}, "`result`"),
        ({**FINISHED, "versions": {"keras": 3}}, "`versions.keras`"),
        ([], "content"),
        (None, "content"),
    ],
    ids=lambda value: value.strip("`") if isinstance(value, str) else "",
)
def test_every_command_that_reads_metadata_names_the_malformed_part(folder, content, path):
    (folder / "config.json").write_text(json.dumps(content))
    before = files_of(folder)
    for arguments in (
        ["info", folder],
        ["train", "--resume", folder],
        ["evaluate", folder],
        ["project", folder, "x.png"],
    ):
        status, out, errors = command(*arguments)
        assert (status, out) == (2, "")
        assert errors.startswith(f"gan: Bad {path} in {folder / 'config.json'}. Expected ")
        assert_one_line(errors)
    assert files_of(folder) == before


def test_metadata_of_earlier_revisions_loads(folder):
    """The preset may be the name of a run, and newer options have their defaults."""
    before = copy.deepcopy(UNFINISHED) | {"preset": "fashion_mnist"}
    del before["config"]["tensorboard"], before["config"]["optimization"]["simultaneous"], before["probe_sha256"]
    (folder / "config.json").write_text(json.dumps(before))
    record = metadata.load(folder)
    parts = {name: dict(part) for name, part in UNFINISHED["config"].items() if isinstance(part, dict)}
    parts["data"] |= {"background": None, "pixel_range": None}
    parts["model"] |= {"augment_probability": 1.0}
    parts["optimization"] |= {"scale_from_batch": None}
    parts["stopping"] |= {
        "features": None,
        "tolerance_per_class": None,
        "confirm_num": 100_000,
        "when_refuted": "continue",
    }
    assert record.config.as_dict() == {
        **UNFINISHED["config"],
        **parts,
        "jit": "auto",
        "data_on_device": "auto",
        "feedback": None,
        "feedback_share": 0.1,
        "freeze_d": 0,
    }
    status, printed, _ = command("train", "--resume", folder, "--dry-run", "--json")
    assert (status, json.loads(printed)["preset"]) == (0, "fashion_mnist")


# --- the description of a generator


@MANY
@given(described=changed({"config": {"layers": LAYERS}}))
def test_a_generator_is_described_or_rejected(tmp_path_factory, described):
    file = Path(tmp_path_factory.getbasetemp()) / "described.keras"
    write_generator(file, described)
    facts, error = outcome(models.describe, file)
    if error:
        assert "not a generator" in error
    else:
        assert facts.latent_dim is None or facts.latent_dim >= 1
        assert facts.num_classes is None or facts.num_classes >= 0


def test_rejects_sampling_from_a_generator_with_a_malformed_description(tmp_path):
    layers = [LAYERS[0], {"config": {"name": "label_embedding", "input_dim": "ten"}}]
    write_generator(tmp_path / "generator.keras", {"config": {"layers": layers}})
    status, _, errors = command("sample", tmp_path, "--out", tmp_path / "a.png")
    assert (status, errors.count("\n")) == (2, 1)
    assert "not a generator" in errors


# --- the card of a classifier

CARD = json.loads((PRETRAINED / "mnist-probe" / "config.json").read_text())


@MANY
@given(content=changed({name: CARD[name] for name in ("data_sets", "dataset", "sha256", "config")}))
def test_a_card_is_usable_or_rejected(tmp_path_factory, content):
    folder = Path(tmp_path_factory.getbasetemp()) / "card"
    folder.mkdir(exist_ok=True)
    (folder / "classifier.keras").write_bytes((PRETRAINED / "mnist-probe" / "classifier.keras").read_bytes())
    (folder / "config.json").write_text(json.dumps(content))
    found, error = outcome(models.find_classifier, folder)
    if error:
        assert str(folder) in error
    else:
        _, card = found
        assert isinstance(suits(card, NamedImages("mnist", (28, 28, 1))), bool)
        assert not suits(card, "cifar10")
        assert len(card.dataset.image_shape) == 3


# --- report.json

REPORT = json.loads((PRETRAINED / "mnist" / "report.json").read_text())
REPORT["not_known"] = {"recall": "there is no reason"}


@MANY
@given(content=changed(REPORT))
def test_reports_are_compared_or_rejected(tmp_path_factory, content):
    base = Path(tmp_path_factory.getbasetemp())
    whole, other = base / "whole.json", base / "other.json"
    whole.write_text(json.dumps(REPORT))
    other.write_text(json.dumps(content))
    assert_works_or_rejects("other.json", "compare", whole, other)
    report, error = outcome(reports.load_report, str(other))
    for row in [] if error else reports.rows(report):
        assert all(isinstance(text, str) for text in row.values())


# --- states


@pytest.fixture(scope="module")
def with_states(tmp_path_factory):
    """A run folder with two states."""
    folder = tmp_path_factory.mktemp("states") / "run"
    (folder / "state").mkdir(parents=True)
    for interval in (1, 2):
        log_state = {"RunLog": {"seconds": 1.5, "compile_seconds": 0.5}}
        training_state.save(folder, State(interval, 10 * interval, 160 * interval, callbacks=log_state))
    return folder


CONTENT = {
    "format": 1, "interval": 2, "step": 20, "images": 320, "stopped": False, "sha256": "",
    "callbacks": {"RunLog": {"seconds": 1.5, "compile_seconds": 0.5}},
}  # fmt: skip


@MANY
@given(content=changed(CONTENT))
def test_a_malformed_state_with_correct_checksums_is_damaged(with_states, content):
    manifest = with_states / "state" / "000000320.json"
    arrays = manifest.with_suffix(".npz").read_bytes()
    if isinstance(content, dict) and content.get("sha256") == "":
        content["sha256"] = training_state._sha256(arrays)
    manifest.write_text(
        json.dumps({"content": content, "sha256": training_state._sha256(training_state._text(content))})
    )
    latest, error = outcome(training_state.latest, with_states)
    if error:
        assert "Unknown training state format" in error
        return
    found, damaged = latest
    for line in damaged:
        assert_one_line(line)
        assert (found.interval, found.step) == (1, 10)
    if not damaged:
        assert found.images == 320
        assert repr(found.callbacks) == repr(content["callbacks"])  # NaN does not equal itself
        assert isinstance(found.stopped, bool)
        assert all(number >= 1 for number in (found.interval, found.step))
        assert all(isinstance(state, dict) for state in found.callbacks.values())


def make_callback(kind, folder):
    if kind is callbacks.RunLog:
        return kind(folder / "log.csv")
    if kind is callbacks.ReduceLROnRefusal:
        return kind(make_callback(make_confirming, folder), log=[].append)
    options = {} if kind is callbacks.CollapseMonitor else {"monitor": "val_error", "mode": "min"}
    return kind(**options, log=[].append)


def make_confirming(monitor, mode, *, log):
    """Returns early stopping with confirmations, of which one is done."""

    def confirm(model, attempt):
        return Outcomes(attempt.num // 40, attempt.num, ["coverage"])

    stopping = callbacks.ToleranceEarlyStopping(monitor, mode, target=0.45, tolerance=0.02, confirm=confirm, log=log)
    play(stopping, [0.45], end=False)
    return stopping


make_confirming.state_type = callbacks.ToleranceEarlyStopping.state_type
STATEFUL = [kind for name in callbacks.__all__ if hasattr(kind := getattr(callbacks, name), "get_state")]
STATEFUL.append(make_confirming)


@pytest.mark.parametrize("kind", STATEFUL, ids=lambda kind: kind.__name__)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_callback_continues_with_a_state_of_its_type_or_rejects_the_state(tmp_path_factory, kind, data):
    before = make_callback(kind, tmp_path_factory.getbasetemp())
    given_state = data.draw(changed(json.loads(json.dumps(before.get_state()))))
    convert(before.get_state(), kind.state_type, "its own state")
    after = make_callback(kind, tmp_path_factory.getbasetemp())
    _, error = outcome(convert, given_state, kind.state_type, "a state", "callbacks")
    error = error or outcome(after.set_state, given_state)[1]
    if error:
        return
    if kind is not callbacks.RunLog:
        play(after, [0.5, 0.4, 0.6, 0.6], model=StandIn())
    assert json.dumps(after.get_state())


class StandIn:
    """A stand-in for a model with weights and learning rates."""

    def __init__(self):
        self.stop_training = False
        self.generator_ema = Weights()
        self.g_optimizer = SimpleNamespace(learning_rate=0.5)
        self.d_optimizer = SimpleNamespace(learning_rate=0.5)
