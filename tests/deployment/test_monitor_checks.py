"""Checks of alarms: their sizes and errors, and that no client stops a good model."""

import sys
import threading
from collections import OrderedDict

import httpx
import numpy as np
import pytest
from helpers.audited import Faulty, Reader, audited, checked, read_sum, settle
from helpers.serving import CLASSES, save_generator, write_report
from scipy.stats import binom

from gan import sampling
from gan.deployment.monitor import auditor as auditors
from gan.deployment.monitor.alarm import Alarm
from gan.deployment.monitor.options import LOWEST_TOLERANCE, watched_tolerance
from gan.deployment.monitor.repeats import ReadPictures
from gan.deployment.monitor.stop_check import (
    FEWEST,
    MOST,
    PAUSE_SECONDS,
    StopCheck,
    as_confirmation,
    check_size,
)
from gan.deployment.serve import models as served_models
from gan.deployment.serve.request import Origin
from gan.tolerance import clopper_pearson


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = save_generator(tmp_path_factory.mktemp("audited") / "digits")
    write_report(folder)
    return folder


@pytest.fixture(autouse=True)
def engine(monkeypatch):
    monkeypatch.setattr(auditors, "LINGER_SECONDS", 0.0)
    engine = Faulty()
    monkeypatch.setattr(served_models, "as_engine", lambda file: engine)
    return engine


def check(done=(), *, tolerance=0.02, num_classes=3):
    alarm = Alarm(
        kind="changed", source="seeds", model="m", version=1, sha256="a", reason="r", tolerance=tolerance, audited=1,
        wrong=1, lower=0.0, upper=1.0, confidence=0.975,
    )  # fmt: skip
    return StopCheck(alarm, done, latent_dim=4, num_classes=num_classes)


def ended(done, wrong):
    found = check(done)
    found.add(np.arange(found.num) < wrong)
    return found.end()


def test_sizes_of_checks():
    assert check_size(0.02, 0.95) == 1_428
    assert check_size(1.0, 0.95) == FEWEST
    assert check_size(1e-6, 0.95) == MOST
    assert FEWEST < check_size(0.02, 0.95) < check_size(0.02, 0.999) < MOST


@pytest.mark.parametrize("tolerance", [0.01, 0.02, 0.1])
@pytest.mark.parametrize("confidence", [0.95, 1 - 1e-9])
def test_a_check_rarely_confirms_the_tolerance_and_mostly_twice_its_odds(tolerance, confidence):
    n = check_size(tolerance, confidence)
    least = next(wrong for wrong in range(n + 1) if clopper_pearson(wrong, n, confidence)[0] > tolerance)
    assert binom.sf(least - 1, n, tolerance) <= (1 - confidence) / 2 * (1 + 1e-6)
    assert binom.sf(least - 1, n, 2 * tolerance / (1 + tolerance)) >= 0.97


def test_the_errors_of_all_checks_of_a_version_sum_to_five_percent():
    done, errors = [], []
    for number in range(1, 60):
        found = ended(done, 0)
        assert (found.outcome, found.attempt) == ("not_confirmed", number)
        errors.append((1 - found.confidence) / 2)
        done.append(as_confirmation(found))
    assert errors[:3] == pytest.approx([0.025, 0.0125, 0.00625])
    assert sum(errors) <= 0.05 + 1e-9


def test_the_verdict_is_that_of_the_lower_bound():
    n = check().num
    least = next(wrong for wrong in range(n) if clopper_pearson(wrong, n, 0.95)[0] > 0.02)
    assert ended([], least).outcome == "confirmed"
    found = ended([], least - 1)
    assert found.outcome == "not_confirmed"
    assert (found.lower, found.upper) == clopper_pearson(least - 1, n, 0.95)
    assert check().end("the server ends").outcome == "abandoned"


def test_samples_are_secret_and_classes_uniform():
    one, two, rows = check(), check(), range(10, 30)
    latents, labels = one.inputs(rows)
    assert latents.shape == (20, 4)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, one.labels(rows))
    assert not np.array_equal(latents, two.inputs(rows)[0])
    everyone = one.labels(range(one.num))
    assert np.bincount(everyone, minlength=3).min() > one.num / 3 - 5 * np.sqrt(one.num * 2 / 9)
    assert not np.array_equal(everyone, two.labels(range(one.num)))
    assert check(num_classes=0).inputs(rows)[1] is None


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


def wrong_indices(num):
    """Indices of seed 7 whose pictures of class 1 are read as another one: a client finds them with the package."""
    sums = sampling.latents(7, np.arange(20_000), 2).sum(axis=1)
    found = np.flatnonzero(np.abs(sums) > 5.01)[:num].tolist()
    assert len(found) == num
    return found


def test_a_client_that_asks_for_wrong_pictures_does_not_stop_a_good_model(run, engine):
    clock = Clock()
    with audited(run, read_sum, actions=("stop",), clock=clock) as (client, auditor, _):
        for index in wrong_indices(6):
            assert client.get(f"/sample.npz?num=1&seed=7&label=1&start={index}").status_code == 200
            model = settle(auditor)
        assert "changed" in {alarm.kind for alarm in model.alarms}
        model = checked(auditor)
        assert [each.outcome for each in model.checks] == ["not_confirmed"]
        assert client.get("/sample.npz?num=1").status_code == 200
        page = client.get("/status").text
        assert "Not confirmed" in page
        engine.is_damaged = True  # the next alarm is checked after the pause
        client.get("/sample.npz?num=200&seed=8")
        assert sum(settle(auditor).check_counts.values()) == 1
        clock.now += PAUSE_SECONDS + 1
        client.get("/sample.npz?num=200&seed=9")
        model = checked(auditor, 2)
        assert [(each.outcome, each.attempt) for each in model.checks] == [("confirmed", 2), ("not_confirmed", 1)]
        assert client.get("/sample.npz?num=1").status_code == 503


def test_pictures_that_flip_do_not_stop_a_model_whose_fresh_samples_are_right(run):
    """Six of the same pictures are read as others, as where rounding moves them."""

    def read(images):
        return np.eye(CLASSES)[np.zeros(len(images), int)] if len(images) == 6 else read_sum(images)

    with audited(run, read, actions=("stop",)) as (client, auditor, _):
        client.get("/sample.npz?num=300&label=1")
        settle(auditor)
        client.get("/sample.npz?num=6&label=1")
        model = checked(auditor)
        assert {alarm.kind for alarm in model.alarms} == {"other_pictures"}
        assert client.get("/sample.npz?num=1").status_code == 200
    assert model.check_counts == {"confirmed": 0, "not_confirmed": 1, "abandoned": 0}


def test_the_end_of_the_server_gives_a_check_up(run, capsys):
    reader = Reader()
    reader.is_wrong = True
    with audited(run, reader, actions=("stop",)) as (client, auditor, models):
        reader.may_read.clear()
        client.get("/sample.npz?num=64&label=0")
        models.close()
        reader.may_read.set()
        model = checked(auditor)
    assert model.check_counts["abandoned"] == 1
    assert "the version is no longer loaded" in capsys.readouterr().err


def test_samples_that_were_read_before_a_failure_are_not_counted_as_failed(run):
    reader = Reader()

    def read(images):
        if len(images) < 64:
            raise RuntimeError("no memory")
        return reader(images)

    with audited(run, read) as (client, auditor, _):
        client.get("/sample.npz?num=100&label=0")
        model = settle(auditor)
    assert (model.sources[0].audited, model.failed) == (64, 36)


def test_an_alarm_that_cannot_be_reported_does_not_end_the_audit(run, monkeypatch):
    reader = Reader()
    reader.is_wrong = True
    with audited(run, reader, actions=("stop",)) as (client, auditor, models):
        monkeypatch.setattr(auditor, "_tell", lambda *_, **__: 1 / 0)
        client.get("/sample.npz?num=64&label=0")
        assert checked(auditor).stopped
        models.get("digits").served.stopped = ""
        client.get("/sample.npz?num=64&label=0&seed=1")
        assert settle(auditor).sources[0].audited == 128


def test_metrics_that_wait_for_the_audit_hold_no_other_answer_up(run):
    with audited(run, Reader()) as (client, auditor, _):
        with auditor._state:
            waits = threading.Thread(target=client.get, args=("/metrics",))
            waits.start()
            with httpx.Client(base_url=client.base_url, timeout=20, trust_env=False) as other:
                threading.Event().wait(0.2)
                assert other.get("/healthz").status_code == 200
        waits.join()


def test_names_of_pictures_are_computed_by_the_thread_of_the_audit(run, monkeypatch):
    threads, names = set(), Origin.names

    def spy(origin):
        threads.add(threading.current_thread().name)
        return names(origin)

    monkeypatch.setattr(Origin, "names", spy)
    with audited(run, Reader()) as (client, auditor, _):
        client.get("/sample.npz?num=100&label=0")
        settle(auditor)
    assert threads == {"audit"}


def test_a_part_of_an_origin_is_the_origin_of_its_samples():
    seeds = Origin("seeds", np.array([0, 1, 2]), seed=5, indices=np.array([7, 8, 9]))
    assert seeds.part(range(1, 3)).names() == seeds.names()[1:] == [b"(5, 8, 1, None)", b"(5, 9, 2, None)"]
    given = Origin("latents", None, np.arange(6, dtype=np.float32).reshape(3, 2))
    assert given.part(range(2)).names() == given.names()[:2]
    assert len(set(given.names())) == 3


def test_only_linux_gives_one_thread_another_priority(run, monkeypatch):
    changed = []
    monkeypatch.setattr(auditors.os, "setpriority", lambda *given: changed.append(given))
    for platform in ("darwin", "linux"):
        monkeypatch.setattr(sys, "platform", platform)
        with audited(run, Reader()):
            pass
        assert len(changed) == (platform == "linux")


def test_a_report_with_a_tolerance_of_zero_is_watched_with_the_lowest_one():
    assert watched_tolerance(None, 0.0) == LOWEST_TOLERANCE
    assert watched_tolerance(None, 0.05) == 0.05
    assert watched_tolerance(0.1, 0.0) == 0.1
    assert watched_tolerance(None, None) == 0.02


def test_the_first_picture_is_forgotten_at_once():
    """The first entry of a plain dictionary is found in a time that grows with the number of deletions."""
    assert isinstance(ReadPictures()._wrong, OrderedDict)
