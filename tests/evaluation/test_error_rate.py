"""Tests of the error rate of any number of samples: it needs no test images."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.known_errors import CLASSES, KnownErrors, known_wrong, reader
from hypothesis import given
from hypothesis import strategies as st

from gan import sampling
from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor
from gan.evaluation.error_rate import BLOCK, SampleOutcomes, find_wrong, in_blocks, measure_samples, wrong_in_blocks
from gan.evaluation.reference import choose_labels
from gan.evaluation.report import MOST_NUM
from gan.tolerance import ErrorRate, worst_class


@pytest.fixture(scope="module")
def extractor():
    return Extractor(reader())


@pytest.mark.parametrize(("num", "start"), [(1, 0), (BLOCK, 3), (3 * BLOCK + 1, 7)])
def test_exactly_the_known_errors_are_found(extractor, num, start):
    labels = np.random.default_rng(0).integers(CLASSES, size=num)
    wrong = find_wrong(KnownErrors(), extractor, num, seed=5, start=start, labels=labels)
    assert wrong.dtype == bool
    np.testing.assert_array_equal(wrong, known_wrong(5, start + np.arange(num)))


def test_a_rate_of_many_samples_is_that_of_the_generator_in_the_memory_of_a_block(extractor):
    engine = KnownErrors()
    found = SampleOutcomes(find_wrong(engine, extractor, 20_000, seed=2), np.arange(20_000) % CLASSES)
    assert engine.largest_batch <= BLOCK
    assert found.rate.interval[0] < 0.0668 < found.rate.interval[1]  # P(latent > 1.5)
    classes = [ErrorRate.of(found.wrong[label::CLASSES]) for label in range(CLASSES)]
    assert [(row.label, row.n, row.error_rate) for row in found.by_class(CLASSES)] == [
        (label, rate.n, rate.value) for label, rate in enumerate(classes)
    ]
    assert found.worst_class(CLASSES) == worst_class([rate.wrong for rate in classes], [rate.n for rate in classes])


def test_labels_by_default_are_the_classes_in_turn(extractor):
    labels = (3 + np.arange(700)) % CLASSES
    given_labels = find_wrong(KnownErrors(), extractor, 700, seed=1, start=3, labels=labels)
    np.testing.assert_array_equal(find_wrong(KnownErrors(), extractor, 700, seed=1, start=3), given_labels)
    np.testing.assert_array_equal(find_wrong(KnownErrors(), extractor, 700, seed=1, start=3, labels=2), given_labels)


def test_blocks_and_one_array_have_the_same_outcomes(extractor):
    labels = np.arange(1_201) % CLASSES
    samples = sampling.generate(KnownErrors(), 1_201, seed=9, labels=labels)
    blocks = wrong_in_blocks(in_blocks(samples), extractor, labels)
    np.testing.assert_array_equal(blocks, find_wrong(KnownErrors(), extractor, 1_201, seed=9, labels=labels))
    np.testing.assert_array_equal(blocks, measure_samples(KnownErrors(), extractor, 1_201, seed=9, labels=labels).wrong)
    assert len(wrong_in_blocks([], extractor, None)) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num": 0}, "Bad `num`"),
        ({"num": MOST_NUM + 1}, f"from 1 to {MOST_NUM}"),
        ({"start": -1}, "Bad `start`"),
        ({"seed": -1}, "Bad `seed`"),
        ({"labels": [CLASSES]}, "Bad `labels`"),
        ({"labels": [0, 1]}, "one label or 4 labels"),
    ],
)
def test_bad_numbers_are_refused(extractor, options, words):
    with pytest.raises(InputError, match=words):
        find_wrong(KnownErrors(), extractor, **{"num": 4, "seed": 0, **options})


@pytest.mark.parametrize(
    ("value", "words"), [(np.nan, "finite images"), (np.inf, "finite images"), (1.5, r"\[-1, 1\]")]
)
def test_samples_that_are_no_images_are_refused(extractor, value, words):
    class Broken(KnownErrors):
        def __call__(self, latents, labels=None):
            found = super().__call__(latents, labels)
            return np.where(latents[:, :1, None, None] > 2.5, np.float32(value), found)

    with pytest.raises(InputError, match=words):
        find_wrong(Broken(), extractor, 2_000, seed=0)


def test_the_number_of_labels_must_be_that_of_the_samples(extractor):
    samples = np.zeros((3, 1, CLASSES, 1), np.float32)
    with pytest.raises(InputError, match="3 labels"):
        wrong_in_blocks([samples], extractor, np.zeros(4, int))


@given(st.integers(2, 300), st.integers(0, 2**32 - 1))
def test_labels_continue_with_all_training_images_again(digits, num, seed):
    data = replace(digits, train=digits.train.take(np.linspace(0, len(digits.train) - 1, 90).astype(int)))
    first = np.random.default_rng([seed, 1]).permutation(90)[:num]  # the labels of all earlier reports
    labels = choose_labels(data, num, seed)
    np.testing.assert_array_equal(labels[:90], data.train.labels[first])
    np.testing.assert_array_equal(labels, choose_labels(data, 500, seed)[:num])
    shares = np.bincount(data.train.labels, minlength=10)
    for turn in range(num // 90):
        np.testing.assert_array_equal(np.bincount(labels[90 * turn : 90 * (turn + 1)], minlength=10), shares)
    assert len(labels) == num
    if num > 180:
        assert not np.array_equal(labels[:90], labels[90:180])
