import errno
import os
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from helpers.serving import save_generator, write_report
from starlette.requests import Request

from gan import load_generator, sampling
from gan.deployment.export import export_generator
from gan.deployment.serve import models
from gan.deployment.serve.batching import QueueClosedError
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import Models, ServedModel
from gan.deployment.serve.page import card_of
from gan.deployment.serve.place import Place, find_places
from gan.deployment.serve.request import SeededSamples
from gan.deployment.serve.rollback import _reason
from gan.deployment.serve.serving_routes import _is_local
from gan.deployment.serve.version import ModelStoppedError
from gan.errors import InputError

ASKED = SeededSamples(num=2, seed=0, start=0, label=None, truncation=None)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three run folders with generators of other weights, and reports of equal quality."""
    folder = tmp_path_factory.mktemp("runs")
    for number in range(3):
        write_report(save_generator(folder / str(number), seed=number))
    return folder


@pytest.fixture
def run(runs, tmp_path):
    """A run folder with the first generator and its report."""
    return shutil.copytree(runs / "0", tmp_path / "run")


@pytest.fixture
def model(run):
    model = ServedModel(Place.of(run), limits=Limits(), metrics=Metrics())
    yield model
    model.close()


def put(source, run, *, report=True):
    """Replaces the generator of a run folder, and its report, as `gan train` and `gan evaluate` do."""
    for name in ("generator.keras", "report.json")[: 2 if report else 1]:
        shutil.copyfile(source / name, run / "new")
        os.replace(run / "new", run / name)  # noqa: PTH105 - what a copy needs


def drawn(model, number=None):
    return model.submit(number, ASKED)[1].result()


def expected(run):
    return sampling.generate(load_generator(run), 2)


def test_a_mixture_refuses_truncated_latents(model):
    truncated = replace(ASKED, truncation=0.7)
    assert len(model.submit(None, truncated)[1].result()) == 2
    model.served.is_mixture = True
    assert len(drawn(model)) == 2
    with pytest.raises(InputError, match=r"would change the weights of a mixture.*truncation=0\.7"):
        model.submit(None, truncated)


def decisions(model):
    return {entry["version"]: entry["decision"] for entry in model.as_dict()["model_version_status"]}


def test_a_version_that_is_not_worse_takes_over_and_the_one_before_stays(model, run, runs):
    before = drawn(model)
    np.testing.assert_allclose(before, expected(runs / "0"), atol=1e-5)
    put(runs / "1", run)
    model.update()
    np.testing.assert_allclose(drawn(model), expected(runs / "1"), atol=1e-5)
    np.testing.assert_array_equal(drawn(model, 1), before)
    assert decisions(model) == {"2": "SERVED", "1": "PREVIOUS"}
    put(runs / "2", run)
    model.update()
    assert decisions(model) == {"3": "SERVED", "2": "PREVIOUS", "1": "REPLACED"}
    with pytest.raises(LookupError):
        model.submit(1, ASKED)


def test_a_rollback_returns_to_the_version_before_until_the_file_changes(model, run, runs):
    put(runs / "1", run)
    model.update()
    assert model.rollback() == (2, 1)
    np.testing.assert_allclose(drawn(model), expected(runs / "0"), atol=1e-5)
    (run / "report.json").touch()
    model.update()
    assert decisions(model) == {"2": "ROLLED_BACK", "1": "SERVED"}
    with pytest.raises(LookupError):
        model.rollback()
    put(runs / "2", run)
    model.update()
    assert decisions(model) == {"3": "SERVED", "2": "ROLLED_BACK", "1": "PREVIOUS"}


def test_a_version_waits_for_its_report(model, run, runs, capsys):
    put(runs / "1", run, report=False)
    model.update()
    (entry, _) = model.as_dict()["model_version_status"]
    assert (entry["state"], entry["decision"], entry["version"]) == ("END", "REFUSED", "2")
    assert "no report" in entry["status"]["error_message"]
    assert '"event": "refused"' in capsys.readouterr().err
    put(runs / "1", run)
    model.update()
    assert decisions(model) == {"2": "SERVED", "1": "PREVIOUS"}


@pytest.mark.parametrize(
    ("report", "reason"), [({"wrong": 100, "verdict": "exceeded"}, "error rate"), ({"coverage": 0.5}, "coverage")]
)
def test_a_worse_version_is_refused_unless_forced(report, reason, model, run):
    save_generator(run, seed=5)
    write_report(run, **report)
    model.update()
    assert decisions(model) == {"2": "REFUSED", "1": "SERVED"}
    assert reason in model.as_dict(2)["model_version_status"][0]["status"]["error_message"]
    model.update()
    assert decisions(model) == {"2": "REFUSED", "1": "SERVED"}


def test_force_takes_a_version_without_a_report(run, runs):
    forced = ServedModel(Place.of(run), limits=Limits(), metrics=Metrics(), force=True)
    put(runs / "1", run, report=False)
    forced.update()
    assert decisions(forced) == {"2": "SERVED", "1": "PREVIOUS"}
    forced.close()


def test_another_signature_is_refused(model, run):
    save_generator(run, seed=6, latent_dim=7)
    write_report(run)
    model.update()
    assert "latent_dim is 7" in model.as_dict(2)["model_version_status"][0]["status"]["error_message"]


def test_a_stopped_version_has_no_report_to_be_worse_than(model, run):
    """A version that was refused is looked at again, without another file, once the served one is stopped."""
    save_generator(run, seed=5)
    write_report(run, wrong=100, verdict="exceeded")
    model.update()
    assert decisions(model) == {"2": "REFUSED", "1": "SERVED"}
    model.served.stopped = "an alarm"
    with pytest.raises(ModelStoppedError):
        drawn(model)
    model.update()
    assert decisions(model) == {"2": "SERVED", "1": "PREVIOUS"}
    drawn(model)


def test_a_rollback_to_a_stopped_version_and_its_file_serve_again(model, run, runs):
    model.served.stopped = "an alarm"
    put(runs / "1", run)
    model.update()
    assert model.rollback() == (2, 1)
    drawn(model)
    put(runs / "2", run)
    model.update()
    model.version(1).stopped = "an alarm"
    put(runs / "0", run)
    model.update()
    assert decisions(model)["1"] == "SERVED"
    drawn(model)


def test_a_log_that_cannot_be_written_ends_no_update(model, run, runs, monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Closed())
    put(runs / "1", run)
    model.update()
    assert model.as_dict()["problem"] is None
    assert decisions(model) == {"2": "SERVED", "1": "PREVIOUS"}


@pytest.mark.parametrize("fault", ["truncated", "removed"])
def test_a_damaged_file_is_reported_and_the_loaded_version_serves(fault, model, run, runs, capsys):
    file, before = run / "generator.keras", drawn(model)
    content = file.read_bytes()
    file.unlink() if fault == "removed" else file.write_bytes(content[:-100])
    model.update()
    model.update()
    np.testing.assert_array_equal(drawn(model), before)
    assert model.as_dict()["problem"]
    assert str(run) not in str(model.as_dict())
    assert capsys.readouterr().err.count("update_failed") == 1
    file.write_bytes(content)
    model.update()
    assert model.as_dict()["problem"] is None
    assert decisions(model) == {"1": "SERVED"}


def test_the_reason_of_a_failed_update_has_no_path(model, run):
    (run / "config.json").write_text('{"config": 5}', encoding="utf-8")
    save_generator(run, seed=7)
    model.update()
    assert "config.json" in model.as_dict()["problem"]
    assert str(run) not in model.as_dict()["problem"]


def test_a_version_whose_files_change_while_it_loads_is_looked_at_again(model, run, runs, monkeypatch):
    load = models.as_engine

    def changing(file):
        (run / "report.json").touch()
        return load(file)

    put(runs / "1", run)
    with monkeypatch.context() as changed:
        changed.setattr(models, "as_engine", changing)
        model.update()
    assert decisions(model) == {"1": "SERVED"}
    assert model.as_dict()["problem"] is None
    model.update()
    assert decisions(model) == {"2": "SERVED", "1": "PREVIOUS"}


def test_an_error_while_a_version_loads_is_reported(model, run, runs, monkeypatch, capsys):
    def broken(file):
        raise RuntimeError(f"no memory for {file}")

    monkeypatch.setattr(models, "as_engine", broken)
    put(runs / "1", run)
    model.update()
    assert model.as_dict()["problem"] == "The newest version does not load"
    assert decisions(model) == {"1": "SERVED"}
    assert "no memory" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["stamp", "find"])
def test_files_that_cannot_be_read_are_looked_at_again(name, model, run, runs, monkeypatch, capsys):
    def fail(place):
        raise OSError(errno.EMFILE, "Too many open files")

    put(runs / "1", run)
    with monkeypatch.context() as changed:
        changed.setattr(Place, name, fail)
        model.update()
    assert model.as_dict()["problem"]
    assert "Too many open files" in capsys.readouterr().err
    model.update()
    assert model.as_dict()["problem"] is None
    assert decisions(model) == {"2": "SERVED", "1": "PREVIOUS"}


def test_a_problem_ends_when_the_files_are_as_before(model, run):
    (run / "generator.keras").rename(run / "away")
    model.update()
    assert model.as_dict()["problem"]
    (run / "away").rename(run / "generator.keras")
    model.update()
    assert model.as_dict()["problem"] is None


def test_an_error_of_one_look_does_not_end_the_watcher(run, monkeypatch, capsys):
    looks, third = [], threading.Event()

    def fail(model):
        looks.append(model)
        if len(looks) == 3:
            third.set()
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(ServedModel, "update", fail)
    watched = Models([run], limits=Limits(), metrics=Metrics(), poll_seconds=0.001)
    watched.start()
    assert third.wait(60)
    watched.close()
    assert "No space left" in capsys.readouterr().err


def test_a_report_that_disappears_still_counts(model, run, runs, capsys):
    (run / "report.json").unlink()
    model.update()
    save_generator(run, seed=5)
    write_report(run, wrong=900, verdict="exceeded")
    model.update()
    assert decisions(model) == {"2": "REFUSED", "1": "SERVED"}
    assert '"event": "report"' not in capsys.readouterr().err


def test_a_new_report_of_the_served_version_counts(model, run, capsys):
    write_report(run, wrong=20)
    model.update()
    (entry,) = model.as_dict()["model_version_status"]
    assert entry["report"]["error_rate"] == 0.02
    assert '"event": "report"' in capsys.readouterr().err


def test_a_report_by_another_classifier_is_refused(model, run):
    save_generator(run, seed=5)
    write_report(run, classifier_sha256="cd")
    model.update()
    assert decisions(model) == {"2": "REFUSED", "1": "SERVED"}


def test_a_previous_version_that_comes_back_is_served_without_loading_it_again(model, run, runs, monkeypatch):
    put(runs / "1", run)
    model.update()
    before = model.version(1).engine
    monkeypatch.delattr(models, "as_engine")
    put(runs / "0", run)
    model.update()
    assert decisions(model) == {"2": "PREVIOUS", "1": "SERVED"}
    assert model.served.engine is before
    np.testing.assert_allclose(drawn(model, 2), expected(runs / "1"), atol=1e-5)


def test_a_previous_version_that_is_worse_stays_the_previous_one(run, runs, capsys):
    write_report(run, wrong=100)
    model = ServedModel(Place.of(run), limits=Limits(), metrics=Metrics())
    worse = shutil.copytree(run, run.parent / "worse")
    put(runs / "1", run)
    model.update()
    for _ in range(2):
        put(worse, run)
        model.update()
        assert decisions(model) == {"2": "SERVED", "1": "PREVIOUS"}
        assert model.as_dict(1)["model_version_status"][0]["state"] == "AVAILABLE"
        assert "its error rate is higher" in model.as_dict()["problem"]
    assert capsys.readouterr().err.count('"event": "refused"') == 1
    assert len(drawn(model, 1)) == 2
    assert model.rollback() == (2, 1)
    assert model.as_dict()["problem"] is None
    model.close()


def test_a_version_that_was_rolled_back_is_not_taken_again_even_with_force(run, runs):
    forced = ServedModel(Place.of(run), limits=Limits(), metrics=Metrics(), force=True)
    for number in (1, 0, 1):
        put(runs / str(number), run)
        forced.update()
        if number == 1 and forced.served.number == 2:
            forced.rollback()
    assert decisions(forced) == {"2": "ROLLED_BACK", "1": "SERVED"}
    forced.close()


@pytest.mark.parametrize("wrong", [10, 100], ids=["good", "worse"])
def test_a_rollback_while_a_version_loads_is_not_undone(wrong, model, run, runs, monkeypatch):
    put(runs / "1", run)
    model.update()
    judge = models.reason_to_refuse

    def rolling_back(new, served):
        reason = judge(new, served)
        model.rollback()
        return reason

    put(runs / "2", run)
    write_report(run, wrong=wrong)
    with monkeypatch.context() as changed:
        changed.setattr(models, "reason_to_refuse", rolling_back)
        model.update()
    assert decisions(model) == {"2": "ROLLED_BACK", "1": "SERVED"}
    model.update()
    taken = wrong == 10
    assert model.served.number == (3 if taken else 1)
    assert decisions(model)["3"] == ("SERVED" if taken else "REFUSED")


@pytest.mark.parametrize("number", [None, 1], ids=["served", "numbered"])
def test_a_closed_model_takes_no_request(number, model):
    queue = model.served.queue
    queue.close()
    with pytest.raises(QueueClosedError):
        model.submit(number, ASKED)
    model.close()
    with pytest.raises(QueueClosedError):
        model.submit(number, ASKED)


def test_the_page_shows_a_version_that_was_released(model):
    before = card_of("run", model.served)
    model.close()
    assert card_of("run", model.served) == before
    assert (before["latent_dim"], before["image_shape"], before["license"]) == (4, [8, 8, 1], None)


def test_a_pretrained_model_has_its_license():
    served = ServedModel(Place.of("mnist-mlp"), limits=Limits(), metrics=Metrics())
    assert served.served.license == "Apache-2.0"
    served.close()


@pytest.mark.parametrize(
    ("client", "server", "headers", "is_local"),
    [
        ("127.0.0.1", "127.0.0.1", [], True),
        ("::1", "::1", [], True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", [], True),
        ("192.0.2.2", "192.0.2.2", [], True),
        ("::ffff:192.0.2.2", "192.0.2.2", [], True),
        ("fe80::1%eth0", "fe80::1%eth0", [], True),
        ("192.0.2.3", "192.0.2.2", [], False),
        ("::ffff:192.0.2.3", "::ffff:192.0.2.2", [], False),
        ("127.0.0.1", "127.0.0.1", [(b"x-forwarded-for", b"127.0.0.1")], False),
        ("testclient", "testclient", [], False),
    ],
    ids=["IPv4", "IPv6", "mapped", "own", "own mapped", "scope", "other", "other mapped", "proxy", "no address"],
)
def test_a_local_client_has_a_loopback_address_or_that_of_the_server(client, server, headers, is_local):
    scope = {"type": "http", "client": (client, 5_000), "server": (server, 8_501), "headers": headers}
    assert _is_local(Request(scope)) is is_local


def test_without_addresses_a_client_is_not_local():
    assert not _is_local(Request({"type": "http", "client": None, "server": None, "headers": []}))
    assert _is_local(Request({"type": "http", "client": ("127.0.0.1", 1), "server": None, "headers": []}))


@pytest.mark.slow
def test_versions_of_a_saved_model_have_the_numbers_of_their_folders(run, runs, tmp_path):
    exported = tmp_path / "exported" / "run"
    export_generator(run, exported.parent, format="saved_model")
    (exported / "1").rename(exported / "7")
    model = ServedModel(Place.of(exported), limits=Limits(), metrics=Metrics())
    assert (model.name, decisions(model)) == ("run", {"7": "SERVED"})
    put(runs / "1", run)
    export_generator(run, exported.parent, format="saved_model")
    model.update()
    assert decisions(model) == {"8": "SERVED", "7": "PREVIOUS"}
    np.testing.assert_allclose(drawn(model), expected(runs / "1"), atol=1e-5)
    np.testing.assert_allclose(drawn(model, 7), expected(runs / "0"), atol=1e-5)
    shutil.rmtree(exported / "8")
    model.update()
    assert decisions(model) == {"8": "PREVIOUS", "7": "SERVED"}
    model.close()


def test_names_are_those_of_exports_and_unique(runs, tmp_path):
    assert [place.name for place in find_places([runs / "0", runs / "1" / "generator.keras"])] == ["0", "1"]
    with pytest.raises(InputError, match="Two models of one name"):
        find_places([runs / "0", runs / "0" / "generator.keras"])
    with pytest.raises(InputError, match="No such checkpoint"):
        find_places([tmp_path / "nothing"])
    with pytest.raises(InputError, match="No model to serve"):
        find_places([])


def test_a_link_to_a_run_folder_gives_its_own_name(runs, tmp_path, monkeypatch):
    link = tmp_path / "current"
    link.symlink_to(runs / "1")
    assert [Place.of(path).name for path in (link, link / "generator.keras", runs / "1")] == ["current", "current", "1"]
    monkeypatch.chdir(runs / "1")
    assert Place.of(".").name == "1"


def test_the_reason_of_a_refused_rollback_is_part_of_a_sentence():
    assert (
        _reason(b'{"error": "No version before the served one is loaded."}')
        == "No version before the served one is loaded"
    )
    assert _reason(b"Bad gateway.\n") == _reason(b"Bad gateway") == "Bad gateway"
