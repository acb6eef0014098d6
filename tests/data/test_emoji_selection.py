"""Which emoji are drawn, in which category, and in which split."""

from collections import Counter
from typing import get_args

import pytest
from helpers.emoji_packages import COMMITTED, FLAGS, FOOD, SMILEYS, write_package
from hypothesis import given
from hypothesis import strategies as st

from gan.data.sources.emoji_package import STYLES, find_packages
from gan.data.sources.emoji_selection import CATEGORIES, SHARES, select, split_of
from gan.data.sources.emoji_set import CategoryName, EmojiOptions, StyleName
from gan.errors import InputError

POINTS = st.sampled_from(
    ["1f468", "1f469", "1f9d1", "1f466", "1f467", "1f600", "1f680", "200d", "2640", "2642", "27a1"]
)
KEYS = st.lists(POINTS, min_size=1, max_size=6).map("-".join)


def selected(folder, styles=("noto", "fluent-emoji-flat"), categories=tuple(CATEGORIES)):
    return select(find_packages(styles, folder), categories)


def names(selection):
    """Returns {name of the emoji: {style: name of the icon}}."""
    return {emoji.name: {style: name for style, (name, _) in emoji.icons.items()} for emoji in selection.emoji}


def test_the_options_offer_all_styles_and_categories():
    assert get_args(StyleName) == tuple(STYLES)
    assert get_args(CategoryName) == tuple(CATEGORIES)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"size": 15}, "from 16 to 256"),
        ({"size": 257}, "from 16 to 256"),
        ({"size": 32.0}, "a whole number"),
        ({"styles": ()}, "one or more of"),
        ({"styles": ("noto", "noto")}, "unique"),
        ({"styles": ("apple",)}, "'noto', 'fluent-emoji-flat', 'twemoji', 'openmoji'"),
        ({"categories": ("flags",)}, "'smileys', 'people'"),
        ({"categories": "food"}, "one or more of"),
        ({"labels": "name"}, "category or style"),
    ],
)
def test_bad_options_are_refused(options, reason):
    with pytest.raises(InputError, match=reason):
        EmojiOptions(**options)


def test_the_order_of_options_does_not_matter():
    options = EmojiOptions(styles=("fluent-emoji-flat", "noto"), categories=("food", "smileys"))
    assert (options.styles, options.categories) == (("noto", "fluent-emoji-flat"), ("smileys", "food"))


@given(KEYS)
def test_people_who_differ_in_gender_or_direction_have_one_split(key):
    changed = key.replace("1f468", "1f469").replace("1f466", "1f467")
    person = key.replace("1f468", "1f9d1").replace("1f469", "1f9d1")
    for other in (changed, person, f"{key}-200d-2640", f"{key}-200d-2642-200d-27a1"):
        assert split_of(other) == split_of(key)


def test_the_shares_are_about_those_promised():
    counts = Counter(split_of(f"{number:x}") for number in range(20_000))  # standard error: 0.0032
    assert {split: counts[split] / 20_000 for split in SHARES} == pytest.approx(SHARES, abs=0.013)


def test_an_emoji_never_changes_its_split():
    known = {"1f600": "train", "1f438": "train", "1f9d1-200d-1f680": "test", "1f697": "train", "1f34e": "train"}
    assert {key: split_of(key) for key in known} == known


def test_styles_of_an_emoji_are_one_emoji_under_any_name(tmp_path):
    write_package(
        tmp_path, "noto", {SMILEYS: ["pinata", "black-bird", "ufo"]}, chars={"1fa85": "pinata", "1f6f8": "ufo"}
    )
    write_package(
        tmp_path,
        "fluent-emoji-flat",
        {SMILEYS: ["piata", "blackbird", "UFO"]},
        chars={"1fa85-fe0f": "piata", "e123": "blackbird"},
    )
    assert names(selected(tmp_path)) == {
        "black-bird": {"noto": "black-bird", "fluent-emoji-flat": "blackbird"},
        "pinata": {"noto": "pinata", "fluent-emoji-flat": "piata"},
        "ufo": {"noto": "ufo", "fluent-emoji-flat": "UFO"},
    }


def test_two_names_of_one_emoji_in_a_package_are_drawn_once(tmp_path):
    write_package(tmp_path, "noto", {SMILEYS: ["black-bird", "blackbird"]})
    found = selected(tmp_path, ("noto",))
    assert list(names(found)) == ["black-bird"]
    assert found.left_out == {"second icons of an emoji": 1}


def test_skin_tones_are_left_out_and_names_like_them_are_not(tmp_path):
    write_package(
        tmp_path,
        "noto",
        {
            SMILEYS: [
                "hand",
                "hand-medium-dark",
                "palm",
                "palm-light-skin-tone",
                "police-car",
                "police-car-light",
                "moon-light",
            ]
        },
        chars={"1f590": "hand", "1f590-1f3fe": "hand-medium-dark", "1f693": "police-car", "1f6a8": "police-car-light"},
    )
    found = selected(tmp_path, ("noto",))
    assert list(names(found)) == ["hand", "moon-light", "palm", "police-car", "police-car-light"]
    assert found.left_out == {"skin tones": 2}


def test_flags_symbols_hidden_icons_and_aliases_are_left_out(tmp_path):
    icons = {"icons": {name: {"body": "x"} for name in "abcd"}, "aliases": {"e": {"parent": "a"}}}
    icons["icons"]["d"]["hidden"] = True
    categories = {FLAGS: ["a"], "Symbols": ["b"], SMILEYS: ["c", "d"]}
    write_package(tmp_path, "noto", categories, files={"icons": icons})
    found = selected(tmp_path, ("noto",))
    assert list(names(found)) == ["c"]
    assert found.left_out == {"aliases": 1, "flags and symbols": 2, "hidden": 1}


def test_an_icon_in_extras_too_stays_in_its_category(tmp_path):
    categories = {"Extras Openmoji": ["brain", "logo"], "Food Drink": ["brain"], "Extras Unicode": ["brain"]}
    write_package(tmp_path, "openmoji", categories)
    found = selected(tmp_path, ("openmoji",))
    assert [(emoji.name, emoji.category) for emoji in found.emoji] == [("brain", "food")]


def test_an_emoji_has_the_category_of_its_first_style(tmp_path):
    write_package(tmp_path, "noto", {SMILEYS: ["crab"], FLAGS: ["ship"]})
    write_package(tmp_path, "fluent-emoji-flat", {FOOD: ["crab", "ship", "bread"]})
    found = selected(tmp_path)
    assert {emoji.name: emoji.category for emoji in found.emoji} == {"crab": "smileys", "bread": "food"}
    assert (found.moved, found.left_out) == (1, {"flags and symbols": 2})
    assert list(names(selected(tmp_path, categories=("food",)))) == ["bread"]


@pytest.mark.parametrize("categories", [{SMILEYS: ["a", "b", "a"]}, {SMILEYS: ["a"], FOOD: ["a"]}])
def test_two_emoji_of_one_name_are_refused(tmp_path, categories):
    write_package(tmp_path, "noto", categories)
    with pytest.raises(InputError, match=r"Two emoji of one name.*'a' twice in metadata\.json of noto"):
        selected(tmp_path, ("noto",))


def test_a_name_without_an_icon_is_refused(tmp_path):
    icons = {"icons": {"a": {"body": "x"}}}
    write_package(tmp_path, "noto", {SMILEYS: ["a", "b"]}, files={"icons": icons})
    with pytest.raises(InputError, match=r"another layout.*'b' in metadata\.json"):
        selected(tmp_path, ("noto",))


@pytest.mark.parametrize("points", ["", "xyz", "1f600-", "fe0f"])
def test_bad_code_points_are_refused(tmp_path, points):
    write_package(tmp_path, "noto", {SMILEYS: ["a"]}, chars={points: "a"})
    with pytest.raises(InputError, match="Bad code points"):
        selected(tmp_path, ("noto",))


def test_packages_without_such_emoji_are_refused():
    with pytest.raises(InputError, match=r"No emoji to draw\. Expected emoji of objects\. Received: none in @iconify"):
        selected(COMMITTED, categories=("objects",))
