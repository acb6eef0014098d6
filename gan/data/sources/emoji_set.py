"""Builds a data set of emoji: packages of vectors in, a folder with images and their record out.

Does not import TensorFlow.
"""

import hashlib
import os
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gan.data import images
from gan.data.sources.emoji_about import KIND, About, EmojiRecord, attribution, notice
from gan.data.sources.emoji_drawing import DrawingError, draw, import_renderer
from gan.data.sources.emoji_package import STYLES, Package, find_packages
from gan.data.sources.emoji_selection import CATEGORIES, SHARES, Emoji, Selection, select
from gan.errors import InputError, Options, as_json, check, check_different, check_whole
from gan.saving import files
from gan.utils.tensorflow import installed_version
from gan.utils.user_folders import user_data

SIZE = 32
"""Side of the images in pixels of the data set `emoji`. Those of `emoji-64` have 64."""
SMALLEST, LARGEST = 16, 256

ARCHIVE, RECORD, NOTICE, SHEET = "images.npz", "about.json", "NOTICE.txt", "sheet.png"
"""Files of the folder of a data set."""

MOST_NOT_DRAWN = 0.01
"""Largest share of icons that do not draw. They are left out and recorded; with more, nothing is built."""

_NAME = re.compile(r"emoji(-[1-9]\d{0,8})?")
_SUFFIX = {"train": "train", "validation": "val", "test": "test"}
"""Split -> end of the names of its arrays in the archive, as in Keras' mnist.npz."""
_ON_SHEET = 16

StyleName = Literal["noto", "fluent-emoji-flat", "twemoji", "openmoji"]
CategoryName = Literal["smileys", "people", "animals", "food", "activities", "travel", "objects"]


@dataclass(frozen=True)
class EmojiOptions(Options):
    """Options of a data set of emoji."""

    size: int = SIZE
    styles: tuple[StyleName, ...] = ("noto", "fluent-emoji-flat")
    categories: tuple[CategoryName, ...] = ("smileys", "animals", "food")
    """Those that the preset `emoji` learns to draw."""
    labels: Literal["category", "style"] = "category"

    def __post_init__(self) -> None:
        check_whole("size", self.size, SMALLEST, LARGEST)
        for name, known in (("styles", list(STYLES)), ("categories", list(CATEGORIES))):
            given = getattr(self, name)
            expected = f"one or more of {known}"
            check(isinstance(given, tuple) and bool(given) and set(given) <= set(known), name, expected, given)
            check_different(name, given)
            object.__setattr__(self, name, tuple(sorted(given, key=known.index)))
        check(self.labels in ("category", "style"), "labels", "category or style", self.labels)


def is_emoji(name: str) -> bool:
    """Returns whether a name is `emoji`, or `emoji-` and a size in pixels."""
    return _NAME.fullmatch(name) is not None


def size_of(name: str) -> int:
    """Returns the size in pixels of a data set for whose name `is_emoji` holds.

    Raises `InputError` for a size that is not offered.
    """
    size = int(name.removeprefix("emoji").removeprefix("-") or SIZE)
    check(SMALLEST <= size <= LARGEST, "dataset", f"emoji-N with N from {SMALLEST} to {LARGEST}", name)
    return size


def emoji_folder(size: int) -> Path:
    """Returns the folder of the data set of a size, in GAN_DATA_DIR or in the user's data folder."""
    given = os.environ.get("GAN_DATA_DIR")
    place = Path(given).expanduser() if given else user_data()
    return place / ("emoji" if size == SIZE else f"emoji-{size}")


def built_sets() -> list[str]:
    """Returns the names of the data sets that are in their folders, such as `emoji` and `emoji-64`."""
    place = emoji_folder(SIZE).parent
    return sorted(path.parent.name for path in place.glob(f"emoji*/{ARCHIVE}") if is_emoji(path.parent.name))


@dataclass(frozen=True)
class _Picture:
    emoji: Emoji
    style: str
    pixels: np.ndarray

    def label(self, labels: str) -> str:
        return self.emoji.category if labels == "category" else self.style


def build_emoji(
    options: EmojiOptions,
    output: Path | None = None,
    *,
    source: Path | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[Path, About]:
    """Draws emoji as a data set, in a folder that appears complete. Returns the folder and the record in it.

    The folder has `images.npz`, which `load_dataset` reads, `about.json`, `NOTICE.txt` with the authors and licenses,
    and `sheet.png` with some training images of each class. All styles of an emoji are in the same split, which depends
    on its code points alone. No two images are equal.

    Args:
        options: size, styles, categories and labels.
        output: the folder. A data set of emoji that is there is replaced. None: `emoji_folder`.
        source: folder of packages, unpacked or `.tgz`. None: npm downloads them once.
        log: receives a line for each part of the work.

    Raises `InputError` if a package is missing or damaged, if icons do not draw, if a split has no emoji, or if the
    folder has other content. The folder is unchanged then.
    """
    target = Path(os.path.realpath(output or emoji_folder(options.size)))
    _check_target(target)
    import_renderer()
    log(f"reading {', '.join(options.styles)}" if source else f"fetching {', '.join(options.styles)}")
    packages = find_packages(options.styles, source)
    selection = select(packages, options.categories)
    log(f"drawing {len(selection.emoji):,} emoji in {len(packages)} styles")
    pictures, not_drawn = _draw(selection, packages, options.size)
    chosen, left_out = _without_copies(pictures), dict(selection.left_out)
    left_out |= {"copies of another picture": len(pictures) - len(chosen), "not drawn": len(not_drawn)}
    target.parent.mkdir(parents=True, exist_ok=True)
    log(f"writing {len(chosen):,} images")
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        draft = Path(scratch) / "draft"
        draft.mkdir()
        about = _write(draft, options, packages, chosen, left_out, selection.moved, not_drawn)
        _check_target(target)
        _replace(target, draft, Path(scratch) / "before")
    return target, about


def _check_target(target: Path) -> None:
    """Raises `InputError` unless the folder can be written: it is new, empty, or a data set of emoji."""
    expected = "a new or empty folder, or that of a data set of emoji, which is replaced"
    if target.exists() and not target.is_dir():
        raise InputError("The output is a file", expected=expected, received=str(target))
    if target.is_dir() and any(target.iterdir()) and not _is_own(target):
        raise InputError("The output folder has other content", expected=expected, received=str(target))
    files.check_writable(target.parent / f".{target.name}")


def _is_own(folder: Path) -> bool:
    names = {path.name for path in folder.iterdir()}
    if RECORD not in names or not names <= {ARCHIVE, RECORD, NOTICE, SHEET}:
        return False
    content = files.read_json(folder / RECORD)
    return isinstance(content, dict) and content.get("kind") == KIND


def _replace(target: Path, draft: Path, before: Path) -> None:
    """Moves `draft` to `target`, and what is there to `before`. On an error it is as it was."""
    if target.exists():
        target.rename(before)
    try:
        draft.rename(target)
    except BaseException:
        if before.exists():
            before.rename(target)
        raise


def _draw(selection: Selection, packages: Iterable[Package], size: int) -> tuple[list[_Picture], list[str]]:
    """Returns the pictures of all emoji, and style, name and reason of each icon that does not draw."""
    by_style = {package.source.style: package for package in packages}
    pictures, not_drawn = list[_Picture](), list[str]()
    for emoji in selection.emoji:
        for style, (name, icon) in emoji.icons.items():
            try:
                pictures.append(_Picture(emoji, style, draw(icon, by_style[style].icons, size)))
            except DrawingError as error:
                not_drawn.append(f"{name!r} of {by_style[style].source.package}: {error}")
    total = len(pictures) + len(not_drawn)
    if len(not_drawn) > MOST_NOT_DRAWN * total:
        expected = f"at most {MOST_NOT_DRAWN:.0%} of {total:,} icons that do not draw"
        raise InputError("Icons do not draw", expected=expected, received=f"{len(not_drawn):,}, such as {not_drawn[0]}")
    return pictures, not_drawn


def _without_copies(pictures: Iterable[_Picture]) -> list[_Picture]:
    """Returns the pictures without those that equal an earlier one."""
    return list({picture.pixels.tobytes(): picture for picture in reversed(list(pictures))}.values())[::-1]


def _write(
    folder: Path,
    options: EmojiOptions,
    packages: list[Package],
    pictures: list[_Picture],
    left_out: dict[str, int],
    moved: int,
    not_drawn: list[str],
) -> About:
    """Writes the files of a data set and returns its record."""
    names = options.categories if options.labels == "category" else options.styles
    used = {picture.label(options.labels) for picture in pictures}
    class_names = tuple(name for name in names if name in used)
    splits = {split: [picture for picture in pictures if picture.emoji.split == split] for split in SHARES}
    empty = [split for split, part in splits.items() if not part]
    if empty:
        expected = "emoji in each of the splits train, validation and test"
        received = f"{len(pictures)} pictures, none for {' and '.join(empty)}"
        raise InputError("Too few emoji", expected=expected, received=received)
    trained = {picture.label(options.labels) for picture in splits["train"]}
    unseen = [name for name in class_names if name not in trained]
    if unseen:
        expected = "a training image of each class; fewer categories or more styles help"
        raise InputError("Too few emoji", expected=expected, received=f"none of {' and '.join(unseen)}")
    arrays: dict[str, np.ndarray] = {"class_names": np.array(class_names)}
    digest = hashlib.sha256()
    for split, part in splits.items():
        end = _SUFFIX[split]
        arrays[f"x_{end}"] = np.stack([picture.pixels for picture in part])
        digest.update(arrays[f"x_{end}"].tobytes())
        numbers = [class_names.index(picture.label(options.labels)) for picture in part]
        arrays[f"y_{end}"] = np.array(numbers, np.int32)
        arrays[f"names_{end}"] = np.array([picture.emoji.name for picture in part])
        arrays[f"categories_{end}"] = np.array([picture.emoji.category for picture in part])
        arrays[f"styles_{end}"] = np.array([picture.style for picture in part])
    np.savez_compressed(folder / ARCHIVE, **arrays)  # type: ignore[arg-type]
    images.save_png(folder / SHEET, _sheet(arrays["x_train"], arrays["y_train"], len(class_names)))
    about = About(
        kind=KIND,
        size=options.size,
        labels=options.labels,
        styles=options.styles,
        categories=options.categories,
        class_names=class_names,
        images=len(pictures),
        counts={
            "category": dict(Counter(picture.emoji.category for picture in pictures)),
            "style": dict(Counter(picture.style for picture in pictures)),
            "split": {split: len(part) for split, part in splits.items()},
        },
        counts_by_split={
            split: dict(Counter(picture.emoji.category for picture in part)) for split, part in splits.items()
        },
        left_out={reason: count for reason, count in left_out.items() if count},
        moved=moved,
        not_drawn=tuple(not_drawn),
        sha256=files.sha256(folder / ARCHIVE),
        pixels_sha256=digest.hexdigest(),
        versions={name: installed_version(name) for name in ("gan-reference", "resvg-py", "numpy", "pillow")},
        packages=tuple(package.source for package in packages),
        attribution="; ".join(attribution(package.source) for package in packages),
        emoji=_records(pictures),
    )
    files.write_json(folder / RECORD, as_json(about))
    (folder / NOTICE).write_text(notice(about), encoding="utf-8")
    return about


def _records(pictures: Iterable[_Picture]) -> tuple[EmojiRecord, ...]:
    styles: defaultdict[str, list[str]] = defaultdict(list)
    emoji: dict[str, Emoji] = {}
    for picture in pictures:
        emoji[picture.emoji.key] = picture.emoji
        styles[picture.emoji.key].append(picture.style)
    return tuple(
        EmojiRecord(one.name, key, one.category, CATEGORIES[one.category], one.split, tuple(styles[key]))
        for key, one in emoji.items()
    )


def _sheet(pixels: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Returns a row of training images for each class: uint8 [H, W, 3]."""
    rows = np.full((classes, _ON_SHEET, *pixels.shape[1:]), 255, np.uint8)
    for label, row in enumerate(rows):
        found = np.flatnonzero(labels == label)
        chosen = found[np.linspace(0, len(found) - 1, min(len(found), _ON_SHEET)).round().astype(int)]
        row[: len(chosen)] = pixels[chosen]
    flat = rows.reshape(-1, *pixels.shape[1:])
    return images.grid(flat, _ON_SHEET, scale=max(1, 64 // pixels.shape[1]))
