"""What a classifier says of samples to judge, the plan that it makes, and real images as gold."""

import numpy as np
import pytest
from helpers.judgements import judge_some, open_store

from gan import Dataset, sampling
from gan.data.images import from_uint8, to_uint8
from gan.deployment.feedback.pictures import label_of
from gan.deployment.feedback.reading import find_plan, make_gold, predict, read_flags
from gan.deployment.feedback.strata import load_strata
from gan.errors import InputError
from gan.evaluation.classifier.extractor import classify
from gan.saving import models
from gan.saving.engines.engine import Engine
from gan.tolerance import plan_unflagged


class DigitEngine(Engine):
    """Draws the real digit of the asked class whose number the latents give; some are of another class."""

    latent_dim, num_classes, image_shape = 2, 10, (28, 28, 1)

    def __init__(self, dataset, num_classes=10):
        self.num_classes = num_classes
        images, labels = dataset.train.images, dataset.train.labels
        self._images = [images[labels == label] for label in range(10)]

    def __call__(self, latents, labels=None):
        labels = np.zeros(len(latents), int) if labels is None else labels
        moved = np.where(latents[:, 0] > 1.5, (labels + 1) % 10, labels)
        chosen = [
            self._images[label][int(abs(row[1]) * 1_000) % 400] for label, row in zip(moved, latents, strict=True)
        ]
        return np.asarray(from_uint8(np.stack(chosen).astype(np.float32)))


@pytest.fixture(scope="module")
def classifier(small_classifier):
    return models.find_classifier(small_classifier[0])


@pytest.fixture(scope="module")
def engine(digits):
    return DigitEngine(digits)


def test_flags_are_what_the_classifier_reads_in_the_bytes_that_people_see(engine, classifier):
    flags = read_flags(engine, classifier, "mnist5k", seed=5, num=300)
    labels = np.array([label_of(5, index, 10) for index in range(300)])
    samples = sampling.generate(engine, 300, seed=5, labels=labels)
    seen, _ = classify(
        models.find_classifier(classifier.file.path.parent), from_uint8(to_uint8(samples).astype(np.float32))
    )
    np.testing.assert_array_equal(flags, seen != labels)
    assert 10 < flags.sum() < 150
    np.testing.assert_array_equal(flags[:100], read_flags(engine, classifier, "mnist5k", seed=5, num=100))


def test_a_plan_is_made_of_the_flags_and_stays(engine, classifier, tmp_path):
    with open_store(tmp_path) as store:
        plan = find_plan(store, engine, classifier, "mnist5k", num=400, tolerance=0.5)
        flags = read_flags(engine, classifier, "mnist5k", seed=store.seed_of("stratified"), num=400)
        assert plan.flagged == tuple(np.flatnonzero(flags))
        assert plan.num_unflagged == plan_unflagged(400, len(plan.flagged), 0.5)
        assert load_strata(store).classifier_sha256 == classifier.card.sha256
        assert plan.seed != store.seed
    with open_store(tmp_path) as store:
        for other in (None, classifier):
            assert find_plan(store, engine, other, "mnist5k", num=None, tolerance=0.01) == plan
        assert find_plan(store, engine, None, None, num=400, tolerance=0.01) == plan
        with pytest.raises(InputError, match=r"Another plan.*400"):
            find_plan(store, engine, None, None, num=401, tolerance=0.5)
        with pytest.raises(InputError, match="Another plan"):
            find_plan(store, engine, models.find_classifier("mnist-probe"), "mnist5k", num=None, tolerance=0.5)


def test_plans_that_are_not_possible_are_refused(engine, classifier, tmp_path):
    with open_store(tmp_path) as store:
        with pytest.raises(InputError, match=r"No plan meets.*another seed.*seed 3"):
            find_plan(store, engine, classifier, "mnist5k", num=50, tolerance=0.01)
        with pytest.raises(InputError, match="another dataset"):
            find_plan(store, engine, classifier, "fashion_mnist", num=50, tolerance=0.5)
        with pytest.raises(InputError, match="No plan"):
            find_plan(store, engine, None, "mnist5k", num=50, tolerance=0.5)
        assert load_strata(store) is None


def test_the_predicted_counts_are_those_of_the_rows(engine, classifier, tmp_path):
    flags = read_flags(engine, classifier, "mnist5k", seed=3, num=200)
    with open_store(tmp_path, overlap=0.3) as store:
        assert predict(store, flags) is None
        judge_some(store, 40, said=lambda p: "unsure" if p.index % 9 == 0 else "wrong" if p.index % 4 == 0 else "right")
        found = predict(store, flags)
        judged = [index for index in range(store.counts("audit").n) if index % 9]
        assert predict(store, flags[:10]).judged == 8  # people went on while the classifier read
        assert predict(store, flags[:1]) is None
    wrong = {index for index in judged if index % 4 == 0}
    assert (found.num, found.flagged, found.judged, found.wrong) == (200, flags.sum(), len(judged), len(wrong))
    assert found.judged_flagged == flags[judged].sum()
    assert found.wrong_flagged == flags[sorted(wrong)].sum()


def test_gold_is_the_test_split(engine, digits, tmp_path):
    with open_store(tmp_path) as store:
        gold = make_gold(store, engine, digits, 0.25)
        assert (gold.plan.seed, gold.plan.share, gold.plan.size) == (store.seed_of("gold"), 0.25, len(digits.test))
        image = gold.plan.picture("ann", 0)
        assert (image.label == digits.test.labels[image.index]) == (image.truth == "right")
        np.testing.assert_array_equal(gold.images, digits.test.images)
        rng = np.random.default_rng(0)
        plain = Dataset.from_arrays(rng.integers(0, 256, (40, 28, 28, 1), np.uint8))
        two = Dataset.from_arrays(rng.integers(0, 256, (40, 28, 28, 1), np.uint8), np.arange(40) % 2)
        for dataset, drawer, message in (
            (plain, engine, "without classes"),
            (digits, DigitEngine(digits, 0), "without classes"),
            (two, engine, "other classes"),
        ):
            with pytest.raises(InputError, match=message):
                make_gold(store, drawer, dataset, 0.25)
