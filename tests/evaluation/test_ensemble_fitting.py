"""Tests of fitted ensembles: weights, scores, the folder with its card, and classifiers that do not match."""

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers.ensembles import perturbed_classifier, save_classifier, untrained_classifier

from gan.data.split import Split
from gan.errors import InputError
from gan.evaluation.classifier.answers import answer
from gan.evaluation.classifier.extractor import as_input, classify, load_classifier
from gan.evaluation.classifier.fitting import fit_ensemble, make_ensemble
from gan.evaluation.members import find_members, independent
from gan.saving import files, models
from gan.saving.ensemble_member import EnsembleMember
from gan.saving.metadata import Calibration, classifier_card
from gan.selection import SelectionOptions
from gan.selection.decision import check_classifiers


@pytest.fixture(scope="module")
def worse(tmp_path_factory):
    """Folder of a classifier that is a little worse than mnist-probe."""
    return perturbed_classifier(
        tmp_path_factory.mktemp("members") / "worse", models.pretrained_folder() / "mnist-probe"
    )


@pytest.fixture(scope="module")
def made(worse, tmp_path_factory):
    return make_ensemble(["mnist-probe", worse], tmp_path_factory.mktemp("made") / "both", dataset="mnist5k")


def test_an_ensemble_is_a_classifier_with_a_card(made, worse, digits):
    classifier, card = load_classifier(made.folder)
    assert card == made.card == classifier_card(json.loads((made.folder / "config.json").read_text()), "config.json")
    labels, _ = classify(classifier, as_input(digits.test.images))
    assert np.mean(labels == digits.test.labels) == pytest.approx(card.accuracy["test"])
    assert card.by_class["accuracy"] == pytest.approx(card.accuracy["test"])
    assert set(card.by_class) >= {str(label) for label in range(10)}
    assert card.data_sets == ("mnist", "mnist5k")
    assert (card.dataset.name, card.dataset.validation, card.dataset.test) == ("mnist5k", 500, 500)
    assert card.weights == classifier.count_params() == made.cost.parameters
    assert card.calibration == made.fitted.calibration
    first, second = card.members
    assert (first.name, second.name) == ("mnist-probe", "worse")
    assert second.sha256 == files.sha256(worse / "classifier.keras")
    assert first.weight + second.weight == pytest.approx(1)
    assert {path.name for path in made.folder.iterdir()} == {"classifier.keras", "config.json"}


def test_fitted_weights_are_the_best_ones_on_validation_images(made):
    fitted = made.fitted
    alone = [single.validation.log_loss for single in fitted.singles]
    assert fitted.weighted.validation.log_loss <= min(*alone, fitted.equal.validation.log_loss) + 1e-6
    assert fitted.calibrated.validation.log_loss <= fitted.weighted.validation.log_loss + 1e-9
    assert fitted.calibrated.test.error_rate == fitted.weighted.test.error_rate
    assert fitted.best == int(np.argmin(alone))
    assert fitted.weighted.test.error_rate.n == 500


def test_a_folder_is_complete_before_its_cost_is_measured(tmp_path, monkeypatch, digits):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("gan.evaluation.classifier.fitting.measure_costs", interrupted)
    folders = [untrained_classifier(tmp_path / str(seed), seed=seed) for seed in (1, 2)]
    with pytest.raises(KeyboardInterrupt):
        make_ensemble(folders, tmp_path / "both", dataset=digits)
    assert load_classifier(tmp_path / "both")[1].members[1].sha256 == files.sha256(folders[1] / "classifier.keras")


def test_an_ensemble_is_not_independent_of_its_members(made, worse):
    both, other = made.card, models.find_classifier("mnist-classifier").card
    parts = [models.find_classifier(folder).card for folder in ("mnist-probe", worse)]
    assert independent(*parts)
    assert independent(both, other)
    assert not independent(both, both)
    assert not any(independent(*pair) for part in parts for pair in ((both, part), (part, both)))
    left_out = replace(both, members=tuple(replace(member, weight=0.0) for member in both.members))
    assert independent(left_out, parts[0])
    nested = EnsembleMember(name="both", sha256="cd", weight=0.5, members=both.members)
    assert not independent(replace(both, sha256="ab", members=(nested,)), parts[1])
    for options in ({"classifier": str(made.folder)}, {"probe": str(made.folder), "classifier": "mnist-probe"}):
        with pytest.raises(InputError, match="One classifier for search and test"):
            check_classifiers(SelectionOptions(tolerance=0.02, **options), "mnist5k")
    check_classifiers(SelectionOptions(tolerance=0.02, probe=str(made.folder)), "mnist5k")


def test_its_cost_is_beside_that_of_its_members(made):
    assert len(made.costs) == 2
    for cost in (*made.costs, made.cost):
        assert 0 < cost.milliseconds_fastest <= cost.milliseconds <= cost.milliseconds_slowest
    assert made.cost.bytes == (made.folder / "classifier.keras").stat().st_size
    assert made.costs[0].parameters == 113_126


def test_its_results_are_json(made):
    content = json.loads(json.dumps(made.as_dict()))
    assert [member["name"] for member in content["members"]] == ["mnist-probe", "worse"]
    assert content["members"][0]["test"]["num"] == 500
    assert set(content) >= {"equal", "weighted", "calibrated", "weights", "best", "cost", "card", "folder"}


def test_given_weights_are_used(worse, digits):
    fitted = fit_ensemble(["mnist-probe", worse], digits, weights=[0.25, 0.75])
    assert [member.weight for member in fitted.members] == [0.25, 0.75]
    assert fitted.weights == "given"
    one = fit_ensemble(["mnist-probe", worse], digits, weights=[1.0, 0.0])
    assert one.weighted.test.log_loss == pytest.approx(one.singles[0].test.log_loss, abs=1e-6)
    assert one.model.count_params() == 113_126


def test_members_with_a_class_of_rejected_images(tmp_path, digits):
    folders = [untrained_classifier(tmp_path / str(seed), seed=seed, logits=11, rejects=True) for seed in (1, 2)]
    made = make_ensemble(folders, tmp_path / "both", weights=[0.5, 0.5])
    classifier, card = load_classifier(made.folder)
    assert classifier.output_shape == (None, 11)
    assert card.calibration == Calibration(temperature=made.fitted.calibration.temperature, rejects=True)
    found = [one.label for one in answer(classifier, card, as_input(digits.test.images))]
    assert np.mean(np.array(found) == digits.test.labels) == pytest.approx(card.accuracy["test"])


@pytest.mark.slow
def test_a_member_that_is_an_ensemble_keeps_its_members(made, tmp_path, digits):
    third = untrained_classifier(tmp_path / "third", seed=3)
    fitted = fit_ensemble([made.folder, third], digits)
    assert [member.members for member in fitted.members] == [made.card.members, ()]


def test_a_card_without_members_is_that_of_a_single_classifier():
    card = models.find_classifier("mnist-probe").card
    assert card.members == ()
    assert "members" not in card.as_dict()


def test_rejects_classifiers_that_do_not_match(tmp_path):
    folders = {
        "plain": untrained_classifier(tmp_path / "plain", seed=1),
        "rejecting": untrained_classifier(tmp_path / "rejecting", seed=2, logits=11, rejects=True),
        "small": untrained_classifier(tmp_path / "small", seed=3, image_shape=(20, 20, 1)),
        "two": untrained_classifier(tmp_path / "two", seed=4, logits=2, num_classes=2),
        "letters": untrained_classifier(tmp_path / "letters", seed=5, name="letters"),
    }
    copy = save_classifier(tmp_path / "copy", *load_classifier(folders["plain"]))
    (copy / "classifier.keras").write_bytes((folders["plain"] / "classifier.keras").read_bytes())
    card = replace(load_classifier(folders["plain"])[1], name="copy")
    files.write_json(copy / "config.json", card.as_dict())
    for other, problem in (
        ("rejecting", "the same class of rejected images, or none.*none of .*plain, such a class of .*rejecting"),
        ("small", r"the same shape of images.*\[28, 28, 1\] of .*plain, \[20, 20, 1\] of .*small"),
        ("two", "the same number of classes.*10 of .*plain, 2 of .*two"),
        ("letters", "different datasets.*mnist5k.*letters"),
    ):
        with pytest.raises(InputError, match=problem):
            find_members([folders["plain"], folders[other]])
    with pytest.raises(InputError, match=r"The same classifier twice.*plain and .*copy"):
        find_members([folders["plain"], copy])
    with pytest.raises(InputError, match=r"Too few members.*Received: 1\."):
        find_members([folders["plain"]])
    with pytest.raises(InputError, match="for another dataset"):
        find_members([folders["plain"], "mnist-probe"], "fashion_mnist")
    assert find_members([folders["plain"], "mnist-probe"])[1] == "mnist5k"


def test_rejects_a_dataset_that_does_not_suit_and_writes_nothing(tmp_path, digits, worse):
    unlabeled = replace(digits, validation=Split(digits.validation.images, None))
    smaller = replace(digits, train=replace(digits.train, images=digits.train.images[:, :20, :20]))
    for dataset, problem in (
        (unlabeled, "needs labels.*labels in the validation split"),
        (replace(digits, num_classes=7), "other classes.*the 10 of the classifier.*7 in mnist5k"),
        (replace(digits, name="letters", train=digits.test), "for another dataset.*letters"),
        (smaller, "images of another shape"),
    ):
        with pytest.raises(InputError, match=problem):
            make_ensemble(["mnist-probe", worse], tmp_path / "new", dataset=dataset)
    with pytest.raises(InputError, match="sum to 1"):
        make_ensemble(["mnist-probe", worse], tmp_path / "new", dataset=digits, weights=[0.5, 0.6])
    assert not (tmp_path / "new").exists()
