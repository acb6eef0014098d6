"""Packages of emoji come from npm or from a folder; what is damaged or of another layout is refused."""

import io
import json
import shutil
import tarfile

import pytest
from helpers.emoji_packages import COMMITTED, SMILEYS, pack, write_package

from gan.data.sources import emoji_package
from gan.data.sources.emoji_package import STYLES, Style, find_packages
from gan.errors import InputError
from gan.saving import files


def read(folder, style="noto"):
    return find_packages((style,), folder)[0]


def test_the_committed_packages_are_read():
    packages = find_packages(("noto", "fluent-emoji-flat"), COMMITTED)
    assert [(len(part.icons.icons), part.source.license) for part in packages] == [(64, "Apache-2.0"), (64, "MIT")]
    source = packages[0].source
    assert (source.version, source.origin, source.author, source.sha256) == ("1.2.9", "noto", "Google Inc", None)
    assert source.icons_sha256 == files.sha256(COMMITTED / "noto" / "icons.json")
    assert packages[0].code_points["1f438"] == "frog"


@pytest.mark.parametrize("place", ["", "any name", "any name/package", "node_modules/@iconify-json/noto"])
def test_an_unpacked_package_is_found(tmp_path, place):
    shutil.copytree(COMMITTED / "noto", tmp_path / place, dirs_exist_ok=True)
    assert read(tmp_path).source.package == "@iconify-json/noto"


def test_a_packed_package_is_found_before_an_unpacked_one(tmp_path):
    shutil.copytree(COMMITTED / "noto", tmp_path / "unpacked")
    path = pack(COMMITTED / "noto", tmp_path / "iconify-json-noto-9.9.9.tgz")
    found = read(tmp_path)
    assert (found.source.origin, found.source.sha256) == (path.name, files.sha256(path))
    assert found.icons == read(COMMITTED).icons


def test_a_style_whose_name_begins_like_another_is_not_taken_for_it(tmp_path):
    pack(COMMITTED / "noto", tmp_path / "iconify-json-noto-v1-1.0.0.tgz")
    with pytest.raises(InputError, match=r"No package of the style noto.*npm pack @iconify-json/noto@1\.2\.9"):
        read(tmp_path)


def test_two_packages_of_a_style_are_refused(tmp_path):
    for version in ("1.0.0", "1.1.0"):
        pack(COMMITTED / "noto", tmp_path / f"iconify-json-noto-{version}.tgz")
    with pytest.raises(InputError, match=r"Two packages of the style noto.*1\.0\.0\.tgz and iconify-json-noto-1\.1\.0"):
        read(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"No such folder of packages.*--from FOLDER"):
        read(tmp_path / "missing")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"icons": None}, r"damaged or has another layout.*icons\.json"),
        ({"icons": {"icons": ["a"]}}, r"Bad `icons` in .*icons\.json.*an object"),
        ({"icons": {"icons": {"a": {"body": 3}}}}, r"Bad `icons\.a\.body` in"),
        ({"metadata": {}}, r"Bad `categories` in .*metadata\.json"),
        ({"metadata": {"categories": {SMILEYS: "a"}}}, r"Bad `categories.*a list"),
        ({"chars": {"1f600": ["a"]}}, r"Bad `1f600` in .*chars\.json"),
        ({"info": {"name": "Noto", "license": {"title": "MIT"}}}, r"Bad `author`"),
        ({"package": {"name": "@iconify-json/noto"}}, r"Bad `version`"),
    ],
)
def test_a_package_of_another_layout_is_refused(tmp_path, content, reason):
    write_package(tmp_path, "noto", {SMILEYS: ["a"]}, files=content)
    with pytest.raises(InputError, match=reason) as raised:
        read(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"icons": {"a": {"body": "x"}, "a": {"body": "y"}}}', "each name once.*'a' stands twice"),
        ('{"icons": {', "Expected JSON"),
        ("[" * 60 + "]" * 60, "at most 50 levels"),
        ("[" * 200_000, "Damaged icons.json"),
        ("\xff", "Expected JSON"),
        ("", "Expected JSON"),
    ],
)
def test_damaged_json_is_refused(tmp_path, text, reason):
    path = write_package(tmp_path, "noto", {SMILEYS: ["a"]})
    (path / "icons.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=reason) as raised:
        read(tmp_path)
    assert "\n" not in str(raised.value)


def damaged(content):
    return content[:-100]


def no_gzip(content):
    return b"not a package"


def link(content):
    """A package whose icons are a link to a file of the machine."""
    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(content)) as before, tarfile.open(fileobj=made, mode="w:gz") as archive:
        for member in before:
            if member.name.endswith("icons.json"):
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
            archive.addfile(member, before.extractfile(member) if member.isreg() else None)
    return made.getvalue()


def with_headers(headers):
    """Returns what gives all files of a package other PAX headers."""

    def change(content):
        made = io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(content)) as before, tarfile.open(fileobj=made, mode="w:gz") as archive:
            for member in before:
                member.pax_headers = headers
                archive.addfile(member, before.extractfile(member) if member.isreg() else None)
        return made.getvalue()

    return change


bad_header = with_headers({"GNU.sparse.size": "x"})
sparse = with_headers({"GNU.sparse.size": str(2**22), "GNU.sparse.map": "0,10"})


@pytest.mark.parametrize("change", [damaged, no_gzip, link, bad_header, sparse])
def test_a_damaged_file_is_refused(tmp_path, change):
    path = pack(COMMITTED / "noto", tmp_path / "iconify-json-noto-1.2.9.tgz")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=r"The package of the style noto is damaged or has another layout") as raised:
        read(tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("packed", [True, False])
def test_a_package_of_a_great_size_is_refused(tmp_path, monkeypatch, packed):
    monkeypatch.setattr(emoji_package, "MOST_BYTES", 10_000)
    folder = COMMITTED
    if packed:
        pack(COMMITTED / "noto", tmp_path / "iconify-json-noto-1.2.9.tgz")
        folder = tmp_path
    with pytest.raises(InputError, match=r"too large\. Expected at most 10,000 bytes"):
        read(folder)


def test_a_package_of_another_name_is_refused(tmp_path):
    pack(COMMITTED / "fluent-emoji-flat", tmp_path / "iconify-json-noto-1.2.9.tgz")
    with pytest.raises(InputError, match=r"A package of another name\. Expected @iconify-json/noto"):
        read(tmp_path)


@pytest.fixture
def npm(monkeypatch, tmp_path):
    """A program `npm` that delivers the committed package; the cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    package = pack(COMMITTED / "noto", tmp_path / "package.tgz")
    monkeypatch.setitem(STYLES, "noto", Style("1.2.9", files.sha256(package)))
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$*" = "pack @iconify-json/noto@1.2.9" ] && /bin/cp {package} noto.tgz\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def test_npm_downloads_a_package_once(npm):
    found = read(None)
    assert (found.source.origin, found.source.sha256) == ("npm", STYLES["noto"].sha256)
    npm.unlink()
    assert read(None) == found
    assert [path.name for path in emoji_package.cache_folder().iterdir()] == ["iconify-json-noto-1.2.9.tgz"]


def test_a_damaged_package_in_the_cache_is_downloaded_again(npm):
    read(None)
    cached = next(emoji_package.cache_folder().iterdir())
    cached.write_bytes(b"damaged")
    read(None)
    assert files.sha256(cached) == STYLES["noto"].sha256


def test_another_package_than_the_pinned_one_is_refused(npm, monkeypatch):
    monkeypatch.setitem(STYLES, "noto", Style("1.2.9", "0" * 64))
    with pytest.raises(InputError, match=r"npm delivered another package.*--from FOLDER.*instead of 0000"):
        read(None)
    assert not list(emoji_package.cache_folder().iterdir())


def test_without_npm_the_message_has_both_ways(npm):
    npm.unlink()
    with pytest.raises(InputError, match=r"npm is not installed.*`npm pack @iconify-json/noto@1\.2\.9`.*--from FOLDER"):
        read(None)


def test_without_network_the_message_has_the_reason(npm):
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND'; exit 1\n")
    with pytest.raises(InputError, match=r"npm did not download @iconify-json/noto@1\.2\.9.*npm error code ENOTFOUND"):
        read(None)
    assert not list(emoji_package.cache_folder().iterdir())


def test_a_cache_folder_that_cannot_be_written_is_refused(npm, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match=r"cannot be stored in the cache folder.*--from FOLDER"):
        read(None)


def test_the_committed_packages_have_their_licenses():
    for style in ("noto", "fluent-emoji-flat"):
        text = (COMMITTED / style / "LICENSE").read_text(encoding="utf-8")
        card = json.loads((COMMITTED / style / "package.json").read_text(encoding="utf-8"))
        assert f"{card['name']} {card['version']}" in text
        assert card["version"] == STYLES[style].version
