"""Exported generators in the Python functions that take a generator: the same samples as from the run folder."""

import threading

import numpy as np
import pytest
from helpers.exports import FORMATS, save_tiny

import gan
from gan import InputError, generate, interpolate, perturbation, sampling
from gan.deployment.export import export_generator
from gan.sampling.generators import as_engine, as_generator
from gan.saving.engines.find import load_exported


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("tiny") / "tiny.keras")


@pytest.fixture(scope="module")
def exported(keras_file):
    return {form: export_generator(keras_file, keras_file.parent / "out", format=form) for form in FORMATS}


@pytest.mark.parametrize("form", FORMATS)
def test_samples_are_those_of_the_keras_file(exported, keras_file, form):
    options = {"seed": 3, "start": 5, "truncation": 1.5, "latent_noise": 0.1, "batch_size": 7}
    expected = generate(str(keras_file), 20, **options)
    path = exported[form].path
    for given in (path, str(path), exported[form], load_exported(path)):
        assert np.abs(generate(given, 20, **options) - expected).max() <= 1e-5
    labels = [4, 4, 2]
    assert np.abs(generate(path, 3, labels=labels) - generate(str(keras_file), 3, labels=labels)).max() <= 1e-5
    assert sampling.batch_for(path) == sampling.batch_for(str(keras_file))
    with pytest.raises(InputError):
        generate(path, 2, labels=10)


@pytest.mark.parametrize("form", FORMATS)
def test_interpolation_within_one_class_only(exported, keras_file, form):
    path = exported[form].path
    expected = interpolate(str(keras_file), 0, 1, 5, labels=3)
    assert np.abs(interpolate(path, 0, 1, 5, labels=3) - expected).max() <= 1e-5
    assert np.abs(interpolate(path, 0, 10, 5) - interpolate(str(keras_file), 0, 10, 5)).max() <= 1e-5  # class 0 twice
    with pytest.raises(InputError, match="one class: only a Keras network with an embedding of its classes"):
        interpolate(path, 0, 1, 5)


@pytest.mark.parametrize("form", FORMATS)
def test_threads_draw_the_same_samples(exported, form):
    engine = load_exported(exported[form])
    latents = [sampling.latents(seed, np.arange(4 + seed), 4) for seed in range(8)]
    labels = [np.full(4 + seed, seed, np.int32) for seed in range(8)]
    expected = [engine(*inputs) for inputs in zip(latents, labels)]
    wrong = []

    def draw(seed):
        for _ in range(10):
            difference = np.abs(engine(latents[seed], labels[seed]) - expected[seed]).max()
            if not difference <= 1e-6:
                wrong.append((seed, difference))

    threads = [threading.Thread(target=draw, args=[seed]) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("given", [lambda file: file, lambda file: file.path, load_exported])
def test_what_needs_layers_or_gradients_is_refused(exported, given):
    file = exported["onnx"]
    images = np.zeros((2, 8, 8, 1), np.float32)
    for use in (as_generator, sampling.compiled, lambda generator: gan.project(generator, images)):
        with pytest.raises(
            InputError, match=r"no gradients and no layers. Expected the run folder or .keras file that"
        ):
            use(given(file))


def test_an_exported_generator_without_classes(tmp_path):
    path = save_tiny(tmp_path / "tiny.keras", classes=0)
    exported = export_generator(path, tmp_path)
    assert exported.card.num_classes == 0
    assert np.abs(generate(exported.path, 9) - generate(str(path), 9)).max() <= 1e-5
    assert np.abs(interpolate(exported.path, 0, 1, 3) - interpolate(str(path), 0, 1, 3)).max() <= 1e-5
    with pytest.raises(InputError):
        generate(exported.path, 2, labels=1)
    with pytest.raises(InputError, match="Bad inputs of an exported generator"):
        load_exported(exported)(np.zeros((1, 4), np.float32), np.zeros(1, np.int32))


def test_an_engine_stays_as_it_is(exported):
    engine = load_exported(exported["onnx"])
    assert as_engine(engine) is engine


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_evaluation_and_perturbation_of_an_exported_generator(form, tmp_path, digits, small_classifier):
    """Numbers are those of the Keras file. Faults in kernels need the layers, and are refused."""
    folder, _ = small_classifier
    exported = export_generator("mnist", tmp_path, format=form)
    from gan.evaluation.classifier.extractor import load_classifier

    classifier, info = load_classifier(folder)
    reports = [gan.evaluate(given, digits, classifier, info, num=200).report for given in ("mnist", exported.path)]
    one, other = (report.metrics for report in reports)
    assert one.keys() == other.keys()
    for name, row in one.items():
        if name.startswith("reconstruction"):
            assert (other[name].value, other[name].real) == (None, None)
            assert name in reports[1].not_known
        elif row.value is not None:
            assert other[name].value == pytest.approx(row.value, abs=2e-2), name
    curves = [
        perturbation.generator_curve(given, classifier, 50, faults=["latent_noise"])
        for given in ("mnist", exported.path)
    ]
    for one, other in zip(*curves):
        assert (one.fault, one.severity) == (other.fault, other.severity)
        assert abs(one.rate.value - other.rate.value) <= 0.04
    assert {point.fault for point in perturbation.generator_curve(exported.path, classifier, 50)} == {
        curves[0][0].fault,
        "latent_noise",
    }
    with pytest.raises(InputError, match="no gradients and no layers"):
        perturbation.generator_curve(exported.path, classifier, 50, faults=["int8"])
