"""Early stopping and the learning rate: hand-written values first, then a slow reference, then real trainings."""

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


def stopping(said=None, monitor="val_error", mode="min", **options):
    return ToleranceEarlyStopping(monitor, mode, **options, log=(said if said is not None else []).append)


# --- the judgement


@pytest.mark.parametrize(
    ("options", "successive", "outcomes"),
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
def test_outcomes_by_hand(options, successive, outcomes):
    judgement = Judgement("min", **options)
    assert [judgement.judge(epoch, value) for epoch, value in enumerate(successive)] == outcomes
    mirrored = Judgement("max", **{**options, **({"target": -options["target"]} if "target" in options else {})})
    assert [mirrored.judge(epoch, -value) for epoch, value in enumerate(successive)] == outcomes


def test_an_improvement_is_larger_than_the_noise():
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
def test_options_are_checked_once_in_the_constructor(options):
    with pytest.raises(InputError, match=f"Bad `{next(iter(options))}`"):
        stopping(**options)


# --- early stopping, by hand


def test_patience_stops_says_why_and_restores_the_best_average():
    said = []
    callback = stopping(said, patience=2, min_delta=0.1)
    model = run(callback, [0.5, 0.25, 0.2, 0.3, 0.1])
    assert said == [
        "Stopped by patience at interval 4: val_error 0.3 did not improve enough for 2 evaluations; "
        "best val_error 0.2 at interval 3."
    ]
    assert (callback.stopped_by, callback.best, callback.best_epoch) == ("patience", 0.2, 2)
    assert model.generator_ema.number == 2.0


def test_of_equals_the_last_is_the_best_and_patience_counts_from_the_first():
    callback = stopping(patience=2)
    model = run(callback, [0.5, 0.5, 0.5, 0.1])
    assert (callback.stopped_by, callback.best_epoch, model.generator_ema.number) == ("patience", 2, 2.0)


def test_small_steps_add_up_to_an_improvement():
    """Each is less than min_delta, but the third is 0.12 below the last improvement."""
    callback = stopping(patience=3, min_delta=0.1)
    run(callback, [0.5, 0.46, 0.42, 0.38, 0.37, 0.37])
    assert callback.stopped_by is None


def test_the_target_stops_and_its_own_weights_are_restored():
    said = []
    callback = stopping(said, monitor="val_coverage", mode="max", target=0.9, min_delta=0.5)
    logs = [{"val_coverage": value} for value in (0.85, 0.9)]  # better than the best by less than counts otherwise
    model = run(callback, logs)
    assert said == [
        "Stopped by target at interval 2: val_coverage 0.9 reached the target 0.9; best val_coverage 0.9 at interval 2."
    ]
    assert (callback.stopped_by, callback.best_epoch, model.generator_ema.number) == ("target", 1, 1.0)


def test_a_training_that_ends_by_itself_says_so_and_gets_the_best_weights():
    said = []
    callback = stopping(said)
    model = run(callback, [0.5, 0.25, 0.3])
    assert said == ["Early stopping never fired: best val_error 0.25 at interval 2."]
    assert not model.stop_training
    assert callback.stopped_by is None
    assert model.generator_ema.number == 1.0


def test_weights_stay_when_none_are_to_be_restored():
    callback = stopping(restore_best_weights=False)
    assert run(callback, [0.25, 0.5]).generator_ema.number == 1.0
    assert callback.best_weights is None
    assert callback.get_arrays() == []


def test_a_number_that_never_was_one_stops_too():
    said = []
    callback = stopping(said, patience=2)
    model = run(callback, [NAN, NAN])
    assert said == [
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
def test_a_misspelt_monitor_is_an_error_that_names_the_keys(monitor, logs):
    with pytest.raises(InputError, match=rf"{sorted(logs)}.*monitor='{monitor}'".replace("[", r"\[")):
        run(stopping(monitor=monitor, start_from_epoch=5), [logs])


def test_epochs_without_an_evaluation_do_not_count():
    said = []
    callback = stopping(said, patience=2)
    nothing = {"g_loss": 1.0}
    run(callback, [nothing, nothing, 0.5, nothing, 0.5, nothing, nothing, 0.5])
    assert said[0] == "No evaluation in interval 1: monitoring of val_error starts at the first evaluation."
    assert said[1].startswith("Stopped by patience at interval 8")
    assert len(said) == 2


def test_a_monitor_that_is_misspelt_is_found_at_the_first_evaluation():
    with pytest.raises(InputError, match="val_error"):
        run(stopping(monitor="val_eror"), [{"g_loss": 1.0}, {"g_loss": 1.0, "val_error": 0.5}])


def test_without_any_evaluation_the_end_says_so():
    said = []
    run(stopping(said), [{"g_loss": 1.0}] * 2)
    assert said[-1] == "Early stopping never fired: the logs never contained val_error."
    assert len(said) == 2


def test_epochs_before_the_first_are_not_judged():
    callback = stopping(patience=2, start_from_epoch=2, target=0.05)
    run(callback, [0.01, 0.01, 0.5, 0.6, 0.4])
    assert (callback.best, callback.best_epoch, callback.stopped_by) == (0.4, 4, None)


def test_a_second_training_starts_afresh():
    callback = stopping(patience=2)
    for _ in range(2):
        model = run(callback, [0.5, 0.6, 0.7])
        assert model.stop_training
        assert callback.best_epoch == 0
    assert run(callback, [0.9]).stop_training is False
    assert callback.best == 0.9


def test_logs_are_read_and_never_written():
    logs = {"val_error": np.float32(0.5), "val_error_stderr": 0.1}
    before = dict(logs)
    run(stopping(), [logs, logs])
    assert logs == before


def test_the_state_of_another_monitor_is_refused():
    state = stopping().get_state()
    with pytest.raises(InputError, match="monitor='val_other'"):
        stopping(monitor="val_other").set_state(state)
    with pytest.raises(InputError, match="in the state of ToleranceEarlyStopping"):
        stopping().set_state({"monitor": "val_error"})


# --- early stopping, by property

SUCCESSIVE = st.lists(
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


def reference(successive, mode, target, patience, min_delta, min_rel_delta, start_from_epoch):
    """(stopped by, at epoch, best epoch), from the whole list: no state, each epoch judged from the beginning."""

    def better(value, than):
        gain = than - value if mode == "min" else value - than
        least = 0.0 if math.isinf(than) else max(min_delta, min_rel_delta * abs(than))
        return gain > least

    def best_of(judged):
        """The optimum, of equals the last; NaN and the worst infinity do not count."""
        worst = INF if mode == "min" else -INF
        numbers = [(value, epoch) for epoch, value in judged if value != worst and not math.isnan(value)]
        if not numbers:
            return None
        optimum = (min if mode == "min" else max)(value for value, _ in numbers)
        return max(epoch for value, epoch in numbers if value == optimum)

    def improvements(judged):
        """Epochs of the improvements."""
        found = []
        for epoch, value in judged:
            worst = INF if mode == "min" else -INF
            if better(value, dict(judged)[found[-1]] if found else worst):
                found.append(epoch)
        return found

    for last in range(start_from_epoch, len(successive)):
        judged = list(enumerate(successive))[start_from_epoch : last + 1]
        value = successive[last]
        found = improvements(judged)
        if target is not None and (value <= target if mode == "min" else value >= target):
            return "target", last, last
        since = last - (found[-1] if found else start_from_epoch - 1)
        if since >= patience:
            return "patience", last, best_of(judged)
    return None, None, best_of(list(enumerate(successive))[start_from_epoch:])


@settings(deadline=None)
@given(SUCCESSIVE, RULES)
def test_early_stopping_equals_a_slow_reference(successive, rules):
    callback = stopping(**rules)
    model = run(callback, successive)
    stopped_by, at, best = reference(successive, **rules)
    assert (callback.stopped_by, callback.best_epoch) == (stopped_by, best)
    assert model.stop_training == (stopped_by is not None)
    if best is not None:
        assert model.generator_ema.number == best
    if stopped_by == "patience":
        assert at + 1 - rules["start_from_epoch"] >= rules["patience"]


@settings(deadline=None)
@given(SUCCESSIVE, RULES, st.integers(0, 25))
def test_a_run_resumed_anywhere_decides_as_one_in_one_go(successive, rules, cut):
    said_whole, said_parts = [], []
    whole = stopping(said_whole, **rules)
    expected = run(whole, successive)
    first = stopping(said_parts, **rules)
    model = run(first, successive[:cut], end=False)
    if not model.stop_training:
        second = stopping(said_parts, **rules)
        second.set_state(json.loads(json.dumps(first.get_state(), allow_nan=False)))
        second.set_arrays(first.get_arrays())
        model = run(second, successive[cut:], model=model, first_epoch=cut)
        first = second
    else:
        first.on_train_end()
    assert said_parts == said_whole
    assert (first.stopped_by, first.best_epoch) == (whole.stopped_by, whole.best_epoch)
    assert model.stop_training == expected.stop_training
    assert model.generator_ema.number == expected.generator_ema.number


# --- the learning rate


class Rate:
    """Stands for an optimizer."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate


def reducing(said=None, **options):
    return ReduceLROnTolerance("val_error", "min", **options, log=(said if said is not None else []).append)


def with_rates(g=0.5, d=0.25):
    return SimpleNamespace(stop_training=False, generator_ema=Weights(), g_optimizer=Rate(g), d_optimizer=Rate(d))


def rates_after(callback, successive, model=None):
    """(G's rate, D's rate) after each epoch."""
    model = model or with_rates()
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(successive):
        callback.on_epoch_end(epoch, {"val_error": value})
        rates.append((model.g_optimizer.learning_rate, model.d_optimizer.learning_rate))
    callback.on_train_end()
    return rates


def test_both_rates_are_lowered_and_it_says_so():
    said = []
    callback = reducing(said, patience=2, min_delta=0.1)
    rates = rates_after(callback, [0.5, 0.45, 0.5, 0.45, 0.5, 0.3])
    assert rates == [(0.5, 0.25)] * 2 + [(0.25, 0.125)] * 2 + [(0.125, 0.0625)] * 2
    assert said[0] == (
        "Learning rate lowered at interval 3 (g_optimizer 0.5 -> 0.25, d_optimizer 0.25 -> 0.125): "
        "val_error 0.5 did not improve enough for 2 evaluations; best val_error 0.45 at interval 2."
    )
    assert len(said) == callback.reductions == 2


def test_a_cooldown_delays_the_next_reduction():
    rates = rates_after(reducing(patience=1, cooldown=2), [1.0, 1.0, 1.0, 1.0, 1.0])
    assert [g for g, _ in rates] == [0.5, 0.25, 0.25, 0.25, 0.125]
    rates = rates_after(reducing(patience=2, cooldown=2), [1.0] * 7)  # in a cooldown nothing is counted
    assert [g for g, _ in rates] == [0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125]


def test_no_rate_gets_lower_than_the_least():
    said = []
    rates = rates_after(reducing(said, patience=1, min_learning_rate=0.2), [1.0] * 4)
    assert rates[-1] == (0.2, 0.2)
    assert len(said) == 2  # the third time there was nothing left to lower
    assert rates_after(reducing(said, patience=1, min_learning_rate=1.0), [1.0] * 4)[-1] == (0.5, 0.25)
    assert said[2] == "The learning rate was never lowered: best val_error 1 at interval 4."


def test_a_plain_model_has_one_rate():
    model = SimpleNamespace(optimizer=Rate(1.0))
    callback = reducing(patience=1, factor=0.1)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_end(epoch, {"val_error": 1.0})
    assert model.optimizer.learning_rate == 0.1


@settings(deadline=None)
@given(SUCCESSIVE, st.integers(1, 3), st.integers(0, 3), st.integers(0, 25))
def test_lowering_goes_on_where_it_was(successive, patience, cooldown, cut):
    said_whole, said_parts = [], []
    options = {"patience": patience, "cooldown": cooldown}
    whole = reducing(said_whole, **options)
    expected = run(whole, successive, model=with_rates())
    first, second = reducing(said_parts, **options), reducing(said_parts, **options)
    model = run(first, successive[:cut], model=with_rates(), end=False)
    second.set_state(json.loads(json.dumps(first.get_state(), allow_nan=False)))
    run(second, successive[cut:], model=model, first_epoch=cut)
    assert said_parts == said_whole
    assert second.reductions == whole.reductions
    assert model.g_optimizer.learning_rate == expected.g_optimizer.learning_rate


@pytest.mark.parametrize("options", [{"factor": 1.0}, {"factor": 0.0}, {"cooldown": -1}, {"min_learning_rate": 0.0}])
def test_options_of_the_reduction_are_checked(options):
    with pytest.raises(InputError, match=f"Bad `{next(iter(options))}`"):
        reducing(**options)


# --- in real trainings


def plain_model(learning_rate=0.1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model


X, Y = np.ones((8, 2), "float32"), np.ones((8, 1), "float32")


def test_with_a_plain_keras_model_the_best_epoch_is_restored():
    seen = []
    model = plain_model()
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(values(model)))
    callback = ToleranceEarlyStopping("loss", "max", patience=2, log=[].append)  # "max": the first is the best
    history = model.fit(X, Y, epochs=10, callbacks=[keep, callback], verbose=0)
    assert len(history.epoch) == 3
    assert_same(values(model), seen[0])
    assert differs(seen[0], seen[-1])


def test_a_gan_gets_its_best_average_back_and_keeps_the_rest(digits):
    gan = small_gan()
    averages, generators = [], []

    def copy(epoch, logs):
        averages.append(values(gan.generator_ema))
        generators.append(values(gan.generator))

    keep = keras.callbacks.LambdaCallback(on_epoch_end=copy)
    said = []
    callback = ToleranceEarlyStopping("real_score", "max", target=1e9, patience=1, log=said.append)
    gan.fit(digits.train.batches(16, steps=2), epochs=1, callbacks=[keep, callback], verbose=0, shuffle=False)
    assert "never fired" in said[0]
    resumed = ToleranceEarlyStopping("real_score", "max", patience=1, min_delta=1e6, log=said.append)
    resumed.set_state({**callback.get_state(), "best": "1e9"})  # which nothing will reach
    resumed.set_arrays(callback.get_arrays())
    gan.fit(
        digits.train.batches(16, steps=2),
        initial_epoch=1,
        epochs=9,
        callbacks=[keep, resumed],
        verbose=0,
        shuffle=False,
    )
    assert said[1].startswith("Stopped by patience at interval 2")
    assert_same(values(gan.generator_ema), averages[0])
    assert differs(averages[0], averages[1])
    assert_same(values(gan.generator), generators[1])


def test_a_misspelt_monitor_stops_a_real_training():
    callback = ToleranceEarlyStopping("val_los", "min", log=[].append)
    with pytest.raises(InputError, match="'loss', 'val_loss'"):
        plain_model().fit(X, Y, validation_data=(X, Y), epochs=3, callbacks=[callback], verbose=0)


def test_the_rates_of_a_real_gan_are_lowered(digits):
    gan = small_gan()
    said = []
    callback = ReduceLROnTolerance("g_loss", "min", patience=1, min_delta=1e6, log=said.append)
    gan.fit(digits.train.batches(16, steps=2), epochs=2, callbacks=[callback], verbose=0, shuffle=False)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        np.testing.assert_allclose(float(optimizer.learning_rate), 1e-3, rtol=1e-6)
    assert len(said) == 1


def test_a_schedule_is_refused_before_training():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    with pytest.raises(InputError, match=r"learning rate of optimizer .*constant learning rate"):
        plain_model(schedule).fit(X, Y, callbacks=[ReduceLROnTolerance("loss", "min")], verbose=0)


def test_a_schedule_of_one_net_is_refused_too():
    gan = small_gan()
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    gan.compile(keras.optimizers.Adam(0.1), keras.optimizers.Adam(schedule))
    callback = ReduceLROnTolerance("g_loss", "min")
    callback.set_model(gan)
    with pytest.raises(InputError, match="learning rate of d_optimizer"):
        callback.on_train_begin()
