"""Selects the emoji of a data set, and names the category and the split of each. Does not import TensorFlow."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gan.data.sources.emoji_package import Icon, Package
from gan.errors import InputError

CATEGORIES = {
    "smileys": "Smileys & Emotion",
    "people": "People & Body",
    "animals": "Animals & Nature",
    "food": "Food & Drink",
    "activities": "Activities",
    "travel": "Travel & Places",
    "objects": "Objects",
}
"""Category -> its name in Unicode. Flags and symbols are never drawn."""

SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}
"""Split -> share of the emoji, about."""

_TONES = frozenset({"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"})
_TONE_SUFFIX = re.compile(r"(.+?)-(light|medium-light|medium|medium-dark|dark)(-skin-tone)?")
_PRESENTATION = "fe0f"
"""Asks for a picture instead of a character. Some lists have it, others not."""
_PRIVATE = range(0xE000, 0xF900)
"""Code points that each package uses in its own way."""
_PERSON, _CHILD = "1f9d1", "1f9d2"
_ALIKE = {"1f468": _PERSON, "1f469": _PERSON, "1f466": _CHILD, "1f467": _CHILD}
"""Man and woman are drawn much like person, boy and girl much like child."""
_VARIANTS = ("-200d-2640", "-200d-2642", "-200d-27a1")
"""They make a woman or a man of a person, or turn a person to the right."""


@dataclass(frozen=True)
class Emoji:
    """An emoji of the data set, in all of its styles."""

    name: str
    """Its name in the first of its styles."""
    key: str
    """Code points, such as `1f468-200d-1f680`, or the letters and digits of the name where they are unknown."""
    category: str
    """Name in `CATEGORIES`."""
    split: str
    """train, validation or test."""
    icons: dict[str, tuple[str, Icon]]
    """Style -> name of its icon there, and the icon."""


@dataclass(frozen=True)
class Selection:
    """The emoji of a data set, ordered by category and name, and what was left out."""

    emoji: tuple[Emoji, ...]
    left_out: dict[str, int]
    """Reason -> number of icons."""
    moved: int
    """Number of icons that their package puts into another category than the first package of the emoji does."""


def select(packages: Sequence[Package], categories: Iterable[str]) -> Selection:
    """Returns the emoji of some categories.

    Skin tones, flags, symbols, hidden icons and aliases are left out. An emoji that two packages put into different
    categories stands in that of the first package.

    Raises `InputError` if a package names an emoji twice or has none of these categories.
    """
    wanted, left_out, moved = set(categories), Counter[str](), 0
    known_keys = {_letters(name): key for package in packages for name, key in _keys(package).items()}
    names: dict[str, str] = {}
    category_of: dict[str, str | None] = {}
    icons: defaultdict[str, dict[str, tuple[str, Icon]]] = defaultdict(dict)
    for package in packages:
        left_out["aliases"] += len(package.icons.aliases)
        left_out["hidden"] += sum(icon.hidden for icon in package.icons.icons.values())
        for name, key, category in _listed(package, known_keys):
            if key is None:
                left_out["skin tones"] += 1
                continue
            known = category_of.setdefault(key, category)
            if known is None:
                left_out["flags and symbols"] += 1
            elif known not in wanted:
                left_out["other categories"] += 1
            elif package.source.style in icons[key]:
                left_out["second icons of an emoji"] += 1
            else:
                moved += known != category
                names.setdefault(key, name)
                icons[key][package.source.style] = (name, package.icons.icons[name])
    order = list(CATEGORIES)
    found = [Emoji(names[key], key, str(category_of[key]), split_of(key), each) for key, each in icons.items() if each]
    if not found:
        places = ", ".join(package.source.package for package in packages)
        expected = f"emoji of {', '.join(sorted(wanted, key=order.index))}"
        raise InputError("No emoji to draw", expected=expected, received=f"none in {places}")
    found.sort(key=lambda emoji: (order.index(emoji.category), emoji.name, emoji.key))
    return Selection(tuple(found), {reason: count for reason, count in left_out.items() if count}, moved)


def split_of(key: str) -> str:
    """Returns the split of an emoji: train, validation or test, with about the `SHARES`.

    It is a function of the code points alone: no choice of styles, categories or sizes moves an emoji to another split.
    Variants of a person by gender or direction, which look alike, have one split.

    key: code points in hexadecimal, such as `1f468-200d-1f680`, or a name.
    """
    for variant in _VARIANTS:
        key = key.replace(variant, "")
    alike = "-".join(_ALIKE.get(point, point) for point in key.split("-"))
    place = int.from_bytes(hashlib.sha256(alike.encode()).digest()[:8]) / 2**64
    for split, share in SHARES.items():
        if place < share:
            return split
        place -= share
    return split


def _keys(package: Package) -> dict[str, str]:
    """Returns name -> code points without those of the package's own use."""
    found: dict[str, str] = {}
    for points, name in sorted(package.code_points.items()):
        parts = [point for point in points.lower().split("-") if point != _PRESENTATION]
        if not all(re.fullmatch("[0-9a-f]{1,6}", part) for part in parts) or not parts:
            expected = "code points in hexadecimal, such as 1f468-200d-1f680"
            received = f"{points[:80]!r} in {package.source.origin}"
            raise InputError("Bad code points in chars.json", expected=expected, received=received)
        if not any(int(part, 16) in _PRIVATE for part in parts):
            found.setdefault(name, "-".join(parts))
    return found


def _listed(package: Package, known_keys: Mapping[str, str]) -> Iterator[tuple[str, str | None, str | None]]:
    """Yields name, key and category of each icon that is not hidden. The key is None for skin tones.

    The category is None for flags, symbols and others that are never drawn.

    known_keys: letters of a name -> key, from all packages.
    """
    keys = _keys(package)
    for name, category in _categories(package).items():
        if not package.icons.icons[name].hidden:
            key = keys.get(name)
            is_toned = _is_toned(name, key, package)
            yield name, None if is_toned else key or known_keys.get(_letters(name), _letters(name)), category


def _categories(package: Package) -> dict[str, str | None]:
    """Returns name -> category. None: one that is never drawn, unless another list of the package names the icon too.

    Raises `InputError` for a name that `icons.json` lacks, and for two emoji of one name.
    """
    short = {_words(unicode_name): category for category, unicode_name in CATEGORIES.items()}
    found: dict[str, str | None] = {}
    for listed, names in package.categories.items():
        category = short.get(_words(listed))
        for name in names:
            where = f"metadata.json of {package.source.origin}"
            if name not in package.icons.icons:
                received = f"{name[:80]!r} in {where}"
                raise InputError("A package of another layout", expected="a name in icons.json", received=received)
            if category is not None and found.get(name) is not None:
                received = f"{name[:80]!r} twice in {where}"
                raise InputError("Two emoji of one name", expected="each name once", received=received)
            found[name] = category or found.get(name)
    return found


def _is_toned(name: str, key: str | None, package: Package) -> bool:
    """Returns whether an icon shows a skin tone, by its code points or, where they are unknown, by its name."""
    if key is not None:
        return not _TONES.isdisjoint(key.split("-"))
    found = _TONE_SUFFIX.fullmatch(name)
    return found is not None and found[1] in package.icons.icons


def _letters(name: str) -> str:
    """Returns a name as all packages spell it: `black-bird` and `blackbird` are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _words(category: str) -> str:
    """Returns the name of a category as all packages spell it."""
    return " ".join(re.findall(r"\w+", category.casefold()))
