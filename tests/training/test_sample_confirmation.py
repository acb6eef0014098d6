"""Tests of the confirmation of a GAN: fresh samples, conditions, and runs that it interrupts."""

import json
import signal
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same
from helpers.tiny import QUICK, small_gan

from gan import generate, load_generator, resume, sampling, train
from gan.config import ModelConfig, StoppingConfig, TrainConfig
from gan.errors import InputError
from gan.evaluation import EVALUATION_SEED, error_rate
from gan.evaluation.classifier.extractor import Extractor, load_classifier
from gan.evaluation.metrics import PairwiseSSIM
from gan.saving import log_file, metadata
from gan.saving.models import find_classifier
from gan.tolerance import ErrorRate, fewest_outcomes, next_confidence
from gan.training.callbacks import Attempt, Outcomes
from gan.training.callbacks.confirmations import Confirmations
from gan.training.confirmation import (
    CHUNK,
    CONFIRMATION_SEED,
    FIRST,
    NOMINATION_SEED,
    SampleConfirmation,
    check_confirmable,
    make_confirmation,
)
from gan.training.monitoring import Probe, make_probe
from gan.training.summary import confirmation_summary, images_for

ALONE = SimpleNamespace(is_chief=True, broadcast=lambda content: json.loads(json.dumps(content)))
"""Stands in for the devices of a single process. Broadcast values are JSON."""


def attempt_of(number=1, num=300, *, most_wrong=10**9, is_last=False, confidence=0.95, seconds=0.0):
    return Attempt(number, num=num, confidence=confidence, most_wrong=most_wrong, is_last=is_last, seconds=seconds)


@pytest.fixture
def confirming(digits, small_classifier):
    """Returns a function that makes the confirmation of a run on the embedded digits."""
    found = find_classifier(small_classifier[0])

    def make(*, probe=found, devices=ALONE, seed=0, **options):
        options = StoppingConfig(**{"tolerance": 0.08, "confirm_num": 4_000, "eval_num": 200, **options})
        return SampleConfirmation(options, digits, classifier=found, probe=probe, devices=devices, seed=seed)

    return make


def test_counts_the_samples_that_the_classifier_does_not_read_as_asked(confirming, digits, small_classifier):
    gan, attempt = small_gan(), attempt_of(3, 1_250)
    found = confirming(seed=7)(gan, attempt)
    rng = np.random.default_rng([7, 3])
    labels = np.concatenate([digits.train.labels[rng.integers(len(digits.train), size=num)] for num in (1_000, 250)])
    samples = generate(gan.generator_ema, 1_250, seed=CONFIRMATION_SEED + 7, start=3 * FIRST, labels=labels)
    logits = Extractor(load_classifier(small_classifier[0])[0]).arrays(samples)["logits"]
    assert found.total == 1_250
    assert abs(found.wrong - int((logits.argmax(axis=1) != labels).sum())) <= 2  # kernels round by batch size
    assert found.wrong > 600


def test_no_two_attempts_share_a_sample_with_each_other_or_with_another_evaluation(confirming, monkeypatch):
    drawn = []
    draw = sampling.generate

    def recorded(generator, num, *, seed, start, **options):
        drawn.append((seed, range(start, start + num)))
        return draw(generator, num, seed=seed, start=start, **options)

    monkeypatch.setattr(error_rate.sampling, "generate", recorded)
    gan, confirm = small_gan(), confirming(seed=5)
    confirm.condition(gan)
    for attempt in (attempt_of(1, 1_200), attempt_of(2, 200), attempt_of(3, 2_000, is_last=True)):
        confirm(gan, attempt)
    assert drawn[0][0] == NOMINATION_SEED + 5
    assert {seed for seed, _ in drawn[1:]} == {CONFIRMATION_SEED + 5}
    assert EVALUATION_SEED not in {seed for seed, _ in drawn}
    indices = [index for _, part in drawn[1:] for index in part]
    assert len(indices) == len(set(indices)) == 3_400


def test_a_classifier_that_errs_on_real_images_above_the_tolerance_confirms_nothing(confirming, digits):
    gan, confirm = small_gan(), confirming(tolerance=0.005)
    [unmet] = confirm.condition(gan)
    assert unmet.startswith("the classifier is wrong on")
    assert unmet.endswith(f"of {len(digits.test)} real test images, tolerance 0.5 %")
    assert confirming(tolerance=0.005, probe=None).condition(gan) == [unmet]
    outcomes = confirm(gan, attempt_of())
    assert outcomes.real.n == len(digits.test)
    plans = Confirmations(0.005, target=0.005)
    for wrong in (0, 20_000):  # read as asked, all or none
        done = plans.add(
            plans.plan_last(0.0), outcomes._replace(wrong=wrong, total=20_000, unmet=()), value=0.0, interval=1
        )
        assert (done.verdict, done.unmet) == ("undecided", (unmet,))


def test_ends_early_if_it_cannot_succeed_any_more_except_at_the_end_of_the_run(confirming):
    gan, confirm = small_gan(), confirming()
    assert confirm(gan, attempt_of(1, 4_000, most_wrong=3)).total == CHUNK
    assert confirm(gan, attempt_of(2, 4_000, most_wrong=3, is_last=True)).total == 4_000  # a tolerance of 1
    last = Attempt(3, num=4_000, confidence=0.95, most_wrong=3, is_last=True, tolerance=0.02)
    assert confirm(gan, last).total == CHUNK  # certainly above the tolerance


def test_a_generator_without_variety_meets_no_condition(confirming):
    """An untrained generator draws nearly the same blot each time."""
    gan, confirm = small_gan(), confirming()
    [unmet] = confirm.condition(gan)
    assert unmet.startswith("coverage of validation images 0.0")
    [unmet] = confirm(gan, attempt_of()).unmet
    assert unmet.startswith("coverage of test images 0.0")
    assert confirming(probe=None).condition(gan) == []


def test_conditions_for_each_class_use_its_upper_bound_and_at_nomination_its_lower_bound(confirming):
    confirm = confirming(tolerance_per_class=0.05, confirm_num=10_000)
    labels = np.repeat(np.arange(10), 100)
    wrong = np.zeros(1_000, bool)
    wrong[300:308] = True  # 8 of 100 in class 3: 4.1 to 15 %
    lower, upper = ErrorRate(8, 100).interval
    assert lower < 0.05 < upper
    assert confirm._classes_above(wrong, labels, 0.95, proven=True) == []
    assert confirm._classes_above(wrong, labels, 0.95, proven=False) == [
        f"class 3: upper bound {100 * upper:.3g} %, tolerance 5 %"
    ]
    wrong[300:330] = True
    lower, _ = ErrorRate(30, 100).interval
    assert confirm._classes_above(wrong, labels, 0.95, proven=True) == [
        f"class 3: lower bound {100 * lower:.3g} %, tolerance 5 %"
    ]
    none = np.zeros(1_000, bool)
    assert confirm._classes_above(none, labels, 0.95, proven=False) == []
    assert confirm._classes_above(none[:900], labels[:900], 0.95, proven=False) == ["1 classes have no sample"]
    assert confirming()._classes_above(wrong, labels, 0.95, proven=False) == []


def test_a_tolerance_for_each_class_needs_more_samples(confirming):
    assert confirming().min_num == 500  # of coverage: all test images
    assert confirming(tolerance_per_class=0.1, confirm_num=100_000).min_num > 10 * fewest_outcomes(0.1)
    assert confirming(tolerance_per_class=0.1, confirm_num=1_000).min_num == 1_000


def test_a_confirmation_that_would_take_too_long_is_postponed_except_at_the_end(confirming):
    gan, confirm = small_gan(), confirming()
    confirm.time_left = lambda spent: 1e-3 - spent
    first = confirm(gan, attempt_of(1, 300))
    assert first.total == 300  # the speed is not known before
    assert confirm(gan, attempt_of(2, 4_000)) is None
    assert confirm(gan, attempt_of(2, 300, is_last=True)).total == 300
    confirm.time_left = lambda spent: 1e6 - spent
    assert confirm(gan, attempt_of(2, 300)).total == 300
    assert confirm(gan, attempt_of(2, 300, seconds=2e6)) is None


def test_workers_receive_what_the_chief_measured(confirming):
    sent = []
    chief = SimpleNamespace(is_chief=True, broadcast=lambda content: sent.append(json.dumps(content)) or content)
    gan = small_gan()
    found = confirming(devices=chief)(gan, attempt_of())
    unmet = confirming(devices=chief).condition(gan)
    worker = SimpleNamespace(is_chief=False, broadcast=lambda content: json.loads(sent.pop(0)))
    confirm = confirming(devices=worker)
    without_generator = SimpleNamespace(generator_ema=None)
    received = confirm(without_generator, attempt_of())
    assert (received.wrong, received.total, list(received.unmet)) == (found.wrong, found.total, list(found.unmet))
    assert confirm.condition(without_generator) == unmet


def test_rejects_what_no_confirmation_could_show(digits, small_classifier):
    few = replace(digits, test=digits.test.take(np.arange(5)))
    with pytest.raises(InputError, match=r"at least 6 validation images and 6 test.* 500 validation images, 5 t"):
        check_confirmable(StoppingConfig(tolerance=0.02), few)
    needed = 10 * fewest_outcomes(0.001, next_confidence([], is_last=True))
    with pytest.raises(InputError, match=f"--confirm-num {needed} or more"):
        check_confirmable(StoppingConfig(tolerance=0.02, tolerance_per_class=0.001, confirm_num=needed - 1), digits)
    check_confirmable(StoppingConfig(tolerance=0.02, tolerance_per_class=0.001, confirm_num=needed), digits)
    assert make_confirmation(StoppingConfig(), digits, ALONE, probe=None, seed=0) is None
    kmnist = replace(digits, name="kmnist", train=digits.test)
    with pytest.raises(InputError, match="another dataset"):
        make_confirmation(StoppingConfig(tolerance=0.02), kmnist, ALONE, probe=None, seed=0)


def test_a_probe_of_few_samples_says_that_the_end_decides(digits):
    probe = Probe((keras.metrics.Mean(),), digits.validation.in_order(500), most=5_000)
    enough = {"budget": 1_000, "min_num": 500}
    assert probe.why_only_at_end(0.02, **enough) is None
    line = probe.why_only_at_end(0.001, **enough)
    assert line == (
        "500 samples per interval cannot show an error rate below 0.76 %: the end of the run decides; --eval-num 3838 "
        "with intervals of 15,352 images could, too"
    )
    assert "--eval-num" not in probe.why_only_at_end(0.0, **enough)
    line = make_probe(StoppingConfig(), digits, images_per_interval=10**6).why_only_at_end(0.001, **enough)
    assert line.endswith("the end of the run decides (3,838 could, too, but there are 500 validation images)")
    assert Probe().why_only_at_end(0.5, **enough).startswith("Nothing is measured")
    assert probe.why_only_at_end(0.02, budget=499, min_num=500).startswith("499 samples, for 10 % of the images")


# --- whole runs


def confirmed_run(classifier, **stopping):
    """Returns options of a run of 40 steps and 4 intervals that the probe nominates after every interval."""
    return TrainConfig(
        data=QUICK.data,
        model=ModelConfig(latent_dim=8, g_width=4, d_width=4),
        optimization=replace(QUICK.optimization, steps=40, batch_size=32, steps_per_execution=5),
        stopping=StoppingConfig(
            **{"eval_num": 200, "probe": str(classifier), "classifier": str(classifier), "tolerance": 1.0, **stopping}
        ),
        eval_every=320,
        deterministic=True,
    )


class Scripted:
    """Replaces the measurement of `SampleConfirmation` by given results, one for each attempt."""

    def __init__(self, monkeypatch, results):
        self.results = list(results)
        self.attempts = []
        monkeypatch.setattr(SampleConfirmation, "condition", lambda *_: [])
        monkeypatch.setattr(SampleConfirmation, "min_num", 20)
        monkeypatch.setattr(SampleConfirmation, "__call__", lambda _, model, attempt: self(model, attempt))

    def __call__(self, model, attempt):
        self.attempts.append(int(attempt))
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result


REFUSED, WITHIN = Outcomes(20, 20, ("refused",)), Outcomes(0, 20)


@pytest.fixture(scope="module")
def refused(small_classifier, tmp_path_factory):
    """An uninterrupted run whose first two nominations are refused, and whose third is within."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        script = Scripted(monkeypatch, [REFUSED, REFUSED, WITHIN])
        run = train(confirmed_run(small_classifier[0]), output=tmp_path_factory.mktemp("confirmed") / "whole")
    assert script.attempts == [1, 2, 3]
    return run


@pytest.mark.slow  # the refusals of a plain model in test_tolerance_callbacks.py are the stand-in
def test_a_refusal_changes_nothing_in_the_training(refused, monkeypatch, small_classifier, tmp_path):
    """The weights after interval 3 are those of a run of three intervals without a tolerance."""
    assert (refused.stopped_by, refused.interval, refused.steps, refused.verdict) == ("target", 3, 30, "within")
    config = confirmed_run(small_classifier[0])
    plain = replace(
        config,
        stopping=StoppingConfig(eval_num=200, probe=str(small_classifier[0])),
        optimization=replace(config.optimization, steps=40),
    )
    kept = []

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.append([np.array(weight) for weight in self.model.generator_ema.get_weights()])

    train(plain, output=tmp_path / "plain", listeners=[Keep()])
    assert len(kept) == 4
    assert_same(load_generator(refused.folder).get_weights(), kept[2])


def test_the_log_shows_each_nomination_and_confirmation(refused):
    rows = log_file.rows(refused.folder / "log.csv")
    assert [row["nominated"] for row in rows] == [1.0, 1.0, 1.0]
    assert [row["confirm_interval"] for row in rows] == [1.0, 2.0, 3.0]
    assert [row["confirm_error_rate"] for row in rows] == [1.0, 1.0, 0.0]
    bounds = [(row["confirm_error_rate_lower"], row["confirm_error_rate_upper"]) for row in rows]
    confidences = (0.95, 0.975, 0.9875)
    assert bounds == [
        pytest.approx(ErrorRate(wrong, 20).interval_at(confidence))
        for wrong, confidence in zip((20, 20, 0), confidences)
    ]
    recorded = metadata.load(refused.folder).result.confirmations
    assert [one.verdict for one in recorded] == ["undecided", "undecided", "within"]
    assert recorded == refused.confirmations


@pytest.mark.slow  # the next test but one is the stand-in
@pytest.mark.parametrize("killed_at", [2, 3])
def test_a_run_interrupted_in_the_middle_of_a_confirmation_resumes_to_the_same_result(
    refused, monkeypatch, small_classifier, tmp_path, killed_at
):
    results = [REFUSED, REFUSED, WITHIN]
    script = Scripted(monkeypatch, [*results[: killed_at - 1], KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        train(confirmed_run(small_classifier[0]), output=tmp_path / "killed")
    again = Scripted(monkeypatch, results[killed_at - 1 :])
    run = resume(tmp_path / "killed")
    assert script.attempts + again.attempts == [*range(1, killed_at + 1), *range(killed_at, 4)]
    assert (run.stopped_by, run.interval, run.verdict) == ("target", 3, "within")
    without_time = [[replace(one, seconds=0.0) for one in each.confirmations] for each in (run, refused)]
    assert without_time[0] == without_time[1]
    assert_same(*(load_generator(folder).get_weights() for folder in (run.folder, refused.folder)))


@pytest.mark.slow
def test_a_run_without_success_is_confirmed_once_more_at_its_end_and_says_what_would_help(
    monkeypatch, small_classifier, tmp_path
):
    script = Scripted(monkeypatch, [REFUSED] * 5)
    run = train(confirmed_run(small_classifier[0]), output=tmp_path / "run")
    assert [one.is_last for one in run.confirmations] == [False] * 4 + [True]
    assert (run.stopped_by, run.steps, run.verdict) == (None, 40, "undecided")
    assert run.confirmations[-1].interval == run.interval
    assert script.results == []
    lines = confirmation_summary(run.folder, metadata.load(run.folder))
    assert len(lines) == 3
    assert lines[0].startswith("Not shown to be within the tolerance of 100 %: of 20 fresh samples of interval ")
    assert lines[1].startswith("Confirmations: 5, on 100 samples")
    assert resume(run.folder).verdict == "undecided"  # finished: nothing is confirmed again


@pytest.mark.slow
def test_a_longer_run_is_confirmed_again_with_the_error_that_is_left(monkeypatch, small_classifier, tmp_path):
    Scripted(monkeypatch, [REFUSED] * 5)
    run = train(confirmed_run(small_classifier[0]), output=tmp_path / "run")
    Scripted(monkeypatch, [REFUSED, WITHIN])
    longer = resume(run.folder, images=32 * 60)
    assert (longer.stopped_by, longer.steps, longer.verdict) == ("target", 60, "within")
    assert longer.confirmations[-1].interval == longer.interval  # the best one, not the last one
    assert len(longer.confirmations) == 7
    assert sum((1 - one.confidence) / 2 for one in longer.confirmations) <= 0.05


class StopAt(keras.callbacks.Callback):
    """Sends a signal in the last step of an interval, as a user may do by chance."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step) == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow  # test_resume.py is the stand-in, without a tolerance
@pytest.mark.parametrize("step", [30, 10])
def test_a_signal_in_the_last_step_of_an_interval_does_not_skip_its_confirmation(
    refused, monkeypatch, small_classifier, tmp_path, step
):
    """The interval is complete, so a resumed run does not repeat it."""
    script = Scripted(monkeypatch, [REFUSED, REFUSED, WITHIN])
    run = train(confirmed_run(small_classifier[0]), output=tmp_path / "stopped", listeners=[StopAt(step)])
    assert (run.signal, run.steps, len(run.confirmations)) == (signal.SIGINT, step, step // 10)
    run = resume(run.folder)
    assert script.attempts == [1, 2, 3]
    assert (run.stopped_by, run.interval, run.verdict) == ("target", 3, "within")
    assert_same(*(load_generator(folder).get_weights() for folder in (run.folder, refused.folder)))


@pytest.mark.slow
def test_a_confirmation_after_the_last_interval_is_saved_too(monkeypatch, small_classifier, tmp_path):
    """A run that is made as long as it is has no interval left, so its end follows at once."""
    Scripted(monkeypatch, [REFUSED])
    run = train(confirmed_run(small_classifier[0]), output=tmp_path / "run", listeners=[StopAt(10)])
    assert (run.signal, run.steps) == (signal.SIGINT, 10)
    script = Scripted(monkeypatch, [REFUSED] * 3)
    ended = resume(run.folder, images=320)
    assert [one.is_last for one in ended.confirmations] == [False, True]
    longer = resume(run.folder, images=640)
    assert script.attempts == [2, 3, 4]
    assert [one.attempt for one in longer.confirmations] == [1, 2, 3, 4]
    assert sum((1 - one.confidence) / 2 for one in longer.confirmations) <= 0.05


def test_rejects_a_probe_without_error_rates_before_the_first_step(small_classifier, digits, tmp_path):
    probe = Probe((PairwiseSSIM(),), digits.validation.take(np.arange(20)).in_order(20))
    with pytest.raises(InputError, match=r"Unknown `monitor`.*monitor='val_error_rate_upper'"):
        train(confirmed_run(small_classifier[0]), output=tmp_path / "run", probe=probe)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_learning_rates_are_halved_after_each_refusal_if_asked_to(monkeypatch, small_classifier, tmp_path):
    Scripted(monkeypatch, [REFUSED, REFUSED, WITHIN])
    run = train(confirmed_run(small_classifier[0], when_refuted="reduce"), output=tmp_path / "run")
    rates = [row["learning_rate"] for row in log_file.rows(run.folder / "log.csv")]
    np.testing.assert_allclose(rates, [3e-3, 1.5e-3, 7.5e-4], rtol=1e-6)


# --- what would help


def test_the_curve_of_a_power_law_gives_the_length_that_reaches_the_goal():
    curve = [(1_000.0 * k, 0.5 * k**-2.0) for k in range(1, 21)]
    assert images_for(curve, 0.02, 0.005) == 40_000  # a quarter of the rate at twice the length
    assert images_for(curve, 0.02, 0.02) is None
    assert images_for(curve, 0.02, 1e-5) is None  # 45 times as long
    assert images_for([(images, 0.1) for images, _ in curve], 0.02, 0.005) is None
    assert images_for([(images, 1 / rate) for images, rate in curve], 0.02, 0.005) is None
    assert images_for([(images, 0.0) for images, _ in curve], 0.02, 0.005) is None
    assert images_for([(images, np.nan) for images, _ in curve], 0.02, 0.005) is None
