"""What needs TensorFlow: the flags of a classifier, the plan that they make, and real images for gold."""

import numpy as np

from gan.data.dataset import Dataset
from gan.data.images import to_uint8
from gan.deployment.feedback.pictures import GoldPlan, StratifiedPlan, label_of
from gan.deployment.feedback.session import GoldImages
from gan.deployment.feedback.store import FeedbackStore
from gan.deployment.feedback.strata import load_plan, load_strata, save_plan
from gan.errors import InputError
from gan.evaluation.classifier.extractor import Extractor, as_input, load_classifier
from gan.evaluation.metrics import wrong_outcomes
from gan.sampling import stream
from gan.saving.engines.engine import Engine
from gan.saving.known_images import ImagesLike, NamedImages, as_images, check_card
from gan.saving.models import FoundClassifier
from gan.tolerance import PredictedCounts, plan_unflagged

NUM = 10_000
"""Number of samples that a classifier reads for a new plan."""


def read_flags(engine: Engine, classifier: FoundClassifier, dataset: ImagesLike, *, seed: int, num: int) -> np.ndarray:
    """Returns which samples 0, ..., num - 1 a classifier reads as another class than asked: bool [num].

    The classes are those of `label_of`. It reads the bytes that people see. Without classes, a sample is flagged if the
    classifier is not sure of any class, see `metrics.wrong_outcomes`.

    dataset: what is known of the images of the generator, or their name. Raises `InputError` if the classifier is for
    other ones.
    """
    known = as_images(dataset)
    check_card(NamedImages(known.name, tuple(engine.image_shape), known.fingerprint), classifier.card)
    extractor = Extractor(load_classifier(classifier)[0])
    labels = None
    if engine.num_classes:
        labels = np.array([label_of(seed, index, engine.num_classes) for index in range(num)], np.int32)
    flags, first = list[np.ndarray](), 0
    for samples in stream(engine, num, seed=seed, labels=labels):
        logits = extractor.arrays(as_input(to_uint8(samples)))["logits"]
        asked = None if labels is None else labels[first : first + len(samples)]
        flags.append(np.asarray(wrong_outcomes(logits, asked)))
        first += len(samples)
    return np.concatenate(flags)


def find_plan(
    store: FeedbackStore,
    engine: Engine,
    classifier: FoundClassifier | None,
    dataset: ImagesLike | None,
    *,
    num: int | None,
    tolerance: float,
) -> StratifiedPlan:
    """Returns the plan of `stratified` of a store. A store without one gets one: a classifier reads `num` samples.

    The plan has the fewest pictures that are not flagged with which the tolerance can be met, see `plan_unflagged`.

    Args:
        store: the store.
        engine: the generator.
        classifier: reads the samples of a new plan; None: the store must have a plan.
        dataset: what is known of the images of the generator, which the classifier must be for.
        num: number of samples of the plan; None: that of the store, or `NUM`.
        tolerance: highest acceptable error rate.

    Raises `InputError` if the store has a plan of another number or classifier, or if no plan can meet the tolerance.
    """
    strata = load_strata(store)
    if strata is None:
        if classifier is None or dataset is None:
            raise InputError("No plan", expected="a classifier that reads the samples", received=str(store.path))
        seed = store.seed_of("stratified")
        num = NUM if num is None else num
        flagged = np.flatnonzero(read_flags(engine, classifier, dataset, seed=seed, num=num))
        num_unflagged = plan_unflagged(num, len(flagged), tolerance)
        if num_unflagged is None:
            expected = (
                "a larger --num or --tolerance, with another seed, since it is chosen after a look at these samples: "
                "all of them would have to be judged, and that is not enough"
            )
            received = f"{len(flagged):,} of {num:,} samples flagged, tolerance {tolerance:g}, seed {store.seed}"
            raise InputError("No plan meets this tolerance", expected=expected, received=received)
        plan = StratifiedPlan(seed, engine.num_classes, num, tuple(map(int, flagged)), num_unflagged)
        save_plan(store, plan, classifier.card.sha256)
        return plan
    if num not in (None, strata.num):
        received = f"--num {num}"
        raise InputError("Another plan", expected=f"--num {strata.num} of {store.path}", received=received)
    if classifier is not None and classifier.card.sha256 != strata.classifier_sha256:
        expected = f"the classifier of the plan in {store.path}, SHA-256 {strata.classifier_sha256}"
        raise InputError("Another plan", expected=expected, received=classifier.card.sha256)
    found = load_plan(store, engine.num_classes)
    assert found is not None
    return found


def predict(store: FeedbackStore, flags: np.ndarray) -> PredictedCounts | None:
    """Returns what a classifier and people say of the samples of the mode `audit`. None: none of them is judged.

    flags: of the samples 0, ..., N - 1 of the seed of the store, bool [N]. What was judged of later samples does not
    count: people may go on while the classifier reads. A sample that is called right or wrong is judged, by its first
    judge.
    """
    with store.snapshot() as connection:
        found = connection.execute(
            "SELECT picture, said = 'wrong' FROM showing WHERE mode = 'audit' AND kind = 'sample' AND is_first = 1 "
            "AND said IN ('right', 'wrong') AND picture < ?",
            (len(flags),),
        ).fetchall()
    if not found:
        return None
    indices, wrong = (np.array(column) for column in zip(*found, strict=True))
    wrong = wrong.astype(bool)
    judged_flags = flags[indices]
    return PredictedCounts(
        num=len(flags),
        flagged=int(flags.sum()),
        judged=len(indices),
        judged_flagged=int(judged_flags.sum()),
        wrong=int(wrong.sum()),
        wrong_flagged=int((wrong & judged_flags).sum()),
    )


def make_gold(store: FeedbackStore, engine: Engine, dataset: Dataset, share: float) -> GoldImages:
    """Returns the test images of a dataset as gold: a share of what judges are shown.

    Raises `InputError` if the generator or the dataset has no classes, or for images of another shape or other classes.
    """
    labels = dataset.test.labels
    if not engine.num_classes or labels is None:
        received = "a generator without classes" if not engine.num_classes else f"{dataset.name} without classes"
        raise InputError("No gold without classes", expected="--gold 0", received=received)
    if dataset.num_classes != engine.num_classes:
        raise InputError(
            "Gold of other classes", expected=f"{engine.num_classes} classes", received=f"{dataset.num_classes} classes"
        )
    plan = GoldPlan(store.seed_of("gold"), share, np.asarray(labels), engine.num_classes)
    return GoldImages(plan, dataset.test.images)
