import os
import shutil

import numpy as np
import pytest
from helpers.serving import save_generator, write_report

from gan import load_generator, sampling
from gan.deployment.export import export_generator
from gan.deployment.serve import models
from gan.deployment.serve.limits import Limits
from gan.deployment.serve.metrics import Metrics
from gan.deployment.serve.models import ServedModel, find_places
from gan.deployment.serve.place import Place
from gan.deployment.serve.request import SeededSamples
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
