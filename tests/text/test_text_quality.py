"""Quality of texts by hand: error rate, novelty, coverage and Frechet distance."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.text_gans import LastLetter

from gan.cli.text_report import report_lines
from gan.errors import InputError
from gan.text.data.alphabet import Alphabet
from gan.text.data.corpus import Corpus, TextSplit
from gan.text.generation.judges import class_places
from gan.text.generation.quality import TextReference, principal_components

NUM = 120
LABELS = np.arange(NUM) % 2


def _texts(seed: int) -> tuple[str, ...]:
    """Returns different texts; those with an odd index end in z."""
    rng = np.random.default_rng(seed)
    made = ["".join(rng.choice(list("abcdefghij"), rng.integers(3, 12))) + f"{seed}{i}" for i in range(NUM)]
    return tuple(text + ("z" if i % 2 else "y") for i, text in enumerate(made))


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    train, validation, test = (TextSplit(_texts(seed), LABELS.astype(np.int32)) for seed in range(3))
    return Corpus(
        name="by hand",
        train=train,
        validation=validation,
        test=test,
        alphabet=Alphabet.of(train.texts),
        length=16,
        class_names=("first", "last"),
    )


@pytest.fixture(scope="module")
def reference(corpus: Corpus) -> TextReference:
    return TextReference(corpus, LastLetter(), num=NUM)


def test_training_texts_are_not_new(reference: TextReference, corpus: Corpus) -> None:
    found = reference.measure(corpus.train.texts, LABELS)
    assert (found.novelty, found.distinct, found.rate.wrong, found.rate.n) == (0.0, 1.0, 0, NUM)
    assert found.covers
    assert found.real_rate.wrong == 0
    assert found.report("gan", judge="by hand", tolerance=0.05).verdict == "within"


def test_real_texts_have_the_numbers_of_the_reference(reference: TextReference, corpus: Corpus) -> None:
    found = reference.measure(corpus.validation.texts, LABELS)
    assert found.novelty == 1.0
    assert found.coverage == found.real_coverage
    same = reference.measure(corpus.test.texts, LABELS)
    assert same.frechet_distance == pytest.approx(0, abs=1e-6)
    assert found.frechet_distance == pytest.approx(found.frechet_floor)  # all texts of validation, in another order
    assert found.frechet_floor > 0


def test_one_text_again_and_again(reference: TextReference) -> None:
    found = reference.measure(["abcz"] * NUM, LABELS)
    assert (found.rate.wrong, found.novelty) == (NUM // 2, 1.0)
    assert found.distinct == 1 / NUM
    assert found.coverage < 0.2 * found.real_coverage
    assert found.frechet_distance > 10 * found.frechet_floor


def test_errors_by_hand(reference: TextReference, corpus: Corpus) -> None:
    texts = list(corpus.test.texts)
    texts[0], texts[1], texts[2], texts[3] = "abz", "aby", "", "ab\ufffdz"
    found = reference.measure(texts, LABELS)
    assert (found.rate.wrong, found.rate.n) == (4, NUM)
    assert {name: rate.wrong for name, rate in found.by_class.items()} == {"first": 2, "last": 2}
    numbers = found.numbers()
    assert numbers["worst_class"]["category"] == "first"
    assert numbers["error_rate_by_class"] == {"first": 2 / 60, "last": 2 / 60}


def test_texts_are_measured_in_the_form_of_the_corpus(reference: TextReference, corpus: Corpus) -> None:
    texts = [f"  {text}\t " for text in corpus.train.texts]
    texts[1], texts[3] = " ", "\u00a0\n"
    found = reference.measure(texts, LABELS)
    assert (found.rate.wrong, found.novelty) == (2, 2 / NUM)
    assert found.distinct == (NUM - 1) / NUM


def test_a_memorized_text_that_was_cut_is_not_new(corpus: Corpus) -> None:
    short = replace(corpus, length=5)
    found = TextReference(short, LastLetter(), num=NUM).measure([text[:5] for text in corpus.train.texts], LABELS)
    assert found.novelty == 0.0


def test_few_errors_without_coverage_are_not_within(reference: TextReference) -> None:
    found = reference.measure(["abcz"] * NUM, np.ones(NUM, int))
    report = found.report("gan", judge="by hand", tolerance=0.05)
    assert (report.wrong, report.verdict, report.samples_needed, report.exit_status) == (0, "undecided", None, 4)
    lines = report_lines(report)
    assert lines["verdict"] == "undecided, tolerance 5.0%"
    assert "more texts do not decide it" in str(lines["to decide"])
    assert set(found.by_class) == {"last"}
    assert found.numbers()["worst_class"]["category"] == "last"


def test_the_lines_tell_how_many_texts_decide(reference: TextReference, corpus: Corpus) -> None:
    texts = [f"{text[:-1]}z" if i == 0 else text for i, text in enumerate(corpus.test.texts)]
    report = reference.measure(texts, LABELS).report("gan", judge="by hand", tolerance=0.02)
    assert report.samples_needed is not None
    assert str(report_lines(report)["to decide"]).startswith(f"{report.samples_needed:,} fresh texts")


def test_more_texts_than_real_ones(corpus: Corpus) -> None:
    reference = TextReference(corpus, LastLetter(), num=2 * NUM + 1)
    labels = reference.choose_labels(0)
    assert np.bincount(labels).sum() == 2 * NUM + 1
    assert sorted(labels[:NUM]) == sorted(LABELS)
    found = reference.measure(["abz"] * (2 * NUM + 1), labels)
    assert (found.rate.n, found.compared) == (2 * NUM + 1, NUM)


def test_labels_depend_on_the_seed_and_not_on_the_number(corpus: Corpus) -> None:
    few, many = (TextReference(corpus, LastLetter(), num=num) for num in (100, 110))
    assert few.choose_labels(3).tolist() == many.choose_labels(3)[:100].tolist()
    assert few.choose_labels(3).tolist() != few.choose_labels(4).tolist()


def test_the_judge_may_know_more_categories_in_another_order() -> None:
    assert class_places(("b", "a"), ("a", "c", "b")).tolist() == [2, 0]
    for names in (("b", "d"), ()):
        with pytest.raises(InputError, match="judge"):
            class_places(names, ("a", "b"))


def test_too_few_texts(corpus: Corpus) -> None:
    small = replace(corpus, test=TextSplit(corpus.test.texts[:99], corpus.test.labels[:99]))
    with pytest.raises(InputError, match="99 in the smallest"):
        TextReference(small, LastLetter(), num=NUM)
    with pytest.raises(InputError, match="num"):
        TextReference(corpus, LastLetter(), num=99)


def test_another_number_of_texts(reference: TextReference) -> None:
    with pytest.raises(InputError, match="120 texts"):
        reference.measure(["a"], np.zeros(1, int))


def test_principal_components_by_hand() -> None:
    mean, components = principal_components(np.array([[0.0, 1, 5], [4, 1, 5], [2, 0, 5], [2, 2, 5]]), 2)
    assert mean.tolist() == [2, 1, 5]
    np.testing.assert_allclose(np.abs(components), [[0, 1], [1, 0], [0, 0]], atol=1e-12)
