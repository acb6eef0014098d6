"""The recognizer by hand: which window wins, and what each n-gram adds to a logit."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.recognizers import record_of, tiny_corpus

from gan.errors import InputError
from gan.evaluation.robustness import classifier_curve
from gan.text.data.alphabet import Alphabet
from gan.text.recognition.recognizer import UNKNOWN_CHARACTERS, Feature, Recognizer
from gan.text.recognition.recognizer_config import RecognizerConfig
from gan.text.recognition.recognizer_network import (
    FEATURES,
    SCORES,
    TABLE,
    build_recognizer,
    frequent_ngrams,
    windows_of,
)

END, A, B, C = 0, 2, 3, 4
"""Numbers of the end and of the letters of the alphabet abc."""


@pytest.fixture(scope="module")
def by_hand() -> Recognizer:
    """Channels: `ab` has the value 1, `c` at the end 2, `a` at the beginning 3, and two empty places 4."""
    config = RecognizerConfig(windows=(2,), filters=4, embedding=5, members=1)
    network = build_recognizer(5, 4, 2, config).network
    network.get_layer("embedding_0").set_weights([np.eye(5)])
    kernel, bias = np.zeros((2, 5, 4)), np.array([-1.0, -8.0, -10.0, -4.0])
    kernel[0, A, 0] = kernel[1, B, 0] = 1
    kernel[0, C, 1] = kernel[1, END, 1] = 5
    kernel[0, END, 2], kernel[1, A, 2] = 6, 7
    kernel[0, END, 3] = kernel[1, END, 3] = 4
    windows_of(network)[0].set_weights([kernel, bias])
    network.get_layer(SCORES).set_weights([np.array([[2, -1], [-3, 5], [0.5, 0], [0, 0.25]]), np.array([0.5, 0.25])])
    return Recognizer(network, record_of("abc", 4, "first", "second"))


def test_features_are_the_largest_value_over_all_places(by_hand: Recognizer) -> None:
    outputs = by_hand.outputs(["abc", "b", "aaac"])
    assert outputs["features"].tolist() == [[1, 2, 3, 4], [0, 0, 0, 4], [0, 2, 3, 0]]
    assert outputs["logits"].tolist() == [[0.5 + 2 - 6 + 1.5, 0.25 - 1 + 10 + 1], [0.5, 1.25], [-4.0, 10.25]]
    assert {array.dtype for array in outputs.values()} == {np.dtype("float32")}


def test_contributions_by_hand(by_hand: Recognizer) -> None:
    assert by_hand.explain("abc", "first") == [Feature("ab", 0, 2.0), Feature("^a", -1, 1.5), Feature("c$", 2, -6.0)]
    assert by_hand.explain("abc") == [Feature("c$", 2, 10.0), Feature("$", 3, 1.0), Feature("ab", 0, -1.0)]
    assert (by_hand.bias("first"), by_hand.bias("second")) == (0.5, 0.25)


def test_the_first_of_equal_windows_wins(by_hand: Recognizer) -> None:
    assert by_hand.explain("abab", "first") == [Feature("ab", 0, 2.0), Feature("^a", -1, 1.5)]


def test_a_text_of_all_places_has_an_end(by_hand: Recognizer) -> None:
    assert by_hand.explain("bbbc", "second") == [Feature("c$", 3, 10.0)]


def test_only_empty_places_are_named_as_such(by_hand: Recognizer) -> None:
    assert by_hand.explain("b", "second") == [Feature("$", 1, 1.0)]


def test_answers(by_hand: Recognizer) -> None:
    abc, cut, unknown, empty = by_hand.recognize(["abc", "abcab", "\U0001f642", ""])
    logits = by_hand.outputs(["abc"])["logits"][0]
    assert (abc.category, abc.is_cut) == ("second", False)
    assert abc.probability == pytest.approx(1 / (1 + np.exp(logits[0] - logits[1])))
    assert list(abc.probabilities) == ["second", "first"]
    assert (cut.text, cut.is_cut) == ("abca", True)
    assert [(one.category, one.probability, one.reason) for one in (unknown, empty)] == [
        (None, None, UNKNOWN_CHARACTERS)
    ] * 2


def test_unsure(by_hand: Recognizer) -> None:
    sure, unsure = by_hand.recognize(["abc", "b"], unsure=0.9)
    assert (sure.category, unsure.category) == ("second", None)
    assert unsure.reason == "not sure: second 67.9%"
    assert unsure.probability == pytest.approx(1 / (1 + np.exp(0.5 - 1.25)))


def test_no_texts(by_hand: Recognizer) -> None:
    assert by_hand.recognize([]) == by_hand.explain_all([]) == []
    assert by_hand.outputs([])["features"].shape == (0, 4)


def test_unknown_category(by_hand: Recognizer) -> None:
    with pytest.raises(InputError, match=r"one of \['first', 'second'\] \(did you mean first\?\)"):
        by_hand.explain("abc", "frist")


def test_other_networks_are_refused(by_hand: Recognizer) -> None:
    with pytest.raises(InputError, match="Not a recognizer"):
        Recognizer(by_hand.network, record_of("abc", 5, "first", "second"))
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="Not a recognizer"):
        Recognizer(plain, record_of("abc", 4, "first", "second"))


def code(*numbers: int, base: int = 7) -> int:
    """Returns the code of an n-gram of the alphabet abcd."""
    return sum((number + 1) * base**place for place, number in enumerate(reversed(numbers)))


NGRAMS = sorted([code(A), code(A, B), code(END, A), code(B, END), code(C, A, B, A, B)])
"""Codes of a, ab, ^a, b$ and cabab."""


def random_recognizer(members: int = 2) -> Recognizer:
    keras.utils.set_random_seed(1)
    config = RecognizerConfig(windows=(4, 1, 2), filters=7, embedding=6, members=members)
    built = build_recognizer(6, 9, 3, config, NGRAMS)
    rng = np.random.default_rng(2)
    for layer in built.network.layers:
        if layer.trainable_variables:
            layer.set_weights([rng.normal(size=each.shape) for each in layer.get_weights()])
    return Recognizer(built.network, record_of("abcd", 9, "x", "y", "z"))


@pytest.fixture(scope="module")
def drawn() -> Recognizer:
    """A recognizer with random weights, which tests must not change."""
    return random_recognizer()


def test_the_table_adds_a_weight_for_each_ngram() -> None:
    recognizer = random_recognizer()
    for name, weights in (("window_0_1", None), (SCORES, None), (TABLE, np.arange(18.0).reshape(6, 3))):
        layer = recognizer.network.get_layer(name)
        layer.set_weights([np.zeros(each.shape) for each in layer.get_weights()] if weights is None else [weights])
    row = {
        ngram: 1 + NGRAMS.index(number)
        for ngram, number in zip(
            ("a", "ab", "^a", "b$", "cabab"), [code(A), code(A, B), code(END, A), code(B, END), code(C, A, B, A, B)]
        )
    }
    for text, known in {
        "abab": ["a", "a", "ab", "ab", "^a", "b$"],
        "cabab": ["a", "a", "ab", "ab", "b$", "cabab"],
    }.items():
        assert recognizer.outputs([text])["logits"][0, 1] == sum(3 * row[ngram] + 1 for ngram in known)
        features = recognizer.explain(text, "y")
        assert sorted(one.ngram for one in features) == sorted(known)
        assert {one.ngram: one.contribution for one in features} == {ngram: 3 * row[ngram] + 1 for ngram in known}
    assert recognizer.outputs(["dd"])["logits"].tolist() == [[0, 0, 0]]


def test_the_frequent_ngrams_of_texts(tmp_path: Path) -> None:
    corpus = tiny_corpus(tmp_path)
    found = frequent_ngrams(corpus, 10**6)
    base, number = corpus.alphabet.size + 1, corpus.alphabet.encode
    ends = [code(*number(["ski"], 3)[0], END, base=base), code(*number(["i"], 1)[0], END, base=base)]
    assert set(ends) <= set(found)
    marked = [f"^{text}$" for text in corpus.train.texts]
    expected = {
        ngram
        for text in marked
        for size in range(1, 6)
        for ngram in (text[at : at + size] for at in range(len(text) - size + 1))
        if sum(ngram in other for other in marked) >= 2
    } - {"^", "$"}
    assert len(found) == len(expected) == len(set(found))
    assert found == sorted(found)
    best = frequent_ngrams(corpus, 3)
    counts = {ngram: sum(ngram in text for text in marked) for ngram in expected}
    assert len(best) == 3
    assert set(best) <= set(found)
    assert code(*number(["i"], 1)[0], base=base) in best or counts["i"] < sorted(counts.values())[-3]
    assert frequent_ngrams(corpus, 0) == []


def test_contributions_sum_to_the_logits(drawn: Recognizer) -> None:
    recognizer = drawn
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcd?"), size)) for size in (*rng.integers(0, 13, 60), 9)]
    logits = recognizer.outputs(texts)["logits"]
    for label, name in enumerate("xyz"):
        for text, row, features in zip(texts, logits, recognizer.explain_all(texts, [label] * len(texts))):
            assert sum(one.contribution for one in features) + recognizer.bias(name) == pytest.approx(
                row[label], rel=1e-5, abs=1e-5
            )
            marked = f"^{text[:9]}$"
            assert all(marked[one.start + 1 :].startswith(one.ngram) for one in features)
            assert len({(one.start, one.ngram) for one in features}) == len(features)
            assert features == sorted(features, key=lambda one: -one.contribution)


def test_a_string_model_reads_the_numbers_of_the_alphabet(drawn: Recognizer) -> None:
    recognizer = drawn
    texts = ["abcd", "dcba dd?", "", "aaaaaaaaaaaaaaa", "b c"]
    expected = recognizer.outputs_of_numbers(Alphabet("abcd").encode(texts, 9))["logits"]
    found = recognizer.string_model().predict_on_batch(np.array(texts, object))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_perturbation_by_typos() -> None:
    recognizer = random_recognizer(members=1)
    rng = np.random.default_rng(0)
    texts = np.array(["".join(rng.choice(list("abcd"), 8)) for _ in range(80)], object)
    logits = recognizer.outputs(list(texts))["logits"]
    head = recognizer.network.get_layer(SCORES)
    head.set_weights([head.get_weights()[0], -logits.mean(axis=0)])  # so that all categories are found
    model, labels = recognizer.string_model(), recognizer.outputs(list(texts))["logits"].argmax(axis=1)
    curve = classifier_curve(model, (texts, labels), faults=["typos"], severities={"typos": [0.3]}, seed=1)
    assert [point.rate.n for point in curve] == [80, 80]
    assert curve[0].rate.wrong == 0
    assert curve[1].rate.value > 0.1


def test_the_logits_are_a_sum_over_the_members() -> None:
    keras.utils.set_random_seed(0)
    config = RecognizerConfig(windows=(2, 3), filters=4, embedding=4, members=2)
    built = build_recognizer(6, 5, 3, config, NGRAMS)
    table = built.network.get_layer(TABLE)
    table.set_weights([np.random.default_rng(1).normal(size=(6, 3))])
    numbers = np.random.default_rng(0).integers(0, 6, (20, 5), np.int32)
    members = built.trainer.predict_on_batch(numbers)
    assert members.shape == (20, 3, 3)
    built.finish([0.5, 2.0, 0.25])
    expected = 0.5 * members[:, 0] + 2 * members[:, 1] + 0.25 * members[:, 2]
    expected -= expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(built.network.predict_on_batch(numbers), expected, atol=1e-5)


def test_windows_longer_than_a_text() -> None:
    with pytest.raises(InputError, match="at most 5 places"):
        build_recognizer(5, 3, 2, RecognizerConfig(windows=(2, 6)))


def test_a_saved_network_needs_keras_alone(tmp_path: Path, drawn: Recognizer) -> None:
    recognizer = drawn
    recognizer.network.save(tmp_path / "recognizer.keras")
    with zipfile.ZipFile(tmp_path / "recognizer.keras") as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    assert {layer["module"].partition(".")[0] for layer in layers} == {"keras"}
    assert all(layer["registered_name"] in (None, layer["class_name"]) for layer in layers)
    loaded = keras.saving.load_model(tmp_path / "recognizer.keras", compile=False)
    assert loaded.get_layer(FEATURES).output.shape == (None, 2 * 3 * 7)
    numbers = np.ones((1, 9), np.int32)
    np.testing.assert_array_equal(loaded(numbers), recognizer.network(numbers))
