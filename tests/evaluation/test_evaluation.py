"""Tests of evaluations, report pages and the commands `gan evaluate` and `gan classify`."""

import json
import re
from dataclasses import astuple, replace

import keras
import markupsafe
import numpy as np
import pytest
from helpers.tiny import small_gan

import gan
from gan import sampling
from gan.data import images
from gan.errors import InputError, as_json
from gan.evaluation.classifier.extractor import Extractor, as_input, classify, load_classifier
from gan.evaluation.error_rate import real_error_rate
from gan.evaluation.evaluation import evaluate, evaluate_samples
from gan.evaluation.html import page, write_report
from gan.evaluation.metrics import wrong_outcomes
from gan.evaluation.reference import choose_labels
from gan.evaluation.report import MOST_NUM, load_report
from gan.evaluation.report_text import summary
from gan.models.networks import LABEL_EMBEDDING
from gan.sampling.generators import as_engine
from gan.saving import files
from gan.saving.engines.engine import Engine
from gan.tolerance import ErrorRate, worst_class


def repeating_generator(digits):
    """Returns a generator that gives the digit of each label: `digits` is uint8 [10, 28, 28, 1]."""
    latents, labels = keras.Input((4,), name="latents"), keras.Input((), dtype="int32", name="labels")
    table = keras.layers.Embedding(10, 784, name=LABEL_EMBEDDING)
    looked_up = keras.layers.Reshape((28, 28, 1))(table(labels))
    unused = keras.layers.Reshape((1, 1, 1))(keras.layers.Dense(1, kernel_initializer="zeros")(latents))
    generator = keras.Model([latents, labels], keras.layers.Add()([looked_up, unused]))
    table.set_weights([images.from_uint8(digits.astype(np.float32)).reshape(10, 784)])
    return generator


@pytest.fixture(scope="module")
def evaluated(small_classifier, digits):
    classifier, card = load_classifier(small_classifier[0])

    def run(generator, *, samples=None, labels=None, **options):
        if samples is not None:
            options = {"tolerance": 0.1, **options}
            return evaluate_samples(samples, labels, digits, classifier, card, **options)
        return evaluate(generator, digits, classifier, card, **{"num": 400, "tolerance": 0.1, **options})

    return run


@pytest.fixture(scope="module")
def untrained_evaluation(evaluated):
    return evaluated(small_gan().generator_ema)


@pytest.fixture(scope="module")
def untrained(untrained_evaluation):
    return untrained_evaluation.report


def test_an_untrained_generator_exceeds_every_tolerance(untrained):
    assert untrained.verdict == "exceeded"
    for name, better in (("frechet_distance", -1), ("coverage", 1), ("precision", 1), ("error_rate", -1)):
        row = untrained.metrics[name]
        assert better * row.value < better * row.real
    assert untrained.frechet_in_floors > 10
    assert [sum(counts) for counts in astuple(untrained.class_histogram)] == [400, 400]
    assert sum(row.n for row in untrained.error_rate_by_class) == 400
    wrong = sum(row.n * row.error_rate for row in untrained.error_rate_by_class)
    assert wrong / 400 == pytest.approx(untrained.metrics["error_rate"].value)


def test_the_worst_class_is_that_of_the_table_of_classes(untrained):
    worst, of_class = untrained.worst_class, {row.label: row for row in untrained.error_rate_by_class}
    assert worst.rate == max(row.error_rate for row in of_class.values()) == of_class[worst.label].error_rate
    assert (worst.n, worst.classes, worst.empty) == (of_class[worst.label].n, 10, 0)
    assert worst == worst_class([round(row.n * row.error_rate) for row in of_class.values()],
                                [row.n for row in of_class.values()])  # fmt: skip
    assert (
        f"The worst class is {worst.label}, with {worst.wrong} of {worst.n} samples" in untrained.summary["tolerance"]
    )
    assert untrained.worst_class_real.rate < worst.rate


def test_a_report_is_plain_json_and_explains_itself(untrained, small_classifier):
    again = json.loads(json.dumps(untrained.as_dict(), allow_nan=False))
    assert again["classifier_sha256"] == small_classifier[1].sha256
    assert again["num"] == 400
    assert set(again["meaning"]) - {"copied_share", "worst_class"} <= set(again["metrics"])
    assert again["frechet_floor"]["draws"] == 10
    assert again["frechet_floor"]["spread"] > 0


def test_the_classifier_is_measured_on_all_test_images(untrained, digits, small_classifier):
    extractor = Extractor(load_classifier(small_classifier[0])[0])
    assert untrained.real_rate == real_error_rate(extractor, digits.test, is_conditional=True)
    assert untrained.real_rate.n == len(digits.test) > untrained.compared
    assert untrained.test_sha256 == digits.test_fingerprint


def test_a_loaded_report_equals_the_written_report(untrained_evaluation, tmp_path):
    write_report(tmp_path / "r", untrained_evaluation, checkpoint="untrained")
    assert load_report(str(tmp_path / "r")) == untrained_evaluation.report


def test_one_repeated_digit_per_class_is_not_within_tolerance(evaluated, digits, small_classifier):
    labels, probability = classify(load_classifier(small_classifier[0])[0], as_input(digits.train.images))
    surest = [
        max(np.flatnonzero((digits.train.labels == c) & (labels == c)), key=lambda i: probability[i]) for c in range(10)
    ]
    report = evaluated(repeating_generator(digits.train.images[surest]), tolerance=0.05).report
    assert report.metrics["error_rate"].value == 0.0
    assert report.metrics["coverage"].value < 0.5 * report.metrics["coverage"].real
    assert report.verdict == "undecided"
    assert report.undecided_because_of == ("coverage",)
    assert "Coverage is too low" in report.summary["tolerance"]
    assert report.copied_share is None
    assert "cannot be assessed" in report.summary["copies"]
    assert report.samples_needed is None
    np.testing.assert_allclose(report.metrics["pairwise_ssim"].value, 1.0, atol=1e-4)
    np.testing.assert_allclose(report.metrics["nearest_mse"].value, 0.0, atol=1e-6)


def test_a_perfect_generator_has_about_the_distance_of_real_images_for_any_class_shares(
    evaluated, digits, small_classifier
):
    """The samples have the class shares of the data, so a perfect generator is as close as real images."""
    classifier, card = load_classifier(small_classifier[0])
    skewed = np.concatenate([np.flatnonzero(digits.train.labels == c)[: 40 * (c + 1)] for c in range(10)])
    data = replace(digits, train=digits.train.take(skewed))
    drawn = np.random.default_rng(3).integers(0, len(skewed), 400)
    samples, labels = as_input(data.train.images[drawn]), data.train.labels[drawn]
    report = evaluate_samples(samples, labels, data, classifier, card).report
    assert report.frechet_in_floors == pytest.approx(1.0, abs=0.35)
    assert report.copied_share > 0.5
    assert "copy training images" in report.summary["copies"]


def test_the_page_contains_everything_and_loads_nothing(untrained_evaluation):
    report, html = untrained_evaluation.report, page(untrained_evaluation, checkpoint="<untrained> & co")
    assert "&lt;untrained&gt; &amp; co" in html
    assert html.count("data:image/png;base64,") == 3
    assert html.count("<svg") == 3
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", html.replace("xlink:href", "href"))
    for name, sentence in report.meaning.items():
        assert f">{name}</span>" in html
        assert sentence in html
    for sentence in report.summary.values():
        assert str(markupsafe.escape(sentence)).replace(" %", "\N{NO-BREAK SPACE}%") in html
    for point in report.perturbation:
        assert f"{100 * point.error_rate:.2f}" in html


def test_the_page_of_a_thousand_classes_folds_their_table(untrained_evaluation):
    report = untrained_evaluation.report
    rows = tuple(replace(report.error_rate_by_class[0], label=label) for label in range(1_000))
    many = replace(report, error_rate_by_class=rows, worst_class=worst_class([0] * 999 + [1], [10] * 1_000))
    html = page(replace(untrained_evaluation, report=replace(many, summary=summary(many))), checkpoint="many")
    assert "The worst class is 999, with 1 of 10 samples wrong" in html
    assert re.search(r"<details>\s*<summary>Error rate of each requested class", html)


def test_each_sample_is_next_to_its_nearest_training_image(evaluated, digits):
    """The samples are training images with a dot, so the nearest neighbor is the image itself."""
    indices = np.random.default_rng(0).permutation(4_000)[:300]
    dotted = digits.train.images[indices].copy()
    dotted[:, 0, 0] = 255
    found = evaluated(None, samples=as_input(dotted), labels=digits.train.labels[indices]).images["neighbours"][
        ::2, ::2
    ]
    tiles = [[found[y : y + 28, x : x + 28] for x in range(2, 242, 30)] for y in range(2, 122, 30)]
    for row in tiles:
        for sample, neighbor in zip(row[::2], row[1::2]):
            assert (sample[0, 0], neighbor[0, 0]) == (255, 0)
            np.testing.assert_array_equal(sample[1:], neighbor[1:])
    np.testing.assert_array_equal(tiles[0][0], dotted[0])


@pytest.mark.slow  # the threshold without labels in test_metrics.py is the stand-in
def test_an_unconditional_generator_is_evaluated_by_the_confidence_of_the_classifier(evaluated):
    found = evaluated(small_gan(classes=0).generator_ema, num=200)
    report, html = found.report, page(found, checkpoint="unconditional")
    assert (report.conditional, report.error_rate_by_class) == (False, ())
    assert report.worst_class is report.worst_class_real is None
    assert "worst_class" not in report.as_dict()
    assert report.perturbation[0].error_rate == report.metrics["error_rate"].value > 0.5
    assert report.metrics["error_rate"].real < 0.5
    assert "not clearly recognized as any class" in report.summary["tolerance"]
    assert "class that the classifier finds" in html


def test_the_perturbation_curve_starts_at_the_error_rate_of_the_report(untrained):
    """The first point uses the same samples, labels and rule, without a fault."""
    first = untrained.perturbation[0]
    assert (first.fault, first.n) == ("none", 400)
    assert first.error_rate == untrained.metrics["error_rate"].value


@pytest.mark.parametrize("trained_on", ["mnist", pytest.param("", marks=pytest.mark.slow)])
def test_copies_are_not_assessed_for_another_training_set(evaluated, digits, trained_on):
    held_out = digits.validation.take(np.arange(200))
    report = evaluated(None, samples=as_input(held_out.images), labels=held_out.labels, trained_on=trained_on).report
    assert report.copied_share is None
    assert "trained on another dataset" in report.summary["copies"]
    assert report.copied_share_real.copied_share is not None


def test_image_grids_of_a_report_have_their_sizes(untrained_evaluation):
    sizes = {name: grid.shape for name, grid in untrained_evaluation.images.items()}
    assert sizes["samples"] == (2 * 302, 2 * 302, 1)
    assert sizes["neighbours"] == (2 * (4 * 30 + 2), 2 * (8 * 30 + 2), 1)
    assert set(sizes) == {"samples", "neighbours", "reconstructions"}


def test_real_against_real_is_the_same_in_every_report(evaluated, untrained, digits):
    other = evaluated(repeating_generator(digits.train.images[:10])).report
    for name, row in untrained.metrics.items():
        assert other.metrics[name].real == pytest.approx(row.real, rel=1e-6), name


@pytest.mark.parametrize("num", [1, MOST_NUM + 1])
def test_rejects_too_few_or_too_many_samples(evaluated, num):
    with pytest.raises(InputError, match="from 2 to 10000000"):
        evaluated(small_gan().generator_ema, num=num)


class Opaque(Engine):
    """A generator without weights to perturb and gradients to reconstruct with, which take most of the time."""

    def __init__(self, network):
        self.inner = as_engine(network)
        self.latent_dim, self.num_classes = self.inner.latent_dim, self.inner.num_classes
        self.image_shape = self.inner.image_shape

    def __call__(self, latents, labels=None):
        return self.inner(latents, labels)


@pytest.fixture(scope="module", params=[10, 0], ids=["conditional", "unconditional"])
def beyond(request, small_classifier, digits):
    """Returns (an evaluation of as many samples as the smallest split has, one of more, these samples, their labels).

    The data has 60 test images.
    """
    classifier, card = load_classifier(small_classifier[0])
    data = replace(digits, train=digits.train.take(np.arange(0, 4_000, 10)), test=digits.test.take(np.arange(60)))
    engine = Opaque(small_gan(classes=request.param).generator_ema)
    with pytest.warns(UserWarning, match="60 samples prove little"):
        few = evaluate(engine, data, classifier, card, num=60, seed=3)
    with pytest.warns(UserWarning, match="60 test images prove little"):
        many = evaluate(engine, data, classifier, card, num=1_100, seed=3)
    labels = choose_labels(data, 1_100, 3) if request.param else None
    samples = sampling.generate(engine, 1_100, seed=3, labels=labels)
    with pytest.warns(UserWarning, match="60 test images prove little"):
        given = evaluate_samples(samples, labels, data, classifier, card, seed=3)
    return few, many, given, wrong_outcomes(Extractor(classifier).arrays(samples)["logits"], labels), labels


def test_more_samples_than_test_images_change_the_numbers_of_errors_alone(beyond):
    few, many = beyond[0].report, beyond[1].report
    assert (few.num, few.compared, many.num, many.compared) == (60, 60, 1_100, 60)
    of_errors = {f"error_rate{end}" for end in ("", "_lower", "_upper", "_stderr")}
    for name, row in few.metrics.items():
        if name in of_errors:
            assert many.metrics[name].real == row.real
        else:
            assert many.metrics[name] == row, name
    for name in ("class_histogram", "frechet_floor", "frechet_in_floors", "copied", "nearest_num", "reference",
                 "worst_class_real", "not_known"):  # fmt: skip
        assert getattr(few, name) == getattr(many, name), name
    for name, grid in beyond[0].images.items():
        np.testing.assert_array_equal(beyond[1].images[name], grid)
    assert [point.n for point in many.perturbation] == [1_000] * 4


def test_the_error_rate_is_that_of_all_samples(beyond):
    _, many, given, wrong, labels = beyond
    for report in (many.report, given.report):
        rate = ErrorRate.of(np.asarray(wrong))
        row = report.metrics
        assert row["error_rate"].value == rate.value
        assert (row["error_rate_lower"].value, row["error_rate_upper"].value) == rate.interval
        assert row["error_rate_stderr"].value == pytest.approx((rate.value * (1 - rate.value) / 1_100) ** 0.5)
        assert sum(row.n for row in report.error_rate_by_class) == (0 if labels is None else 1_100)
        assert report.worst_class is None or report.worst_class.n > 60


def test_samples_beyond_the_test_images_must_be_finite_too(small_classifier, digits):
    classifier, card = load_classifier(small_classifier[0])
    data = replace(digits, test=digits.test.take(np.arange(4)))
    samples = np.zeros((6, 28, 28, 1), np.float32)
    samples[5, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="finite images"):
        evaluate_samples(samples, None, data, classifier, card)


def test_rejects_arguments_that_do_not_fit_together(small_classifier, digits):
    classifier, card = load_classifier(small_classifier[0])
    from gan import build_generator

    with pytest.raises(InputError, match="another dataset"):
        evaluate(small_gan().generator_ema, replace(digits, name="kmnist", train=digits.test), classifier, card)
    with pytest.raises(InputError, match="differ in image shape"):
        evaluate(build_generator((32, 32, 1), 4, 10, width=4), digits, classifier, card, num=200)
    with pytest.raises(InputError, match="differ in classes"):
        evaluate(build_generator((28, 28, 1), 4, 7, width=4), digits, classifier, card, num=200)
    unlabeled = replace(digits, test=replace(digits.test, labels=None))
    with pytest.raises(InputError, match="dataset with labels"):
        evaluate(small_gan().generator_ema, unlabeled, classifier, card, num=200)
    with pytest.raises(InputError, match="tolerance"):
        evaluate(small_gan().generator_ema, digits, classifier, card, num=200, tolerance=2.0)
    nan_generator = small_gan().generator_ema
    nan_generator.layers[-2].bias.assign([float("nan")])
    with pytest.raises(InputError, match="finite images"):
        evaluate(nan_generator, digits, classifier, card, num=200)


def test_the_exit_status_for_an_exported_generator_follows_the_verdict(
    forked_gan, tiny_run, small_classifier, tmp_path
):
    """Without reconstructions, which take most of the time of an evaluation."""
    exported = gan.deployment.export_generator(tiny_run["folder"], tmp_path)
    options = ["--classifier", small_classifier[0], "--num", 700, "--tolerance", 0.1]  # 500 test images
    options += ["--output", tmp_path / "r"]
    done = forked_gan("evaluate", exported.path, *options)
    assert (done.returncode, done.stderr) == (3, "")
    assert "700 samples, the first 500 of them against the test images of mnist5k" in " ".join(done.stdout.split())
    report = load_report(str(tmp_path / "r"))
    assert (report.num, report.compared, sum(report.class_histogram.real)) == (700, 500, 500)
    assert (report.verdict, report.reconstruction) == ("exceeded", None)
    assert report.not_known["reconstruction_mse"] == "an exported generator has no gradients"
    assert [point.fault for point in report.perturbation] == ["none", *["latent_noise"] * 3]
    assert report.checkpoint.sha256 == exported.sha256
    html = (tmp_path / "r" / "report.html").read_text()
    assert report.summary["tolerance"].replace(" %", "\N{NO-BREAK SPACE}%") in html
    assert "are those of all 700 samples, all other numbers those of the first 500" in " ".join(html.split())


@pytest.mark.slow  # the test before is the stand-in
def test_the_exit_status_of_the_command_follows_the_verdict(forked_gan, tiny_run, small_classifier, tmp_path):
    options = [
        "evaluate",
        tiny_run["folder"],
        "--classifier",
        small_classifier[0],
        "--num",
        200,
        "--tolerance",
        0.1,
        "--output",
        tmp_path / "r",
    ]
    done = forked_gan(*options)
    assert (done.returncode, done.stderr) == (3, "")
    assert "exceeded" in done.stdout
    report = load_report(str(tmp_path / "r"))
    assert report.verdict == "exceeded"
    assert f"{report.metrics['coverage'].value:.4g}" in done.stdout
    assert (report.checkpoint.name, report.checkpoint.num_classes) == (str(tiny_run["folder"]), 10)
    assert report.checkpoint.sha256 == files.sha256(tiny_run["folder"] / "generator.keras")
    html = (tmp_path / "r" / "report.html").read_text()
    assert report.summary["tolerance"].replace(" %", "\N{NO-BREAK SPACE}%") in html
    assert str(tmp_path / "r" / "report.html") in done.stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--num", "1"], "whole number from 2 to 10000000"),
        (["--num", "10000001"], "whole number from 2 to 10000000"),
        (["--tolerance", "1.5"], "number from 0 to 1"),
        (["--dataset", "kmnist"], "for another dataset"),
        (["--classifier", "nonsense"], "No such classifier"),
        (["--classifier", "TAMPERED"], "does not match its card"),
        (["--classifier", "GENERATOR"], "The model is not a classifier"),
        (["--output", "TAKEN"], "a folder"),
    ],
)
def test_bad_input_writes_no_report(forked_gan, tiny_run, small_classifier, tmp_path, options, words):
    tampered, generator, taken = (tmp_path / name for name in ("tampered", "generator", "taken"))
    for folder in (tampered, generator, taken / "report.json"):
        folder.mkdir(parents=True)
    for name in ("classifier.keras", "config.json"):
        (tampered / name).write_bytes((small_classifier[0] / name).read_bytes() + b" ")
    file = generator / "classifier.keras"  # a generator under the name of a classifier
    file.write_bytes((tiny_run["folder"] / "generator.keras").read_bytes())
    files.write_json(generator / "config.json", as_json(replace(small_classifier[1], sha256=files.sha256(file))))
    folders = {"TAMPERED": tampered, "GENERATOR": generator, "TAKEN": taken}
    options = [str(folders.get(option, option)) for option in options]
    options = options if "--classifier" in options else ["--classifier", str(small_classifier[0]), *options]
    options = options if "--output" in options else ["--output", str(tmp_path / "r"), *options]
    done = forked_gan("evaluate", tiny_run["folder"], *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()
    assert [file.name for file in taken.iterdir()] == ["report.json"]


def test_rejects_a_checkpoint_of_another_image_size(forked_gan, small_classifier, tmp_path):
    from gan import build_generator

    build_generator((32, 32, 1), 4, 10, width=4).save(tmp_path / "large.keras")
    options = ["--dataset", "mnist5k", "--classifier", small_classifier[0], "--output", tmp_path / "r"]
    done = forked_gan("evaluate", tmp_path / "large.keras", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Samples and dataset differ in image shape. Expected (28, 28, 1). Received: (32, 32, 1)." in done.stderr
    assert not (tmp_path / "r").exists()


def test_classifies_images_from_the_command_line(forked_gan, small_classifier, digits, tmp_path):
    for label in (3, 7):
        digit = digits.train.images[digits.train.labels == label][5]
        images.save_png(tmp_path / f"{label}.png", 255 - digit)
    files = [tmp_path / "3.png", tmp_path / "7.png"]
    done = forked_gan("classify", *files, "--classifier", small_classifier[0], "--json")
    assert done.returncode == 0, done.stderr
    assert [found["label"] for found in json.loads(done.stdout).values()] == [3, 7]
    (tmp_path / "text.png").write_text("no")
    assert forked_gan("classify", "--classifier", small_classifier[0]).returncode == 2
    done = forked_gan("classify", tmp_path / "3.png", tmp_path / "text.png", "--classifier", small_classifier[0])
    assert done.returncode == 2
    assert "3.png     label 3, probability" in done.stdout
    assert "text.png  no digit: This file is not an image" in done.stdout
    assert "bound" in done.stdout  # an own classifier has none
    assert "Not read as a digit: 1 of 2 images. Expected one digit in each image. Received: " in done.stderr
    assert "not an image" in done.stderr
