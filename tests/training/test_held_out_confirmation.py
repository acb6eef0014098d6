"""Tests of the confirmation of a classifier on held-out images: parts of the split, counts, verdicts, messages."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.stand_ins import run, stand_in
from hypothesis import given
from hypothesis import strategies as st

from gan.config import ClassifierConfig
from gan.data.dataset import Dataset
from gan.data.split import Split
from gan.errors import InputError
from gan.saving.metadata import ClassifierCard, ClassifierDataset
from gan.tolerance import Confirmation, wilson_interval
from gan.training.callbacks import Attempt, ToleranceEarlyStopping
from gan.training.held_out_confirmation import (
    BATCH_SIZE,
    HeldOutConfirmation,
    check_confirmable,
    classifier_summary,
    held_out_stopping,
    why_no_nomination,
)


def numbered(num):
    """A split whose image k has two pixels, the digits of k to the base 256, and the label 0."""
    pixels = np.zeros((num, 1, 2, 1), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 1, 0] = np.divmod(np.arange(num), 256)
    return Split(pixels, np.zeros(num, np.int32))


def classifier(wrong):
    """The `predict_on_batch` of a classifier that is wrong about the images of these numbers."""

    def predict(images):
        pixels = np.rint((images[:, 0, :, 0] + 1) * 127.5).astype(int)
        logits = np.zeros((len(images), 2), np.float32)
        logits[:, 1] = np.where(np.isin(256 * pixels[:, 0] + pixels[:, 1], wrong), 1.0, -1.0)
        return logits

    return predict


def model_of(wrong):
    return SimpleNamespace(predict_on_batch=classifier(wrong))


def attempt(number, num, used, *, is_last=False):
    return Attempt(number, num=num, confidence=0.95, most_wrong=0, is_last=is_last, used=used)


def parts_of(confirm, nums):
    """Returns the images of one attempt after another, with the sizes that they ask for. The last takes the rest."""
    parts, used = [], 0
    for number, num in enumerate([*nums, 1], 1):
        parts.append(confirm.images_of(attempt(number, num, used, is_last=number > len(nums))))
        used += len(parts[-1])
    return parts


# --- the images of each attempt


def test_attempts_take_what_they_ask_for_at_most_half_and_the_last_takes_the_rest():
    sizes = [len(part) for part in parts_of(HeldOutConfirmation(numbered(100)), [30, 30, 30, 30])]
    assert sizes == [30, 30, 20, 10, 10]


@given(num=st.integers(1, 300), nums=st.lists(st.integers(1, 200), max_size=12), seed=st.integers(0, 5))
def test_no_two_attempts_share_an_image_and_all_of_them_cover_the_split(num, nums, seed):
    parts = parts_of(HeldOutConfirmation(numbered(num), seed=seed), nums)
    assert sorted(np.concatenate(parts)) == list(range(num))
    assert len(parts[-1]) >= 1


def test_the_images_are_a_function_of_the_attempt_and_the_seed():
    first, second, other = (HeldOutConfirmation(numbered(100), seed=seed) for seed in (3, 3, 4))
    first.images_of(attempt(1, 20, 0))
    later = attempt(2, 20, 20)
    np.testing.assert_array_equal(first.images_of(later), second.images_of(later))
    assert set(first.images_of(later)) != set(other.images_of(later))
    assert set(first.images_of(later)) != set(range(20, 40))  # not the order of the dataset


def test_counts_every_wrong_answer_once():
    num = 2 * BATCH_SIZE + 3
    wrong = np.arange(0, num, 7)
    confirm, model = HeldOutConfirmation(numbered(num)), model_of(wrong)
    found, used = [], 0
    for number in (1, 2, 3):
        found.append(confirm(model, attempt(number, 300, used, is_last=number == 3)))
        used += found[-1][1]
    assert [total for _, total in found] == [300, 300, num - 600]
    assert sum(count for count, _ in found) == len(wrong)
    assert confirm(model_of([]), attempt(1, 300, 0)) == (0, 300)
    assert confirm(model_of(np.arange(num)), attempt(1, 300, 0)) == (300, 300)


def test_an_answer_that_is_not_a_number_is_wrong():
    model = SimpleNamespace(predict_on_batch=lambda images: np.full((len(images), 2), np.nan, np.float32))
    assert HeldOutConfirmation(numbered(10))(model, attempt(1, 4, 0)) == (4, 4)


def test_without_images_the_confirmation_is_postponed():
    confirm = HeldOutConfirmation(numbered(10))
    assert confirm(model_of([]), attempt(2, 4, 9)) is None  # one image is left, for the last attempt
    assert confirm(model_of([]), attempt(2, 4, 10, is_last=True)) is None


# --- with early stopping


def training(logs, wrong_of, *, tolerance=0.1, epochs=None, begun=None, first=0, **options):
    """Calls early stopping with the logs. In epoch k, the classifier is wrong about the images `wrong_of[k]`.

    There are 2,000 images. `begun` is the callback of a training that was interrupted before the epoch `first`.
    """
    model, messages = stand_in(), []
    model.predict_on_batch = lambda images: classifier(wrong_of[int(model.generator_ema.number)])(images)
    confirm = HeldOutConfirmation(numbered(2_000))
    stopping = ToleranceEarlyStopping(
        "upper", "min", target=tolerance, patience=99, confirm=confirm, budget=confirm.budget, log=messages.append
    )
    if begun is not None:
        stopping.set_state(begun.get_state())
        stopping.set_arrays(begun.get_arrays())
    stopping.set_params({"epochs": epochs or len(wrong_of)})
    run(stopping, [{"upper": value} for value in logs[first:]], model=model, first_epoch=first, **options)
    return stopping, model, messages


FAR, NEAR = list(range(0, 2_000, 5)), list(range(0, 2_000, 100))
"""Wrong answers of a classifier: 20 % and 1 %."""


def test_a_refuted_epoch_does_not_end_the_training_and_a_confirmed_one_does():
    stopping, model, _ = training([0.5, 0.09, 0.08, 0.01, 0.01], [FAR, FAR, FAR, NEAR, NEAR], epochs=20)
    refuted, confirmed = stopping.confirmations
    assert (refuted.verdict, refuted.interval, confirmed.verdict, confirmed.interval) == ("exceeded", 2, "within", 4)
    order = np.random.default_rng(0).permutation(2_000)
    assert refuted.wrong == sum(image % 5 == 0 for image in order[: refuted.num])
    assert confirmed.wrong == sum(image % 100 == 0 for image in order[refuted.num : refuted.num + confirmed.num])
    assert confirmed.bounds[1] <= 0.1
    assert model.stop_training
    assert (stopping.verdict, stopping.kept_epoch, model.generator_ema.number) == ("within", 3, 3.0)


def test_the_last_confirmation_uses_all_images_that_are_left_and_decides():
    stopping, *_ = training([0.5, 0.4, 0.3], [FAR, NEAR, NEAR])
    (only,) = stopping.confirmations
    assert (only.is_last, only.num, only.wrong, only.verdict) == (True, 2_000, 20, "within")
    stopping, *_ = training([0.09, 0.08], [FAR, FAR])
    assert sum(one.num for one in stopping.confirmations) == 2_000
    assert sum(one.wrong for one in stopping.confirmations) == 400
    assert stopping.confirmations[-1].is_last
    assert stopping.verdict == "exceeded"


def test_all_but_the_last_confirmation_use_at_most_half_of_the_images():
    wrong = [FAR] * 60
    stopping, *_ = training([0.09 * 0.8**epoch for epoch in range(60)], wrong)
    used = [one.num for one in stopping.confirmations if not one.is_last]
    assert len(used) > 1
    assert sum(used) <= 1_000
    assert stopping.confirmations[-1].num >= 1_000


def test_a_resumed_training_confirms_on_the_same_images():
    logs, wrong = [0.5, 0.09, 0.08, 0.01, 0.01], [FAR, FAR, FAR, NEAR, NEAR]
    whole, *_ = training(logs, wrong, epochs=20)
    begun, *_ = training(logs[:3], wrong, epochs=20, end=False)
    resumed, *_ = training(logs, wrong, epochs=20, begun=begun, first=3)
    counts = [[(one.num, one.wrong) for one in stopping.confirmations] for stopping in (whole, resumed)]
    assert counts[0] == counts[1]
    assert len(counts[0]) == 2


def test_the_last_epoch_is_kept_if_its_own_nomination_refuted_the_best_one():
    """The last confirmation measured the classifier of this epoch, which is what remains."""
    stopping, model, _ = training([0.5, 0.09], [FAR, FAR])
    nominated, last = stopping.confirmations
    assert (nominated.verdict, nominated.interval, last.is_last, last.interval) == ("exceeded", 2, True, 2)
    assert stopping.kept_epoch == 1
    assert (model.generator_ema.number, stopping.best_weights[0].item()) == (1.0, 1.0)


# --- bad input, and what is said before the training


@pytest.mark.parametrize(("tolerance", "needed"), [(0.02, 189), (0.01, 381), (0.5, 4)])
def test_the_smallest_test_split_that_can_confirm_a_tolerance(tolerance, needed):
    assert wilson_interval(0, needed)[1] <= tolerance < wilson_interval(0, needed - 1)[1]
    check_confirmable(tolerance, needed)
    with pytest.raises(InputError, match=f"or {needed} test images") as error:
        check_confirmable(tolerance, needed - 1)
    lowest = float(error.value.expected.split()[0])
    check_confirmable(lowest, needed - 1)


def test_a_tolerance_of_zero_cannot_be_confirmed():
    with pytest.raises(InputError, match=r"0\.0077 or more with 500 test images\. Received: tolerance=0"):
        check_confirmable(0.0, 500)
    check_confirmable(0.0077, 500)


@pytest.mark.parametrize(
    ("validation", "budget", "reason"),
    [
        (189, 200, None),
        (188, 200, "188 validation images cannot show an error rate of at most 2 %"),
        (189, 199, "199 test images, half of them, are too few to confirm an epoch before the end"),
    ],
)
def test_why_no_epoch_can_be_nominated(validation, budget, reason):
    assert why_no_nomination(0.02, validation=validation, budget=budget) == reason


def dataset(validation, test):
    return Dataset("numbers", 2, numbered(9), numbered(validation), numbered(test))


def test_early_stopping_of_a_classifier():
    said = []
    assert held_out_stopping(ClassifierConfig(), dataset(400, 400), said.append) is None
    stopping = held_out_stopping(ClassifierConfig(tolerance=0.02, epochs=3), dataset(400, 400), said.append)
    assert isinstance(stopping, ToleranceEarlyStopping)
    assert said == []
    held_out_stopping(ClassifierConfig(tolerance=0.02), dataset(40, 400), said.append)
    assert said == ["40 validation images cannot show an error rate of at most 2 %: the end of the training decides."]
    with pytest.raises(InputError, match="or 189 test images"):
        held_out_stopping(ClassifierConfig(tolerance=0.02), dataset(400, 40), said.append)


@pytest.mark.parametrize("tolerance", [-0.1, 1.1, float("nan")])
def test_the_tolerance_is_a_share(tolerance):
    with pytest.raises(InputError, match=r"Bad `tolerance`\. Expected a number from 0 to 1"):
        ClassifierConfig(tolerance=tolerance)


def test_a_confirmation_needs_labels():
    with pytest.raises(InputError, match="needs labels"):
        HeldOutConfirmation(Split(numbered(3).images, None))


# --- the summary


def summary(confirmation, curve, *, tolerance=0.01, epochs=14, name="own", data="numbers"):
    card = ClassifierCard(
        name=name,
        config=ClassifierConfig(tolerance=tolerance, epochs=epochs),
        data_sets=(data,),
        dataset=ClassifierDataset(name=data, image_shape=(28, 28, 1), train=45_839, test=10_000),
        sha256="",
    )
    return classifier_summary(card, SimpleNamespace(confirmations=[confirmation]), {"val_error_rate": curve})


def confirmation(wrong, num, verdict, *, interval=3, is_last=True):
    return Confirmation(
        attempt=1,
        interval=interval,
        wrong=wrong,
        num=num,
        confidence=0.95,
        verdict=verdict,
        seconds=1.5,
        is_last=is_last,
    )


def test_the_summary_of_a_confirmed_classifier():
    lines = summary(confirmation(20, 2_000, "within", is_last=False), [0.1, 0.05, 0.01], tolerance=0.02)
    assert lines == [
        "Within the tolerance of 2 %: of 2,000 answers of epoch 3 to fresh test images, 1 % are wrong "
        "(0.648 % to 1.54 %).",
        "Confirmations: 1, on 2,000 of 10,000 test images, in 1.5 s. At most 5 % of all trainings end within the "
        "tolerance by mistake.",
        "The training took 3 of 14 epochs and saved 79 %.",
    ]


def test_the_summary_says_what_would_help():
    curve = [0.16 / epoch for epoch in range(1, 9)]  # halves whenever the number of epochs doubles
    lines = summary(confirmation(200, 10_000, "exceeded", interval=8), curve, epochs=8)
    # from 2 % to 0.6 %, the rate that is expected to be within 1 %: 2 / 0.6 times the epochs
    assert lines[2] == "What would help: more epochs, about 27 if the curve goes on (--epochs 27)."
    flat = [0.02] * 8
    lines = summary(confirmation(105, 10_000, "undecided"), flat, epochs=8)
    assert lines[2] == (
        "What would help: a dataset with at least 152,122 test images, of which the last confirmation gets half or "
        "more."
    )
    assert summary(confirmation(200, 10_000, "exceeded"), flat)[2].startswith("Not known what would help.")


def test_the_summary_names_presets_that_are_within_the_tolerance():
    refuted, flat = confirmation(200, 10_000, "exceeded"), [0.02] * 8
    known = "the preset mnist-classifier, which has an error rate of 0.44 %"
    assert summary(refuted, flat, data="mnist")[2] == f"What would help: {known}."
    both = summary(refuted, flat, data="mnist", tolerance=0.015)[2]
    assert known in both
    assert "mnist-probe" in both
    assert "mnist-classifier" not in summary(refuted, flat, data="mnist", name="mnist-classifier")[2]
