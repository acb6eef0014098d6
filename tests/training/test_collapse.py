"""Tests of the collapse monitor with hand-written logs, with runs made to collapse, and with healthy runs."""

import json
import math

import keras
import pytest
from helpers.comparison import assert_same, values
from helpers.stand_ins import run
from hypothesis import given, settings
from hypothesis import strategies as st

from gan import GAN, build_discriminator, build_generator
from gan.errors import InputError
from gan.evaluation.classifier.extractor import load_classifier
from gan.evaluation.metrics import ClassHistogram, PairwiseSSIM
from gan.training.callbacks import CollapseMonitor, FailureSigns
from gan.training.callbacks.collapse import COLLAPSE
from gan.training.callbacks.collapse import DISCRIMINATOR_DOMINATES as DOMINATES

HEALTHY = {
    "val_classes_seen": 10.0,
    "val_coverage": 0.8,
    "val_pairwise_ssim": 0.25,
    "val_pairwise_ssim_real": 0.2,
    "real_accuracy": 0.7,
    "fake_accuracy": 0.8,
    "real_score": 0.5,
    "fake_score": -0.5,
}
COLLAPSED = {**HEALTHY, "val_pairwise_ssim": 0.9}
DOMINATED = {**HEALTHY, "real_accuracy": 0.99, "fake_accuracy": 1.0}


def make_monitor(messages=None, *, start_from_epoch=0, **options):
    return CollapseMonitor(
        **options, start_from_epoch=start_from_epoch, log=(messages if messages is not None else []).append
    )


# --- the signs


def test_a_healthy_interval_has_no_sign():
    assert FailureSigns().signs(HEALTHY) == {COLLAPSE: [], DOMINATES: []}


@pytest.mark.parametrize(
    ("failure", "changed", "sign"),
    [
        (COLLAPSE, {"val_classes_seen": 7}, "the samples show 7 of 10 classes"),
        (COLLAPSE, {"val_coverage": 0.015}, "the samples cover 1.5% of the data"),
        (COLLAPSE, {"val_pairwise_ssim": 0.9}, "the samples are alike (SSIM 0.90; data 0.20)"),
        (
            DOMINATES,
            {"real_accuracy": 0.98, "fake_accuracy": 1.0},
            "D recognizes 98.0% of the real and 100.0% of the fake",
        ),
        (DOMINATES, {"real_score": 30.0}, "the mean logits of real and fake images differ by 30.5"),
    ],
)
def test_each_sign_has_one_sentence(failure, changed, sign):
    signs = FailureSigns().signs({**HEALTHY, **changed})
    assert len(signs.pop(failure)) == 1
    assert FailureSigns().signs({**HEALTHY, **changed})[failure][0].startswith(sign)
    assert not any(signs.values())


@pytest.mark.parametrize(
    ("limit", "healthy", "unhealthy"),
    [
        ({"min_classes_share": 0.5}, {"val_classes_seen": 5}, {"val_classes_seen": 4}),
        ({"min_coverage": 0.5}, {"val_coverage": 0.5}, {"val_coverage": 0.49}),
        ({"max_similarity": 0.5}, {"val_pairwise_ssim": 0.6}, {"val_pairwise_ssim": 0.61}),
        ({"max_accuracy": 0.5}, {"real_accuracy": 0.5}, {"real_accuracy": 0.51}),
        ({"max_gap": 2.0}, {"real_score": 1.5}, {"real_score": 1.51}),
    ],
)
def test_each_limit_applies_and_none_disables_it(limit, healthy, unhealthy):
    assert not any(FailureSigns(**limit).signs({**HEALTHY, **healthy}).values())
    assert sum(map(len, FailureSigns(**limit).signs({**HEALTHY, **unhealthy}).values())) == 1
    without = FailureSigns(**dict.fromkeys(limit))
    assert not any(without.signs({**HEALTHY, **unhealthy}).values())


def test_d_dominates_only_if_both_accuracies_are_high():
    assert not FailureSigns().signs({**HEALTHY, "fake_accuracy": 1.0})[DOMINATES]


def test_ignores_missing_and_nan_numbers():
    assert FailureSigns().signs({"loss": 3.0}) == {}
    assert FailureSigns().signs({"fake_accuracy": 1.0, "val_pairwise_ssim": 0.9, "real_score": math.inf}) == {}
    assert FailureSigns().signs({**COLLAPSED, "val_pairwise_ssim_real": math.nan})[COLLAPSE] == []
    assert FailureSigns().signs({"val_classes_seen": 1.0}) == {COLLAPSE: ["the samples show 1 of 10 classes"]}


@pytest.mark.parametrize(
    "option",
    [{"num_classes": 0}, {"min_coverage": 2.0}, {"max_accuracy": math.nan}, {"max_gap": 0.0}, {"max_similarity": -0.1}],
)
def test_rejects_bad_limits(option):
    with pytest.raises(InputError, match=f"Bad `{next(iter(option))}`"):
        FailureSigns(**option)


def test_rejects_signs_without_a_limit():
    with pytest.raises(InputError, match="at least one"):
        FailureSigns(min_classes_share=None, min_coverage=None, max_similarity=None, max_accuracy=None, max_gap=None)


# --- the callback, with hand-written logs


def test_prints_nothing_in_a_healthy_run():
    messages = []
    monitor = make_monitor(messages)
    assert not run(monitor, [HEALTHY] * 5).stop_training
    assert messages == []
    assert monitor.healthy_epoch == 4


def test_warns_once_after_patience_and_reports_the_recovery():
    messages = []
    monitor = make_monitor(messages, patience=2)
    model = run(monitor, [HEALTHY, COLLAPSED, HEALTHY, COLLAPSED, COLLAPSED, COLLAPSED, HEALTHY])
    assert messages == [
        "Mode collapse at interval 5: the samples are alike (SSIM 0.90; data 0.20). "
        "A lower learning rate, a penalty on D or more latent dimensions may help.",
        "Mode collapse: no longer detected at interval 7.",
    ]
    assert not model.stop_training
    assert monitor.failing == []


def test_failures_are_counted_separately():
    messages = []
    monitor = make_monitor(messages, patience=2)
    run(monitor, [COLLAPSED, DOMINATED, COLLAPSED, DOMINATED])
    assert messages == []
    run(monitor, [COLLAPSED, {**COLLAPSED, **DOMINATED, "val_pairwise_ssim": 0.9}, DOMINATED])
    assert [line.split(" at ")[0] for line in messages] == [
        COLLAPSE,
        f"{COLLAPSE}: no longer detected",
        DOMINATES,
    ]


def test_ignores_the_epochs_before_start_from_epoch():
    monitor = make_monitor(patience=2, start_from_epoch=2)
    assert run(monitor, [COLLAPSED] * 3).stop_training is False
    assert monitor.failing == []
    run(monitor, [COLLAPSED] * 4)
    assert monitor.failing == [COLLAPSE]


def test_stop_ends_the_training_and_keeps_the_weights():
    messages = []
    model = run(make_monitor(messages, patience=1, action="stop"), [HEALTHY, DOMINATED, HEALTHY])
    assert model.stop_training
    assert model.generator_ema.number == 1.0
    assert messages == [
        "The discriminator dominates at interval 2: D recognizes 99.0% of the real and 100.0% of the fake images. "
        "A lower learning rate or a stronger penalty for D may help. Training stops."
    ]


def test_restore_loads_the_last_healthy_averaged_generator():
    messages = []
    model = run(make_monitor(messages, patience=2, action="restore"), [HEALTHY, HEALTHY, COLLAPSED, COLLAPSED, HEALTHY])
    assert model.stop_training
    assert model.generator_ema.number == 1.0
    assert messages[0].endswith("Training stops; healthy interval 2 is restored.")


def test_restore_reports_that_no_epoch_was_healthy():
    messages = []
    model = run(make_monitor(messages, patience=1, action="restore"), [COLLAPSED])
    assert model.generator_ema.number == 0.0
    assert messages[0].endswith("Training stops; no interval was healthy.")


def test_restore_keeps_the_weights_if_the_training_ends_without_failure():
    assert run(make_monitor(patience=2, action="restore"), [HEALTHY, COLLAPSED]).generator_ema.number == 1.0


def test_ignores_epochs_without_an_evaluation():
    messages = []
    train_logs = {name: value for name, value in HEALTHY.items() if not name.startswith("val_")}
    monitor = make_monitor(messages, patience=2)
    run(monitor, [COLLAPSED, train_logs, COLLAPSED])
    assert len(messages) == 1
    assert monitor.healthy_epoch is None


def test_an_epoch_without_numbers_is_not_healthy():
    messages = []
    monitor = make_monitor(messages)
    run(monitor, [HEALTHY, {}])
    assert monitor.healthy_epoch == 0
    assert messages == []


def test_reports_that_it_had_nothing_to_check():
    messages = []
    run(make_monitor(messages), [{"loss": 1.0}, {}])
    assert messages == [
        "The collapse monitor had nothing to check: the logs contain none of the numbers that it reads."
    ]


def test_does_not_change_the_logs():
    logs = dict(COLLAPSED)
    run(make_monitor(), [logs, logs])
    assert logs == COLLAPSED


@pytest.mark.parametrize("option", [{"action": "panic"}, {"patience": 0}, {"start_from_epoch": -1}])
def test_rejects_bad_options(option):
    with pytest.raises(InputError, match=f"Bad `{next(iter(option))}`"):
        make_monitor(**option)


def test_rejects_the_state_of_another_callback():
    with pytest.raises(InputError, match="Bad `in_a_row` in the state of CollapseMonitor"):
        make_monitor().set_state({"monitor": "val_error"})


EPOCHS = st.lists(st.sampled_from([HEALTHY, COLLAPSED, DOMINATED, {}, {"val_classes_seen": 1.0}]), max_size=12)


@settings(deadline=None)
@given(EPOCHS, st.integers(1, 3), st.integers(0, 3), st.sampled_from(["warn", "restore"]), st.integers(0, 12))
def test_a_resumed_run_reports_the_same_as_an_uninterrupted_one(logs, patience, start, action, cut):
    messages_whole, messages_parts = [], []
    options = {"patience": patience, "start_from_epoch": start, "action": action}
    whole = make_monitor(messages_whole, **options)
    expected = run(whole, logs)
    first, second = make_monitor(messages_parts, **options), make_monitor(messages_parts, **options)
    model = run(first, logs[:cut], end=False)
    if model.stop_training:
        first.on_train_end()
    else:
        second.set_state(json.loads(json.dumps(first.get_state(), allow_nan=False)))
        second.set_arrays(first.get_arrays())
        model = run(second, logs[cut:], model=model, first_epoch=cut)
        assert second.healthy_epoch == whole.healthy_epoch
    assert messages_parts == messages_whole
    assert model.generator_ema.number == expected.generator_ema.number


@settings(deadline=None)
@given(EPOCHS, st.integers(1, 4))
def test_prints_nothing_before_patience_evaluations(logs, patience):
    messages = []
    monitor = make_monitor(messages, patience=patience)
    run(monitor, logs[: patience - 1], end=False)
    assert messages == []


# --- real runs


def train(digits, *callbacks, g_learning_rate=2e-3, width=8, epochs=5, steps=100, seed=0):
    """Trains a small conditional GAN on the embedded digits, with the metrics that the monitor reads."""
    probe, _ = load_classifier("mnist-probe")
    keras.utils.set_random_seed(seed)
    generator = build_generator((28, 28, 1), 64, 10, width=width)
    gan = GAN(generator, build_discriminator((28, 28, 1), 10, width=width), seed=seed, ema_half_life=1_000)
    gan.compile(
        keras.optimizers.Adam(g_learning_rate, beta_1=0.0, beta_2=0.99),
        keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99),
        penalties=["r1"],
        metrics=[PairwiseSSIM(), ClassHistogram(lambda images: probe(images, training=False), 10)],
        steps_per_execution=10,
    )
    gan.fit(
        digits.train.batches(32, steps=steps, seed=seed),
        validation_data=digits.validation.batches(250, steps=1),
        epochs=epochs,
        callbacks=list(callbacks),
        verbose=0,
        shuffle=False,
    )
    return gan


@pytest.mark.slow  # test_monitoring.py ends such a run
def test_warns_of_a_run_made_to_collapse(digits):
    """G's learning rate is 250 times too high, so G draws the same blob for all latents."""
    messages, averages = [], []
    monitor = CollapseMonitor(action="restore", log=messages.append)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: averages.append(len(averages)))
    gan = train(digits, monitor, keep, g_learning_rate=0.5, epochs=8, steps=20)
    assert messages[0].startswith("Mode collapse at interval 4: ")
    assert "the samples are alike" in messages[0]
    assert len(averages) == 4  # the training ended there
    assert gan.stop_training


@pytest.mark.slow  # hand-written logs of healthy runs are tested above
def test_does_not_warn_of_a_healthy_run(digits):
    messages = []
    monitor = CollapseMonitor(log=messages.append)
    train(digits, monitor)
    assert messages == []
    assert monitor.healthy_epoch == 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("g_learning_rate", "failing"), [(2e-3, False), (0.05, True)])
def test_longer_runs_with_the_width_of_the_preset(digits, g_learning_rate, failing, seed):
    messages = []
    train(digits, CollapseMonitor(log=messages.append), g_learning_rate=g_learning_rate, width=24, steps=250, seed=seed)
    assert bool(messages) == failing, messages


@pytest.mark.slow
def test_a_collapse_restores_the_last_healthy_averaged_generator(digits):
    messages, averages = [], []

    class Ruin(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            averages.append(values(self.model.generator_ema))
            if epoch == 3:
                self.model.g_optimizer.learning_rate = 0.5

    monitor = CollapseMonitor(action="restore", log=messages.append)
    gan = train(digits, Ruin(), monitor, epochs=8)
    assert messages[0].startswith("Mode collapse at interval 6")
    assert monitor.healthy_epoch == 3
    assert_same(values(gan.generator_ema), averages[3])
    assert len(averages) == 6
