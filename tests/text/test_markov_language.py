"""The Markov language: closed forms against sums over all texts, and against samples."""

import math

import numpy as np
import pytest

from gan.errors import InputError
from gan.text.generation.markov import MarkovLanguage, empirical, sample_variation, total_variation


@pytest.fixture(scope="module")
def language() -> MarkovLanguage:
    return MarkovLanguage.drawn("abc", 6, seed=1)


def test_a_text_has_the_product_of_its_steps():
    coin = MarkovLanguage("a", np.array([[0.25, 0.75], [0.5, 0.5]]), 3)
    expected = {"": 0.25, "a": 0.75 * 0.5, "aa": 0.75 * 0.25, "aaa": 0.75 * 0.25}  # the last one is cut off
    assert coin.distribution() == pytest.approx(expected)
    assert np.exp(coin.log_probability(["aaaa", "b"])).tolist() == [0, 0]
    assert coin.expected_characters == pytest.approx(1 + 0.75 + 0.75 * 0.5)


def test_probabilities_of_all_texts_sum_to_one(language):
    assert sum(language.distribution().values()) == pytest.approx(1, abs=1e-12)


def test_entropy_and_characters_are_those_of_the_listed_distribution(language):
    listed = language.distribution()
    entropy = -sum(p * math.log(p) for p in listed.values() if p)
    characters = sum(p * min(len(text) + 1, 6) for text, p in listed.items())
    assert language.entropy == pytest.approx(entropy, rel=1e-12)
    assert language.expected_characters == pytest.approx(characters, rel=1e-12)
    assert language.entropy_rate == pytest.approx(entropy / characters, rel=1e-12)


def test_temperature_is_the_softmax_of_the_divided_logits(language):
    for temperature in (0.3, 1.0, 4.0):
        powers = language.steps ** (1 / temperature)
        expected = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(language.at_temperature(temperature).steps, expected, rtol=1e-12)
    coldest = language.at_temperature(1e-3).steps
    np.testing.assert_array_equal(coldest.argmax(axis=1), language.steps.argmax(axis=1))
    assert coldest.max(axis=1).min() > 0.999


def test_a_text_of_a_seed_does_not_depend_on_the_number(language):
    assert language.sample(50, seed=3) == language.sample(200, seed=3)[:50]
    assert language.sample(50, seed=3) != language.sample(50, seed=4)


def test_a_sample_deviates_as_much_as_the_closed_form_says(language):
    listed = language.distribution()
    for num in (1, 10, 300):
        found = [total_variation(listed, empirical(language.sample(num, seed=seed))) for seed in range(60)]
        error = 4 * np.std(found) / math.sqrt(len(found)) + 1e-12
        assert np.mean(found) == pytest.approx(sample_variation(listed, num), abs=error)


def test_deviation_of_a_fair_coin():
    # one throw is always 1/2 away; of two, half are 1/2 away and half are not
    assert sample_variation({"h": 0.5, "t": 0.5}, 1) == pytest.approx(0.5)
    assert sample_variation({"h": 0.5, "t": 0.5}, 2) == pytest.approx(0.25)
    assert sample_variation({"h": 1.0, "t": 0.0}, 5) == 0


def test_total_variation_of_disjoint_and_equal_distributions():
    assert total_variation({"a": 1.0}, {"b": 1.0}) == 1
    assert total_variation({"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5}) == 0


def test_a_corpus_has_texts_of_the_language(language):
    corpus = language.corpus(20, 10, 5)
    texts = [*corpus.train.texts, *corpus.validation.texts, *corpus.test.texts]
    assert texts == language.sample(35)
    assert np.isfinite(language.log_probability(texts)).all()


@pytest.mark.parametrize(
    ("letters", "steps", "length"),
    [("aa", np.eye(3), 3), ("a", np.eye(3), 3), ("a", np.full((2, 2), 0.4), 3), ("a", np.eye(2), 0)],
)
def test_bad_languages_are_refused(letters, steps, length):
    with pytest.raises(InputError):
        MarkovLanguage(letters, steps, length)


def test_too_many_texts_are_not_listed():
    with pytest.raises(InputError, match="texts to list"):
        MarkovLanguage.drawn("abcdefgh", 20).texts()
