"""The language model: exact probabilities, temperature, and generation that depends on its arguments alone."""

import keras
import numpy as np
import pytest
from helpers.markov_models import markov_model, markov_record

from gan.errors import InputError
from gan.text.data.corpus import TextSplit
from gan.text.generation.generators import TextGenerator
from gan.text.generation.language_model import (
    BLOCK,
    LanguageModel,
    build_language_network,
    draw_places,
    example_inputs,
    example_targets,
    nats_per_text,
)
from gan.text.generation.markov import MarkovLanguage, empirical, sample_variation, total_variation


@pytest.fixture(scope="module")
def language() -> MarkovLanguage:
    return MarkovLanguage.drawn("abc", 5, seed=2)


@pytest.fixture(scope="module")
def model(language) -> LanguageModel:
    return markov_model(language)


@pytest.fixture(scope="module")
def random_model() -> LanguageModel:
    """A network with random weights, two GRUs and three categories."""
    keras.utils.set_random_seed(0)
    languages = [MarkovLanguage.drawn("abcdef", 9, seed=seed) for seed in range(3)]
    record = markov_record(*languages)
    network = build_language_network(record.alphabet.size, 3, width=8, layers=2)
    for layer in network.layers:  # larger weights, so that the probabilities differ
        layer.set_weights([3 * weight for weight in layer.get_weights()])
    return LanguageModel(network, record)


def test_targets_count_the_end_once_and_no_unknown_character():
    numbers = np.array([[2, 3, 0, 0], [4, 1, 2, 0], [2, 2, 2, 2]])
    assert example_targets(numbers).tolist() == [[1, 2, 0, -1], [3, -1, 1, 0], [1, 1, 1, 1]]
    assert example_inputs(numbers, None)["characters"].tolist() == [[0, 2, 3, 0], [0, 4, 1, 2], [0, 2, 2, 2]]


def test_loss_of_equal_logits_is_the_logarithm_of_their_number():
    targets = np.array([[1, 2, 0, -1], [0, -1, -1, -1]])
    np.testing.assert_allclose(nats_per_text(targets, np.zeros((2, 4, 5))), np.log(5) * np.array([3, 1]), rtol=1e-6)


def test_log_likelihood_of_a_markov_network_is_that_of_the_chain(language, model):
    texts = language.texts()
    assert isinstance(model, TextGenerator)
    found, expected = model.log_likelihood(texts), language.log_probability(texts)
    possible = np.isfinite(expected)
    np.testing.assert_allclose(found[possible], expected[possible], atol=1e-4)
    assert (found[~possible] < -60).all()


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_temperature_of_a_markov_network_is_that_of_the_chain(language, model, temperature):
    texts = [text for text, p in language.distribution().items() if p]
    expected = language.at_temperature(temperature).log_probability(texts)
    np.testing.assert_allclose(model.log_likelihood(texts, temperature=temperature), expected, atol=2e-4)


def test_probabilities_of_all_texts_sum_to_one(random_model):
    record = markov_record(*[MarkovLanguage.drawn("abcdef", 3, seed=seed) for seed in range(3)])
    shorter = LanguageModel(random_model.network, record)
    texts = MarkovLanguage.drawn("abcdef", 3).texts()
    for label, temperature in ((0, 1.0), (1, 1.0), (2, 0.6)):
        nats = shorter.log_likelihood(texts, [label] * len(texts), temperature=temperature)
        assert np.exp(nats).sum() == pytest.approx(1, abs=1e-5)


def test_measure_is_the_mean_of_the_log_likelihood(language, model):
    texts = language.sample(300, seed=9)
    measured = model.measure(TextSplit(tuple(texts)))
    nats = -model.log_likelihood(texts).mean()
    characters = np.mean([min(len(text) + 1, language.length) for text in texts])
    assert measured["nats_per_text"] == pytest.approx(nats, rel=1e-6)
    assert measured["bits_per_character"] == pytest.approx(nats / characters / np.log(2), rel=1e-6)
    assert measured["perplexity"] == pytest.approx(np.exp(nats / characters), rel=1e-6)


def test_generated_texts_of_a_markov_network_deviate_as_little_as_real_ones(language, model):
    for temperature in (1.0, 0.5):
        truth = language.at_temperature(temperature).distribution()
        found = total_variation(truth, empirical(model.generate(4_000, seed=5, temperature=temperature)))
        assert found < 1.3 * sample_variation(truth, 4_000)


def test_each_category_has_its_own_language():
    languages = [MarkovLanguage.drawn("ab", 4, seed=seed) for seed in range(2)]
    model = markov_model(*languages)
    for label, language in enumerate(languages):
        texts = [text for text, p in language.distribution().items() if p]
        np.testing.assert_allclose(
            model.log_likelihood(texts, [label] * len(texts)), language.log_probability(texts), atol=1e-4
        )
    in_turn = model.generate(10, seed=1)
    assert in_turn == model.generate(10, seed=1, labels=[0, 1] * 5)
    assert in_turn[1::2] == model.generate(10, seed=1, labels=[1] * 10)[1::2]


def test_a_text_is_the_same_alone_in_a_batch_and_at_any_start(random_model):
    texts = random_model.generate(2 * BLOCK + 40, seed=7)
    assert texts == random_model.generate(2 * BLOCK + 40, seed=7)
    assert texts != random_model.generate(2 * BLOCK + 40, seed=8)
    for index in (0, 3, BLOCK - 1, BLOCK, 2 * BLOCK + 39):
        assert random_model.generate(1, seed=7, start=index) == [texts[index]]
    assert random_model.generate(100, seed=7, start=BLOCK - 50) == texts[BLOCK - 50 : BLOCK + 50]


def test_different_texts_of_a_seed_are_unrelated(random_model):
    texts = random_model.generate(3 * BLOCK, seed=0, labels=[0] * 3 * BLOCK)
    blocks = [texts[first : first + BLOCK] for first in range(0, 3 * BLOCK, BLOCK)]
    assert blocks[0] != blocks[1] != blocks[2]


def test_temperature_zero_is_the_most_probable_character(language, model, random_model):
    state, expected = 0, ""
    while len(expected) < language.length and (state := int(language.steps[state].argmax())):
        expected += language.letters[state - 1]
    assert model.generate(3, seed=1, temperature=0.0) == [expected] * 3
    assert model.generate(3, seed=1, temperature=1e-310) == [expected] * 3
    greedy = random_model.generate(9, seed=1, temperature=0.0)
    assert greedy == 3 * greedy[:3]
    assert greedy == random_model.generate(9, seed=2, temperature=1e-300)


def test_places_are_drawn_by_their_cumulated_probability():
    logits = np.log(np.array([[0.2, 0.3, 0.5]] * 5))
    uniforms = np.array([0.0, 0.19, 0.21, 0.49, 0.99999])
    assert draw_places(logits, uniforms, 1.0).numpy().tolist() == [0, 0, 1, 1, 2]
    assert draw_places(logits, uniforms, 1.0, greedy=True).numpy().tolist() == [2] * 5
    assert draw_places(np.array([[-np.inf, 0.0]]), np.zeros(1), 1.0).numpy().tolist() == [1]


def test_a_prompt_is_continued_with_the_probabilities_of_its_state(language, model):
    texts = model.generate(3_000, seed=3, prompt="ab")
    assert all(text.startswith("ab") for text in texts)
    steps = language.steps.copy()
    steps[0] = steps[2]  # what follows b
    truth = MarkovLanguage(language.letters, steps, language.length - 2).distribution()
    found = total_variation(truth, empirical([text[2:] for text in texts]))
    assert found < 1.3 * sample_variation(truth, 3_000)


def test_no_unknown_character_is_generated_or_possible(model):
    assert not any("\ufffd" in text for text in model.generate(500, temperature=50.0))
    assert model.log_likelihood(["ab", "ax"]).tolist()[1] == -np.inf


def test_it_loads_with_plain_keras(random_model, tmp_path):
    random_model.network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert all(type(layer).__module__.startswith("keras.") for layer in loaded.layers)
    again = LanguageModel(loaded, random_model.corpus)
    assert again.generate(20, seed=4) == random_model.generate(20, seed=4)


@pytest.mark.parametrize(
    "options",
    [
        {"num": 0},
        {"seed": -1},
        {"start": -1},
        {"labels": [0, 1, 3]},
        {"labels": [0]},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"prompt": "abcdefabc"},
        {"prompt": "z"},
    ],
)
def test_bad_options_are_refused(random_model, options):
    with pytest.raises(InputError):
        random_model.generate(**{"num": 3, **options})


def test_labels_are_needed_to_rate_and_refused_without_categories(random_model, model):
    with pytest.raises(InputError, match="labels"):
        random_model.log_likelihood(["a"])
    with pytest.raises(InputError, match="no categories"):
        model.generate(2, labels=[0, 0])
    with pytest.raises(InputError, match="temperature"):
        model.log_likelihood(["a"], temperature=0.0)


def test_a_network_of_other_texts_is_refused(random_model, language):
    with pytest.raises(InputError, match="does not fit its texts"):
        LanguageModel(random_model.network, markov_record(language))
    with pytest.raises(InputError, match="does not fit its texts"):
        LanguageModel(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), markov_record(language))
