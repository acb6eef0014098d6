"""Tests of the metrics that a run measures each interval, and of the callbacks that use them."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.comparison import assert_same, rows_of
from helpers.tiny import small_gan
from PIL import Image

from gan import Probe, generate, load_generator
from gan.config import DataConfig, ModelConfig, OptimizationConfig, StoppingConfig, TrainConfig
from gan.data import images
from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor, as_input, load_classifier
from gan.evaluation.metrics.quality import quality, quality_metric
from gan.evaluation.report import load_report
from gan.models import random
from gan.models.losses import LOSSES
from gan.saving.known_images import NamedImages
from gan.tolerance import Confirmation
from gan.training.loop import Schedule
from gan.training.monitoring import find_probe, make_probe, stopping_callbacks
from gan.training.train import train


def tiny(**stopping):
    return TrainConfig(
        data=DataConfig("mnist5k"),
        model=ModelConfig(g_width=4, d_width=4),
        optimization=OptimizationConfig(steps=40, batch_size=32, steps_per_execution=5),
        stopping=StoppingConfig(eval_num=200, **stopping),
        eval_every=320,
    )


def test_metrics_of_training_equal_the_metrics_of_a_report(small_classifier, digits):
    """The logs of `fit` on validation batches equal `quality` of the same images, labels and latents."""
    extractor = Extractor(load_classifier(small_classifier[0])[0])
    gan = small_gan(metrics=[quality_metric(extractor)])
    held_out = digits.validation.take(np.arange(230))
    real = as_input(held_out.images)
    logged = gan.evaluate(
        tf.data.Dataset.from_tensor_slices((real, held_out.labels)).batch(100), return_dict=True, verbose=0
    )

    z = [random.evaluation_latents(gan.seed, batch, (size, 8)) for batch, size in enumerate((100, 100, 30))]
    fake = gan.generator_ema([tf.concat(z, 0), tf.constant(held_out.labels)], training=False).numpy()
    reported = quality(extractor, extractor.arrays(real), extractor.arrays(fake), held_out.labels)
    assert logged == {name: pytest.approx(value, rel=1e-4, abs=1e-6) for name, value in reported.items()}


def test_evaluation_uses_the_same_samples_each_time_and_changes_no_variable(digits):
    probe = make_probe(StoppingConfig(eval_num=100), digits, images_per_interval=8_000)
    gan, batches = small_gan(metrics=list(probe.metrics)), probe.batches
    before = [np.array(variable) for variable in gan.variables if "metric" not in variable.path]
    first, second = (gan.evaluate(batches, return_dict=True, verbose=0) for _ in range(2))
    assert first == second
    nets = (gan.generator, gan.discriminator, gan.generator_ema)
    after = [np.array(variable) for variable in gan.variables if "metric" not in variable.path]
    assert len(before) >= sum(len(net.weights) for net in nets)
    assert_same(before, after)


def test_finds_a_probe_only_for_its_own_dataset_and_image_shape(small_classifier):
    assert find_probe(StoppingConfig(), "mnist").card.name == "mnist-probe"
    assert find_probe(StoppingConfig(), "kmnist") is None
    assert find_probe(StoppingConfig(probe="none"), "mnist") is None
    assert (
        find_probe(StoppingConfig(probe=str(small_classifier[0])), "mnist5k").card.sha256 == small_classifier[1].sha256
    )
    with pytest.raises(InputError, match="another dataset"):
        find_probe(StoppingConfig(probe="mnist-probe"), "kmnist")
    with pytest.raises(InputError, match="another dataset"):
        find_probe(StoppingConfig(tolerance=0.02), "kmnist")
    with pytest.raises(InputError, match="No such classifier"):
        find_probe(StoppingConfig(probe="nonsense"), "mnist")
    assert find_probe(StoppingConfig(), NamedImages("mnist", (32, 32, 1))) is None
    with pytest.raises(InputError, match=r"another shape. .* shape \(28, 28, 1\).* Received: .* shape \(32, 32, 1\)"):
        find_probe(StoppingConfig(tolerance=0.02), NamedImages("mnist", (32, 32, 1)))


@pytest.mark.parametrize("loss", LOSSES)
def test_ignores_scores_and_accuracies_for_a_loss_without_a_boundary(digits, loss):
    loss = LOSSES[loss]()
    *_, monitor = stopping_callbacks(StoppingConfig(), digits, loss, Schedule(900, 100, 90), print)
    dominated = {"real_accuracy": 1.0, "fake_accuracy": 1.0, "real_score": 30.0, "fake_score": -30.0}
    found = [sign for signs in monitor.failure_signs.signs(dominated).values() for sign in signs]
    assert bool(found) == (loss.boundary is not None)


def test_without_a_probe_nothing_is_measured(digits, tmp_path):
    config = tiny(probe="none")
    config = replace(config, optimization=replace(config.optimization, steps=10))
    run = train(config, output=tmp_path / "run")
    assert not any(name.startswith("val_") for name in run.logs)
    assert make_probe(StoppingConfig(probe="none"), digits, images_per_interval=8_000).batches is None


@pytest.mark.parametrize(("interval", "images"), [(320, 200), (1_000, 250), (8_000, 300), (10**6, 300)])
def test_short_intervals_are_measured_on_fewer_images(digits, interval, images):
    batches = make_probe(StoppingConfig(eval_num=300), digits, images_per_interval=interval).batches
    assert sum(len(labels) for _, labels in batches) == images
    assert (
        sum(len(labels) for _, labels in make_probe(StoppingConfig(), digits, images_per_interval=10**6).batches) == 500
    )


class Constant(keras.metrics.Metric):
    """A metric that never changes and is cheap to trace."""

    def update_state(self, real, fake, labels=None):
        pass

    def result(self):
        return keras.ops.ones(())


def constant_probe(digits):
    return Probe((Constant(name="constant"),), digits.validation.take(np.arange(20)).in_order(20))


def test_patience_ends_a_run_and_keeps_the_best_averaged_generator(digits, tmp_path):
    run = train(tiny(monitor="val_constant", patience=2), output=tmp_path / "run", probe=constant_probe(digits))
    rows = rows_of(tmp_path / "run" / "log.csv")
    assert (run.stopped_by, run.interval, len(rows)) == ("patience", 3, 3)  # the last of equal values is the best
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (record["result"]["stopped_by"], record["result"]["interval"]) == ("patience", 3)


@pytest.mark.slow  # the run that patience ends, in this file, is the stand-in
def test_a_run_keeps_the_best_averaged_generator_and_its_samples(tmp_path):
    """The loss of G is lowest in the second interval of four, whose generator is restored."""
    run = train(tiny(monitor="g_loss", monitor_mode="min", patience=2), output=tmp_path / "run")
    values = [float(row["g_loss"]) for row in rows_of(tmp_path / "run" / "log.csv")]
    best = int(np.argmin(values)) + 1
    assert run.interval == best < len(values)
    assert len(json.loads((tmp_path / "run" / "config.json").read_text())["probe_sha256"]) == 64
    assert run.samples.name == f"{320 * best:09d}.png"
    expected = images.grid(images.to_uint8(generate(load_generator(run.folder), 100))[in_rows()], columns=10, scale=2)
    with Image.open(run.samples) as saved:
        assert np.abs(np.asarray(saved).astype(int) - expected[..., 0]).max() <= 1


def in_rows():
    """Returns the indices of the first 100 samples in the order of a grid, with one class per row."""
    return np.arange(100).reshape(10, 10).T.ravel()


@pytest.mark.slow  # test_collapse.py is the stand-in, with hand-written logs
@pytest.mark.parametrize("action", ["stop", "restore"])
def test_a_collapse_ends_a_run_with_a_message(tmp_path, monkeypatch, capfd, action):
    """A generator that does not learn draws one class. The monitor reports this at the second evaluation."""
    monkeypatch.setattr("gan.training.monitoring.HEALTHY_AFTER", 320)
    config = tiny(on_collapse=action)
    frozen = replace(config, optimization=replace(config.optimization, learning_rate=1e-9, steps=60))
    run = train(frozen, output=tmp_path / "run")
    assert (run.stopped_by, run.interval, run.steps) == ("collapse", None, 30)
    assert "Mode collapse at interval 3: the samples show" in capfd.readouterr().err


def test_a_stale_run_lowers_both_learning_rates(digits, tmp_path):
    config = tiny(monitor="val_constant", patience=1, when_stale="reduce")
    train(config, output=tmp_path / "run", probe=constant_probe(digits))
    rates = [float(row["learning_rate"]) for row in rows_of(tmp_path / "run" / "log.csv")]
    np.testing.assert_allclose(rates, [3e-3, 3e-3, 1.5e-3, 7.5e-4], rtol=1e-6)


def test_rejects_an_unknown_monitor_before_writing_a_file(tmp_path):
    with pytest.raises(InputError, match=r"one of .*val_frechet_distance.*monitor='val_frechet'"):
        train(tiny(monitor="val_frechet"), output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow  # test_sample_confirmation.py is the stand-in, without a report
def test_a_tolerance_nominates_and_fresh_samples_confirm(forked_gan, small_classifier, tmp_path):
    """Everything is within a tolerance of 1, but an untrained generator covers nothing.

    So each interval is nominated, none is confirmed before the end, and the last confirmation is undecided. A later
    report uses its own samples, and only shows the confirmation.
    """
    options = ["--dataset", "mnist5k", "--batch-size", 32, "--steps", 100, "--eval-every", 1600, "--g-width", 4]
    options += ["--d-width", 4, "--learning-rate", 1e-9, "--tolerance", 1.0, "--confirm-num", 300]
    options += ["--probe", small_classifier[0], "--classifier", small_classifier[0]]
    done = forked_gan("train", *options, "--output", tmp_path / "run", "--tensorboard", "--json")
    assert done.returncode == 4, done.stderr
    result = json.loads(done.stdout)
    (confirmation,) = result["confirmations"]
    assert (result["stopped_by"], result["interval"], result["verdict"]) == (None, 2, "undecided")
    assert [confirmation[name] for name in ("interval", "num", "is_last")] == [2, 300, True]
    assert confirmation["unmet"][0].startswith("coverage of test images")
    assert "Interval 1 is not confirmed yet: coverage of validation images" in done.stderr
    assert [float(row["nominated"]) for row in rows_of(tmp_path / "run" / "log.csv")] == [1.0, 1.0]
    keras.saving.load_model(tmp_path / "run" / "generator.keras")

    report = load_report(tmp_path / "run")
    assert report.confirmed == Confirmation(**confirmation | {"unmet": tuple(confirmation["unmet"])})
    assert report.stopping.confirmations == (report.confirmed,)
    assert (report.verdict, report.undecided_because_of, report.samples_needed) == ("undecided", ("conditions",), None)
    assert [(point.images, point.is_nominated) for point in report.stopping.curve] == [(1_600, True), (3_200, True)]
    assert result["summary"] == report.summary
    assert result["error_rate"] == report.metrics["error_rate"].value
    assert "<h2>Early stopping</h2>" in (tmp_path / "run" / "report.html").read_text()
    assert list((tmp_path / "run" / "tensorboard").iterdir())

    later = ["--classifier", small_classifier[0], "--num", 20, "--tolerance", 0.01]
    done = forked_gan("evaluate", tmp_path / "run", *later)
    assert done.returncode == 3, done.stderr
    again = load_report(tmp_path / "run")
    assert (again.verdict, again.confirmed, again.stopping) == ("exceeded", None, report.stopping)


@pytest.mark.slow  # evaluates 10,000 samples twice; the test above evaluates as few as possible
def test_a_good_generator_is_confirmed_and_a_bad_one_is_not(gan_command, tmp_path):
    """The unchanged pretrained generator is within 10 %. An untrained generator exceeds 1 %."""
    options = ["--dataset", "mnist5k", "--steps", 2, "--learning-rate", 1e-9, "--classifier", "mnist-probe"]
    done = gan_command(
        "train", *options, "--init-from", "mnist", "--latent-dim", 64, "--tolerance", 0.1, "--output", tmp_path / "good"
    )
    assert done.returncode == 0, done.stderr
    assert "stopped by  target" in done.stdout
    assert "verdict     within" in done.stdout
    assert "the error rate is within the tolerance of 10.00 %" in done.stdout
    done = gan_command("train", *options, "--tolerance", 0.01, "--output", tmp_path / "bad")
    assert done.returncode == 3, done.stderr
    assert "Not within the tolerance of 1 %" in done.stderr
    assert "the error rate exceeds the tolerance of 1.00 %" in done.stdout


def test_rejects_a_tolerance_without_a_classifier_before_training(forked_gan, tmp_path):
    done = forked_gan("train", "--dataset", "kmnist", "--tolerance", 0.02, "--output", tmp_path / "run")
    assert done.returncode == 2
    assert "another dataset" in done.stderr
    assert not (tmp_path / "run").exists()
