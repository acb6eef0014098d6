"""Web pages: a static folder with an exported generator, which draws in the browser with ONNX Runtime Web."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files as resources
from pathlib import Path
from typing import Literal

from gan.deployment import web_runtime
from gan.deployment.export import export_generator, scratch_folder
from gan.deployment.names import file_stem
from gan.errors import InputError, as_json, convert
from gan.saving import files
from gan.saving.engines.card import ExportCard, Weights
from gan.saving.engines.format import ExportedFile
from gan.saving.saved_generator import find_saved
from gan.utils.arguments import checked

MODEL = "model.onnx"
DESCRIPTION = "page.json"
"""Name of the JSON file that the page reads first, see `PageDescription`."""

SUFFIX = "-web"
"""End of the name of a page's folder."""


@dataclass(frozen=True, kw_only=True)
class PageDescription:
    """Content of `DESCRIPTION`."""

    kind: Literal["page"] = "page"
    card: ExportCard
    """Card of the model."""
    model: str = MODEL
    """Path of the model in the folder."""
    files: tuple[str, ...]
    """Names of all files in the folder."""


@dataclass(frozen=True)
class ExportedPage:
    """A static folder that draws samples in a browser."""

    path: Path
    model: ExportedFile
    """The generator in it."""

    @property
    def bytes(self) -> int:
        """Size on disk of all files."""
        return sum(file.stat().st_size for file in self.path.iterdir())


@checked
def export_web(
    checkpoint: str | Path,
    out: str | Path = "exported",
    *,
    weights: Weights = "float32",
    runtime: str | Path | None = None,
    license: str | None = None,
) -> ExportedPage:
    """Exports a generator as a static web page, which draws its samples in the browser.

    Sample (seed, index) is that of `gan.generate`, up to rounding. Any static host serves the folder, also below
    another path. Its files refer to no other host. Browsers need http or https: they open no modules from a file.

    Args:
        checkpoint: run folder, .keras file or pretrained name.
        out: folder for NAME-web/, with `-float16` or `-int8` after the name. A page that is there already is replaced.
        weights, license: as for `export_generator`, which writes and verifies the model in the folder.
        runtime: folder of the unpacked npm package onnxruntime-web of version `web_runtime.VERSION`. None: `npm pack`
            downloads it once, into the user's cache folder.

    Returns the page. Raises `InputError` as `export_generator` does, as `find_runtime` does, and if there is a folder
    of this name that is not a page. Then nothing is written.
    """
    saved, folder = find_saved(checkpoint), files.as_path(out, "out")
    target = folder / f"{file_stem(saved, weights)}{SUFFIX}"
    files.check_writable(target / DESCRIPTION)
    _check_replaceable(target)
    source = web_runtime.find_runtime(None if runtime is None else files.as_path(runtime, "runtime"))
    with scratch_folder(folder) as scratch:
        model = export_generator(checkpoint, scratch, format="onnx", weights=weights, license=license)
        draft = Path(scratch) / "page"
        draft.mkdir()
        model.path.rename(draft / MODEL)
        copy_page(draft)
        copy_runtime(source, draft)
        write_description(draft, model.card)
        folder.mkdir(parents=True, exist_ok=True)
        _place(draft, target, Path(scratch) / "before")
    return ExportedPage(target, ExportedFile(target / MODEL, model.format, model.card))


def copy_page(folder: Path) -> None:
    """Copies the files of the page itself into a folder: HTML, styles and scripts."""
    for resource in resources("gan.deployment").joinpath("page").iterdir():
        (folder / resource.name).write_bytes(resource.read_bytes())


def copy_runtime(source: Path, folder: Path) -> None:
    """Copies the files of ONNX Runtime Web into a folder. Modules get the suffix .js, which every host knows."""
    for name in web_runtime.RUNTIME:
        shutil.copyfile(source / name, folder / name.replace(".mjs", ".js"))


def write_description(folder: Path, card: ExportCard) -> None:
    """Writes the file that the page reads first. It lists all files of the folder."""
    names = tuple(sorted({DESCRIPTION, *(path.name for path in folder.iterdir())}))
    files.write_json(folder / DESCRIPTION, as_json(PageDescription(card=card, files=names)))


def _check_replaceable(target: Path) -> None:
    """Raises `InputError` if there is something else than a page at `target`, or a page with other files in it."""
    if not target.exists() and not target.is_symlink():
        return
    expected = f"a new name, or a page of `gan export` without other files at {target}"
    described = target / DESCRIPTION
    if target.is_symlink() or not described.is_file():
        raise InputError("The page cannot be written", expected=expected, received=str(target))
    page = convert(files.read_json(described), PageDescription, described)
    others = sorted({path.name for path in target.iterdir()} - set(page.files))
    if others:
        raise InputError("The page cannot be replaced", expected=expected, received=", ".join(others[:3]))


def _place(draft: Path, target: Path, before: Path) -> None:
    """Moves a complete page to `target`, and the page that was there to `before`. On an error it is moved back."""
    if target.exists():
        target.rename(before)
    try:
        draft.rename(target)
    except BaseException:  # also of a signal
        with suppress(OSError):
            before.rename(target)
        raise
