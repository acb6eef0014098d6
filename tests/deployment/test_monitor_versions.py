"""Audits of versions and models: what counts, what alarms, and what a new version changes."""

import numpy as np
import pytest
from helpers.audits import read_samples

from gan.deployment.monitor.alarm import DRIFT_REPEAT_SECONDS, REPEAT_SECONDS
from gan.deployment.monitor.model_audit import KEPT, ModelAudit, VersionFacts
from gan.deployment.monitor.snapshot import take_snapshot
from gan.deployment.monitor.version_audit import VersionAudit
from gan.tolerance import confidence_sequence


class At(VersionAudit):
    """Samples are read at one time, unless a test states another one."""

    def add(self, samples, now=0.0):
        return super().add(samples, now)


def audit(**changes):
    values = {
        "model": "m", "version": 1, "sha256": "a", "tolerance": 0.02, "place": 1, "num_classes": 3, "read_classes": 3,
        "latent_dim": 2,
    }  # fmt: skip
    return At(**{**values, **changes})


def facts(sha256="a", number=1, **changes):
    values = {"tolerance": 0.02, "num_classes": 3, "latent_dim": 2}
    return VersionFacts(number=number, sha256=sha256, **{**values, **changes})


def kinds(alarms):
    return {(alarm.kind, alarm.source) for alarm in alarms}


def test_a_bad_version_alarms_of_each_kind_once_in_a_while():
    found = audit()
    alarms = found.add(read_samples(np.ones(30)))
    assert kinds(alarms) == {("exceeded", "seeds"), ("changed", "seeds")}
    assert all(alarm.can_stop for alarm in alarms)
    assert found.add(read_samples(np.ones(300), first=30)) == []
    assert len(found.alarms) == 2
    exceeded = next(alarm for alarm in alarms if alarm.kind == "exceeded")
    assert (exceeded.audited, exceeded.wrong, exceeded.confidence) == (30, 30, 0.975)
    assert (exceeded.lower, exceeded.upper) == confidence_sequence(30, 30, 0.975)
    assert exceeded.reason.startswith("30 of 30 pictures are wrong: at least ")


def test_an_alarm_is_repeated_after_a_while_if_it_still_holds():
    found = audit()
    found.add(read_samples(np.ones(30)))
    assert found.add(read_samples(np.ones(30), first=30), REPEAT_SECONDS - 1) == []
    again = found.add(read_samples(np.ones(30), first=60), REPEAT_SECONDS)
    assert [(alarm.kind, alarm.times, alarm.audited) for alarm in again] == [("exceeded", 2, 90), ("changed", 2, 90)]
    assert len(found.alarms) == 2
    found.sources["seeds"].rate.n += 9_000  # right ones: the bound is below the tolerance again
    assert found.add(read_samples([True], first=9_090), 2 * REPEAT_SECONDS) == []


def test_drift_is_repeated_after_a_longer_while():
    found, latents = audit(), np.full((300, 2), 5, np.float32)
    times = [0.0, REPEAT_SECONDS, DRIFT_REPEAT_SECONDS]
    alarms = [found.add(read_samples(np.zeros(300), source="latents", latents=latents), now) for now in times]
    assert [kinds(each) & {("latent_drift", None)} != set() for each in alarms] == [True, False, True]


def test_a_report_that_changes_the_tolerance_does_not_change_what_is_shown():
    model = ModelAudit("m", read_classes=3, clock=lambda: 0.0)
    model.add(facts(), read_samples(np.arange(500) % 20 == 0))
    state = take_snapshot(model, facts(tolerance=0.2), (), stopped="")
    assert (state.tolerance, state.sources[0].verdict) == (0.02, "exceeded")
    assert {alarm.tolerance for alarm in state.alarms} == {0.02}


def test_a_good_version_does_not_alarm():
    assert audit().add(read_samples(np.arange(3_000) % 200 == 0)) == []


def test_damage_after_a_long_good_history_is_a_change_before_the_rate_exceeds():
    found = audit()
    found.add(read_samples(np.zeros(5_000)))
    alarms = found.add(read_samples(np.ones(15), first=5_000))
    assert kinds(alarms) == {("changed", "seeds")}
    assert found.sources["seeds"].rate.value < 0.003


def test_given_and_truncated_latents_are_counted_apart_and_cannot_stop():
    found = audit()
    found.add(read_samples(np.zeros(50)))
    for source in ("truncated", "latents"):
        alarms = found.add(read_samples(np.ones(30), source=source))
        assert kinds(alarms) == {("exceeded", source), ("changed", source)}
        assert not any(alarm.can_stop for alarm in alarms)
    assert {name: (each.rate.n, each.rate.wrong) for name, each in found.sources.items()} == {
        "seeds": (50, 0), "truncated": (30, 30), "latents": (30, 30)
    }  # fmt: skip


def test_a_picture_that_is_asked_again_and_again_counts_once():
    found = audit()
    for _ in range(500):
        assert found.add(read_samples([True, False], keys=[1, 2])) == []
    seeds = found.sources["seeds"]
    assert (seeds.rate.n, seeds.rate.wrong, seeds.repeats, seeds.wrong_repeats) == (2, 1, 998, 499)


def test_the_same_requests_show_damage_too():
    """Clients ask for the same 64 pictures, so none is fresh: damaged weights show as other pictures."""
    found = audit()
    for _ in range(20):
        found.add(read_samples(np.zeros(64), keys=range(64)))
    alarms = found.add(read_samples(np.arange(64) % 3 > 0, keys=range(64)))
    assert kinds(alarms) == {("other_pictures", "seeds")}
    assert alarms[0].can_stop


def test_latents_of_clients_that_drift_alarm_but_cannot_stop():
    latents = np.full((300, 2), 5, np.float32)
    alarms = audit().add(read_samples(np.zeros(300), source="latents", latents=latents))
    assert ("latent_drift", None) in kinds(alarms)
    assert not any(alarm.can_stop for alarm in alarms)


def test_classes_of_requests_that_drift_alarm_but_cannot_stop():
    found, rng = audit(), np.random.default_rng(0)
    assert found.add(read_samples(np.zeros(500), asked=rng.integers(0, 2, 500))) == []
    alarms = found.add(read_samples(np.zeros(200), asked=np.full(200, 2), first=500))
    assert kinds(alarms) == {("label_drift", None)}
    assert not alarms[0].can_stop


def test_an_unconditional_generator_has_the_drift_of_what_is_read():
    found = audit(num_classes=0)
    samples = read_samples(np.zeros(200), asked=np.zeros(200, int))
    object.__setattr__(samples, "asked", None)
    found.add(samples)
    assert found.labels.counts.tolist() == [200, 0, 0]
    assert found.wrong_by_class.tolist() == [0, 0, 0]


@pytest.mark.parametrize("sizes", [[1] * 60, [25, 35]])
def test_the_sizes_of_batches_change_nothing(sizes):
    rng = np.random.default_rng(1)
    wrong, keys = rng.random(60) < 0.3, rng.integers(0, 40, 60)
    one, many, at = ModelAudit("m", read_classes=3, clock=lambda: 0.0), ModelAudit("m", read_classes=3, clock=float), 0
    asked = np.arange(60) % 3
    one.add(facts(), read_samples(wrong, keys=keys.tolist(), asked=asked))
    for size in sizes:
        part = slice(at, at + size)
        many.add(facts(), read_samples(wrong[part], keys=keys[part].tolist(), asked=asked[part]))
        at += size
    states = [take_snapshot(state, facts(), ("a", "b"), stopped="") for state in (one, many)]
    kept = [(s.sources, s.detectors, s.classes, s.burn, {a.kind for a in s.alarms}) for s in states]
    assert kept[0] == kept[1]


def test_a_new_version_starts_again_and_one_that_comes_back_goes_on():
    model = ModelAudit("m", read_classes=3, clock=lambda: 0.0)
    model.add(facts("a", 1), read_samples(np.ones(10)))
    model.add(facts("b", 2), read_samples(np.zeros(10)))
    model.add(facts("a", 1), read_samples(np.zeros(5), first=10))
    assert model.watched == 2
    state = {audit.sha256: audit for audit in model.versions}
    assert (state["a"].sources["seeds"].rate.n, state["b"].sources["seeds"].rate.n) == (15, 10)
    assert (state["a"].confidence, round(state["b"].confidence, 4)) == (0.975, 0.9917)
    assert model.burn.values(0.02)["1h"] == pytest.approx(10 / 25 / 0.02)
    assert [alarm.version for alarm in take_snapshot(model, facts("b", 2), (), stopped="").alarms] == [1, 1]
    for number in range(3, 10):
        model.version(facts(str(number), number))
    assert len(model.versions) == KEPT
    assert model.watched == 9


def test_a_snapshot_of_a_version_that_was_not_read_is_empty():
    model = ModelAudit("m", read_classes=3, clock=lambda: 0.0)
    state = take_snapshot(model, facts(), (), stopped="")
    assert (state.sources, state.detectors, state.classes, state.confidence, state.served_rate) == (
        (),
        (),
        (),
        None,
        None,
    )
    model.add(facts(), read_samples([True, False, False, False]))
    state = take_snapshot(model, facts(), ("zero", "one"), stopped="broken")
    assert [(each.name, each.asked, each.read, each.wrong) for each in state.classes] == [
        ("zero", 2, 1, 1), ("one", 1, 2, 0), ("2", 1, 1, 0)
    ]  # fmt: skip
    assert (state.served_rate, state.stopped) == (0.25, "broken")
    assert [each.share for each in state.detectors if each.outcomes == 0] == [0.0, 0.0]
