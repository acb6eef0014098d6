"""Tests of what is known of the images of a data set: by SHA-256, by path and by name."""

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gan.config import ClassifierConfig, DataConfig, ReadingOptions
from gan.errors import InputError
from gan.evaluation.members import common_datasets
from gan.saving.known_images import NamedImages, check_card, knows, means, same_images, suits
from gan.saving.metadata import ClassifierCard, ClassifierDataset, RunDataset, classifier_card

SHAPE = (8, 8, 3)
NAMES = st.sampled_from(["mnist", "cifar10", "sq", "./sq", "/data/sq", "/data/link", "/other/sq"])
IMAGES = st.builds(
    NamedImages, NAMES, st.sampled_from([None, SHAPE, (4, 4, 1)]), st.sampled_from([None, "a" * 64, "b" * 64])
)


def card(*names, digest=None, shape=SHAPE):
    """A card of a classifier that was trained on the first of the data sets."""
    dataset = ClassifierDataset(name=names[0], image_shape=shape, num_classes=2, train_sha256=digest)
    return ClassifierCard(data_sets=names, dataset=dataset, sha256="c" * 64)


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The working folder has `sq`, a `link` to it, and `other`."""
    (tmp_path / "sq").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("sq")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(first=IMAGES, second=IMAGES)
def test_the_comparison_is_symmetric_and_known_digests_decide(first, second):
    found = same_images(first, second)
    assert found == same_images(second, first)
    assert same_images(first, first)
    if first.fingerprint and second.fingerprint:
        assert found == (first.fingerprint == second.fingerprint)


@given(
    images=IMAGES, names=st.lists(NAMES, min_size=1, max_size=2, unique=True), digest=st.sampled_from([None, "a" * 64])
)
def test_a_card_accepts_what_it_was_trained_on_and_refuses_what_it_does_not_suit(images, names, digest):
    own = card(*names, digest=digest)
    assert knows(own, NamedImages(names[0], SHAPE, digest))
    assert suits(own, images) == (knows(own, images) is not False)
    if suits(own, images):
        check_card(images, own)
    else:
        with pytest.raises(InputError, match="The classifier is for"):
            check_card(images, own)
    if images.fingerprint is not None:
        assert knows(own, images) is not None  # a loaded data set leaves nothing open


def test_paths_to_one_folder_are_one_data_set_before_it_is_loaded(folders):
    place, linked = str(folders / "sq"), str(folders / "link")
    for first in (place, linked, "./sq", "./link", "sq/", "other/../sq"):
        assert same_images(first, place) or first.endswith("/")
        assert means(first, place)
        for digest in (None, "a" * 64):
            assert suits(card(place, digest=digest), first)
    assert means("sq", linked)
    assert same_images("sq", place) is None  # a name without a separator may be one of a catalog
    assert not means("other", place)
    assert same_images(str(folders / "other"), place) is None  # it may hold the same images
    assert suits(card(place, digest="a" * 64), "other")
    assert not suits(card(place), "other")  # an old card can only be compared by its name


def test_the_content_decides_when_it_is_known(folders):
    place = str(folders / "sq")
    own = card(place, digest="a" * 64)
    moved = NamedImages("/elsewhere/pictures.npz", SHAPE, "a" * 64)
    changed = NamedImages(place, SHAPE, "b" * 64)
    assert knows(own, moved)
    assert knows(own, NamedImages("sq", SHAPE, "a" * 64))
    check_card(RunDataset(name="sq", image_shape=SHAPE, train=9, train_sha256="a" * 64), own)
    with pytest.raises(InputError, match=f"other images of this dataset.*SHA-256 {'a' * 64}.*SHA-256 {'b' * 64}"):
        check_card(changed, own)
    with pytest.raises(InputError, match=r"for another dataset\. Expected one of .*Received: dataset='/elsewhere'"):
        check_card(NamedImages("/elsewhere", SHAPE, "b" * 64), own)
    with pytest.raises(InputError, match=r"images of another shape.*\(8, 8, 3\).*\(8, 8, 1\)"):
        check_card(NamedImages(place, (8, 8, 1)), own)


def test_catalog_names_decide_at_once_and_more_names_than_that_of_the_training_count():
    own = card("mnist", "mnist5k", shape=(28, 28, 1))
    assert knows(own, "mnist")
    assert knows(own, NamedImages("mnist5k", (28, 28, 1), "b" * 64))
    assert knows(own, "cifar10") is False
    recorded = card("mnist", "mnist5k", digest="a" * 64)
    assert knows(recorded, NamedImages("mnist5k", SHAPE, "b" * 64))  # by its name: the digest is that of mnist
    assert knows(recorded, NamedImages("mnist", SHAPE, "b" * 64))  # a part of the training images, by its name
    assert not knows(recorded, NamedImages("./mnist", SHAPE, "b" * 64))
    assert knows(recorded, "cifar10") is False
    with pytest.raises(InputError, match="for another dataset"):
        check_card("cifar10", recorded)


@pytest.mark.parametrize("name", ["emoji", "emoji-64", "photos", "photos-6", "arrays"])
def test_images_that_are_made_on_this_machine_are_known_by_their_content(name):
    own = card(name, digest="a" * 64)
    assert knows(own, name)
    assert knows(own, NamedImages(name, SHAPE, "a" * 64))
    assert knows(card(name), NamedImages(name, SHAPE, "b" * 64))  # an old card has only a name
    other = NamedImages(name, SHAPE, "b" * 64)
    assert knows(own, other) is False
    with pytest.raises(InputError, match="The classifier is for other images of this dataset"):
        check_card(other, own)


def test_the_number_of_classes_must_suit():
    own = card("emoji", "mnist")  # two classes
    part = RunDataset(name="emoji", image_shape=SHAPE, train=9, num_classes=2)
    assert knows(own, part)
    assert knows(own, replace(part, num_classes=0))
    with pytest.raises(InputError, match=r"another number of classes.*2 classes.*3 classes"):
        check_card(replace(part, num_classes=3), own)
    assert knows(own, replace(part, name="mnist", num_classes=1))  # a part of a fixed data set
    assert not knows(own, replace(part, name="mnist", num_classes=3))
    assert not knows(own, replace(part, num_classes=1))


def test_a_folder_called_like_a_data_set_of_the_catalog_is_another_one(folders):
    (folders / "mnist").mkdir()
    assert knows(card("mnist"), NamedImages(str(folders / "mnist"), SHAPE, "a" * 64)) is False


def test_classifiers_of_one_folder_have_it_in_common_whatever_its_path_is(folders):
    first, second = card(str(folders / "sq"), digest="a" * 64), card(str(folders / "link"), digest="a" * 64)
    assert common_datasets([first, second]) == (str(folders / "sq"),)
    assert common_datasets([first, card("/moved", digest="a" * 64)]) == (str(folders / "sq"),)
    assert common_datasets([first, card(str(folders / "sq"), digest="b" * 64)]) == ()


def test_cards_of_earlier_revisions_load():
    old = card("mnist")
    content = old.as_dict()
    content["config"] = {"dataset": "mnist", "image_size": None, "channels": None, "width": 8}
    del content["dataset"]["train_sha256"]
    found = classifier_card(content, "config.json")
    assert found.dataset.train_sha256 is None
    assert found.config == ClassifierConfig(width=8)
    assert found.config.data == DataConfig(dataset_fallback="none")


def test_a_command_reads_images_as_in_the_training_unless_options_are_given():
    training = DataConfig("/a", "mnist5k", "32", 3, "white", (0, 4095), 0.5)
    assert ReadingOptions().over(training) == replace(training, dataset_fallback="none")
    assert ReadingOptions().over(None, "b") == DataConfig("b", "none")
    given = ReadingOptions(image_size=16, channels=1, background="black", pixel_range=(0, 255), corrupt_share=0)
    assert given.over(training, "/b") == DataConfig("/b", "none", "16", 1, "black", (0.0, 255.0), 0.0)
    assert list(given.given) == [name for name in DataConfig().__dict__ if name not in ("dataset", "dataset_fallback")]
    for name, value in {"image_size": "big", "channels": 2, "background": "x", "pixel_range": (2, 1)}.items():
        with pytest.raises(InputError, match=f"Bad `{name}`"):
            ReadingOptions(**{name: value})


def test_long_names_and_missing_paths_are_names():
    assert same_images("x" * 5_000, "y") is False
    assert same_images(os.sep + "x" * 5_000, "y") is None
