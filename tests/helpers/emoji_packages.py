"""Packages of vector emoji for tests: the committed ones, and small ones with any content."""

import json
import tarfile
from pathlib import Path

COMMITTED = Path(__file__).parents[1] / "data" / "emoji-64"
"""64 emoji of Apache-2.0 and MIT in two styles: 16 smileys, animals, foods, and places each."""

RED = '<path fill="#f00" d="M0 0h16v16H0z"/>'
SMILEYS, FOOD, FLAGS = "Smileys & Emotion", "Food & Drink", "Flags"


def write_package(folder, style, categories, *, chars=None, icons=None, files=None):
    """Writes a package with red squares, and returns its folder.

    Args:
        folder: folder of packages.
        style: name of the style.
        categories: category -> names of icons.
        chars: code points -> name. None: none are known.
        icons: name -> what its icon has other than a red square.
        files: file without `.json` -> its content instead of that of a good package. None: the file is missing.
    """
    path = Path(folder) / style
    path.mkdir(parents=True)
    names = [name for group in categories.values() for name in group] + list(icons or {})
    content = {
        "package": {"name": f"@iconify-json/{style}", "version": "0.0.1"},
        "info": {"name": style.title(), "author": {"name": "A. Painter"}, "license": {"title": "MIT", "spdx": "MIT"}},
        "icons": {"icons": {name: {"body": RED, **(icons or {}).get(name, {})} for name in names}},
        "metadata": {"categories": categories},
        "chars": chars or {},
    }
    for name, part in (content | (files or {})).items():
        if part is not None:
            (path / f"{name}.json").write_text(json.dumps(part), encoding="utf-8")
    return path


def pack(folder, path):
    """Writes a package as npm delivers it, and returns the file."""
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "package")
    return path
