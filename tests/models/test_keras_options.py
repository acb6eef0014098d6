"""Tests that each option of Keras has a decision, and that each option does what its decision says.

The options are read from Keras' signatures. `TRIALS` holds one use of each honored option and asserts its effect.
`REFUSED` holds one use of each refused option.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import keras_options_page
from helpers.comparison import assert_same, differs, values
from helpers.tiny import dense_gan, small_gan
from keras import callbacks

from gan import GAN, InputError, build_discriminator, build_generator
from gan.models import keras_options
from gan.models.losses import LOSSES

POINTS = np.random.default_rng(0).uniform(-1, 1, (16, 2)).astype(np.float32)
SGD = keras.optimizers.SGD


class MeanSample(keras.metrics.Metric):
    """Number of real points, and the mean of the samples."""

    def __init__(self, name="count", dtype="float32"):
        super().__init__(name=name, dtype=dtype)
        self.seen = self.add_variable((), initializer="zeros", name="seen")

    def update_state(self, real, fake, labels=None):
        self.seen.assign_add(tf.cast(tf.shape(real)[0], self.dtype))

    def result(self):
        return self.seen.value


class Batches(keras.utils.PyDataset):
    """Batches of 4 points with any further parts."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = parts

    def __len__(self):
        return 4

    def __getitem__(self, number):
        part = POINTS[4 * number : 4 * number + 4]
        return (part, *self.parts) if self.parts else part


def make(**options):
    return dense_gan(**{"metrics": [MeanSample()], "run_eagerly": True, **options})


def fit(x=POINTS, *arguments, gan=None, **options):
    """Returns the GAN after `fit`, with 4 steps per epoch for arrays."""
    gan = gan or make()
    given = {"batch_size": 4} if x is POINTS else {}
    gan.fit(x, *arguments, **{**given, "verbose": 0, "shuffle": False, **options})
    return gan


def history(*arguments, **options):
    return fit(*arguments, **options).history.history


def weights(gan):
    return values(gan.generator) + values(gan.discriminator)


def generator():
    while True:
        yield (POINTS[:4],)


def dataset():
    return tf.data.Dataset.from_tensor_slices(POINTS).batch(4)


# compile


def try_loss():
    assert differs(weights(fit(gan=make(loss="wasserstein"))), weights(fit(gan=make(loss="least_squares"))))
    wrong = (
        "binary_crossentropy",
        keras.losses.BinaryCrossentropy(),
        keras.losses.binary_crossentropy,
        ["hinge"],
        None,
    )
    for loss in wrong:
        with pytest.raises(InputError, match=r"Unknown `loss`.*'non_saturating'") as error:
            make(loss=loss)
        assert all(name in str(error.value) for name in LOSSES)


def try_metrics():
    assert make(metrics=None).evaluation_metrics == []
    keras_metric = make(metrics=[keras.metrics.MeanSquaredError()])
    assert keras_metric.evaluate(POINTS, verbose=0) > 0
    wrong = (
        ["accuracy"],
        "accuracy",
        [keras.losses.mean_squared_error],
        {"a": MeanSample()},
        MeanSample(),
        [keras.metrics.Mean()],
    )
    for metrics in wrong:
        with pytest.raises(InputError, match="Bad `metrics`"):
            make(metrics=metrics)
    with pytest.raises(InputError, match="unique values"):
        make(metrics=[MeanSample(), MeanSample()])


def try_run_eagerly():
    ends = [weights(fit(gan=make(run_eagerly=eager, penalties=["r1"]))) for eager in (True, False)]
    for one, other in zip(*ends):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def try_steps_per_execution():
    gan = fit(dataset(), gan=make(steps_per_execution=3, run_eagerly=False))
    assert int(gan.step) == 4
    for one, other in zip(weights(gan), weights(fit())):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    for wrong in (0, 1.5, "auto"):
        with pytest.raises(InputError, match="Bad `steps_per_execution`"):
            make(steps_per_execution=wrong)


def try_jit_compile():
    assert [make(jit_compile=given, run_eagerly=False).jit_compile for given in ("auto", True)] == [False, True]


def try_auto_scale_loss():
    """See tests/models/test_optimizer_pair.py for layers in float16."""
    assert make(auto_scale_loss=False).get_compile_config()["auto_scale_loss"] is False


# fit


def try_x():
    expected = weights(fit())
    for x in (tf.constant(POINTS), dataset(), Batches()):
        assert_same(weights(fit(x, **({"batch_size": 4} if isinstance(x, tf.Tensor) else {}))), expected)
    assert int(fit(generator(), steps_per_epoch=3).step) == 3
    with pytest.raises(InputError, match="No images"):
        make().fit()


def try_y():
    images, labels = np.zeros((4, 8, 8, 1), np.float32), np.arange(4) % 2
    gan = small_gan(2, shape=(8, 8, 1), run_eagerly=True)
    gan.fit(images, labels, verbose=0)
    assert int(gan.step) == 1
    with pytest.raises(InputError, match="Labels are missing"):
        gan.fit(images, verbose=0)
    for x in (dataset(), Batches(), generator()):
        with pytest.raises(InputError, match="`y` has no effect"):
            fit(x, POINTS)


def try_batch_size():
    assert [int(fit(batch_size=size).step) for size in (4, 8, 16)] == [4, 2, 1]
    for x in (dataset(), Batches(), generator()):
        with pytest.raises(InputError, match="`batch_size` has no effect"):
            fit(x, batch_size=4)
    for wrong in (0, 2.5, "4"):
        with pytest.raises(InputError, match="Bad `batch_size`"):
            fit(batch_size=wrong)


def try_epochs():
    assert [int(fit(epochs=count).step) for count in (0, np.int64(2))] == [0, 8]
    for wrong in (1.5, "2", -1):
        with pytest.raises(InputError, match="Bad `epochs`"):
            fit(epochs=wrong)


def try_verbose(capsys):
    fit(verbose=0)
    assert capsys.readouterr().out == ""
    fit(verbose=2)
    assert "g_loss" in capsys.readouterr().out


def try_callbacks():
    seen = []
    fit(callbacks=callbacks.LambdaCallback(on_train_begin=lambda logs: seen.append("single")))
    fit(callbacks=[callbacks.LambdaCallback(on_train_begin=lambda logs: seen.append("list"))])
    assert seen == ["single", "list"]
    with pytest.raises(InputError, match="Bad `callbacks`"):
        fit(callbacks=[callbacks.History])


def try_validation_split():
    assert history(validation_split=0.25)["val_count"] == [4.0]
    assert int(fit(validation_split=0.25).step) == 3
    for wrong in (1.0, -0.5, 2.0, 0.999):
        with pytest.raises(InputError, match="Bad `validation_split`"):
            fit(validation_split=wrong)
    with pytest.raises(InputError, match="`validation_split` needs arrays"):
        fit(dataset(), validation_split=0.5)
    refuses_before_the_first_step("Nothing to evaluate", make(metrics=()), validation_split=0.25)


def try_validation_data():
    for data in (POINTS, (POINTS,), [POINTS], dataset(), Batches()):
        assert history(validation_data=data)["val_count"] == [16.0]
    refuses_before_the_first_step("Nothing to evaluate", make(metrics=()), validation_data=POINTS)
    weighted = dataset().map(lambda points: (points, points, points))
    for data in ((POINTS, None, np.ones(16)), weighted):
        refuses_before_the_first_step("Images cannot have weights", make(), validation_data=data)
    conditional = small_gan(2, shape=(8, 8, 1), metrics=[MeanSample()], run_eagerly=True)
    images, labels = np.zeros((4, 8, 8, 1), np.float32), np.arange(4) % 2
    for data in (images, (images,), tf.data.Dataset.from_tensor_slices(images).batch(2)):
        with pytest.raises(InputError, match="Labels are missing in the validation data"):
            conditional.fit(images, labels, validation_data=data, verbose=0)
    assert int(conditional.step) == 0


def refuses_before_the_first_step(message, gan, **options):
    with pytest.raises(InputError, match=message):
        fit(gan=gan, **options)
    assert int(gan.step) == 0


def try_shuffle():
    keras.utils.set_random_seed(0)
    assert differs(weights(fit(shuffle=True)), weights(fit()))


def try_initial_epoch():
    assert int(fit(epochs=3, initial_epoch=2).step) == 4


def try_steps_per_epoch():
    assert int(fit(steps_per_epoch=2).step) == 2
    with pytest.raises(InputError, match="Bad `steps_per_epoch`"):
        fit(steps_per_epoch=0)


def try_validation_steps():
    assert history(validation_data=dataset(), validation_steps=2)["val_count"] == [8.0]


def try_validation_batch_size():
    assert history(validation_data=POINTS, validation_batch_size=2, validation_steps=1)["val_count"] == [2.0]


def try_validation_freq():
    assert history(validation_data=POINTS, validation_freq=2, epochs=4)["val_count"] == [16.0, 16.0]


# evaluate and other methods


def evaluate(*arguments, **options):
    return make().evaluate(*arguments, **{"verbose": 0, **options})


def try_evaluate_x():
    assert [evaluate(x) for x in (POINTS, dataset(), Batches())] == [16.0] * 3
    with pytest.raises(InputError, match="No images"):
        evaluate()
    with pytest.raises(InputError, match="Images cannot have weights"):
        evaluate(Batches(POINTS[:4], np.ones(4)))


def try_evaluate_y():
    assert evaluate(POINTS, np.zeros(16)) == 16.0
    with pytest.raises(InputError, match="`y` has no effect"):
        evaluate(dataset(), POINTS)


def try_evaluate_batch_size():
    assert evaluate(POINTS, batch_size=4, steps=1) == 4.0
    with pytest.raises(InputError, match="`batch_size` has no effect"):
        evaluate(dataset(), batch_size=4)


def try_evaluate_verbose(capsys):
    evaluate(POINTS, verbose=2)
    assert "count" in capsys.readouterr().out


def try_evaluate_steps():
    assert evaluate(dataset(), steps=3) == 12.0


def try_evaluate_callbacks():
    seen = []
    evaluate(POINTS, callbacks=[callbacks.LambdaCallback(on_train_begin=None), CountTests(seen)])
    assert seen == [16.0]


class CountTests(callbacks.Callback):
    def __init__(self, seen):
        super().__init__()
        self.seen = seen

    def on_test_end(self, logs=None):
        self.seen.append(logs["count"])


def try_evaluate_return_dict():
    assert evaluate(POINTS, return_dict=True) == {"count": 16.0}


def try_train_on_batch():
    gan = make()
    logs = gan.train_on_batch(POINTS[:4], return_dict=True)
    assert logs["d_loss"] == pytest.approx(history(POINTS[:4], batch_size=4)["d_loss"][0])
    with pytest.raises(InputError, match="Images cannot have weights"):
        gan.train_on_batch(POINTS[:4], sample_weight=np.ones(4))
    assert int(gan.step) == 1


def try_test_on_batch():
    assert make().test_on_batch(POINTS) == 16.0
    assert make().test_on_batch(POINTS, return_dict=True) == {"count": 16.0}


def try_predict():
    gan, latents = make(), np.ones((5, 2), np.float32)
    expected = np.asarray(gan.discriminator(gan.generator(latents)))
    np.testing.assert_allclose(gan.predict(latents, verbose=0), expected, rtol=1e-6)
    conditional = small_gan(2, shape=(8, 8, 1))
    latents, labels = np.ones((5, 8), np.float32), np.zeros(5, np.int32)
    np.testing.assert_allclose(
        conditional.predict([latents, labels], verbose=0), conditional(latents, labels), rtol=1e-5
    )
    for call in (lambda: conditional.predict(latents, verbose=0), lambda: conditional(latents)):
        with pytest.raises(InputError, match="Labels are missing"):
            call()


def try_predict_on_batch():
    gan, latents = make(), np.ones((5, 2), np.float32)
    np.testing.assert_allclose(gan.predict_on_batch(latents), gan(latents), rtol=1e-6)


# callbacks


def try_backup_and_restore(folder):
    expected = weights(fit(epochs=2))
    gan = make()
    stop = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: 1 / (1 - epoch))
    with pytest.raises(ZeroDivisionError):
        fit(gan=gan, epochs=2, callbacks=[callbacks.BackupAndRestore(folder), stop])
    assert_same(weights(fit(epochs=2, callbacks=[callbacks.BackupAndRestore(folder)])), expected)


def try_csv_logger(folder):
    fit(callbacks=[callbacks.CSVLogger(folder / "log.csv")], epochs=2)
    assert len((folder / "log.csv").read_text().splitlines()) == 3


def try_callback():
    class Halve(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for optimizer in (self.model.g_optimizer, self.model.d_optimizer):
                optimizer.learning_rate = 0.5 * float(optimizer.learning_rate)

    class Wrong(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.1

    assert float(fit(callbacks=[Halve()], epochs=2).d_optimizer.learning_rate) == 0.125
    with pytest.raises(InputError, match="A GAN has two optimizers"):
        fit(callbacks=[Wrong()])


def try_callback_list():
    gan, seen = make(), []
    listed = [callbacks.LambdaCallback(on_train_end=lambda logs: seen.append(1))]
    fit(gan=gan, callbacks=callbacks.CallbackList(listed, model=gan, add_history=True))
    assert seen == [1]


def try_early_stopping():
    stop = callbacks.EarlyStopping("g_loss", mode="max", min_delta=100.0, patience=2)
    assert len(history(callbacks=[stop], epochs=9)["g_loss"]) == 3
    with pytest.raises(InputError, match="mode='min' or mode='max'"):
        fit(callbacks=[callbacks.EarlyStopping("g_loss")])


def try_history():
    log = callbacks.History()
    fit(callbacks=[log], epochs=2)
    assert len(log.history["d_loss"]) == 2


def try_lambda_callback():
    seen = []
    fit(callbacks=[callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))])
    assert seen == [0, 1, 2, 3]


SCHEDULED = {"g_optimizer": lambda: SGD(keras.optimizers.schedules.CosineDecay(0.5, 9))}


def try_learning_rate_scheduler():
    gan = make(d_optimizer=SGD(0.25))
    fit(gan=gan, callbacks=[callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 * rate)], epochs=2)
    assert [float(one.learning_rate) for one in (gan.g_optimizer, gan.d_optimizer)] == [0.125, 0.0625]
    scheduled = make(g_optimizer=SCHEDULED["g_optimizer"]())
    with pytest.raises(InputError, match="learning rates that it can set"):
        fit(gan=scheduled, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.1)])


def try_model_checkpoint(folder):
    gan = fit(callbacks=[callbacks.ModelCheckpoint(folder / "gan.weights.h5", save_weights_only=True)])
    loaded = make()
    loaded.load_weights(folder / "gan.weights.h5")
    assert_same(weights(loaded) + values(loaded.optimizer), weights(gan) + values(gan.optimizer))
    assert_same(values(loaded.generator_ema), values(gan.generator_ema))
    best = {"filepath": folder / "gan.weights.h5", "save_weights_only": True, "save_best_only": True}
    fit(callbacks=[callbacks.ModelCheckpoint(**best, monitor="g_loss", mode="min")])
    with pytest.raises(InputError, match="mode='min' or mode='max'"):
        fit(callbacks=[callbacks.ModelCheckpoint(**best, monitor="g_loss")])


def try_progbar_logger(capsys):
    fit(callbacks=[callbacks.ProgbarLogger()], verbose=1)
    assert "g_loss" in capsys.readouterr().out


def try_reduce_lr_on_plateau():
    def reduce():
        return callbacks.ReduceLROnPlateau("g_loss", mode="max", min_delta=100.0, patience=1, factor=0.5, cooldown=9)

    gan = make(d_optimizer=SGD(0.25))
    fit(gan=gan, callbacks=[reduce()], epochs=3)
    assert [float(one.learning_rate) for one in (gan.g_optimizer, gan.d_optimizer)] == [0.25, 0.125]
    with pytest.raises(InputError, match="learning rates that it can set"):
        fit(gan=make(g_optimizer=SCHEDULED["g_optimizer"]()), callbacks=[reduce()])


def try_remote_monitor(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install requests"):
        fit(callbacks=[callbacks.RemoteMonitor()])


def try_swap_ema_weights():
    """With momentum 1, the average of G stays at its weights after the first step."""
    gan, seen = make(g_optimizer=SGD(0.5, use_ema=True, ema_momentum=1.0)), []
    swap = callbacks.SwapEMAWeights(swap_on_epoch=True)
    look = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(values(gan.generator)))
    fit(gan=gan, callbacks=[swap, look], epochs=2)
    for one, other in zip(*seen):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)
    with pytest.raises(InputError, match="use_ema=True"):
        fit(callbacks=[callbacks.SwapEMAWeights()])


def try_tensorboard(monkeypatch):
    """The package tensorboard is not among the dependencies."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install tensorboard"):
        fit(callbacks=[callbacks.TensorBoard()])


def try_terminate_on_nan():
    gan, bad = make(), np.full((4, 2), np.nan, np.float32)
    batches = dataset().enumerate().map(lambda number, points: tf.where(number > 0, points + bad, points))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Tensor had NaN"):
        fit(batches, gan=gan, callbacks=[callbacks.TerminateOnNaN()])
    assert int(gan.step) == 1
    assert all(np.isfinite(array).all() for array in weights(gan))


OPTIMIZER_OPTIONS = dict.fromkeys(
    keras_options.OPTIMIZER, "tests/models/test_optimizer_pair.py uses each option in both kinds of Adam"
)
COMPILE_TRIALS = {
    "loss": try_loss,
    "metrics": try_metrics,
    "run_eagerly": try_run_eagerly,
    "steps_per_execution": try_steps_per_execution,
    "jit_compile": try_jit_compile,
    "auto_scale_loss": try_auto_scale_loss,
}
FIT_TRIALS = {
    name: globals()[f"try_{name}"] for name, decision in keras_options.FIT.items() if decision.honored
}  # fmt: skip
EVALUATE_TRIALS = {
    name: globals()[f"try_evaluate_{name}"] for name, decision in keras_options.EVALUATE.items() if decision.honored
}
METHOD_TRIALS = {name: globals()[f"try_{name}"] for name in keras_options.METHODS}
CALLBACK_TRIALS = {
    "BackupAndRestore": try_backup_and_restore,
    "CSVLogger": try_csv_logger,
    "Callback": try_callback,
    "CallbackList": try_callback_list,
    "EarlyStopping": try_early_stopping,
    "History": try_history,
    "LambdaCallback": try_lambda_callback,
    "LearningRateScheduler": try_learning_rate_scheduler,
    "ModelCheckpoint": try_model_checkpoint,
    "ProgbarLogger": try_progbar_logger,
    "ReduceLROnPlateau": try_reduce_lr_on_plateau,
    "RemoteMonitor": try_remote_monitor,
    "SwapEMAWeights": try_swap_ema_weights,
    "TensorBoard": try_tensorboard,
    "TerminateOnNaN": try_terminate_on_nan,
}
TRIALS = {
    "compile": (keras_options.COMPILE, COMPILE_TRIALS),
    "fit": (keras_options.FIT, FIT_TRIALS),
    "evaluate": (keras_options.EVALUATE, EVALUATE_TRIALS),
    "methods": (keras_options.METHODS, METHOD_TRIALS),
    "callbacks": (keras_options.CALLBACKS, CALLBACK_TRIALS),
}
REFUSED = {
    ("compile", "optimizer"): lambda: GAN.compile(make(), optimizer="adam", loss="bce"),
    ("compile", "loss_weights"): lambda: make(loss_weights=[1.0, 2.0]),
    ("compile", "weighted_metrics"): lambda: make(weighted_metrics=["mse"]),
    ("fit", "class_weight"): lambda: fit(class_weight={0: 2.0}),
    ("fit", "sample_weight"): lambda: fit(sample_weight=np.ones(16)),
    ("evaluate", "sample_weight"): lambda: evaluate(POINTS, sample_weight=np.ones(16)),
    ("callbacks", "OrbaxCheckpoint"): lambda: fit(callbacks=[object.__new__(callbacks.OrbaxCheckpoint)]),
}
USES = [
    (table, name)
    for table, (decisions, _) in TRIALS.items()
    for name, decision in decisions.items()
    if decision.honored
]


@pytest.mark.parametrize("title", list(keras_options_page.tables()))
def test_every_option_of_keras_has_a_decision_and_every_decision_an_option(title):
    options, decisions = keras_options_page.tables()[title]
    assert set(options) == set(decisions)
    assert options


def test_the_page_is_generated_from_the_decisions():
    written = keras_options_page.PAGE.read_text(encoding="utf-8")
    assert written == keras_options_page.page(), "run python tests/helpers/keras_options_page.py"


@pytest.mark.parametrize(("table", "name"), USES)
def test_an_honored_option_acts(table, name, tmp_path, capsys, monkeypatch):
    trial = TRIALS[table][1][name]
    fixtures = {"folder": tmp_path, "capsys": capsys, "monkeypatch": monkeypatch}
    trial(**{name: fixtures[name] for name in trial.__code__.co_varnames[: trial.__code__.co_argcount]})


def test_every_refused_option_has_a_use():
    refused = {(table, name) for table, (known, _) in TRIALS.items() for name in known if not known[name].honored}
    assert set(REFUSED) == refused


@pytest.mark.parametrize(("table", "name"), list(REFUSED))
def test_a_refused_option_says_what_to_use_instead(table, name):
    with pytest.raises(InputError) as error:
        REFUSED[table, name]()
    assert TRIALS[table][0][name].note.partition(";")[0] in str(error.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda: make(learning_rate=0.1),
        lambda: fit(batchsize=4),
        lambda: evaluate(POINTS, bathc_size=4),
        lambda: make().fit(POINTS, x=POINTS),
    ],
)
def test_an_unknown_option_is_refused_by_name(call):
    with pytest.raises(InputError, match=r"learning_rate|batchsize|bathc_size|multiple values for argument 'x'"):
        call()


def test_batches_with_weights_are_refused_before_the_first_step():
    weighted = (POINTS[:4], POINTS[:4], np.ones(4, np.float32))
    known = dataset().map(lambda points: (points, points, points))
    for x in (known, Batches(POINTS[:4], np.ones(4, np.float32)), (one for one in [weighted])):
        gan = make(run_eagerly=False)
        with pytest.raises(InputError, match="Images cannot have weights"):
            fit(x, gan=gan)
        assert int(gan.step) == 0


def test_fit_needs_compile():
    gan = GAN(build_generator((8, 8, 1), 4, width=2), build_discriminator((8, 8, 1), width=2))
    with pytest.raises(InputError, match=r"compile\(g_optimizer, d_optimizer\)"):
        gan.fit(np.zeros((4, 8, 8, 1)))


@pytest.mark.parametrize("arch", ["dcgan", "mlp", "resnet", "tf_tutorial"])
@pytest.mark.parametrize("norm", ["none", "batch", "spectral"])
def test_networks_are_channels_last_under_any_global_data_format(arch, norm):
    def networks():
        return build_generator((20, 16, 3), 4, 2, arch, 2), build_discriminator((20, 16, 3), 2, arch, 2, norm=norm)

    expected = [[layer.get_config() for layer in network.layers] for network in networks()]
    keras.config.set_image_data_format("channels_first")
    try:
        found = [[layer.get_config() for layer in network.layers] for network in networks()]
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format("channels_last")

    def formats(configs):
        return [config.get("data_format") for part in configs for config in part]

    assert formats(found) == formats(expected)
    assert "channels_first" not in formats(found)


@pytest.mark.parametrize("policy", ["float32", "float64"])
def test_a_gan_trains_and_is_saved_with_float64_as_floatx(policy, tmp_path):
    """Layers follow the global policy, which Keras derives from floatx only once, when it makes the first layer."""
    before = keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy(policy)
    try:
        gan = make(run_eagerly=False)
        gan.fit(POINTS, verbose=0)
        gan.save(tmp_path / "gan.keras")
        loaded = keras.saving.load_model(tmp_path / "gan.keras", custom_objects={"MeanSample": MeanSample})
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy(before)
    assert {variable.dtype for variable in loaded.generator_ema.variables} == {policy}
    assert_same(weights(loaded), weights(gan))
