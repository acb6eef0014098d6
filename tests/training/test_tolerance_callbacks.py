"""Tests of early stopping and learning rate reduction: hand-written values, a slow reference, real trainings."""

import json
import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, differs, values
from helpers.stand_ins import Weights, run
from helpers.tiny import small_gan
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.errors import InputError
from gan.training.callbacks import ReduceLROnTolerance, ToleranceEarlyStopping
from gan.training.callbacks.improvement import Judgement

NAN, INF = math.nan, math.inf


def make_stopping(messages=None, monitor="val_error", mode="min", **options):
    return ToleranceEarlyStopping(monitor, mode, **options, log=(messages if messages is not None else []).append)


# --- the judgement


@pytest.mark.parametrize(
    ("options", "series", "outcomes"),
    [
        ({}, [3.0, 2.0, 2.0], ["improved", "improved", "not improved"]),
        ({"patience": 2}, [3.0, 3.0, 4.0, 1.0], ["improved", "not improved", "patience", "improved"]),
        ({"min_delta": 0.5}, [3.0, 2.5, 2.4375], ["improved", "not improved", "improved"]),
        ({"min_rel_delta": 0.25}, [4.0, 3.0, 2.9375], ["improved", "not improved", "improved"]),
        ({"min_rel_delta": 0.25}, [-4.0, -5.0, -5.0625], ["improved", "not improved", "improved"]),
        ({"target": 1.0}, [2.0, 1.0], ["improved", "target"]),
        ({"target": 1.0, "min_delta": 5.0}, [2.0, 1.0], ["improved", "target"]),
        ({"patience": 2}, [NAN, NAN, 3.0], ["not improved", "patience", "improved"]),
        ({}, [3.0, NAN, 2.0], ["improved", "not improved", "improved"]),
        ({"min_rel_delta": 0.1}, [INF, 3.0, -INF, -INF], ["not improved", "improved", "improved", "not improved"]),
        ({"target": 1.0}, [NAN, -INF], ["not improved", "target"]),
    ],
)
def test_outcomes_of_hand_written_values(options, series, outcomes):
    judgement = Judgement("min", **options)
    assert [judgement.judge(epoch, value) for epoch, value in enumerate(series)] == outcomes
    mirrored = Judgement("max", **{**options, **({"target": -options["target"]} if "target" in options else {})})
    assert [mirrored.judge(epoch, -value) for epoch, value in enumerate(series)] == outcomes


def test_an_improvement_must_exceed_the_noise():
    judgement = Judgement("min", noise_sigmas=2.0)
    assert judgement.judge(0, 3.0, stderr=9.0) == "improved"
    assert judgement.judge(1, 2.5, stderr=0.25) == "not improved"
    assert judgement.judge(2, 2.5, stderr=0.125) == "improved"
    assert judgement.judge(3, 2.0, stderr=NAN) == "improved"
    assert (judgement.best, judgement.best_epoch) == (2.0, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "auto"},
        {"patience": 0},
        {"patience": 1.5},
        {"target": NAN},
        {"min_delta": -1.0},
        {"min_rel_delta": INF},
        {"noise_sigmas": NAN},
        {"start_from_epoch": -1},
        {"monitor": ""},
    ],
)
def test_rejects_bad_options_in_the_constructor(options):
    with pytest.raises(InputError, match=f"Bad `{next(iter(options))}`"):
        make_stopping(**options)


# --- early stopping, with hand-written values


def test_patience_stops_reports_the_reason_and_restores_the_best_averaged_generator():
    messages = []
    callback = make_stopping(messages, patience=2, min_delta=0.1)
    model = run(callback, [0.5, 0.25, 0.2, 0.3, 0.1])
    assert messages == [
        "Stopped by patience at interval 4: val_error 0.3 did not improve enough for 2 evaluations; "
        "best val_error 0.2 at interval 3."
    ]
    assert (callback.stopped_by, callback.best, callback.best_epoch) == ("patience", 0.2, 2)
    assert model.generator_ema.number == 2.0


def test_the_last_of_equal_values_is_the_best_and_patience_counts_from_the_first():
    callback = make_stopping(patience=2)
    model = run(callback, [0.5, 0.5, 0.5, 0.1])
    assert (callback.stopped_by, callback.best_epoch, model.generator_ema.number) == ("patience", 2, 2.0)


def test_small_steps_add_up_to_an_improvement():
    """Each step is less than `min_delta`, but the third value is 0.12 below the last improvement."""
    callback = make_stopping(patience=3, min_delta=0.1)
    run(callback, [0.5, 0.46, 0.42, 0.38, 0.37, 0.37])
    assert callback.stopped_by is None


def test_the_target_stops_and_its_weights_are_restored():
    messages = []
    callback = make_stopping(messages, monitor="val_coverage", mode="max", target=0.9, min_delta=0.5)
    logs = [{"val_coverage": value} for value in (0.85, 0.9)]  # the improvement is less than `min_delta`
    model = run(callback, logs)
    assert messages == [
        "Stopped by target at interval 2: val_coverage 0.9 reached the target 0.9; best val_coverage 0.9 at interval 2."
    ]
    assert (callback.stopped_by, callback.best_epoch, model.generator_ema.number) == ("target", 1, 1.0)


def test_reports_a_training_that_ends_by_itself_and_restores_the_best_weights():
    messages = []
    callback = make_stopping(messages)
    model = run(callback, [0.5, 0.25, 0.3])
    assert messages == ["Early stopping never fired: best val_error 0.25 at interval 2."]
    assert not model.stop_training
    assert callback.stopped_by is None
    assert model.generator_ema.number == 1.0


def test_keeps_the_last_weights_without_restore_best_weights():
    callback = make_stopping(restore_best_weights=False)
    assert run(callback, [0.25, 0.5]).generator_ema.number == 1.0
    assert callback.best_weights is None
    assert callback.get_arrays() == []


def test_patience_also_stops_if_every_value_is_nan():
    messages = []
    callback = make_stopping(messages, patience=2)
    model = run(callback, [NAN, NAN])
    assert messages == [
        "Stopped by patience at interval 2: val_error nan did not improve enough for 2 evaluations; "
        "val_error never had a valid value."
    ]
    assert math.isnan(callback.best)
    assert model.generator_ema.number == 1.0  # nothing to restore


@pytest.mark.parametrize(
    ("monitor", "logs"),
    [
        ("val_eror", {"g_loss": 1.0, "val_error": 0.5}),
        ("g_los", {"g_loss": 1.0}),
        ("error", {"val_error": 0.5}),
    ],
)
def test_rejects_an_unknown_monitor_and_lists_the_keys(monitor, logs):
    with pytest.raises(InputError, match=rf"{sorted(logs)}.*monitor='{monitor}'".replace("[", r"\[")):
        run(make_stopping(monitor=monitor, start_from_epoch=5), [logs])


def test_epochs_without_an_evaluation_do_not_count():
    messages = []
    callback = make_stopping(messages, patience=2)
    nothing = {"g_loss": 1.0}
    run(callback, [nothing, nothing, 0.5, nothing, 0.5, nothing, nothing, 0.5])
    assert messages[0] == "No evaluation in interval 1: monitoring of val_error starts at the first evaluation."
    assert messages[1].startswith("Stopped by patience at interval 8")
    assert len(messages) == 2


def test_rejects_an_unknown_monitor_at_the_first_evaluation():
    with pytest.raises(InputError, match="val_error"):
        run(make_stopping(monitor="val_eror"), [{"g_loss": 1.0}, {"g_loss": 1.0, "val_error": 0.5}])


def test_reports_at_the_end_that_no_evaluation_took_place():
    messages = []
    run(make_stopping(messages), [{"g_loss": 1.0}] * 2)
    assert messages[-1] == "Early stopping never fired: the logs never contained val_error."
    assert len(messages) == 2


def test_ignores_the_epochs_before_start_from_epoch():
    callback = make_stopping(patience=2, start_from_epoch=2, target=0.05)
    run(callback, [0.01, 0.01, 0.5, 0.6, 0.4])
    assert (callback.best, callback.best_epoch, callback.stopped_by) == (0.4, 4, None)


def test_a_second_training_resets_the_state():
    callback = make_stopping(patience=2)
    for _ in range(2):
        model = run(callback, [0.5, 0.6, 0.7])
        assert model.stop_training
        assert callback.best_epoch == 0
    assert run(callback, [0.9]).stop_training is False
    assert callback.best == 0.9


def test_does_not_change_the_logs():
    logs = {"val_error": np.float32(0.5), "val_error_stderr": 0.1}
    before = dict(logs)
    run(make_stopping(), [logs, logs])
    assert logs == before


def test_rejects_the_state_of_another_monitor():
    state = make_stopping().get_state()
    with pytest.raises(InputError, match="monitor='val_other'"):
        make_stopping(monitor="val_other").set_state(state)
    with pytest.raises(InputError, match="in the state of ToleranceEarlyStopping"):
        make_stopping().set_state({"monitor": "val_error"})


# --- early stopping, as properties

SERIES = st.lists(
    st.one_of(
        st.integers(-8, 8).map(lambda n: n / 4), st.sampled_from([NAN, INF, -INF]), st.floats(-1e3, 1e3, width=32)
    ),
    max_size=25,
)
RULES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "target": st.one_of(st.none(), st.integers(-8, 8).map(lambda n: n / 4)),
        "patience": st.integers(1, 6),
        "min_delta": st.sampled_from([0.0, 0.25, 1.0]),
        "min_rel_delta": st.sampled_from([0.0, 0.1]),
        "start_from_epoch": st.integers(0, 4),
    }
)


def reference(series, mode, target, patience, min_delta, min_rel_delta, start_from_epoch):
    """Returns (reason, last epoch, best epoch). It has no state and judges each epoch from the whole list."""

    def better(value, than):
        gain = than - value if mode == "min" else value - than
        least = 0.0 if math.isinf(than) else max(min_delta, min_rel_delta * abs(than))
        return gain > least

    def best_of(judged):
        """Returns the epoch of the best value, the last of equal ones. NaN and the worst infinity do not count."""
        worst = INF if mode == "min" else -INF
        numbers = [(value, epoch) for epoch, value in judged if value != worst and not math.isnan(value)]
        if not numbers:
            return None
        optimum = (min if mode == "min" else max)(value for value, _ in numbers)
        return max(epoch for value, epoch in numbers if value == optimum)

    def improvements(judged):
        """Returns the epochs of the improvements."""
        found = []
        for epoch, value in judged:
            worst = INF if mode == "min" else -INF
            if better(value, dict(judged)[found[-1]] if found else worst):
                found.append(epoch)
        return found

    for last in range(start_from_epoch, len(series)):
        judged = list(enumerate(series))[start_from_epoch : last + 1]
        value = series[last]
        found = improvements(judged)
        if target is not None and (value <= target if mode == "min" else value >= target):
            return "target", last, last
        since = last - (found[-1] if found else start_from_epoch - 1)
        if since >= patience:
            return "patience", last, best_of(judged)
    return None, None, best_of(list(enumerate(series))[start_from_epoch:])


@settings(deadline=None)
@given(SERIES, RULES)
def test_early_stopping_equals_a_slow_reference(series, rules):
    callback = make_stopping(**rules)
    model = run(callback, series)
    stopped_by, at, best = reference(series, **rules)
    assert (callback.stopped_by, callback.best_epoch) == (stopped_by, best)
    assert model.stop_training == (stopped_by is not None)
    if best is not None:
        assert model.generator_ema.number == best
    if stopped_by == "patience":
        assert at + 1 - rules["start_from_epoch"] >= rules["patience"]


@settings(deadline=None)
@given(SERIES, RULES, st.integers(0, 25))
def test_a_resumed_run_decides_like_an_uninterrupted_one(series, rules, cut):
    messages_whole, messages_parts = [], []
    whole = make_stopping(messages_whole, **rules)
    expected = run(whole, series)
    first = make_stopping(messages_parts, **rules)
    model = run(first, series[:cut], end=False)
    if not model.stop_training:
        second = make_stopping(messages_parts, **rules)
        second.set_state(json.loads(json.dumps(first.get_state(), allow_nan=False)))
        second.set_arrays(first.get_arrays())
        model = run(second, series[cut:], model=model, first_epoch=cut)
        first = second
    else:
        first.on_train_end()
    assert messages_parts == messages_whole
    assert (first.stopped_by, first.best_epoch) == (whole.stopped_by, whole.best_epoch)
    assert model.stop_training == expected.stop_training
    assert model.generator_ema.number == expected.generator_ema.number


# --- the learning rate


class Rate:
    """A stand-in for an optimizer."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate


def make_reduction(messages=None, **options):
    return ReduceLROnTolerance("val_error", "min", **options, log=(messages if messages is not None else []).append)


def with_rates(g=0.5, d=0.25):
    return SimpleNamespace(stop_training=False, generator_ema=Weights(), g_optimizer=Rate(g), d_optimizer=Rate(d))


def rates_after(callback, series, model=None):
    """Returns the learning rates (G's, D's) after each epoch."""
    model = model or with_rates()
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(series):
        callback.on_epoch_end(epoch, {"val_error": value})
        rates.append((model.g_optimizer.learning_rate, model.d_optimizer.learning_rate))
    callback.on_train_end()
    return rates


def test_lowers_both_rates_and_reports_it():
    messages = []
    callback = make_reduction(messages, patience=2, min_delta=0.1)
    rates = rates_after(callback, [0.5, 0.45, 0.5, 0.45, 0.5, 0.3])
    assert rates == [(0.5, 0.25)] * 2 + [(0.25, 0.125)] * 2 + [(0.125, 0.0625)] * 2
    assert messages[0] == (
        "Learning rate lowered at interval 3 (g_optimizer 0.5 -> 0.25, d_optimizer 0.25 -> 0.125): "
        "val_error 0.5 did not improve enough for 2 evaluations; best val_error 0.45 at interval 2."
    )
    assert len(messages) == callback.reductions == 2


def test_a_cooldown_delays_the_next_reduction():
    rates = rates_after(make_reduction(patience=1, cooldown=2), [1.0, 1.0, 1.0, 1.0, 1.0])
    assert [g for g, _ in rates] == [0.5, 0.25, 0.25, 0.25, 0.125]
    rates = rates_after(make_reduction(patience=2, cooldown=2), [1.0] * 7)  # patience does not count during a cooldown
    assert [g for g, _ in rates] == [0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125]


def test_no_rate_falls_below_min_learning_rate():
    messages = []
    rates = rates_after(make_reduction(messages, patience=1, min_learning_rate=0.2), [1.0] * 4)
    assert rates[-1] == (0.2, 0.2)
    assert len(messages) == 2  # the third time, both rates were at the minimum
    assert rates_after(make_reduction(messages, patience=1, min_learning_rate=1.0), [1.0] * 4)[-1] == (0.5, 0.25)
    assert messages[2] == "The learning rate was never lowered: best val_error 1 at interval 4."


def test_a_plain_model_has_one_rate():
    model = SimpleNamespace(optimizer=Rate(1.0))
    callback = make_reduction(patience=1, factor=0.1)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_end(epoch, {"val_error": 1.0})
    assert model.optimizer.learning_rate == 0.1


@settings(deadline=None)
@given(SERIES, st.integers(1, 3), st.integers(0, 3), st.integers(0, 25))
def test_a_resumed_run_lowers_the_rate_like_an_uninterrupted_one(series, patience, cooldown, cut):
    messages_whole, messages_parts = [], []
    options = {"patience": patience, "cooldown": cooldown}
    whole = make_reduction(messages_whole, **options)
    expected = run(whole, series, model=with_rates())
    first, second = make_reduction(messages_parts, **options), make_reduction(messages_parts, **options)
    model = run(first, series[:cut], model=with_rates(), end=False)
    second.set_state(json.loads(json.dumps(first.get_state(), allow_nan=False)))
    run(second, series[cut:], model=model, first_epoch=cut)
    assert messages_parts == messages_whole
    assert second.reductions == whole.reductions
    assert model.g_optimizer.learning_rate == expected.g_optimizer.learning_rate


@pytest.mark.parametrize("options", [{"factor": 1.0}, {"factor": 0.0}, {"cooldown": -1}, {"min_learning_rate": 0.0}])
def test_rejects_bad_options_of_the_reduction(options):
    with pytest.raises(InputError, match=f"Bad `{next(iter(options))}`"):
        make_reduction(**options)


# --- real trainings


def plain_model(learning_rate=0.1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model


X, Y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")


def test_restores_the_best_epoch_of_a_plain_keras_model():
    seen = []
    model = plain_model()
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(values(model)))
    callback = ToleranceEarlyStopping("loss", "max", patience=2, log=[].append)  # "max": the first is the best
    history = model.fit(X, Y, epochs=10, callbacks=[keep, callback], verbose=0)
    assert len(history.epoch) == 3
    assert_same(values(model), seen[0])
    assert differs(seen[0], seen[-1])


def test_restores_only_the_best_averaged_generator_of_a_gan(digits):
    gan = small_gan()
    averages, generators = [], []

    def copy(epoch, logs):
        averages.append(values(gan.generator_ema))
        generators.append(values(gan.generator))

    keep = keras.callbacks.LambdaCallback(on_epoch_end=copy)
    messages = []
    callback = ToleranceEarlyStopping("real_score", "max", target=1e9, patience=1, log=messages.append)
    gan.fit(digits.train.batches(16, steps=2), epochs=1, callbacks=[keep, callback], verbose=0, shuffle=False)
    assert "never fired" in messages[0]
    resumed = ToleranceEarlyStopping("real_score", "max", patience=1, min_delta=1e6, log=messages.append)
    resumed.set_state({**callback.get_state(), "best": "1e9"})  # cannot be reached
    resumed.set_arrays(callback.get_arrays())
    gan.fit(
        digits.train.batches(16, steps=2),
        initial_epoch=1,
        epochs=9,
        callbacks=[keep, resumed],
        verbose=0,
        shuffle=False,
    )
    assert messages[1].startswith("Stopped by patience at interval 2")
    assert_same(values(gan.generator_ema), averages[0])
    assert differs(averages[0], averages[1])
    assert_same(values(gan.generator), generators[1])


def test_an_unknown_monitor_ends_a_real_training():
    callback = ToleranceEarlyStopping("val_los", "min", log=[].append)
    with pytest.raises(InputError, match="'loss', 'val_loss'"):
        plain_model().fit(X, Y, validation_data=(X, Y), epochs=3, callbacks=[callback], verbose=0)


def test_the_rates_of_a_real_gan_are_lowered(digits):
    gan = small_gan()
    messages = []
    callback = ReduceLROnTolerance("g_loss", "min", patience=1, min_delta=1e6, log=messages.append)
    gan.fit(digits.train.batches(16, steps=2), epochs=2, callbacks=[callback], verbose=0, shuffle=False)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        np.testing.assert_allclose(float(optimizer.learning_rate), 1e-3, rtol=1e-6)
    assert len(messages) == 1


def test_rejects_a_schedule_before_training():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(InputError, match=r"learning rate of optimizer .*constant learning rate"):
        plain_model(schedule).fit(X, Y, callbacks=[ReduceLROnTolerance("loss", "min")], verbose=0)


def test_rejects_a_schedule_of_one_network():
    gan = small_gan()
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    gan.compile(keras.optimizers.Adam(0.1), keras.optimizers.Adam(schedule))
    callback = ReduceLROnTolerance("g_loss", "min")
    callback.set_model(gan)
    with pytest.raises(InputError, match="learning rate of d_optimizer"):
        callback.on_train_begin()
