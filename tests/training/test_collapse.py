"""The collapse monitor: hand-written logs first, then runs made to collapse and runs that do not."""

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

WELL = {
    "val_classes_seen": 10.0,
    "val_coverage": 0.8,
    "val_pairwise_ssim": 0.25,
    "val_pairwise_ssim_real": 0.2,
    "real_accuracy": 0.7,
    "fake_accuracy": 0.8,
    "real_score": 0.5,
    "fake_score": -0.5,
}
COLLAPSED = {**WELL, "val_pairwise_ssim": 0.9}
LOST = {**WELL, "real_accuracy": 0.99, "fake_accuracy": 1.0}


def monitoring(said=None, *, start_from_epoch=0, **options):
    return CollapseMonitor(**options, start_from_epoch=start_from_epoch, log=(said if said is not None else []).append)


# --- the signs


def test_a_healthy_interval_has_no_sign():
    assert FailureSigns().signs(WELL) == {COLLAPSE: [], DOMINATES: []}


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
def test_each_sign_in_words(failure, changed, sign):
    signs = FailureSigns().signs({**WELL, **changed})
    assert len(signs.pop(failure)) == 1
    assert FailureSigns().signs({**WELL, **changed})[failure][0].startswith(sign)
    assert not any(signs.values())


@pytest.mark.parametrize(
    ("limit", "just_well", "just_not"),
    [
        ({"min_classes_share": 0.5}, {"val_classes_seen": 5}, {"val_classes_seen": 4}),
        ({"min_coverage": 0.5}, {"val_coverage": 0.5}, {"val_coverage": 0.49}),
        ({"max_similarity": 0.5}, {"val_pairwise_ssim": 0.6}, {"val_pairwise_ssim": 0.61}),
        ({"max_accuracy": 0.5}, {"real_accuracy": 0.5}, {"real_accuracy": 0.51}),
        ({"max_gap": 2.0}, {"real_score": 1.5}, {"real_score": 1.51}),
    ],
)
def test_limits_and_how_to_leave_one_out(limit, just_well, just_not):
    assert not any(FailureSigns(**limit).signs({**WELL, **just_well}).values())
    assert sum(map(len, FailureSigns(**limit).signs({**WELL, **just_not}).values())) == 1
    without = FailureSigns(**dict.fromkeys(limit))
    assert not any(without.signs({**WELL, **just_not}).values())


def test_one_sure_side_is_no_victory():
    assert not FailureSigns().signs({**WELL, "fake_accuracy": 1.0})[DOMINATES]


def test_what_is_missing_or_nan_is_not_used():
    assert FailureSigns().signs({"loss": 3.0}) == {}
    assert FailureSigns().signs({"fake_accuracy": 1.0, "val_pairwise_ssim": 0.9, "real_score": math.inf}) == {}
    assert FailureSigns().signs({**COLLAPSED, "val_pairwise_ssim_real": math.nan})[COLLAPSE] == []
    assert FailureSigns().signs({"val_classes_seen": 1.0}) == {COLLAPSE: ["the samples show 1 of 10 classes"]}


@pytest.mark.parametrize(
    "option",
    [{"num_classes": 0}, {"min_coverage": 2.0}, {"max_accuracy": math.nan}, {"max_gap": 0.0}, {"max_similarity": -0.1}],
)
def test_limits_are_checked(option):
    with pytest.raises(InputError, match=f"Bad `{next(iter(option))}`"):
        FailureSigns(**option)


def test_at_least_one_limit_is_left():
    with pytest.raises(InputError, match="at least one"):
        FailureSigns(min_classes_share=None, min_coverage=None, max_similarity=None, max_accuracy=None, max_gap=None)


# --- the callback, by hand


def test_it_is_silent_while_all_is_well():
    said = []
    monitor = monitoring(said)
    assert not run(monitor, [WELL] * 5).stop_training
    assert said == []
    assert monitor.healthy_epoch == 4


def test_it_warns_once_after_patience_and_says_when_it_is_over():
    said = []
    monitor = monitoring(said, patience=2)
    model = run(monitor, [WELL, COLLAPSED, WELL, COLLAPSED, COLLAPSED, COLLAPSED, WELL])
    assert said == [
        "Mode collapse at interval 5: the samples are alike (SSIM 0.90; data 0.20). "
        "A lower learning rate, a penalty on D or more latent dimensions may help.",
        "Mode collapse: no longer detected at interval 7.",
    ]
    assert not model.stop_training
    assert monitor.failing == []


def test_ailments_are_counted_apart():
    said = []
    monitor = monitoring(said, patience=2)
    run(monitor, [COLLAPSED, LOST, COLLAPSED, LOST])
    assert said == []
    run(monitor, [COLLAPSED, {**COLLAPSED, **LOST, "val_pairwise_ssim": 0.9}, LOST])
    assert [line.split(" at ")[0] for line in said] == [
        COLLAPSE,
        f"{COLLAPSE}: no longer detected",
        DOMINATES,
    ]


def test_the_first_epochs_are_not_judged():
    monitor = monitoring(patience=2, start_from_epoch=2)
    assert run(monitor, [COLLAPSED] * 3).stop_training is False
    assert monitor.failing == []
    run(monitor, [COLLAPSED] * 4)
    assert monitor.failing == [COLLAPSE]


def test_stop_ends_the_training_and_leaves_the_weights():
    said = []
    model = run(monitoring(said, patience=1, action="stop"), [WELL, LOST, WELL])
    assert model.stop_training
    assert model.generator_ema.number == 1.0
    assert said == [
        "The discriminator dominates at interval 2: D recognizes 99.0% of the real and 100.0% of the fake images. "
        "A lower learning rate or a stronger penalty for D may help. Training stops."
    ]


def test_restore_puts_the_last_healthy_average_back():
    said = []
    model = run(monitoring(said, patience=2, action="restore"), [WELL, WELL, COLLAPSED, COLLAPSED, WELL])
    assert model.stop_training
    assert model.generator_ema.number == 1.0
    assert said[0].endswith("Training stops; healthy interval 2 is restored.")


def test_restore_without_a_healthy_epoch_says_so():
    said = []
    model = run(monitoring(said, patience=1, action="restore"), [COLLAPSED])
    assert model.generator_ema.number == 0.0
    assert said[0].endswith("Training stops; no interval was healthy.")


def test_restore_leaves_a_training_alone_that_ends_well():
    assert run(monitoring(patience=2, action="restore"), [WELL, COLLAPSED]).generator_ema.number == 1.0


def test_an_epoch_without_an_evaluation_neither_heals_nor_counts():
    said = []
    train_logs = {name: value for name, value in WELL.items() if not name.startswith("val_")}
    monitor = monitoring(said, patience=2)
    run(monitor, [COLLAPSED, train_logs, COLLAPSED])
    assert len(said) == 1
    assert monitor.healthy_epoch is None


def test_an_epoch_that_tells_nothing_is_not_healthy():
    said = []
    monitor = monitoring(said)
    run(monitor, [WELL, {}])
    assert monitor.healthy_epoch == 0
    assert said == []


def test_a_monitor_that_saw_nothing_says_so():
    said = []
    run(monitoring(said), [{"loss": 1.0}, {}])
    assert said == ["The collapse monitor had nothing to check: the logs contain none of the numbers that it reads."]


def test_logs_are_read_and_never_written():
    logs = dict(COLLAPSED)
    run(monitoring(), [logs, logs])
    assert logs == COLLAPSED


@pytest.mark.parametrize("option", [{"action": "panic"}, {"patience": 0}, {"start_from_epoch": -1}])
def test_options_are_checked(option):
    with pytest.raises(InputError, match=f"Bad `{next(iter(option))}`"):
        monitoring(**option)


def test_a_state_of_something_else_is_refused():
    with pytest.raises(InputError, match="Bad `in_a_row` in the state of CollapseMonitor"):
        monitoring().set_state({"monitor": "val_error"})


EPOCHS = st.lists(st.sampled_from([WELL, COLLAPSED, LOST, {}, {"val_classes_seen": 1.0}]), max_size=12)


@settings(deadline=None)
@given(EPOCHS, st.integers(1, 3), st.integers(0, 3), st.sampled_from(["warn", "restore"]), st.integers(0, 12))
def test_a_run_resumed_anywhere_judges_as_one_in_one_go(logs, patience, start, action, cut):
    said_whole, said_parts = [], []
    options = {"patience": patience, "start_from_epoch": start, "action": action}
    whole = monitoring(said_whole, **options)
    expected = run(whole, logs)
    first, second = monitoring(said_parts, **options), monitoring(said_parts, **options)
    model = run(first, logs[:cut], end=False)
    if model.stop_training:
        first.on_train_end()
    else:
        second.set_state(json.loads(json.dumps(first.get_state(), allow_nan=False)))
        second.set_arrays(first.get_arrays())
        model = run(second, logs[cut:], model=model, first_epoch=cut)
        assert second.healthy_epoch == whole.healthy_epoch
    assert said_parts == said_whole
    assert model.generator_ema.number == expected.generator_ema.number


@settings(deadline=None)
@given(EPOCHS, st.integers(1, 4))
def test_it_never_speaks_before_patience_evaluations(logs, patience):
    said = []
    monitor = monitoring(said, patience=patience)
    run(monitor, logs[: patience - 1], end=False)
    assert said == []


# --- real runs


def train(digits, *callbacks, g_learning_rate=2e-3, width=8, epochs=5, steps=100, seed=0):
    """A small conditional GAN on the embedded digits, with what the monitor reads. Returns it."""
    probe, _ = load_classifier("mnist-probe")
    keras.utils.set_random_seed(seed)
    generator = build_generator((28, 28, 1), 64, 10, width=width)
    gan = GAN(generator, build_discriminator((28, 28, 1), 10, width=width), seed=seed, ema_half_life=1_000)
    gan.compile(
        keras.optimizers.Adam(g_learning_rate, beta_1=0.0, beta_2=0.99),
        keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99),
        penalties=["r1"],
        metrics=[PairwiseSSIM(), ClassHistogram(lambda pictures: probe(pictures, training=False), 10)],
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


def test_a_run_made_to_collapse_is_warned_of(digits):
    """G's learning rate is 250 times too high: it draws one blot for all latents."""
    said, averages = [], []
    monitor = CollapseMonitor(action="restore", log=said.append)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: averages.append(len(averages)))
    gan = train(digits, monitor, keep, g_learning_rate=0.5, epochs=8, steps=20)
    assert said[0].startswith("Mode collapse at interval 4: ")
    assert "the samples are alike" in said[0]
    assert len(averages) == 4  # the training ended there
    assert gan.stop_training


def test_a_run_that_does_not_collapse_is_not(digits):
    said = []
    monitor = CollapseMonitor(log=said.append)
    train(digits, monitor)
    assert said == []
    assert monitor.healthy_epoch == 4


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("g_learning_rate", "failing"), [(2e-3, False), (0.05, True)])
def test_longer_runs_with_the_width_of_the_preset(digits, g_learning_rate, failing, seed):
    said = []
    train(digits, CollapseMonitor(log=said.append), g_learning_rate=g_learning_rate, width=24, steps=250, seed=seed)
    assert bool(said) == failing, said


@pytest.mark.slow
def test_a_collapse_after_a_healthy_beginning_gives_the_healthy_average_back(digits):
    said, averages = [], []

    class Ruin(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            averages.append(values(self.model.generator_ema))
            if epoch == 3:
                self.model.g_optimizer.learning_rate = 0.5

    monitor = CollapseMonitor(action="restore", log=said.append)
    gan = train(digits, Ruin(), monitor, epochs=8)
    assert said[0].startswith("Mode collapse at interval 6")
    assert monitor.healthy_epoch == 3
    assert_same(values(gan.generator_ema), averages[3])
    assert len(averages) == 6
