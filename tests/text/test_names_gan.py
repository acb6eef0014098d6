"""The pretrained text GAN: it loads with plain Keras, and its report is of its own generator."""

import keras

from gan.saving import files
from gan.text.data.names import LANGUAGES
from gan.text.generation.saved import load_text_generator
from gan.text.generation.text_gan import TextGan
from gan.text.generation.text_gan_config import TextGanConfig
from gan.text.runs.report import load_text_report
from gan.text.runs.text_run import NETWORK, find_network, find_run

LARGEST = 1_500_000
"""Largest size of its folder, in bytes."""


def test_plain_keras_loads_names_gan() -> None:
    folder, record = find_run("names-gan", "gan")
    network = keras.saving.load_model(find_network(folder, record), custom_objects={}, compile=False)
    assert {type(layer).__module__.split(".")[0] for layer in network.layers} == {"keras"}
    assert network.output_shape == (None, record.corpus.length, 1, record.corpus.alphabet.size)


def test_names_gan_generates_names_of_each_language() -> None:
    gan = load_text_generator("names-gan")
    assert isinstance(gan, TextGan)
    assert gan.class_names == LANGUAGES
    texts = gan.generate(5 * len(LANGUAGES), seed=1)
    assert len(set(texts)) > 40
    assert gan.generate(3, seed=1, start=7) == texts[7:10]


def test_names_gan_has_a_record_and_a_report() -> None:
    folder, record = find_run("names-gan", "gan")
    config, defaults = record.options(TextGanConfig, folder), TextGanConfig()
    changing = ("steps", "batch_size", "learning_rate", "d_learning_rate", "width", "latent_dim", "critic_steps")
    assert [getattr(config, name) for name in changing] == [getattr(defaults, name) for name in changing]
    report = load_text_report(folder)
    assert report.sha256 == record.sha256 == files.sha256(folder / NETWORK["gan"])
    assert (report.kind, report.num) == ("gan", defaults.num)
    assert 0 < report.metrics["coverage"] <= 1
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < LARGEST
    assert {path.name for path in folder.iterdir()} >= {"config.json", "log.csv", "text.json"}
