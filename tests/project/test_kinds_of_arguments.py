"""Feeds things of a wrong kind to every argument of the public functions for sampling, evaluation and training.

A function may understand a thing, or raise `InputError`. It must not raise an error of another package.
"""

import inspect
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.tiny import small_gan

import gan
from gan import Dataset, InputError, Probe, callbacks, classifier, evaluation, metrics, perturbation, sampling

NAN = float("nan")
JUNK = {
    "True": True,
    "-1": -1,
    "2.5": 2.5,
    "nan": NAN,
    "10**30": 10**30,
    "text": "no such thing",
    "empty text": "",
    "zero byte": "a\0b",
    "bytes": b"abc",
    "empty list": [],
    "mixed list": [1, "a", None],
    "ragged list": [[1], [1, 2]],
    "dict": {"a": 1},
    "set": {1, 2},
    "array of text": np.array(["a", "b"]),
    "array": np.full((2, 3), 0.5),
    "nan array": np.full((2, 3, 3, 1), np.nan),
    "object": object(),
    "class": dict,
    "function": lambda: None,
    "path": Path("no-such-folder/file"),
    "model": keras.Sequential([keras.Input((3,), name="images"), keras.layers.Dense(2)]),
}
SHAPE = (12, 12, 1)
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (80, *SHAPE), np.uint8)
LABELS = np.arange(80) % 2
IMAGES = RNG.uniform(-1, 1, (6, *SHAPE)).astype(np.float32)
FEATURES = RNG.normal(size=(24, 3))


@pytest.fixture(scope="module")
def made():
    """Objects that the functions take, by name."""
    data = Dataset.from_arrays(PIXELS, LABELS)
    network = classifier.build_classifier(SHAPE, 2, width=1, blocks=1, features=3)
    trained = small_gan(2, shape=SHAPE)
    return {"gan": trained, "generator": trained.generator_ema, "data": data, "classifier": network}


def calls(made):
    """Function -> arguments that it accepts. Those of long runs are only called with a wrong argument."""
    generator, network, data = made["generator"], made["classifier"], made["data"]
    extractor = classifier.Extractor(network)
    outputs = extractor.arrays(IMAGES)
    pair = {"real": FEATURES, "fake": FEATURES}
    moments = {"mean_a": np.zeros(2), "covariance_a": np.eye(2), "mean_b": np.zeros(2), "covariance_b": np.eye(2)}
    x, y = IMAGES, np.arange(6) % 2
    stopping = callbacks.ToleranceEarlyStopping("loss", "min", target=0.02, confirm=lambda model, attempt: (0, 1))
    return {
        sampling.generate: {"generator": generator, "num": 3},
        sampling.stream: {"generator": generator, "num": 3},
        sampling.interpolate: {"generator": generator, "first": 0, "second": 1, "steps": 2},
        sampling.latents: {"seed": 0, "indices": [0, 1], "latent_dim": 2},
        sampling.projection_latents: {"seed": 0, "restart": 0, "indices": [0], "latent_dim": 2},
        sampling.truncate: {"latents": np.zeros((2, 3), np.float32), "threshold": 1.0},
        sampling.batch_for: {"generator": generator},
        sampling.compiled: {"generator": generator},
        sampling.labels_for: {"indices": np.arange(3), "num_classes": 2, "labels": None},
        sampling.spherical: {"first": np.ones(2), "second": np.arange(2.0), "share": np.zeros((3, 1))},
        gan.project: {"generator": generator, "images": IMAGES[:1], "labels": 0, "steps": 1, "restarts": 1},
        gan.load_generator: {"checkpoint": "none"},
        gan.load_discriminator: {"checkpoint": "none"},
        gan.load_classifier: {"checkpoint": "none"},
        gan.evaluate: {"generator": generator, "dataset": data, "classifier": network},
        evaluation.evaluate_samples: {"samples": IMAGES, "labels": None, "dataset": data, "classifier": network},
        evaluation.load_report: {"checkpoint": "none"},
        evaluation.rows: {"report": None},
        evaluation.check_comparable: {"reports": {}},
        evaluation.page: {"evaluation": None, "checkpoint": "none"},
        evaluation.write_report: {"folder": "none", "evaluation": None, "checkpoint": "none"},
        evaluation.comparison: {"originals": IMAGES, "projection": None},
        evaluation.quality: {"extractor": extractor, "real": outputs, "fake": outputs},
        evaluation.quality_metric: {"extractor": extractor},
        classifier.classify: {"classifier": network, "images": IMAGES},
        classifier.top_probability: {"logits": np.zeros((2, 3))},
        classifier.build_classifier: {"image_shape": SHAPE, "num_classes": 2, "width": 1, "blocks": 1},
        classifier.train_classifier: {"train": data.train, "validation": None, "num_classes": 2},
        classifier.Extractor: {"classifier": network},
        perturbation.perturbed: {"model": network, "fault": "int8"},
        perturbation.error_rate: {"classifier": network, "data": (x, y)},
        perturbation.generator_error_rate: {"generator": generator, "classifier": network, "num": 3},
        perturbation.generator_curve: {"generator": generator, "classifier": network, "num": 3, "faults": []},
        perturbation.classifier_curve: {"classifier": network, "data": (x, y), "faults": []},
        perturbation.perturbation_curve: {
            "model": network,
            "measure": lambda model: perturbation.error_rate(model, (x, y)),
            "faults": [],
        },
        metrics.kernel_distance: pair,
        metrics.precision_recall: pair,
        metrics.squared_radii: {"features": FEATURES},
        metrics.nearest_neighbours: {"fake": IMAGES, "real": IMAGES},
        metrics.copied_share: {"fake": IMAGES, "train": IMAGES, "held_out": IMAGES},
        metrics.pairwise_ssim: {"images": IMAGES, "pairs": 2},
        metrics.ssim: {"a": IMAGES, "b": IMAGES},
        metrics.ssim_of_pairs: {"a": IMAGES, "b": IMAGES},
        metrics.why_no_ssim: {"image_shape": (28, 28)},
        metrics.wrong_outcomes: {"logits": np.zeros((2, 3))},
        metrics.class_kl: {"fake": np.ones(2), "real": np.ones(2)},
        metrics.frechet_distance: moments,
        metrics.FrechetDistance: {"extractor": abs, "features": 2},
        metrics.ErrorRate: {"classify": abs},
        metrics.ClassHistogram: {"classify": abs, "num_classes": 2},
        metrics.PairwiseSSIM: {},
        callbacks.ToleranceEarlyStopping: {"monitor": "loss", "mode": "min"},
        callbacks.ReduceLROnTolerance: {"monitor": "loss", "mode": "min"},
        callbacks.ReduceLROnRefusal: {"stopping": stopping},
        callbacks.Confirmations: {"tolerance": 0.02, "target": 0.02},
        callbacks.CollapseMonitor: {},
        callbacks.SampleGrid: {},
        callbacks.StopOnInterrupt: {},
        Probe: {"sha256": "no metrics, so that nothing is measured"},
        gan.start_devices: {"devices": 1},
        gan.train: {"dataset": "no such dataset"},
        gan.resume: {"run": "no such run"},
    }


THEIR_OWN = {("measure", label) for label in ("class", "function", "model")}
"""A function of the caller may raise what it likes."""


def test_every_argument_of_a_wrong_kind_is_understood_or_refused(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faults = []
    for function, given in calls(made).items():
        for name in inspect.signature(function).parameters:
            for label, junk in JUNK.items():
                if (name, label) in THEIR_OWN:
                    continue
                try:
                    function(**{**given, name: junk})
                except InputError:
                    continue
                except Exception as error:
                    where = f"{function.__qualname__}({name}={label})"
                    faults.append(f"{where}: {type(error).__name__}: {str(error).splitlines()[:1]}")
    assert not faults, "\n".join(faults)
