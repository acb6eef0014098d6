"""Loads a zip archive of a folder of images."""

import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from gan.data.dataset import Dataset
from gan.data.request import Request
from gan.data.sources.folder import load_images
from gan.data.sources.listing import is_mentioned
from gan.errors import InputError
from gan.saving.zip_safety import check_expansion

ZIP = ".zip"


def load_zip(request: Request) -> Dataset:
    """Loads a `.zip` of a folder as `load_folder` does. Its files are unpacked to a temporary folder, then removed.

    A single sub-folder that holds everything is skipped. Hidden files are not unpacked.

    Raises the errors of `load_folder`. Raises `InputError` for a damaged or protected archive, for members outside the
    folder (`../x`), for a link, and for an archive that unpacks to far more than its size or than the disk holds.
    """
    path = Path(request.name).expanduser().absolute()
    if not path.is_file():
        raise InputError("No such zip file of images", expected="a .zip file", received=request.name)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                check_expansion(str(path), path.stat().st_size, archive)
                for member in _members(archive, path):
                    archive.extract(member, folder)
        except InputError:
            raise
        except RuntimeError as error:
            expected = "an archive without a password, packed by a common method"
            raise InputError(
                "This zip file cannot be unpacked", expected=expected, received=f"{path}: {error}"
            ) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
            raise InputError("This zip file is damaged", expected="a zip file of images", received=str(path)) from error
        except OSError as error:
            expected = f"an archive that can be unpacked in {tempfile.gettempdir()} (see TMPDIR)"
            raise InputError(
                "This zip file cannot be unpacked", expected=expected, received=f"{path}: {error}"
            ) from error
        return load_images(request, _innermost(Path(folder)), str(path))


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """Returns the files to unpack. Raises `InputError` for a name outside the folder, a link and a repeated name."""
    found: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        parts = PurePosixPath(name).parts
        problem = ""
        if name.startswith("/") or ".." in parts or (parts and ":" in parts[0]):
            problem = "a file outside the folder"
        elif stat.S_ISLNK(member.external_attr >> 16):
            problem = "a link"
        elif name in found:
            problem = "a name twice"
        if problem:
            raise InputError(
                "This zip file is not safe", expected="plain files", received=f"{path} with {problem}: {name}"
            )
        if not name.endswith("/") and all(map(is_mentioned, parts)):
            member.filename = name  # the file is written there: some programs pack with backslashes
            found[name] = member
    return list(found.values())


def _innermost(folder: Path) -> Path:
    """Returns the first folder that has files or several sub-folders."""
    inside = list(folder.iterdir())
    while len(inside) == 1 and inside[0].is_dir():
        folder, inside = inside[0], list(inside[0].iterdir())
    return folder
