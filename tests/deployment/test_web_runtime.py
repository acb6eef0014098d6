"""ONNX Runtime Web comes from a folder or from npm, and only with the expected digests."""

import hashlib
import tarfile

import pytest
from helpers.exported_pages import STAND_IN, write_stand_in

from gan import InputError
from gan.deployment import web_runtime
from gan.utils import npm


def write_files(folder):
    write_stand_in(folder)
    return folder


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    """Expects `STAND_IN` instead of the real runtime; the cache is empty, and PATH has no npm."""
    monkeypatch.setattr(web_runtime, "RUNTIME", write_stand_in(tmp_path / "stand-in"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package as npm delivers it."""
    dist = write_files(tmp_path / "unpacked" / "package" / "dist")
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(dist, "package/dist")
    monkeypatch.setattr(web_runtime, "PACKAGE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def put_npm(tmp_path, script):
    npm = tmp_path / "bin" / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)


def assert_nothing_cached(tmp_path):
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.name != "gan-reference"]


@pytest.mark.parametrize("inside", ["", "dist", "package/dist"])
def test_a_folder_is_the_package_or_its_dist(tmp_path, inside):
    found = write_files(tmp_path / "given" / inside)
    assert web_runtime.find_runtime(tmp_path / "given") == found


@pytest.mark.parametrize("name", STAND_IN)
def test_a_folder_without_a_file_is_an_error(tmp_path, name):
    (write_files(tmp_path / "given") / name).unlink()
    with pytest.raises(InputError, match=r"npm pack onnxruntime-web@1\.30\.0.*--runtime FOLDER.*given without"):
        web_runtime.find_runtime(tmp_path / "given")


@pytest.mark.parametrize("name", STAND_IN)
def test_a_changed_file_is_an_error(tmp_path, name):
    (write_files(tmp_path / "given") / name).write_bytes(b"changed")
    with pytest.raises(InputError, match=f"not the expected one.*{name} with SHA-256"):
        web_runtime.find_runtime(tmp_path / "given")


def test_npm_downloads_the_package_once(tmp_path, package):
    put_npm(tmp_path, f'[ "$*" = "pack onnxruntime-web@1.30.0" ] && /bin/cp {package} onnxruntime-web-1.30.0.tgz')
    found = web_runtime.find_runtime()
    assert found == web_runtime.cache_folder()
    assert {path.name: path.read_bytes() for path in found.iterdir()} == STAND_IN
    assert [path.name for path in found.parent.iterdir()] == [found.name]
    (tmp_path / "bin" / "npm").unlink()
    assert web_runtime.find_runtime() == found


def test_a_damaged_cache_is_replaced(tmp_path, package):
    (write_files(web_runtime.cache_folder()) / "ort-wasm-simd-threaded.wasm").write_bytes(b"cut")
    with pytest.raises(InputError, match="npm is not installed"):
        web_runtime.find_runtime()
    put_npm(tmp_path, f"/bin/cp {package} package.tgz")
    assert web_runtime.is_runtime(web_runtime.find_runtime())


def test_without_npm_the_message_has_the_command(tmp_path):
    with pytest.raises(
        InputError, match=r"npm is not installed.*`npm pack onnxruntime-web@1\.30\.0`.*--runtime FOLDER"
    ):
        web_runtime.find_runtime()
    assert_nothing_cached(tmp_path)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'npm notice'; echo 'npm error code E404' >&2; exit 1", "exit status 1: npm error code E404"),
        ("exit 0", "exit status 0: no message"),
        ("echo 'npm error network' >&2; echo part > package.tgz; exit 1", "exit status 1: npm error network"),
    ],
    ids=["npm fails", "no package", "half a package"],
)
def test_a_failed_npm_is_an_error_with_its_reason(tmp_path, script, reason):
    put_npm(tmp_path, script)
    with pytest.raises(InputError, match=rf"(?s)npm pack onnxruntime-web@1\.30\.0.*--runtime.*{reason}") as raised:
        web_runtime.find_runtime()
    assert "\n" not in str(raised.value)
    assert_nothing_cached(tmp_path)


def test_another_package_is_an_error(tmp_path, package, monkeypatch):
    monkeypatch.setattr(web_runtime, "PACKAGE_SHA256", "0" * 64)
    put_npm(tmp_path, f"/bin/cp {package} package.tgz")
    with pytest.raises(InputError, match=r"npm delivered another package.*instead of 0000"):
        web_runtime.find_runtime()
    assert_nothing_cached(tmp_path)


def test_an_npm_that_does_not_end_is_killed_with_its_children(tmp_path, monkeypatch):
    monkeypatch.setattr(npm, "SECONDS", 0.1)
    put_npm(tmp_path, "/bin/sleep 60; true")
    with pytest.raises(InputError, match="npm does not end"):
        web_runtime.find_runtime()
    assert_nothing_cached(tmp_path)


def test_a_cache_folder_that_cannot_be_written_is_an_error(tmp_path, package):
    (tmp_path / "cache").write_text("a file")
    put_npm(tmp_path, f"/bin/cp {package} package.tgz")
    with pytest.raises(InputError, match=r"cannot be stored in the cache folder.*--runtime FOLDER"):
        web_runtime.find_runtime()
