"""Finds and reads packages of vector emoji, from npm or from a folder. Does not import TensorFlow."""

import gzip
import hashlib
import io
import json
import re
import shutil
import tarfile
import tempfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from gan.errors import InputError, Json, check_levels, convert
from gan.saving import files
from gan.utils import npm
from gan.utils.user_folders import user_cache


@dataclass(frozen=True)
class Style:
    """A set of emoji drawn by one hand, as a package of npm."""

    version: str
    sha256: str
    """Hexadecimal SHA-256 of the package of this version."""


STYLES = {
    "noto": Style("1.2.9", "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad"),
    "fluent-emoji-flat": Style("1.2.6", "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"),
    "twemoji": Style("1.2.5", "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7"),
    "openmoji": Style("1.2.29", "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5"),
}
"""Style -> its package of the project Iconify, `@iconify-json/STYLE`. The licenses of the first two are permissive."""

MOST_BYTES = 2**28
"""Largest size in bytes of an unpacked package, and of a file of one."""

FILES = ("package.json", "info.json", "icons.json", "metadata.json", "chars.json")
"""Files of a package that are read."""


@dataclass(frozen=True)
class Icon:
    """An icon: the elements of an SVG, and the part of its plane that is seen. None: as for the whole package."""

    body: str
    left: float | None = None
    top: float | None = None
    width: float | None = None
    height: float | None = None
    hidden: bool = False


@dataclass(frozen=True)
class IconSet:
    """What is read of `icons.json`. Aliases name an icon again; they are counted, not drawn."""

    icons: dict[str, Icon]
    left: float = 0
    top: float = 0
    width: float = 16
    height: float = 16
    aliases: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Categories:
    """What is read of `metadata.json`: category -> names of its icons. Hidden icons have no category."""

    categories: dict[str, list[str]]


@dataclass(frozen=True)
class Author:
    """Who drew the icons."""

    name: str
    url: str = ""


@dataclass(frozen=True)
class License:
    """The license of the icons."""

    title: str
    spdx: str = ""
    url: str = ""


@dataclass(frozen=True)
class Info:
    """What is read of `info.json`."""

    name: str
    author: Author
    license: License


@dataclass(frozen=True)
class Card:
    """What is read of `package.json`."""

    name: str
    version: str


@dataclass(frozen=True)
class Source:
    """Where a package comes from, for the record of a data set."""

    style: str
    package: str
    version: str
    origin: str
    """npm, or the name of the file or folder that was given."""
    sha256: str | None
    """SHA-256 of the package. None: it was given unpacked."""
    icons_sha256: str
    """SHA-256 of its `icons.json`."""
    title: str
    author: str
    author_url: str
    license: str
    license_url: str


@dataclass(frozen=True)
class Package:
    """The content of a package of emoji."""

    source: Source
    icons: IconSet
    categories: dict[str, list[str]]
    code_points: dict[str, str]
    """Code points, such as `1f468-200d-1f680` -> name."""


def find_packages(styles: tuple[str, ...], folder: Path | None = None) -> list[Package]:
    """Returns the packages of the styles.

    Args:
        styles: names in `STYLES`.
        folder: folder of packages, unpacked or as `.tgz` files of any version. None: the user's cache folder, into
            which npm downloads the packages of `STYLES` the first time.

    Raises `InputError` if a package is missing, has another layout or is damaged, and if npm is missing or fails.
    """
    if folder is None:
        return [_read(style, _cached(style), "npm") for style in styles]
    if not folder.is_dir():
        raise InputError("No such folder of packages", expected=_given(styles[0]), received=str(folder))
    found = [(style, _find(style, folder)) for style in styles]
    return [_read(style, path, path.name) for style, path in found]


def package_name(style: str) -> str:
    """Returns the name of the package of a style in npm."""
    return f"@iconify-json/{style}"


def cache_folder() -> Path:
    """Returns the folder of the downloaded packages in the user's cache folder (XDG_CACHE_HOME on Linux)."""
    return user_cache("emoji")


def _file_start(style: str) -> str:
    return f"iconify-json-{style}-"


def _given(style: str) -> str:
    package = f"{package_name(style)}@{STYLES[style].version}"
    return f"the package of `{npm.pack_command(package)}` in a folder, with --from FOLDER"


def _cached(style: str) -> Path:
    """Returns the package of a style in the cache folder, after a download if it is not there or damaged."""
    version, sha256 = STYLES[style].version, STYLES[style].sha256
    path = cache_folder() / f"{_file_start(style)}{version}.tgz"
    expected = _given(style)
    try:
        if not path.is_file() or files.sha256(path) != sha256:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".npm-", dir=path.parent) as scratch:
                fetched = npm.pack(f"{package_name(style)}@{version}", Path(scratch), sha256=sha256, expected=expected)
                files.write(path, lambda partial: shutil.copyfile(fetched, partial))
    except OSError as error:
        problem = "The package cannot be stored in the cache folder"
        raise InputError(problem, expected=expected, received=str(error)) from error
    return path


def _find(style: str, folder: Path) -> Path:
    """Returns the `.tgz` file or the folder of a style in a folder. A file comes first, since its SHA-256 is known."""
    name = re.compile(rf"{re.escape(_file_start(style))}\d[^/]*\.tgz")
    found = sorted(path for path in folder.iterdir() if name.fullmatch(path.name) and path.is_file())
    if not found:
        places = ("", "*", "*/package", "@iconify-json/*", "node_modules/@iconify-json/*")
        folders = {path.parent for place in places for path in folder.glob(f"{place}/package.json".lstrip("/"))}
        found = sorted(path for path in folders if _name_of(path) == package_name(style))
    if len(found) > 1:
        received = " and ".join(str(path.relative_to(folder)) for path in found)
        raise InputError(f"Two packages of the style {style}", expected=f"one in {folder}", received=received)
    if not found:
        raise InputError(f"No package of the style {style}", expected=_given(style), received=str(folder))
    return found[0]


def _name_of(folder: Path) -> str:
    path = folder / FILES[0]
    content = _parse(_read_file(path), path)
    return str(content.get("name")) if isinstance(content, dict) else ""


def _read(style: str, path: Path, origin: str) -> Package:
    """Reads a package, unpacked or not."""
    try:
        content = _unpacked(path) if path.is_file() else {name: _read_file(path / name) for name in FILES}
        packed = files.sha256(path) if path.is_file() else None
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        problem = f"The package of the style {style} is damaged or has another layout"
        raise InputError(problem, expected=_given(style), received=f"{path}: {error}") from error
    parsed = {name: _parse(content[name], path / name) for name in FILES}
    card = convert(parsed["package.json"], Card, path / "package.json")
    if card.name != package_name(style):
        raise InputError("A package of another name", expected=package_name(style), received=f"{path}: {card.name!r}")
    info = convert(parsed["info.json"], Info, path / "info.json")
    source = Source(
        style,
        card.name,
        card.version,
        origin,
        packed,
        hashlib.sha256(content["icons.json"]).hexdigest(),
        info.name,
        info.author.name,
        info.author.url,
        info.license.spdx or info.license.title,
        info.license.url,
    )
    return Package(
        source,
        convert(parsed["icons.json"], IconSet, path / "icons.json"),
        convert(parsed["metadata.json"], Categories, path / "metadata.json").categories,
        convert(parsed["chars.json"], dict[str, str], path / "chars.json"),
    )


def _unpacked(path: Path) -> dict[str, bytes]:
    """Returns the content of `FILES` in a `.tgz` file. Writes nothing, and reads at most `MOST_BYTES`."""
    with gzip.GzipFile(path) as packed:
        content = packed.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError("The package is too large", expected=f"at most {MOST_BYTES:,} bytes", received=str(path))
    found = {}
    with tarfile.TarFile(fileobj=io.BytesIO(content)) as archive:
        for name in FILES:
            member = next((part for part in archive if part.name == f"package/{name}" and part.isreg()), None)
            file = None if member is None else archive.extractfile(member)
            if member is None or file is None:
                raise tarfile.TarError(f"no file package/{name}")
            if member.issparse():  # its size is not that of its content
                raise tarfile.TarError(f"package/{name} is sparse")
            found[name] = file.read()
    return found


def _read_file(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        raise InputError("The file is too large", expected=f"at most {MOST_BYTES:,} bytes", received=str(path))
    return path.read_bytes()


def _parse(content: bytes, path: Path) -> Json:
    """Parses JSON. Raises `InputError` if it is damaged or names something twice."""
    try:
        parsed = json.loads(content, object_pairs_hook=_without_duplicates)
    except (_DuplicateError, RecursionError) as error:
        received = f"{path}: {error}"
        raise InputError(f"Damaged {path.name}", expected="JSON with each name once", received=received) from error
    except ValueError as error:
        raise InputError(f"Damaged {path.name}", expected="JSON", received=f"{path}: {error}") from error
    check_levels(parsed, path)
    return parsed


class _DuplicateError(Exception):
    """An object of JSON names something twice."""


def _without_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise _DuplicateError(f"{twice[:80]!r} stands twice")
    return found
