"""Tests how a text names classes."""

import pytest

from gan.errors import InputError
from gan.sampling.labels import describe_classes, read_label

ANIMALS = ("cat", "dog", "0-1", "3")


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("7", (), [7]),
        ("0-3", (), [0, 1, 2, 3]),
        ("2-2", (), [2]),
        ("dog", ANIMALS, [1]),
        ("0-1", ANIMALS, [2]),  # names come before numbers
        ("3", ANIMALS, [3]),
        ("1-2", ANIMALS, [1, 2]),
        ("1", ("1", "2", "10"), [0]),
        ("0", ("1", "2", "10"), [0]),
    ],
)
def test_a_label_is_a_name_a_number_or_a_range(text, names, expected):
    assert list(read_label(text, len(names) or 10, names)) == expected


@pytest.mark.parametrize(
    ("text", "classes", "names", "message"),
    [
        ("10", 10, (), "classes from 0 to 9. Received: 10"),
        ("3-1", 10, (), "classes from 0 to 9"),
        ("-1", 10, (), "a class such as 0"),
        ("0", 0, (), "no label: this generator is unconditional"),
        ("dog", 0, ANIMALS, "no label: this generator is unconditional"),  # the names of its data set
        ("cats", 4, ANIMALS, "or a name such as cat"),
        ("zebra", 4, ANIMALS, "or a name of 0 = cat, 1 = dog"),
        ("", 4, (), "a class such as 0"),
    ],
)
def test_rejects_other_labels(text, classes, names, message):
    with pytest.raises(InputError, match=f"Bad `--label`.*{message}"):
        read_label(text, classes, names)


def test_lists_classes_with_their_numbers():
    assert describe_classes(("cat", "dog")) == "0 = cat, 1 = dog"
    assert describe_classes(("a\nb", "é")) == "0 = a\\nb, 1 = é"
    assert describe_classes(tuple(map(str, range(12)))) == "0 to 11, numbered as they are named"
    assert describe_classes([f"c{number}" for number in range(25)]).endswith("19 = c19 and 5 more")
