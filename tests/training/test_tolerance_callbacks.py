"""Tests of early stopping and learning rate reduction: hand-written values, a slow reference, real trainings."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from helpers.comparison import assert_same, differs, values
from helpers.stand_ins import Weights, run, stand_in
from helpers.tiny import small_gan
from hypothesis import given, settings
from hypothesis import strategies as st

from gan.errors import InputError
from gan.tolerance import ErrorRate, next_confidence, samples_needed
from gan.training.callbacks import Outcomes, ReduceLROnRefusal, ReduceLROnTolerance, ToleranceEarlyStopping
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


# --- confirmed early stopping, with hand-written values


class Script:
    """A `confirm` that returns given results in turn, and records its attempts and the weights of their models."""

    def __init__(self, *results):
        self.results = list(results)
        self.attempts = []
        self.weights = []

    def __call__(self, model, attempt):
        self.attempts.append(attempt)
        self.weights.append(model.generator_ema.number)
        result = self.results.pop(0)
        if isinstance(result, BaseException):
            raise result
        return result


EXCEEDED, UNDECIDED, WITHIN = (60, 2_000), (45, 2_000), (20, 2_000)
"""3 % (2.3 to 3.9), 2.25 % (1.7 to 3) and 1 % (0.6 to 1.5); the tolerance is 2 %."""


def make_confirming(script, messages=None, *, epochs=None, **options):
    """Returns early stopping at 2 % with `confirm`. `epochs` is the length of the training, if it is known."""
    callback = make_stopping(messages, **{"target": 0.02, "patience": 100, "confirm": script, **options})
    callback.set_params({"epochs": epochs})
    return callback


def end(callback, model):
    """Begins and ends a training without an epoch."""
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_train_end()


def copy_of(callback, script, messages=None, *, epochs=None, **options):
    """Returns another callback with the state of `callback`, which went through JSON."""
    copied = make_confirming(script, messages, epochs=epochs, **options)
    copied.set_state(json.loads(json.dumps(callback.get_state(), allow_nan=False)))
    copied.set_arrays(callback.get_arrays())
    return copied


def test_a_training_stops_only_if_its_nomination_is_confirmed():
    messages, script = [], Script(EXCEEDED, WITHIN)
    callback = make_confirming(script, messages)
    model = run(callback, [0.5, 0.02, 0.015, 0.012, 0.001])  # times 1.5, the third value is above the tolerance
    assert messages == [
        "val_error 0.02 nominates interval 2: confirming it on 2,094 fresh outcomes.",
        "Confirmation 1, interval 2: exceeded. 60 of 2,000 wrong, 3 % (2.34 to 3.84 %); tolerance 2 %.",
        "val_error 0.012 nominates interval 4: confirming it on 1,898 fresh outcomes.",
        "Confirmation 2, interval 4: within. 20 of 2,000 wrong, 1 % (0.61 to 1.64 %); tolerance 2 %.",
    ]
    assert (script.attempts, script.weights) == ([1, 2], [1.0, 3.0])
    assert [attempt.confidence for attempt in script.attempts] == [0.95, 0.975]
    assert (callback.stopped_by, callback.verdict, callback.kept_epoch) == ("target", "within", 3)
    assert model.stop_training
    assert model.generator_ema.number == 3.0
    assert [done.verdict for done in callback.confirmations] == ["exceeded", "within"]


def test_reaching_the_target_does_not_end_the_patience():
    """The judgement of `patience` has no target: a small step to the target is no improvement."""
    script = Script(EXCEEDED, EXCEEDED)
    callback = make_confirming(script, patience=2, min_delta=0.5)
    run(callback, [0.03, 0.02, 0.019])
    assert (callback.stopped_by, [one.is_last for one in callback.confirmations]) == ("patience", [False, True])


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([0.5, 0.018, 0.3, 0.4], 1),  # better than all others, although it is refuted
        ([0.5, 0.018, 0.3, 0.02], 3),  # the last one may be within the tolerance
        ([0.5, 0.018, 0.0175, 0.02], 2),
    ],
)
def test_a_refuted_epoch_is_the_best_one_until_another_reaches_the_target(values, kept):
    script = Script(EXCEEDED, EXCEEDED)
    callback = make_confirming(script)
    model = run(callback, values)
    assert script.weights == [1.0, float(kept)]
    assert (callback.best, callback.best_epoch, callback.kept_epoch) == (values[kept], kept, kept)
    assert model.generator_ema.number == float(kept)


def test_an_epoch_that_reached_the_target_before_a_refuted_one_is_the_best_again():
    script = Script(UNDECIDED, EXCEEDED, EXCEEDED)
    callback = make_confirming(script, [])
    model = run(callback, [0.02, 0.01, 0.3])
    assert script.weights == [0.0, 1.0, 0.0]
    assert (callback.kept_epoch, model.generator_ema.number) == (0, 0.0)


def test_an_undecided_confirmation_keeps_the_best_weights():
    script = Script(UNDECIDED, UNDECIDED, UNDECIDED)
    callback = make_confirming(script)
    model = run(callback, [0.5, 0.02, 0.3, 0.4])
    assert script.weights == [1.0, 1.0, 1.0]
    sizes = [attempt.num for attempt in script.attempts]
    needed = samples_needed(ErrorRate(*UNDECIDED), 0.02, confidence=callback.confirmations[2].confidence)
    assert (sizes[2], script.attempts[2].is_last) == (2 * needed, True)  # the last one, once more
    assert (callback.best, callback.kept_epoch) == (0.02, 1)
    assert model.generator_ema.number == 1.0


def test_a_refusal_of_another_epoch_than_the_best_one_discards_nothing():
    """After a fifth of 20 epochs, a value that reaches the target is confirmed again."""
    script = Script(UNDECIDED, EXCEEDED, EXCEEDED)
    callback = make_confirming(script)
    model = run(callback, [0.015, 0.5, 0.5, 0.5, 0.018])
    assert script.weights == [0.0, 4.0, 0.0]
    assert model.generator_ema.number == 0.0


def test_the_last_weights_are_kept_if_all_best_ones_were_refuted():
    script = Script(EXCEEDED, EXCEEDED)
    callback = make_confirming(script)
    model = run(callback, [0.5, 0.02])
    assert script.weights == [1.0, 1.0]
    assert (callback.kept_epoch, callback.best) == (1, 0.02)
    assert callback.confirmations[-1].interval == 2
    assert model.generator_ema.number == 1.0


@pytest.mark.parametrize("restores", [True, False])
def test_the_confirmed_epoch_is_kept_although_another_has_a_better_value(restores):
    script = Script(UNDECIDED, WITHIN)
    callback = make_confirming(script, restore_best_weights=restores)
    model = run(callback, [0.015, 0.5, 0.5, 0.5, 0.018])
    assert (callback.stopped_by, callback.best, callback.best_epoch) == ("target", 0.018, 4)
    assert callback.kept_epoch == (4 if restores else None)
    assert model.generator_ema.number == 4.0


def test_conditions_that_are_not_met_rule_out_within():
    messages, script = [], Script(Outcomes(*WITHIN, ("coverage 0.5, needed 0.7",)), WITHIN)
    callback = make_confirming(script, messages)
    run(callback, [0.02, 0.02])
    assert [done.verdict for done in callback.confirmations] == ["undecided", "within"]
    assert messages[1].endswith("tolerance 2 %; coverage 0.5, needed 0.7.")


def test_the_last_confirmation_uses_the_best_weights_and_gives_the_model_its_own_back():
    """So a state that is saved afterwards continues from the last epoch."""
    script = Script(EXCEEDED)
    callback = make_confirming(script, epochs=3)
    model = run(callback, [0.2, 0.1, 0.3], end=False)
    assert (script.weights, script.attempts[0].is_last) == ([1.0], True)
    assert model.generator_ema.number == 2.0
    assert not model.stop_training
    [done] = callback.confirmations
    assert (done.interval, done.value, done.is_last) == (2, 0.1, True)
    callback.on_train_end()
    assert model.generator_ema.number == 1.0
    assert len(script.attempts) == 1


def test_the_model_gets_its_own_weights_back_if_the_last_confirmation_fails():
    callback = make_confirming(Script(ZeroDivisionError()), epochs=2)
    model = stand_in()
    with pytest.raises(ZeroDivisionError):
        run(callback, [0.1, 0.2], model=model)
    assert model.generator_ema.number == 1.0
    assert callback.confirmations == []


def test_a_training_of_unknown_length_is_confirmed_at_its_end():
    messages, script = [], Script(WITHIN)
    callback = make_confirming(script, messages)
    model = run(callback, [0.2, 0.1, 0.3])
    assert (callback.stopped_by, callback.kept_epoch, model.generator_ema.number) == ("target", 1, 1.0)
    assert messages == ["Confirmation 1, interval 2: within. 20 of 2,000 wrong, 1 % (0.648 to 1.54 %); tolerance 2 %."]


def test_the_last_epoch_is_confirmed_as_a_nominee_and_then_for_the_last_time():
    script = Script(UNDECIDED, WITHIN)
    callback = make_confirming(script, epochs=2)
    model = run(callback, [0.5, 0.02])
    assert [(one.attempt, one.is_last) for one in callback.confirmations] == [(1, False), (2, True)]
    assert (callback.stopped_by, model.generator_ema.number) == ("target", 1.0)
    callback = make_confirming(Script(WITHIN), epochs=2)
    run(callback, [0.5, 0.02])
    assert len(callback.confirmations) == 1


@pytest.mark.parametrize(("result", "reason"), [(WITHIN, "target"), (EXCEEDED, "patience")])
def test_the_best_model_is_confirmed_when_patience_runs_out(result, reason):
    messages, script = [], Script(result)
    callback = make_confirming(script, messages, patience=2)
    model = run(callback, [0.2, 0.1, 0.3, 0.3, 0.3])
    assert script.weights == [1.0]
    assert (callback.stopped_by, model.stop_training, model.generator_ema.number) == (reason, True, 1.0)
    stopped = "Stopped by patience at interval 4: val_error 0.3 did not improve enough for 2 evaluations"
    assert [line for line in messages if line.startswith("Stopped")] == (
        [f"{stopped}; best val_error 0.1 at interval 2."] if reason == "patience" else []
    )


def test_without_an_evaluation_the_last_weights_are_confirmed():
    script = Script(EXCEEDED)
    callback = make_confirming(script, epochs=2)
    run(callback, [{"g_loss": 1.0}, {"g_loss": 1.0}])
    assert script.weights == [1.0]
    assert callback.confirmations[0].value is None


def test_an_interrupted_training_is_not_confirmed():
    script = Script()
    callback = make_confirming(script, epochs=2)
    model = stand_in()
    callback.set_model(model)
    callback.on_train_begin()
    model.stop_training = True  # by another callback, or a signal
    model.generator_ema.number = 5.0
    callback.on_epoch_end(1, {"val_error": 0.01})
    callback.on_train_end()
    assert script.attempts == []
    assert (callback.stopped_by, callback.best_epoch) == (None, 1)
    assert callback.numbers["nominated"] == 0.0


def test_a_training_that_is_stopped_after_this_callback_is_not_confirmed_at_its_end():
    script = Script()
    callback = make_confirming(script)
    model = run(callback, [0.5, 0.4], end=False)
    model.stop_training = True
    callback.on_train_end()
    assert script.attempts == []
    assert model.generator_ema.number == 1.0


def test_a_condition_withholds_the_confirmation():
    messages, script, asked = [], Script(WITHIN), []
    unmet = [["coverage 0.5", "class 3 at 9 %"], "coverage 0.6", []]

    def condition(model):
        asked.append(model.generator_ema.number)
        return unmet[len(asked) - 1]

    callback = make_confirming(script, messages, condition=condition)
    model = run(callback, [0.5, 0.02, 0.02, 0.02], end=False)
    assert asked == [1.0, 2.0, 3.0]  # only nominees
    assert (script.attempts, script.weights) == ([1], [3.0])
    assert messages[:2] == [
        "Interval 2 is not confirmed yet: coverage 0.5; class 3 at 9 %.",
        "Interval 3 is not confirmed yet: coverage 0.6.",
    ]
    assert model.stop_training


def test_the_last_confirmation_does_not_ask_for_the_condition():
    """It reports what is not met itself, and there is no later one."""
    script = Script(EXCEEDED)
    callback = make_confirming(script, condition=lambda model: ["never"], epochs=1)
    run(callback, [0.02])
    assert len(script.attempts) == 1
    assert callback.numbers["confirm_num"] == 2_000


@pytest.mark.parametrize("found", [True, False, 0.5])
def test_a_condition_must_return_texts(found):
    with pytest.raises(InputError, match="a list of texts, those that are not met"):
        run(make_confirming(Script(), condition=lambda model: found), [0.02])


def test_none_postpones_a_confirmation_without_using_up_the_attempt():
    messages, script = [], Script(None, None, WITHIN)
    callback = make_confirming(script, messages)
    run(callback, [0.02, 0.02, 0.02])
    assert (script.attempts, script.weights) == ([1, 1, 1], [0.0, 1.0, 2.0])
    assert [attempt.confidence for attempt in script.attempts] == [0.95] * 3
    assert [done.attempt for done in callback.confirmations] == [1]
    assert messages[1] == "The confirmation of interval 1 is postponed."


def test_a_last_confirmation_that_is_postponed_gives_no_verdict():
    callback = make_confirming(Script(None), epochs=1)
    model = run(callback, [0.1])
    assert (callback.verdict, callback.stopped_by, model.stop_training) == (None, None, False)


def test_what_does_not_fit_into_the_budget_is_left_to_the_end():
    script = Script(EXCEEDED)
    callback = make_confirming(script, budget=1_000, epochs=2)
    run(callback, [0.02, 0.02])
    assert [attempt.is_last for attempt in script.attempts] == [True]
    assert callback.numbers["nominated"] == 0.0
    script = Script(WITHIN)
    run(make_confirming(script, min_num=3_000, max_num=4_000), [0.001])
    assert script.attempts[0].num == 3_000


def test_numbers_are_those_of_the_last_epoch():
    script = Script(EXCEEDED, EXCEEDED)
    callback = make_confirming(script, epochs=4, condition=lambda model: ["no"] * (model.generator_ema.number < 1))
    assert callback.numbers == {}
    callback.set_model(model := stand_in())
    callback.on_train_begin()
    found = []
    for epoch, value in enumerate([0.02, 0.02, 0.5, 0.4]):
        model.generator_ema.number = float(epoch)
        callback.on_epoch_end(epoch, {"val_error": value})
        found.append(dict(callback.numbers))
    assert [one["nominated"] for one in found] == [1.0, 1.0, 0.0, 0.0]
    assert [one["confirm_interval"] for one in found[1:4:2]] == [2, 2]  # at the end, the best one
    assert all(math.isnan(found[epoch]["confirm_interval"]) for epoch in (0, 2))
    assert [one["confirm_error_rate"] for one in found[1:4:2]] == [0.03, 0.03]
    assert len({tuple(one) for one in found}) == 1


def test_higher_values_can_be_confirmed_too():
    script = Script(EXCEEDED, WITHIN)
    callback = make_confirming(script, mode="max", target=0.9, tolerance=0.02)
    model = run(callback, [0.5, 0.95, 0.94, 0.96])
    assert script.weights == [1.0, 3.0]
    assert (callback.stopped_by, callback.best, model.generator_ema.number) == ("target", 0.96, 3.0)


def test_the_error_rate_to_confirm_may_differ_from_the_target():
    script = Script(WITHIN)
    callback = make_confirming(script, target=0.05, tolerance=0.02)
    run(callback, [0.05])
    assert callback.verdict == "within"
    assert script.attempts[0].num == 2_094
    callback = make_confirming(Script(WITHIN, WITHIN), target=0.05, tolerance=0.01)
    run(callback, [0.05])
    assert [done.verdict for done in callback.confirmations] == ["undecided", "undecided"]


def test_a_second_training_begins_without_confirmations():
    callback = make_confirming(Script(EXCEEDED, WITHIN, WITHIN))
    assert run(callback, [0.02, 0.01]).stop_training
    assert len(callback.confirmations) == 2
    run(callback, [0.01])
    assert [done.attempt for done in callback.confirmations] == [1]
    assert callback.stopped_by == "target"


def test_rejects_what_a_function_returns_if_it_is_no_count():
    for found in ((5, 3), (0, 0), (NAN, 10), 0.02, "ab", (1, 2, True)):
        callback = make_confirming(Script(found))
        with pytest.raises(InputError, match="Bad `confirm`"):
            run(callback, [0.02])
        assert callback.confirmations == []


@pytest.mark.parametrize(
    "confirm",
    [lambda: (0, 1), lambda model: (0, 1), lambda model, attempt, more: (0, 1), lambda model, attempt, *, more: (0, 1)],
    ids=["none", "one", "three", "keyword"],
)
def test_rejects_a_function_with_other_arguments_in_the_constructor(confirm):
    with pytest.raises(InputError, match=r"Bad `confirm`. Expected a function \(model, attempt\) -> \(wrong, total\)"):
        make_stopping(target=0.02, confirm=confirm)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"confirm": "no function"}, "Bad `confirm`"),
        ({"confirm": Script(), "target": None}, "Bad `target`"),
        ({"confirm": Script(), "target": NAN}, "Bad `tolerance`"),
        ({"confirm": Script(), "target": NAN, "tolerance": 0.02}, "Bad `target`"),
        ({"confirm": Script(), "target": 1.5}, "Bad `tolerance`.*from 0 to 1"),
        ({"confirm": Script(), "target": -0.5}, "Bad `tolerance`"),
        ({"confirm": Script(), "tolerance": 1.5}, "Bad `tolerance`"),
        ({"confirm": Script(), "tolerance": NAN}, "Bad `tolerance`"),
        ({"confirm": Script(), "mode": "max"}, "Bad `tolerance`"),
        ({"confirm": Script(), "max_num": 188, "min_num": 1}, "max_num=188, or 189"),
        ({"confirm": Script(), "target": 0.0}, "No confirmation could show"),
        ({"confirm": Script(), "min_num": 0}, "Bad `min_num`"),
        ({"confirm": Script(), "max_num": 0}, "Bad `max_num`"),
        ({"confirm": Script(), "budget": -1}, "Bad `budget`"),
        ({"confirm": Script(), "condition": lambda: []}, r"Bad `condition`. Expected a function \(model\)"),
        ({"confirm": Script(), "condition": []}, "Bad `condition`"),
        ({"tolerance": 0.02}, r"Options without effect. Expected `confirm`.*confirm=None, tolerance=0\.02"),
        ({"condition": lambda model: []}, "Options without effect.*condition="),
        ({"budget": 0, "min_num": 5}, "Options without effect.*confirm=None, budget=0, min_num=5"),
        ({"max_num": 5_000}, "Options without effect.*max_num=5000"),
    ],
    ids=[*"abcdefghijklmnopqrst"],  # `str` would show addresses of functions
)
def test_rejects_bad_options_of_confirmations_in_the_constructor(options, problem):
    with pytest.raises(InputError, match=problem):
        make_stopping(**{"target": 0.02, **options})


# --- confirmed early stopping that is resumed


def test_a_restored_callback_continues_with_the_next_attempt():
    first = make_confirming(Script(EXCEEDED))
    model = run(first, [0.5, 0.02], end=False)
    script = Script(WITHIN)
    second = copy_of(first, script)
    assert second.confirmations == first.confirmations
    run(second, [0.02, 0.012], model=model, first_epoch=2)  # times 1.5, the first value is above the tolerance
    assert (script.attempts, script.weights) == ([2], [3.0])
    assert script.attempts[0].confidence == 0.975
    assert (second.stopped_by, model.generator_ema.number) == ("target", 3.0)


def test_a_confirmation_that_was_interrupted_is_made_again_with_the_same_attempt():
    first = make_confirming(Script(EXCEEDED, KeyboardInterrupt()))
    model = run(first, [0.02, 0.5], end=False)
    saved = copy_of(first, Script(WITHIN))
    with pytest.raises(KeyboardInterrupt):
        first.on_epoch_end(2, {"val_error": 0.01})
    run(saved, [0.01], model=model, first_epoch=2)
    assert saved.confirm.attempts == [2]
    assert saved.verdict == "within"


@pytest.mark.parametrize("result", [EXCEEDED, UNDECIDED, WITHIN])
def test_a_finished_training_is_not_confirmed_again_after_it_is_restored(result):
    first = make_confirming(Script(result, result), epochs=2)
    model = run(first, [0.2, 0.1], end=False)
    second = copy_of(first, Script(), epochs=2)
    end(second, model)
    assert second.confirmations == first.confirmations
    assert model.generator_ema.number == 1.0
    assert second.kept_epoch == 1


def test_a_training_that_was_confirmed_early_is_not_confirmed_again_after_it_is_restored():
    first = make_confirming(Script(WITHIN), epochs=5)
    model = run(first, [0.2, 0.02], end=False)
    assert model.stop_training
    restored = stand_in()  # a plain Keras model does not remember that it was stopped
    second = copy_of(first, Script(), epochs=5)
    end(second, restored)
    assert restored.generator_ema.number == 1.0
    assert second.kept_epoch == 1


def test_a_training_interrupted_in_its_last_epoch_is_confirmed_when_it_is_resumed():
    first = make_confirming(Script(), epochs=2)
    model = run(first, [0.2], end=False)
    model.stop_training = True
    model.generator_ema.number = 1.0
    first.on_epoch_end(1, {"val_error": 0.1})
    model.stop_training = False
    second = copy_of(first, Script(WITHIN), epochs=2)
    end(second, model)
    assert (second.verdict, second.stopped_by, second.kept_epoch) == ("within", "target", 1)


def test_a_longer_training_is_confirmed_again_at_its_new_end():
    first = make_confirming(Script(EXCEEDED), epochs=2)
    model = run(first, [0.2, 0.1], end=False)
    script = Script(EXCEEDED)
    second = copy_of(first, script, epochs=4)
    run(second, [0.2, 0.09], model=model, first_epoch=2)
    assert (script.attempts, script.attempts[0].is_last, script.weights) == ([2], True, [3.0])
    assert script.attempts[0].confidence == next_confidence(first.confirmations, is_last=True)


def test_the_best_epoch_of_a_longer_training_replaces_one_without_a_value():
    """Before, nothing was a number, so the last weights were confirmed and kept."""
    first = make_confirming(Script(EXCEEDED), epochs=2)
    model = run(first, [NAN, NAN], end=False)
    assert (first.confirmations[0].value, first.confirmations[0].interval, first.kept_epoch) == (None, 2, 1)
    script = Script(EXCEEDED)
    second = copy_of(first, script, epochs=4)
    run(second, [0.3, 0.4], model=model, first_epoch=2)
    assert (second.best, second.kept_epoch, model.generator_ema.number) == (0.3, 2, 2.0)
    assert script.weights == [2.0]


def test_a_training_that_continues_after_it_was_confirmed_keeps_the_best_epoch_with_its_weights():
    first = make_confirming(Script(WITHIN))
    model = run(first, [0.5, 0.02], end=False)
    model.stop_training = False
    script = Script(WITHIN)
    second = copy_of(first, script, condition=lambda model: ["not yet"])
    run(second, [0.03, 0.01, 0.04], model=model, first_epoch=2)
    assert script.weights == [1.0]  # the confirmed one; the better one does not meet a condition
    assert (second.kept_epoch, second.confirmations[-1].interval, model.generator_ema.number) == (1, 2, 1.0)


def test_a_state_of_an_earlier_revision_has_no_confirmations():
    """The target was reached, which ended the training then."""
    old = make_stopping(target=0.02)
    model = run(old, [0.5, 0.02], end=False)
    state = old.get_state()
    assert "confirmations" not in state
    callback = make_confirming(Script(WITHIN))
    callback.set_state(state)
    callback.set_arrays(old.get_arrays())
    model.stop_training = False
    run(callback, [0.5], model=model, first_epoch=2)
    assert callback.confirmations[0].interval == 2
    assert model.generator_ema.number == 1.0


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "perhaps"},
        {"wrong": -1},
        {"num": 0},
        {"attempt": 0},
        {"confidence": "0.95"},
        {"confidence": 1.0},
        {"wrong": 2_001},
        {"unmet": "coverage"},
        {"is_last": 1},
        {"value": "0.02"},
    ],
    ids=str,
)
def test_rejects_a_state_with_a_damaged_confirmation_and_changes_nothing(changes):
    first = make_confirming(Script(EXCEEDED))
    run(first, [0.02], end=False)
    state = json.loads(json.dumps(first.get_state()))
    state["confirmations"][0] |= changes
    second = make_confirming(Script())
    with pytest.raises(InputError, match=r"Bad `.*confirmations\[0\].* in the state of ToleranceEarlyStopping"):
        second.set_state(state)
    assert second.confirmations == []
    assert second.best_epoch is None


def measured(model, attempt):
    """Returns a count that depends on the attempt and the weights only, sometimes nothing or an unmet condition."""
    rng = np.random.default_rng([attempt, int(model.generator_ema.number)])
    if rng.random() < 0.2 and not attempt.is_last:
        return None
    total = int(rng.choice([attempt.num, 1_000]))
    unmet = ("coverage",) if rng.random() < 0.3 else ()
    return Outcomes(int(rng.binomial(total, rng.choice([0.0, 0.015, 0.03]))), total, unmet)


RATES = st.lists(st.sampled_from([0.001, 0.01, 0.015, 0.02, 0.03, 0.5, NAN, INF, -INF]), min_size=1, max_size=25)


@settings(deadline=None)
@given(RATES, st.integers(0, 25), st.sampled_from([2, 100]), st.booleans(), st.booleans(), st.none() | st.just(20_000))
def test_a_resumed_run_is_confirmed_like_an_uninterrupted_one(series, cut, patience, is_known, restores, budget):
    options = {"patience": patience, "restore_best_weights": restores, "budget": budget}
    options |= {"epochs": len(series) if is_known else None}
    options |= {"condition": lambda model: ["no"] * (model.generator_ema.number % 3 == 0)}
    messages_whole, messages_parts = [], []
    whole = make_confirming(measured, messages_whole, **options)
    expected = run(whole, series)
    last = make_confirming(measured, messages_parts, **options)
    model = run(last, series[:cut], end=False)
    last = copy_of(last, measured, messages_parts, **options)
    if model.stop_training:
        last.set_model(model)
        last.on_train_end()
    else:
        run(last, series[cut:], model=model, first_epoch=cut)
    assert messages_parts == messages_whole
    assert without_time(last) == without_time(whole)
    assert (last.stopped_by, model.stop_training) == (whole.stopped_by, expected.stop_training)
    assert (last.best_epoch, last.kept_epoch) == (whole.best_epoch, whole.kept_epoch)
    assert model.generator_ema.number == expected.generator_ema.number
    assert sum(1 - one.confidence for one in whole.confirmations) / 2 <= 0.05 + 1e-9
    if whole.verdict == "within":
        assert whole.confirmations[-1].interval - 1 == expected.generator_ema.number


def without_time(callback):
    return [replace(done, seconds=0.0) for done in callback.confirmations]


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


# --- the learning rate after refusals


def rates_of(script, series, *, epochs=None, model=None, callbacks=None, first_epoch=0, **options):
    """Returns G's learning rate after each epoch until early stopping, and the callbacks: stopping and reduction."""
    model = model or with_rates()
    if callbacks is None:
        stopping = make_confirming(script, epochs=epochs)
        callbacks = stopping, ReduceLROnRefusal(stopping, **{"log": [].append, **options})
    for callback in callbacks:
        callback.set_model(model)
        callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(series, first_epoch):
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"val_error": value})
        rates.append(model.g_optimizer.learning_rate)
        if model.stop_training:
            break
    for callback in callbacks:
        callback.on_train_end()
    return rates, callbacks


def test_both_rates_are_halved_once_after_each_refusal():
    messages, model = [], with_rates()
    series = [0.5, 0.02, 0.5, 0.012, 0.5, 0.01]
    rates, (_, reduction) = rates_of(
        Script(EXCEEDED, UNDECIDED, WITHIN), series, model=model, log=messages.append, epochs=6
    )
    assert rates == [0.5, 0.25, 0.25, 0.125, 0.125, 0.125]
    assert (model.d_optimizer.learning_rate, reduction.reductions) == (0.0625, 2)
    assert messages == [
        "Learning rate lowered at interval 2 (g_optimizer 0.5 -> 0.25, d_optimizer 0.25 -> 0.125): "
        "the confirmation did not succeed.",
        "Learning rate lowered at interval 4 (g_optimizer 0.25 -> 0.125, d_optimizer 0.125 -> 0.0625): "
        "the confirmation did not succeed.",
    ]


def test_unmet_conditions_are_a_refusal_too():
    rates, _ = rates_of(Script(Outcomes(*WITHIN, ("coverage",)), WITHIN), [0.02, 0.01])
    assert rates == [0.25, 0.25]


def test_the_last_confirmation_and_a_postponed_one_lower_no_rate():
    assert rates_of(Script(EXCEEDED), [0.5, 0.4], epochs=2)[0] == [0.5, 0.5]
    assert rates_of(Script(EXCEEDED, EXCEEDED), [0.5, 0.02], epochs=2)[0] == [0.5, 0.5]  # both in the last epoch
    assert rates_of(Script(None, None, WITHIN), [0.02, 0.02], epochs=2)[0] == [0.5, 0.5]


def test_factor_and_minimum_of_the_rates_after_a_refusal():
    messages = []
    options = {"factor": 0.1, "min_learning_rate": 0.04, "log": messages.append}
    rates, (_, reduction) = rates_of(Script(*[EXCEEDED] * 3, WITHIN), [0.02, 0.01, 0.005, 0.001], **options)
    assert rates == pytest.approx([0.05, 0.04, 0.04, 0.04])
    assert len(messages) == reduction.reductions == 2  # the third time, both rates were at the minimum


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_restored_reduction_does_not_repeat_a_refusal(cut):
    series = [0.5, 0.02, 0.5, 0.012, 0.5]
    whole, (_, expected) = rates_of(Script(EXCEEDED, UNDECIDED, EXCEEDED), series, epochs=9)
    script, model = Script(EXCEEDED, UNDECIDED, EXCEEDED), with_rates()
    stopping = make_confirming(script, epochs=9)
    first = stopping, ReduceLROnRefusal(stopping, log=[].append)
    for callback in first:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, value in enumerate(series[:cut]):
        for callback in first:
            callback.on_epoch_end(epoch, {"val_error": value})
    stopping = copy_of(stopping, script, epochs=9)
    second = stopping, ReduceLROnRefusal(stopping, log=[].append)
    second[1].set_state(json.loads(json.dumps(first[1].get_state(), allow_nan=False)))
    rates, (_, reduction) = rates_of(script, series[cut:], model=model, callbacks=second, first_epoch=cut)
    assert rates == whole[cut:]
    assert reduction.reductions == expected.reductions == 2
    assert reduction.get_state() == expected.get_state()


def test_a_second_training_is_reduced_anew():
    callbacks = rates_of(Script(EXCEEDED, WITHIN), [0.02, 0.01])[1]
    callbacks[0].confirm.results = [EXCEEDED, WITHIN]
    rates, (_, reduction) = rates_of(None, [0.02, 0.01], callbacks=callbacks)
    assert rates == [0.25, 0.25]
    assert reduction.reductions == 1


@pytest.mark.parametrize("options", [{"factor": 1.0}, {"factor": 0.0}, {"min_learning_rate": 0.0}, {"factor": NAN}])
def test_rejects_bad_options_of_the_reduction_after_refusals(options):
    with pytest.raises(InputError, match=f"Bad `{next(iter(options))}`"):
        ReduceLROnRefusal(make_confirming(Script()), **options)


def test_the_reduction_after_refusals_needs_confirmations():
    with pytest.raises(InputError, match=r"Bad `stopping`\. Expected early stopping with `confirm`"):
        ReduceLROnRefusal(make_stopping(target=0.02))
    with pytest.raises(InputError, match="Bad `stopping`"):
        ReduceLROnRefusal("val_error")
    with pytest.raises(InputError, match="in the state of ReduceLROnRefusal"):
        ReduceLROnRefusal(make_confirming(Script())).set_state({"reductions": -1, "seen": 0})


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


# --- real trainings with confirmations


class Scores(keras.callbacks.Callback):
    """Adds given values to the logs of each epoch, and keeps all variables of the model and its optimizer."""

    def __init__(self, series):
        super().__init__()
        self.series, self.weights, self.variables = series, [], []

    def on_epoch_end(self, epoch, logs=None):
        logs["error"] = self.series[epoch]
        self.weights.append(self.model.get_weights())
        self.variables.append([*values(self.model), *map(np.array, self.model.optimizer.variables)])


class Fresh:
    """A `confirm` that predicts new examples, and returns given results. The model is a regression."""

    def __init__(self, *results):
        self.results, self.weights, self.attempts = list(results), [], []

    def __call__(self, model, attempt):
        x = np.random.default_rng(attempt).normal(size=(attempt.num, 2)).astype("float32")
        assert np.isfinite(model.predict(x, verbose=0)).all()
        model.evaluate(x, x.sum(axis=1), verbose=0)
        self.weights.append(model.get_weights())
        self.attempts.append(attempt)
        return self.results.pop(0)


def fit(series, confirm, **options):
    """Fits a plain Keras model with dropout, whose log `error` has given values."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(4), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((2,)), *layers])
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"])
    scores, callbacks = Scores(series), []
    if confirm is not None:
        callbacks = [make_stopping(monitor="error", target=0.02, patience=99, confirm=confirm, **options)]
    history = model.fit(X, Y, epochs=len(series), batch_size=4, callbacks=[scores, *callbacks], verbose=0)
    return SimpleNamespace(model=model, scores=scores, history=history.history, stopping=[*callbacks, None][0])


@pytest.mark.parametrize("restores", [True, False])
def test_refusals_do_not_change_the_training_of_a_plain_keras_model(restores):
    series = [0.3, 0.02, 0.012, 0.1, 0.2]
    plain = fit(series, None)
    confirm = Fresh(EXCEEDED, UNDECIDED, EXCEEDED)
    confirmed = fit(series, confirm, restore_best_weights=restores)
    assert [attempt.is_last for attempt in confirm.attempts] == [False, False, True]
    assert len(plain.scores.variables) == 5
    for ours, theirs in zip(confirmed.scores.variables, plain.scores.variables, strict=True):
        assert_same(ours, theirs)
    assert confirmed.history == plain.history
    kept = 2 if restores else 4  # the undecided one, which is the best that was not refuted
    assert_same(confirmed.model.get_weights(), plain.scores.weights[kept])
    assert_same(confirm.weights[-1], plain.scores.weights[kept])
    assert confirmed.stopping.verdict == "exceeded"


@pytest.mark.parametrize("restores", [True, False])
def test_a_plain_keras_model_stops_at_the_confirmed_epoch(restores):
    series = [0.3, 0.02, 0.2, 0.012, 0.001]
    confirmed = fit(series, Fresh(EXCEEDED, WITHIN), restore_best_weights=restores)
    assert len(confirmed.scores.weights) == 4
    assert (confirmed.stopping.stopped_by, confirmed.stopping.verdict) == ("target", "within")
    assert_same(confirmed.model.get_weights(), confirmed.scores.weights[3])
    assert "confirm_num" not in confirmed.history


@pytest.mark.slow  # the tests above are the stand-ins, with hand-written logs
def test_a_real_classifier_is_confirmed_on_examples_that_it_never_saw():
    """Two normal distributions, 5 standard deviations apart: the error rate of the best classifier is 0.6 %."""

    def draw(seed, num):
        rng = np.random.default_rng(seed)
        labels = rng.integers(2, size=num)
        return (rng.normal(size=(num, 2)) + 5 * np.eye(2)[labels] / np.sqrt(2)).astype("float32"), labels

    def confirm(model, attempt):
        x, labels = draw([1, attempt], attempt.num)
        return int((model.predict(x, verbose=0).argmax(axis=1) != labels).sum()), len(labels)

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.02), keras.losses.SparseCategoricalCrossentropy(True), metrics=["accuracy"])
    stop = ToleranceEarlyStopping(
        "val_accuracy", "max", target=0.98, tolerance=0.02, confirm=confirm, patience=30, log=[].append
    )
    history = model.fit(
        *draw(2, 1_000), validation_data=draw(3, 1_000), epochs=30, batch_size=100, callbacks=[stop], verbose=0
    )
    assert (stop.stopped_by, stop.verdict) == ("target", "within")
    assert len(history.epoch) < 30
    assert history.history["val_accuracy"][-1] >= 0.98
    x, labels = draw(4, 100_000)
    assert np.mean(model.predict(x, verbose=0).argmax(axis=1) != labels) < 0.02


def test_the_rates_of_a_real_gan_are_halved_after_a_refusal(digits):
    gan = small_gan()
    script = Script(EXCEEDED, EXCEEDED)
    stop = ToleranceEarlyStopping(
        "real_score", "max", target=-1e9, tolerance=0.02, confirm=lambda *_: script.results.pop(0), log=[].append
    )
    before = []
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: before.append(values(gan.generator_ema)))
    reduction = ReduceLROnRefusal(stop, log=[].append)
    batches = digits.train.batches(16, steps=1)
    gan.fit(batches, epochs=1, callbacks=[keep, stop, reduction], verbose=0, shuffle=False)
    assert [done.is_last for done in stop.confirmations] == [False, True]
    assert_same(values(gan.generator_ema), before[0])
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        np.testing.assert_allclose(float(optimizer.learning_rate), 2e-3, rtol=1e-6)  # the run has ended
    script.results = [EXCEEDED] * 3
    gan.fit(batches, epochs=2, callbacks=[stop, reduction], verbose=0, shuffle=False)
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        np.testing.assert_allclose(float(optimizer.learning_rate), 1e-3, rtol=1e-6)


def test_the_reduction_after_refusals_rejects_a_schedule_before_training():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    stop = make_stopping(monitor="loss", target=0.02, confirm=Script())
    with pytest.raises(InputError, match=r"learning rate of optimizer .*constant learning rate"):
        plain_model(schedule).fit(X, Y, callbacks=[stop, ReduceLROnRefusal(stop)], verbose=0)
