"""ONNX Runtime Web, which runs a generator in a browser: its files come from npm or a folder, and are checked.

Does not import TensorFlow.
"""

import shutil
import tarfile
import tempfile
from pathlib import Path

from gan.errors import InputError
from gan.saving import files
from gan.utils import npm
from gan.utils.user_folders import user_cache

VERSION = "1.30.0"
"""Version of onnxruntime-web, the npm package of ONNX Runtime Web."""

PACKAGE_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
"""SHA-256 of the npm package."""

RUNTIME = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""SHA-256 of the files that a page needs: the WebAssembly backend and its JavaScript. They lie in `dist/`."""

PACKAGE = f"onnxruntime-web@{VERSION}"
"""Name and version of the package for npm."""

INSTEAD = f"the package of `{npm.pack_command(PACKAGE)}`, unpacked, with --runtime FOLDER (`runtime` in Python)"
"""What a user without the runtime can give."""


def find_runtime(folder: Path | None = None) -> Path:
    """Returns a folder with the files of ONNX Runtime Web, whose SHA-256 is that of `RUNTIME`.

    Args:
        folder: the unpacked npm package, or its folder `dist`. None: the user's cache folder, into which `npm pack`
            downloads the package the first time.

    Raises `InputError` if a file is missing or has another SHA-256, or if npm is missing or fails.
    """
    if folder is None:
        found = cache_folder()
        if not is_runtime(found):
            try:
                _download(found)
            except OSError as error:
                raise _error("ONNX Runtime Web cannot be stored in the cache folder", str(error)) from error
        return found
    for candidate in (folder, folder / "dist", folder / "package" / "dist"):
        if all((candidate / name).is_file() for name in RUNTIME):
            found = candidate
            break
    else:
        raise _error("This folder has no ONNX Runtime Web", f"{folder} without {' and '.join(RUNTIME)}")
    for name, expected in RUNTIME.items():
        received = files.sha256(found / name)
        if received != expected:
            raise _error("The runtime is not the expected one", f"{found / name} with SHA-256 {received}")
    return found


def cache_folder() -> Path:
    """Returns the folder of the downloaded files in the user's cache folder (XDG_CACHE_HOME on Linux)."""
    return user_cache(f"onnxruntime-web-{VERSION}")


def is_runtime(folder: Path) -> bool:
    """Returns whether a folder contains the files of `RUNTIME` with their SHA-256."""
    return all(
        (folder / name).is_file() and files.sha256(folder / name) == expected for name, expected in RUNTIME.items()
    )


def _download(target: Path) -> None:
    """Downloads the package with npm, and moves the files of `RUNTIME` to `target`, which appears complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".onnxruntime-web-", dir=target.parent) as scratch:
        package = npm.pack(PACKAGE, Path(scratch), sha256=PACKAGE_SHA256, expected=INSTEAD)
        draft = Path(scratch) / "draft"
        draft.mkdir()
        with tarfile.open(package) as archive:
            for name in RUNTIME:
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None  # the SHA-256 of the package decides what it contains
                with (draft / name).open("wb") as file:
                    shutil.copyfileobj(member, file)
        if target.is_dir():
            shutil.rmtree(target)  # damaged
        try:
            draft.rename(target)
        except OSError:
            if not is_runtime(target):  # from another process at the same time
                raise


def _error(problem: str, received: str) -> InputError:
    return InputError(problem, expected=INSTEAD, received=received)
